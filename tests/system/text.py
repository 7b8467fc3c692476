"""A program that writes an endless text into log/lines, from a position in it on, until it cannot.

    text.py LINES NOTE POSITION

LINES is the file to write to. Each piece of some 300 kB goes in by two writes, so that most lines are cut where one
write ends. NOTE holds the position that was reached by acknowledged writes.
"""

import errno
import os
import sys

PIECE_SIZE = 300_000  # bytes at least


def line(position):
    """The line of the text that begins at a position."""
    return b"%d " % position + b"." * (position * 7919 % 3000) + b"\n"


def piece(position):
    """The lines from a position on, as many as go in at once."""
    lines = b""
    while len(lines) < PIECE_SIZE:
        lines += line(position + len(lines))
    return lines


def main():
    path, note, position = sys.argv[1], sys.argv[2], int(sys.argv[3])
    try:
        handle = os.open(path, os.O_WRONLY)
        while True:
            lines = piece(position)
            half = position % PIECE_SIZE
            for data in (lines[:half], lines[half:]):
                if os.write(handle, data) != len(data):
                    sys.exit("a write was cut short")
            position += len(lines)
            with open(note + ".new", "w", encoding="ascii") as file:
                file.write(str(position))
            os.rename(note + ".new", note)
    except OSError as error:
        if error.errno not in (errno.ECONNABORTED, errno.ENOTCONN):
            raise


if __name__ == "__main__":
    main()
