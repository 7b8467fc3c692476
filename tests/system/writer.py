"""A program that appends until it cannot, and notes each append that was acknowledged.

    writer.py MODE MOUNT NOTES LOAD WRITER

MODE is append (one handle), open (a handle for each write) or lines (batches). Notes are lines of text: "NUMBER FIRST
COUNT" for an acknowledged write, as the handle tells it, and at the end "failed NUMBER ERRNO PLACE". What write NUMBER
of a load and a writer holds is a function of these, so that who reads the log can check each byte.
"""

import os
import sys


def payload(mode, load, writer, number):
    """The records of one write."""
    if mode == "lines":
        return [b"%d %d %d %d " % (load, writer, number, i) + b"-" * ((number * 7 + i) % 50) + b"\n"
                for i in range(number % 20 + 1)]
    size = 300_000 if number % 100 == 99 else number * 37 % 200
    return [b"%d %d %d 0 " % (load, writer, number) + b"=" * size + b"\n"]


def append(handle, mode, number, data, notes):
    """One write, and its note."""
    size = os.write(handle, data)
    if size != len(data):
        raise OSError(0, f"a write of {len(data)} bytes wrote {size}")
    try:
        answer = os.read(handle, 100).split()
    except OSError:
        answer = [b"?"]
    if mode != "lines":
        answer.append(b"1")
    os.write(notes, b"%d %s\n" % (number, b" ".join(answer)))


def main():
    mode, mount, notes_path, load, writer = sys.argv[1:]
    path = f"{mount}/log/{'lines' if mode == 'lines' else 'append'}"
    notes = os.open(notes_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    handle, number = -1, 0
    while True:
        data, place = b"".join(payload(mode, int(load), int(writer), number)), "open"
        try:
            if handle < 0:
                handle = os.open(path, os.O_RDWR)
            place = "write"
            append(handle, mode, number, data, notes)
            if mode == "open":
                place = "close"
                os.close(handle)
                handle = -1
        except OSError as error:
            os.write(notes, b"failed %d %d %s\n" % (number, error.errno, place.encode()))
            return
        number += 1


if __name__ == "__main__":
    main()
