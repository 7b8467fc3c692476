"""The records that the clients of a fault test append: lines whose every byte is a function of who sent them.

A record is "CLIENT NUMBER PLACE SIZE ", a filling, and a newline: record PLACE of operation NUMBER of a client. So
whoever finds one knows which operation it is of and what each of its bytes must be, and a joined stream of them can be
taken apart at the newlines.
"""

import random

SIZE_MIN = 64  # bytes: room for the four numbers
SIZE_MAX = 1_044_480

LETTERS = bytes(random.Random(1).choices(b"abcdefghijklmnopqrstuvwxyz0123456789", k=65_521))
FILLING = LETTERS * (SIZE_MAX // len(LETTERS) + 2)


def payload(client, number, place, size):
    """The bytes of a record."""
    head = b"%d %d %d %d " % (client, number, place, size)
    start = (client * 7_919 + number * 10_007 + place * 31) % len(LETTERS)
    return b"%s%s\n" % (head, FILLING[start:start + size - len(head) - 1])


def parse(data):
    """Whose record the bytes are by their own words, as (client, number, place, size), or None. Only the words are
    looked at: compare with payload()."""
    words = bytes(data[:SIZE_MIN]).split(b" ", 4)
    if len(words) != 5 or not all(word.isdigit() for word in words[:4]):
        return None
    return tuple(map(int, words[:4]))
