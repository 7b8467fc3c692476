"""The checker finds what it is for: each broken promise, made from a good run by one change, is found and named."""

import array
import copy
import errno
import io
import os
import random
import sys
import tempfile
import time
import unittest
from contextlib import redirect_stdout

import check
import operations
import records

MEMBERS = ("n1", "n2", "n3")
ENTRIES_BEFORE = 5  # of the cluster's beginning


class Run:
    """A run as it is written down: lines of history and members' logs, which a test may spoil before it is saved."""

    def __init__(self, rounds=30, seed=1):
        self.dice = random.Random(seed)
        self.now, self.term = 1000, 3
        self.log = []      # (entry, term, bytes)
        self.entries = [[i + 1, 1, 3, i] for i in range(ENTRIES_BEFORE)]
        self.history = {}  # client -> lines
        self.streams = {}  # client -> bytes
        self.counts = {}
        self.lives = [[member, 0, 0] for member in MEMBERS]
        for client in range(1, 10):
            self.history[client] = [f"client {client} {MEMBERS[client % 3]}"]
        for _ in range(rounds):
            self.play()
        self.stores = {member: {"first": 0, "records": copy.deepcopy(self.log), "commit": len(self.entries),
                                "entries": copy.deepcopy(self.entries), "damaged": 0} for member in MEMBERS}

    # A good run

    def op(self, client, kind, asked, came, appended=()):
        """One operation, of which the sizes in appended come to the log. Gives its number."""
        number = self.counts.get(client, 0)
        self.counts[client] = number + 1
        self.now += 10
        self.history[client].append(f"s {number} {kind} {self.now}{''.join(f' {word}' for word in asked)}")
        if appended:
            self.entries.append([len(self.entries) + 1, self.term, 1, self.dice.getrandbits(32)])
        for place, size in enumerate(appended):
            self.log.append([len(self.entries), self.term, records.payload(client, number, place, size)])
        self.now += 10
        if came:
            self.history[client].append(f"e {number} {self.now} {came}")
        return number

    def play(self):
        """Each kind of operation once, and what may come of it."""
        size = self.dice.randrange(64, 300)
        self.op(1, "append", [size], f"ok {len(self.log)}", [size])
        self.op(7, "read", [len(self.log) - 1], self.shows(len(self.log) - 1))
        sizes = [self.dice.randrange(64, 200) for _ in range(self.dice.randrange(2, 6))]
        self.op(2, "lines", [",".join(map(str, sizes))], f"ok {len(self.log)} {len(sizes)}", sizes)
        self.op(8, "next", [], f"ok {len(self.log)}")
        self.op(3, "at", [size, len(self.log)], "ok", [size])
        self.op(3, "at", [size, len(self.log) - 1], f"no {errno.EEXIST} open")
        self.op(3, "at", [size, len(self.log) + 9], f"no {errno.ENXIO} write")
        self.op(4, "append", [size], f"no {errno.ETIMEDOUT} write", [size])
        self.op(4, "append", [size], f"no {errno.ETIMEDOUT} write")
        self.op(4, "append", [size], f"no {errno.EHOSTUNREACH} write")
        self.op(4, "append", [size], "ok ?", [size])
        self.op(7, "read", [len(self.log)], f"no {errno.ENOENT} open")
        self.tail(9, max(0, len(self.log) - 9))

    def shows(self, offset):
        """What a read of the record comes with."""
        data = self.log[offset][2]
        return f"ok {','.join(map(str, records.parse(data)))} {operations.digest(data)}"

    def tail(self, client, offset):
        """A stream that is read from the middle of a record on to the end."""
        joined = b"".join(record[2] for record in self.log[offset:])[30:]
        before = 30 + offset  # any place but the beginning is as good for the checker
        begin = len(self.streams.get(client, b""))
        self.streams.setdefault(client, bytearray()).extend(joined)
        self.op(client, "stream", [before], f"ok {begin} {len(joined)}")

    # Spoiling it

    def find(self, client, word, nth=0):
        """The place in a client's history of the nth line with a word in it."""
        return [i for i, line in enumerate(self.history[client]) if word in line.split()][nth]

    def offset(self, client, number, place=0):
        """Where a record is."""
        return next(i for i, record in enumerate(self.log) if records.parse(record[2])[:3] == (client, number, place))

    def drop(self, offset, members=MEMBERS):
        """The record was never in the log."""
        for member in members:
            del self.stores[member]["records"][offset]

    def change(self, offset, data, members=MEMBERS):
        """The record has other bytes."""
        for member in members:
            self.stores[member]["records"][offset][2] = data

    def insert(self, offset, data):
        """A record more."""
        for store in self.stores.values():
            store["records"].insert(offset, [store["records"][offset][0], self.term, data])

    def tail_pieces(self):
        """The records of the last tail, and where its bytes begin."""
        line = self.history[9][-1].split()
        data = self.streams[9][int(line[4]):]
        return data.splitlines(keepends=True), int(line[4])

    def put_tail(self, pieces, begin):
        """The last tail saw these."""
        self.streams[9] = self.streams[9][:begin] + b"".join(pieces)
        words = self.history[9][-1].split()
        words[5] = str(len(self.streams[9]) - begin)
        self.history[9][-1] = " ".join(words)

    # Saving it

    def save(self, folder):
        """Writes the files that the checker reads."""
        for name in ("history", "stores"):
            os.mkdir(f"{folder}/{name}")
        for client, lines in self.history.items():
            with open(f"{folder}/history/{client:02}.history", "w", encoding="ascii") as file:
                file.write("\n".join(lines) + "\n")
        for client, data in self.streams.items():
            with open(f"{folder}/history/{client:02}.bytes", "wb") as file:
                file.write(data)
        with open(f"{folder}/lives", "w", encoding="ascii") as file:
            file.writelines(f"{member} {start} {end}\n" for member, start, end in self.lives)
        for name, store in self.stores.items():
            self.save_store(f"{folder}/stores/{name}", store)

    def save_store(self, path, store):
        """One member's log, as dump_log writes it."""
        first, kept = store["first"], store["records"][store["first"]:]
        offsets = store.get("offsets", range(first, first + len(kept)))
        rows = array.array("Q")
        for offset, (entry, term, data) in zip(offsets, kept):
            rows.extend((offset, entry, term, len(data)))
        for suffix, data in (("records", rows.tobytes()), ("bytes", b"".join(record[2] for record in kept)),
                             ("entries", array.array("Q", sum(store["entries"], [])).tobytes())):
            with open(f"{path}.{suffix}", "wb") as file:
                file.write(data)
        with open(f"{path}.about", "w", encoding="ascii") as file:
            file.write(f"{first} {first + len(kept)} {store['entries'][0][0]} {store['entries'][-1][0]} "
                       f"{store['commit']} {store['damaged']}\n")


# Each makes one promise broken. The name is the sentence that is to be found: its kind, and words of it.


def lost_everywhere(run):
    run.drop(len(run.log) - 1)
    run.log.pop()


def append_of_1(run, nth):
    """The end line of client 1's nth append."""
    return run.find(1, "ok", nth)


def lose_acknowledged(run):
    """At the log's end, so that nothing else moves."""
    run.op(1, "append", [100], f"ok {len(run.log)}")


def lose_unplaced(run):
    run.op(1, "append", [100], "ok ?")


def lose_on_one(run):
    run.drop(len(run.log) - 1, ("n2",))


def acknowledge_elsewhere(run):
    run.history[1][append_of_1(run, 20)] = run.history[1][append_of_1(run, 20)].rsplit(" ", 1)[0] + " 3"


def append_twice(run):
    for store in run.stores.values():
        store["records"].append(store["records"][run.offset(1, 4)])


def append_unknown_twice(run):
    for store in run.stores.values():
        store["records"].append(store["records"][run.offset(4, 0)])


def append_refused(run):
    for store in run.stores.values():
        store["records"].append([len(run.entries), run.term, records.payload(4, 2, 0, sizes_of(run, 4, 2)[0])])


def append_refused_condition(run):
    for store in run.stores.values():
        store["records"].append([len(run.entries), run.term, records.payload(3, 1, 0, sizes_of(run, 3, 1)[0])])


def sizes_of(run, client, number):
    """What an operation sent."""
    return [int(size) for size in run.history[client][run.find(client, "s", number)].split()[4].split(",")]


def append_unsent(run):
    for store in run.stores.values():
        store["records"].append([len(run.entries), run.term, records.payload(1, 99_999, 0, 100)])


def append_nobodys(run):
    for store in run.stores.values():
        store["records"].append([len(run.entries), run.term, b"who wrote this?\n"])


def change_bytes(run):
    data = bytearray(run.log[40][2])
    data[-2] ^= 1
    run.change(40, bytes(data))


def change_size(run):
    client, number, place, size = records.parse(run.log[0][2])
    run.change(0, records.payload(client, number, place, size + 1))


def change_on_one(run):
    data = bytearray(run.log[40][2])
    data[-2] ^= 1
    run.change(40, bytes(data), ("n3",))


def move_entry_on_one(run):
    run.stores["n3"]["records"][40][0] += 1


def change_header_on_one(run):
    run.stores["n1"]["entries"][10][3] ^= 1


def swap_records(run):
    for store in run.stores.values():
        one, two = run.offset(1, 5), run.offset(1, 12)
        store["records"][one], store["records"][two] = store["records"][two], store["records"][one]


def answer_unknown_in_wrong_order(run):
    """An unknown one, found before what was acknowledged earlier: two unknown ones change places."""
    one, two = run.offset(4, 0), run.offset(4, 8)
    sizes = len(run.log[one][2]), len(run.log[two][2])
    for store in run.stores.values():
        store["records"][one], store["records"][two] = store["records"][two], store["records"][one]
    assert sizes[0] > 0


def condition_elsewhere(run):
    """An unknown conditional append is where it was not to be."""
    number = run.op(3, "at", [100, len(run.log) - 5], f"no {errno.ETIMEDOUT} write")
    for store in run.stores.values():
        store["records"].append([len(run.entries), run.term, records.payload(3, number, 0, 100)])


def tear_batch(run):
    run.op(2, "lines", ["70,70,70"], f"no {errno.ETIMEDOUT} write")
    number = run.counts[2] - 1
    for store in run.stores.values():
        store["records"] += [[len(run.entries), run.term, records.payload(2, number, place, 70)] for place in (0, 1)]


def part_batch(run):
    run.op(2, "lines", ["70,70"], f"no {errno.ETIMEDOUT} write")
    other = run.op(4, "append", [100], f"no {errno.ETIMEDOUT} write")
    number = run.counts[2] - 1
    for store in run.stores.values():
        store["records"] += [[len(run.entries), run.term, data] for data in (
            records.payload(2, number, 0, 70), records.payload(4, other, 0, 100), records.payload(2, number, 1, 70))]


def trim(run):
    """The first 33 records are gone from all stores, and rightly so."""
    run.op(1, "trim", [40], "ok")
    for store in run.stores.values():
        store["first"] = 33


def acknowledge_same_offset(run):
    trim(run)
    run.op(1, "append", [100], f"ok {run.offset(3, 0)}")


def read_refused(run):
    """What is trimmed is known by what was seen of it alone: here, nothing but this."""
    trim(run)
    run.history[9], run.counts[9] = run.history[9][:1], 0
    run.op(7, "read", [run.offset(4, 0)], "ok 4,2,0,%d %s" % (
        sizes_of(run, 4, 2)[0], operations.digest(records.payload(4, 2, 0, sizes_of(run, 4, 2)[0]))))


def skip_offset(run):
    run.stores["n2"]["offsets"] = [i + (i >= 50) for i in range(len(run.log))]


def lower_term(run):
    for store in run.stores.values():
        store["entries"][20][1] = 2


def damage(run):
    run.stores["n1"]["damaged"] = 1


def read_other_record(run):
    run.op(7, "read", [5], run.shows(6))


def read_changed_bytes(run):
    run.op(7, "read", [5], run.shows(5)[:-1] + "x")


def read_nobodys(run):
    run.op(7, "read", [5], "ok ? 00")


def read_past_end(run):
    run.op(7, "read", [len(run.log)], run.shows(5))


def not_read_own(run):
    """Client 1 is on n2, as 7 is: what 1 was told last is there for 7."""
    run.op(7, "read", [run.offset(1, 29)], f"no {errno.ENOENT} open")


def not_read_again(run):
    run.op(8, "read", [len(run.log) - 1], run.shows(len(run.log) - 1))
    run.op(8, "read", [len(run.log) - 1], f"no {errno.ENOENT} open")


def next_goes_back(run):
    run.op(8, "next", [], "ok 9")


def next_past_end(run):
    run.op(8, "next", [], f"ok {len(run.log) + 1}")


def tail_loses(run):
    pieces, begin = run.tail_pieces()
    run.put_tail(pieces[:3] + pieces[4:], begin)


def tail_doubles(run):
    pieces, begin = run.tail_pieces()
    run.put_tail(pieces[:4] + pieces[3:], begin)


def tail_changes(run):
    pieces, begin = run.tail_pieces()
    run.put_tail(pieces[:3] + [pieces[3][:-2] + b"!\n"] + pieces[4:], begin)


def tail_goes_past_the_end(run):
    pieces, begin = run.tail_pieces()
    run.put_tail(pieces + [records.payload(4, 2, 0, sizes_of(run, 4, 2)[0])], begin)


def trim_unasked(run):
    run.stores["n2"]["first"] = 10


def trim_too_far(run):
    run.op(1, "trim", [9], "ok")
    run.stores["n2"]["first"] = 10


def stale_unasked(run):
    run.op(9, "stream", [0], f"no {errno.ESTALE} read {len(run.streams[9])} 0")


def exists_where_nothing_is(run):
    run.op(3, "at", [100, len(run.log)], f"no {errno.EEXIST} write")


def ahead_where_it_is_not(run):
    run.op(3, "at", [100, len(run.log) - 3], f"no {errno.ENXIO} write")


def strange_errno(run):
    run.op(1, "append", [100], f"no {errno.EPERM} write")


def departed_knew_more(run):
    for member in ("n1", "n2"):
        run.stores[member]["records"].pop()
    run.log.pop()
    run.stores["n3.departed"] = run.stores.pop("n3")


def cut_history(run):
    run.history[1][-1] = "e 99"


VIOLATIONS = [
    (lose_acknowledged, "lost", "was acknowledged at offset"),
    (lose_unplaced, "lost", "was acknowledged, and is nowhere"),
    (lose_on_one, "short", "n2 ends at offset"),
    (lost_everywhere, "lost", "and is nowhere"),
    (acknowledge_elsewhere, "moved", "was acknowledged at offset 3, and is at"),
    (append_twice, "twice", "append 1/4 (ok) is at offset"),
    (append_unknown_twice, "twice", "append 4/0 (unknown) is at offset"),
    (append_refused, "refused", "append 4/2 was refused (EHOSTUNREACH)"),
    (append_refused_condition, "refused", "at 3/1 was refused (EEXIST)"),
    (append_unsent, "nobody", "was never sent"),
    (append_nobodys, "nobody", "is nobody's"),
    (change_bytes, "bytes", "record 40"),
    (change_size, "nobody", "record 0 was never sent"),
    (change_on_one, "differ", "n1 and n3 differ in record 40"),
    (move_entry_on_one, "differ", "n1 and n3 differ in record 40"),
    (change_header_on_one, "differ", "the same records and other entries"),
    (swap_records, "order", "was sent after"),
    (answer_unknown_in_wrong_order, "order", "append 4/8 is at offset"),
    (condition_elsewhere, "condition", "or nowhere"),
    (tear_batch, "torn", "line 2 is not there"),
    (part_batch, "twice", "record 1 of lines 2/30"),
    (acknowledge_same_offset, "two", "by its acknowledgement, and one of append 1/31"),
    (read_refused, "refused", "and read 7/60 has read it"),
    (skip_offset, "gap", "n2: offset 51 comes where 50 is next"),
    (lower_term, "terms", "go down"),
    (damage, "damaged", "n1: its log is damaged"),
    (read_other_record, "twice", "by read 7/60"),
    (read_changed_bytes, "read", "other bytes than any that were sent"),
    (read_nobodys, "read", "gave nobody's bytes"),
    (read_past_end, "twice", "by read 7/60"),
    (not_read_own, "own", "did not find record"),
    (not_read_again, "own", "after read 8/30 there had shown it"),
    (next_goes_back, "next", "said 9 after"),
    (next_past_end, "beyond", "and the log ends at"),
    (tail_loses, "tail", "too early"),
    (tail_doubles, "tail", "again"),
    (tail_changes, "bytes", "stream 9/29"),
    (tail_goes_past_the_end, "beyond", "stream 9/29 has seen record 0 of append 4/2"),
    (trim_unasked, "trimmed", "n2 begins at offset 10, and nobody has trimmed above 0"),
    (trim_too_far, "trimmed", "n2 begins at offset 10, and nobody has trimmed above 9"),
    (stale_unasked, "trimmed", "and nobody has trimmed"),
    (exists_where_nothing_is, "exists", "as if there were a record at"),
    (ahead_where_it_is_not, "ahead", "were past the log's end"),
    (strange_errno, "history", "does not fail at write with EPERM"),
    (departed_knew_more, "lost", "n3.departed knew records up to"),
    (cut_history, "history", "out of its order"),
]


class TestChecker(unittest.TestCase):
    """Good runs pass, spoilt ones do not."""

    def judge(self, run):
        """What the checker says of a run."""
        with tempfile.TemporaryDirectory(prefix="clog-check.") as folder:
            run.save(folder)
            checker = check.Checker()
            checker.load(folder)
            checker.check()
            return checker.complaints

    def test_a_good_run_passes(self):
        self.assertEqual(self.judge(Run()), {})

    def test_what_is_allowed_passes(self):
        """A trim that was asked for; a member that left behind, with more than was committed; a client that was ended;
        a life that ended before a read."""
        run = Run()
        run.op(1, "trim", [40], "ok")
        run.op(1, "append", [100], "")
        for member in MEMBERS:
            run.stores[member]["first"] = 33
        left = run.stores["n9.departed"] = copy.deepcopy(run.stores["n2"])
        left["commit"] = left["records"][90][0]
        del left["records"][95:]
        left["records"][94][2] = records.payload(1, 29, 0, 77)
        left["entries"] = [entry for entry in left["entries"] if entry[0] <= left["records"][94][0]]
        left["entries"][-1][3] ^= 1
        run.lives = [[member, 0, run.now] for member in MEMBERS]
        run.op(7, "read", [len(run.log) - 1], f"no {errno.ENOENT} open")
        self.assertEqual(self.judge(run), {})

    def test_each_broken_promise_is_found(self):
        for spoil, kind, words in VIOLATIONS:
            with self.subTest(spoil.__name__):
                run = Run()
                spoil(run)
                complaints = self.judge(run)
                self.assertIn(kind, complaints, f"found instead: {complaints}")
                self.assertTrue(any(words in sentence for sentence in complaints[kind]), complaints[kind][:5])

    def test_nothing_is_not_a_good_run(self):
        run = Run(1)
        run.stores = {}
        self.assertIn("history", self.judge(run))

    def test_the_report_counts(self):
        with tempfile.TemporaryDirectory(prefix="clog-check.") as folder, redirect_stdout(io.StringIO()) as out:
            Run(5).save(folder)
            sys.argv = ["check.py", folder]
            self.assertEqual(check.main(), 0)
        self.assertIn("checked: 5 lines ok", out.getvalue())
        self.assertIn("0 promises broken", out.getvalue())


if __name__ == "__main__":
    if sys.argv[1:] == ["--large"]:  # how long a large run takes to be checked; not a test
        start = time.monotonic()
        large = Run(80_000)
        with tempfile.TemporaryDirectory() as place:
            large.save(place)
            print(f"made in {time.monotonic() - start:.0f} s", flush=True)
            start = time.monotonic()
            sys.argv = ["check.py", place]
            check.main()
            print(f"checked in {time.monotonic() - start:.0f} s")
    else:
        unittest.main(verbosity=2)
