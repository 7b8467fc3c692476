"""Members' logs as dump_log.c takes them apart, and what holds among them."""

import array
import mmap
import os
import subprocess
import sys

ROW = 4  # numbers in a row of records and of entries


class Store:
    """One member's log. departed: it is no longer of the cluster, and only what it knew for committed counts."""

    def __init__(self, name, path, departed=False):
        self.name, self.departed = name, departed
        with open(f"{path}.about", encoding="ascii") as about:
            numbers = tuple(map(int, about.read().split()))
        self.first, self.next, self.first_entry, self.last_entry, self.commit, self.damaged = numbers
        self.records = self.take_rows(f"{path}.records") if not self.damaged else array.array("Q")
        self.entries = self.take_rows(f"{path}.entries") if not self.damaged else array.array("Q")
        self.bytes = self.take_bytes(f"{path}.bytes") if not self.damaged else b""

    def take_rows(self, path):
        """Rows of 64-bit numbers, little-endian."""
        rows = array.array("Q")
        with open(path, "rb") as file:
            rows.frombytes(file.read())
        if sys.byteorder == "big":
            rows.byteswap()
        return rows

    def take_bytes(self, path):
        """The joined bytes, mapped."""
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if os.fstat(file.fileno()).st_size else b""

    def each(self, first=0):
        """(offset, entry, size, position) of the records from an offset on."""
        rows, position = self.records, 0
        for i in range(0, len(rows), ROW):
            if rows[i] >= first:
                yield rows[i], rows[i + 1], rows[i + 3], position
            position += rows[i + 3]

    def position(self, offset):
        """Where a record begins in the bytes."""
        return sum(self.records[3:(offset - self.first) * ROW:ROW])

    def known(self):
        """The offset after the last record that counts."""
        if not self.departed:
            return self.next
        entries = self.records[1::ROW]
        low, high = 0, len(entries)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if entries[middle] <= self.commit else (low, middle)
        return self.first + low


def dump(program, data, path):
    """Takes a member's data folder apart. AssertionError with what is wrong with it."""
    result = subprocess.run([program, f"{data}/log", path], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise AssertionError(result.stderr.strip() or f"{program} ended with status {result.returncode}")


def check_one(store, complain):
    """What each log has to be by itself."""
    if store.damaged:
        complain("damaged", f"{store.name}: its log is damaged in {store.damaged} places")
        return False
    rows = store.records
    offsets = rows[0::ROW]
    if offsets != array.array("Q", range(store.first, store.first + len(offsets))):
        gap = next(i for i, offset in enumerate(offsets) if offset != store.first + i)
        complain("gap", f"{store.name}: offset {offsets[gap]} comes where {store.first + gap} is next")
        return False
    if store.first + len(offsets) != store.next or sum(rows[3::ROW]) != len(store.bytes):
        complain("gap", f"{store.name}: it says that it has records {store.first} to {store.next}, and has "
                        f"{len(offsets)} of {len(store.bytes)} bytes")
        return False
    terms = store.entries[1::ROW]
    if any(a > b for a, b in zip(terms, terms[1:])):
        complain("terms", f"{store.name}: the terms of its entries go down")
    entries = store.entries[0::ROW]
    if entries and entries != array.array("Q", range(entries[0], entries[0] + len(entries))):
        complain("entries", f"{store.name}: its entries are not dense")
        return False
    return True


def compare(a, b, complain):
    """Two logs are the same where both have what counts."""
    first, last = max(a.first, b.first), min(a.known(), b.known())
    if first < last:
        left, right = a.records, b.records
        rows = [left[(first - a.first) * ROW:(last - a.first) * ROW],
                right[(first - b.first) * ROW:(last - b.first) * ROW]]
        size = sum(rows[0][3::ROW])
        begins = a.position(first), b.position(first)
        same = rows[0] == rows[1]
        if not same or memoryview(a.bytes)[begins[0]:begins[0] + size] != memoryview(b.bytes)[
                begins[1]:begins[1] + size]:
            complain("differ", f"{a.name} and {b.name} differ in {first_difference(a, b, first, last)}")
            return
    lasts = [min(store.last_entry, store.commit) if store.departed else store.last_entry for store in (a, b)]
    first, last = max(a.first_entry, b.first_entry), min(lasts)
    if first <= last and (a.entries[(first - a.first_entry) * ROW:(last + 1 - a.first_entry) * ROW]
                          != b.entries[(first - b.first_entry) * ROW:(last + 1 - b.first_entry) * ROW]):
        complain("differ", f"{a.name} and {b.name} have the same records and other entries, somewhere in {first} to "
                           f"{last}")


def first_difference(a, b, first, last):
    """Names the first record that is not the same."""
    for left, right in zip(a.each(first), b.each(first)):
        if left[0] >= last:
            break
        one = a.bytes[left[3]:left[3] + left[2]]
        two = b.bytes[right[3]:right[3] + right[2]]
        if left[:3] != right[:3] or one != two:
            place = next((i for i, pair in enumerate(zip(one, two)) if pair[0] != pair[1]), min(len(one), len(two)))
            return (f"record {left[0]}: entries {left[1]} and {right[1]}, {left[2]} and {right[2]} bytes, from byte "
                    f"{place} on {one[place:place + 40]!r} and {two[place:place + 40]!r}")
    return f"the terms of records {first} to {last}"


def check_all(stores, complain):
    """All logs by themselves and to each other. Gives those that can be looked into, the longest first."""
    sound = [store for store in stores if check_one(store, complain)]
    sound.sort(key=lambda store: (store.departed, -store.next))
    for store in sound[1:]:
        compare(sound[0], store, complain)
        if not store.departed and store.next != sound[0].next:
            complain("short", f"{store.name} ends at offset {store.next}, and {sound[0].name} at {sound[0].next}")
        if store.departed and store.known() > sound[0].next:
            complain("lost", f"{store.name} knew records up to {store.known()} for committed, and {sound[0].name} ends "
                             f"at {sound[0].next}")
    return sound
