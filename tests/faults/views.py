"""What readers saw: single records, the log's end, the joined stream."""

import errno

import operations
import records


def check(checker):
    """All that was read against the claims, and what a mount must show to its own writers."""
    check_streams(checker)
    check_reads(checker)
    check_own_writes(checker)


def check_reads(checker):
    """A record that was read is the one of its offset, byte for byte."""
    for read in checker.operations("read"):
        if read.status != "ok":
            continue
        offset = int(read.asked[0])
        if read.came[1] == "?":
            checker.complain("read", f"{read.name()} of record {offset} gave nobody's bytes")
            continue
        client, number, place, size = map(int, read.came[1].split(","))
        if operations.digest(records.payload(client, number, place, size)) != read.came[2]:
            checker.complain("read", f"{read.name()} of record {offset} gave other bytes than any that were sent")
            continue
        found = checker.owner(offset, records.payload(client, number, place, size), read.name())
        if found:
            seen(checker, offset, *found, read.name())


def seen(checker, offset, operation, place, who):
    """A reader saw a record: nothing may contradict that, and it was not refused."""
    if checker.claim(offset, operation, place, who) and operation.status == "refused":
        checker.complain("refused", f"{operation.name()} was refused, and {who} has read it at offset {offset}")


def check_own_writes(checker):
    """What a member has acknowledged or shown it shows to who asks afterwards, as long as its process lives; nothing
    that was trimmed, and log/next goes with it."""
    trims = [int(trim.asked[0]) for trim in checker.operations("trim") if trim.status != "refused"]
    trimmed = max(trims, default=0)
    events = {}  # member -> (time, order, offset shown or None, read or None)
    for operation in checker.operations(*operations.WRITES):
        if operation.status == "ok" and operation.found is not None:
            events.setdefault(operation.member, []).append(
                (operation.end, 0, operation.found + len(operation.sizes), operation))
    for read in checker.operations("read", "next"):
        if read.end is None:
            continue
        shown = int(read.came[1]) if read.kind == "next" and read.status == "ok" else 0
        if read.kind == "read" and read.status == "ok":
            shown = int(read.asked[0]) + 1
        if shown > len(checker.owners):
            checker.complain("beyond", f"{read.name()} said {shown}, and the log ends at {len(checker.owners)}")
        events.setdefault(read.member, []).append((read.end, 0, shown, read))
        events[read.member].append((read.start, 1, None, read))
    for member, happened in events.items():
        for start, end in checker.lives.get(member, ()):
            within = [event for event in happened if start <= event[0] <= end]
            follow(checker, sorted(within, key=lambda event: event[:2]), end, trimmed)


def follow(checker, events, end, trimmed):
    """One life of one member, in the order of time."""
    shown, by = 0, None
    floors = {}  # id of a read under way -> what it must show
    for _, _, offset, operation in events:
        if offset is None:
            floors[id(operation)] = shown, by
            continue
        floor, floor_by = floors.pop(id(operation), (0, None))
        if operation.kind == "next" and operation.status == "ok" and offset < floor:
            checker.complain("next", f"{operation.name()} on {operation.member} said {offset} after {floor_by.name()} "
                                     f"there had shown {floor} records")
        if (operation.kind == "read" and operation.status == "failed" and operation.end <= end
                and int(operation.came[1]) == errno.ENOENT and trimmed <= int(operation.asked[0]) < floor):
            checker.complain("own", f"{operation.name()} on {operation.member} did not find record "
                                    f"{operation.asked[0]} after {floor_by.name()} there had shown it")
        if offset > shown:
            shown, by = offset, operation


def check_streams(checker):
    """A stream gives each record once, in order; it may begin and end within one."""
    for stream in checker.operations("stream"):
        if stream.end is None or len(stream.came) < 3:
            continue
        position, size = map(int, stream.came[-2:])
        data = checker.streams.get(stream.client, b"")[position:position + size]
        if len(data) != size:
            checker.complain("history", f"{stream.name()}: its bytes are not all in its client's file")
            continue
        if stream.status == "failed" and int(stream.came[1]) == errno.ESTALE and not any(checker.operations("trim")):
            checker.complain("trimmed", f"{stream.name()} was told that its place was trimmed, and nobody has trimmed")
        pieces = data.split(b"\n")
        pieces.pop()  # the last one is cut, or empty
        if int(stream.asked[0]) > 0 and pieces:
            pieces.pop(0)  # it may have begun anywhere
        follow_stream(checker, stream, pieces)


def follow_stream(checker, stream, pieces):
    """Record after record: the first one that has a place gives all of them theirs."""
    owners, place_of = [], None
    for piece in pieces:
        found = checker.owner("?", piece + b"\n", stream.name())
        if found is None:
            return
        owners.append(found)
        if place_of is None and found[0].found is not None:
            place_of = found[0].found + found[1] - len(owners) + 1
    if place_of is None:
        return
    for i, (operation, place) in enumerate(owners):
        expected = place_of + i
        if operation.found is not None and operation.found + place != expected:
            what = "again" if operation.found + place < expected else "too early"
            checker.complain("tail", f"{stream.name()} on {stream.member} gave record {operation.found + place} {what}: "
                                     f"{expected} was next")
            return
        seen(checker, expected, operation, place, stream.name())
