"""The checker: what clients did and were told, and what members have, against what clog promises.

    check.py RUN [--dump PROGRAM]

RUN/history has the clients' files (operations.py), RUN/lives when each member's process was there, a line "MEMBER START
END" for each (END 0: to the end), and RUN/stores what dump_log took from the members' data folders; with --dump it is
run first, on each RUN/members/NAME. A store whose name ends in .departed is of a member that left the cluster.

Prints a sentence for each promise that was broken, and exits 1 when there was one.

Everything that was seen of an offset (in a store, in an acknowledgement, in a read, in a tail) is a claim: this offset
holds this record. Claims have to agree: an operation is at one place, an offset holds one record.
"""

import errno
import glob
import os
import sys

import operations
import records
import stores
import views

SENTENCES_MAX = 10  # of each kind


class Checker:
    """Operations and stores, and the complaints about them."""

    def __init__(self):
        self.complaints = {}  # kind -> sentences
        self.clients = {}     # number -> operations
        self.streams = {}     # client number -> all bytes that its streams gave
        self.lives = {}       # member -> [(start, end)]
        self.stores = []
        self.owners = []      # offset -> operation

    def complain(self, kind, sentence):
        """A promise was broken."""
        self.complaints.setdefault(kind, []).append(sentence)

    def operations(self, *kinds):
        """All of these kinds."""
        return (operation for client in self.clients.values() for operation in client if operation.kind in kinds)

    # Taking in

    def load(self, run):
        """Reads a run's folder."""
        for path in sorted(glob.glob(f"{run}/history/*.history")):
            client, done = operations.load(path, lambda sentence: self.complain("history", sentence))
            if client in self.clients:
                self.complain("history", f"{path}: client {client} has another file, too")
            self.clients[client] = done
            if os.path.exists(path.replace(".history", ".bytes")):
                with open(path.replace(".history", ".bytes"), "rb") as file:
                    self.streams[client] = file.read()
        with open(f"{run}/lives", encoding="ascii") as lines:
            for member, start, end in (line.split() for line in lines):
                self.lives.setdefault(member, []).append((int(start), int(end) or 1 << 63))
        for path in sorted(glob.glob(f"{run}/stores/*.about")):
            name = os.path.basename(path)[:-len(".about")]
            self.stores.append(stores.Store(name, path[:-len(".about")], name.endswith(".departed")))

    def check(self):
        """All promises. Gives the count of broken ones."""
        if not self.clients or not self.stores:
            self.complain("history", "there is nothing to check: no history, or no member's log")
            return self.count()
        sound = stores.check_all(self.stores, self.complain)
        self.owners = [None] * (max([store.next for store in sound], default=0))
        self.take_stores(sound)
        self.take_acknowledged(sound)
        views.check(self)
        self.check_batches(sound)
        self.check_order()
        self.check_trims(sound)
        self.check_conditions()
        return self.count()

    def count(self):
        """Broken promises so far."""
        return sum(map(len, self.complaints.values()))

    # Claims

    def claim(self, offset, operation, place, who):
        """who has seen that the offset holds record `place` of the operation. False when that cannot be."""
        if operation.found is None:
            operation.found = offset - place
        elif operation.found != offset - place:
            self.complain("twice", f"record {place} of {operation.name()} ({operation.status}) is at offset {offset} "
                                   f"by {who}, and at {operation.found + place}")
            return False
        if offset >= len(self.owners):
            self.complain("beyond", f"{who} has seen record {place} of {operation.name()} at offset {offset}, and the "
                                    f"log ends at {len(self.owners)}")
            return False
        owner = self.owners[offset]
        if owner is None:
            self.owners[offset] = operation
        elif owner is not operation:
            self.complain("two", f"offset {offset} holds record {place} of {operation.name()} by {who}, and one of "
                                 f"{owner.name()}")
            return False
        return True

    def owner(self, offset, data, who):
        """Whose record the bytes are, every one of them checked: (operation, place), or None after a complaint."""
        words = records.parse(data)
        if words is None:
            self.complain("nobody", f"{who}: record {offset} is nobody's: {bytes(data[:60])!r}")
            return None
        client, number, place, size = words
        done = self.clients.get(client, ())
        operation = done[number] if number < len(done) else None
        if operation is None or place >= len(operation.sizes) or operation.sizes[place] != size:
            self.complain("nobody", f"{who}: record {offset} was never sent: {bytes(data[:60])!r}")
            return None
        if data != records.payload(client, number, place, size):
            self.complain("bytes", f"{who}: record {offset}, record {place} of {operation.name()}, has not the bytes "
                                   "that were sent")
            return None
        return operation, place

    # Promises

    def take_stores(self, sound):
        """Each record in a store is one that was sent, and not refused."""
        done = []  # stretches that were looked at, in another store with the same bytes
        for store in sound:
            known = store.known()
            data = memoryview(store.bytes)
            for offset, _, size, position in store.each():
                if offset >= known or any(first <= offset < end for first, end in done):
                    continue
                found = self.owner(offset, data[position:position + size], store.name)
                if found is None or not self.claim(offset, *found, store.name):
                    continue
                if found[0].status == "refused":
                    self.complain("refused", f"{found[0].name()} was refused ({errno_of(found[0])}), and is at offset "
                                             f"{offset} of {store.name}")
            if store.first < known:
                done.append((store.first, known))

    def take_acknowledged(self, sound):
        """What was acknowledged is there, at its offset."""
        first = min((store.first for store in sound if not store.departed), default=0)
        for operation in self.operations(*operations.WRITES):
            if operation.kind == "at" and operation.found not in (None, int(operation.asked[1])):
                self.complain("condition", f"{operation.name()} is at offset {operation.found}, and was to be at "
                                           f"{operation.asked[1]} or nowhere")
            if operation.status != "ok":
                continue
            if operation.offset is None:
                if operation.found is None and first == 0:
                    self.complain("lost", f"{operation.name()} was acknowledged, and is nowhere")
                continue
            if operation.found is None and operation.offset >= first:
                self.complain("lost", f"{operation.name()} was acknowledged at offset {operation.offset}, and is "
                                      "nowhere")
            elif operation.found not in (None, operation.offset):
                self.complain("moved", f"{operation.name()} was acknowledged at offset {operation.offset}, and is at "
                                       f"{operation.found}")
            else:
                for place in range(len(operation.sizes)):
                    if not self.claim(operation.offset + place, operation, place, "its acknowledgement"):
                        break

    def check_batches(self, sound):
        """Of a batch that is in the log, all is there, one after the other."""
        first = min((store.first for store in sound if not store.departed), default=0)
        for operation in self.operations("lines"):
            if operation.found is None:
                continue
            for offset in range(max(operation.found, first), operation.found + len(operation.sizes)):
                if offset >= len(self.owners) or self.owners[offset] is not operation:
                    self.complain("torn", f"of the {len(operation.sizes)} lines of {operation.name()}, which begin at "
                                          f"offset {operation.found}, line {offset - operation.found} is not there")
                    break

    def check_order(self):
        """What was sent after something was acknowledged is behind it."""
        placed = [operation for operation in self.operations(*operations.WRITES) if operation.found is not None]
        ended = sorted((operation for operation in placed if operation.status == "ok"),
                       key=lambda operation: operation.end)
        placed.sort(key=lambda operation: operation.start)
        highest, before = -1, None
        i = 0
        for operation in placed:
            while i < len(ended) and ended[i].end < operation.start:
                end = ended[i].found + len(ended[i].sizes) - 1
                if end > highest:
                    highest, before = end, ended[i]
                i += 1
            if operation.found <= highest:
                self.complain("order", f"{operation.name()} is at offset {operation.found}, and was sent after "
                                       f"{before.name()} was acknowledged, which is at {before.found}")

    def check_trims(self, sound):
        """Only what somebody wanted gone is gone."""
        asked = [int(trim.asked[0]) for trim in self.operations("trim") if trim.status != "refused"]
        most = max(asked, default=0)
        for store in sound:
            if store.first > most:
                self.complain("trimmed", f"{store.name} begins at offset {store.first}, and nobody has trimmed above "
                                         f"{most}")

    def check_conditions(self):
        """A conditional append is refused for what is true."""
        acknowledged = sorted((operation for operation in self.operations(*operations.WRITES)
                               if operation.status == "ok" and operation.found is not None),
                              key=lambda operation: operation.end)
        attempts = sorted((operation for operation in self.operations("at") if operation.status == "refused"),
                          key=lambda operation: operation.start)
        next_offset, i = 0, 0
        for attempt in attempts:
            while i < len(acknowledged) and acknowledged[i].end < attempt.start:
                next_offset = max(next_offset, acknowledged[i].found + len(acknowledged[i].sizes))
                i += 1
            code, expected = int(attempt.came[1]), int(attempt.asked[1])
            if code == errno.EEXIST and expected >= len(self.owners):
                self.complain("exists", f"{attempt.name()} was refused as if there were a record at {expected}, and the "
                                        f"log ends at {len(self.owners)}")
            if code == errno.ENXIO and expected <= next_offset:
                self.complain("ahead", f"{attempt.name()} was refused as if {expected} were past the log's end, and the "
                                       f"log had {next_offset} records before it was sent")

    def report(self):
        """Prints what is broken, or what was looked at."""
        for kind, sentences in self.complaints.items():
            for sentence in sentences[:SENTENCES_MAX]:
                print(f"{kind}: {sentence}")
            if len(sentences) > SENTENCES_MAX:
                print(f"{kind}: and {len(sentences) - SENTENCES_MAX} more")
        counts = {}
        for client in self.clients.values():
            for operation in client:
                key = operation.kind, operation.status
                counts[key] = counts.get(key, 0) + 1
        for (kind, status), number in sorted(counts.items()):
            print(f"checked: {number} {kind} {status}")
        for store in self.stores:
            print(f"checked: {store.name} has records {store.first} to {store.next}, {len(store.bytes)} bytes, entries "
                  f"to {store.last_entry}")


def errno_of(operation):
    """The name of what a refused operation was told."""
    return errno.errorcode.get(int(operation.came[1]), operation.came[1])


def main():
    run = sys.argv[1]
    checker = Checker()
    if sys.argv[2:3] == ["--dump"]:
        os.makedirs(f"{run}/stores", exist_ok=True)
        for data in sorted(glob.glob(f"{run}/members/*")):
            try:
                stores.dump(sys.argv[3], data, f"{run}/stores/{os.path.basename(data)}")
            except AssertionError as error:
                checker.complain("damaged", f"{os.path.basename(data)}: {error}")
    checker.load(run)
    broken = checker.check()
    checker.report()
    print(f"{broken} promises broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
