"""What the kernel saw: the record was on its way to the disk, and the sync done, before the write was answered."""

import os
import re
import shutil
import signal
import struct

import member
from wait import until

FUSE_WRITE = 16  # opcode, in linux/fuse.h
CALLS = "read,readv,splice,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,sync_file_range"
MARK = b"a record that is looked for in the trace"


def plain(text):
    """The bytes that strace -xx shows as \\x61\\x62."""
    return bytes.fromhex(text.replace("\\x", ""))


class Call:
    """One system call of a trace. began and ended are line numbers: the trace's order."""

    def __init__(self, name, text, began, ended):
        self.name = name
        self.path = plain((re.match(r"\d+<([^>]*)>", text) or [None, ""])[1]).decode()
        self.bytes = b"".join(map(plain, re.findall(r'"((?:\\x..)*)"', text)))
        found = re.search(r"= (-?\d+)(?: [^=]*)?$", text)
        self.result = int(found[1]) if found else None
        self.began, self.ended = began, ended


def calls(lines):
    """The calls in the lines of strace -f -y -xx, unfinished and resumed halves joined; last those that never ended."""
    pending = {}
    for number, line in enumerate(lines):
        thread, _, text = line.partition(" ")
        text = text.strip()
        resumed = re.match(r"<\.\.\. (\w+) resumed>(.*)", text)
        began = re.match(r"(\w+)\((.*)", text)
        if resumed and thread in pending:
            name, head, begun = pending.pop(thread)
            yield Call(name, head + resumed[2], begun, number)
        elif began and text.endswith("<unfinished ...>"):
            pending[thread] = (began[1], began[2].removesuffix("<unfinished ...>"), number)
        elif began:
            yield Call(began[1], began[2], number, number)
    for name, head, begun in pending.values():
        yield Call(name, head, begun, len(lines))


class SyncBeforeReply(member.MemberTest):
    """One append under strace."""

    def trace(self, action):
        """The calls that clogd makes during an action."""
        self.assertTrue(shutil.which("strace"), "without strace the order of sync and reply cannot be seen")
        path, said = self.member.folder + "/trace", self.member.folder + "/strace.said"
        with open(said, "wb") as output:
            strace = self.spawn(["strace", "-f", "-y", "-xx", "-s", "100000", "-e", "signal=none", "-e",
                                 "trace=" + CALLS, "-o", path, "-p", str(self.member.process.pid)], stderr=output)
        until(lambda: b"attached" in member.read(said) or strace.poll() is not None, what="strace attaches to clogd")
        self.assertIsNone(strace.poll(), f"strace cannot attach to clogd: {member.read(said).decode()}")
        action()
        strace.send_signal(signal.SIGINT)
        strace.wait(20)
        with open(path, encoding="ascii", errors="replace") as file:
            return list(calls(file.read().splitlines()))

    def assert_order(self, path):
        """Appends to a file while clogd is traced, and checks the order of its calls."""
        def action():
            handle = os.open(self.member.path(path), os.O_WRONLY)
            try:
                self.assertEqual(os.write(handle, MARK + b"\n"), len(MARK) + 1)
            finally:
                os.close(handle)

        found = self.trace(action)
        request = [call for call in found if call.path == "/dev/fuse" and call.name in ("read", "readv")
                   and MARK in call.bytes and struct.unpack_from("=II", call.bytes)[1] == FUSE_WRITE]
        self.assertEqual(len(request), 1, "the write's request is read from /dev/fuse once")
        unique = struct.unpack_from("=IIQ", request[0].bytes)[2]
        reply = [call for call in found if call.path == "/dev/fuse" and call.name in ("write", "writev")
                 and len(call.bytes) >= 16 and struct.unpack_from("=IiQ", call.bytes)[2] == unique]
        self.assertEqual(len(reply), 1, "the write is answered once")
        self.assertEqual(struct.unpack_from("=IiQI", reply[0].bytes)[1:], (0, unique, len(MARK) + 1), "the answer")
        stored = [call for call in found if call.path.startswith(self.member.data + "/") and MARK in call.bytes]
        self.assertEqual(len(stored), 1, "the record is written once")
        self.assertGreater(stored[0].began, request[0].ended)
        self.assertTrue(self.synced(found, stored[0], reply[0]), "no sync of the record's file was done between the "
                        "write of the record and the reply")

    def synced(self, found, stored, reply):
        """A sync of the file was begun after the write of the record, and done, with success, before the reply."""
        return any(call.name in ("fsync", "fdatasync") and call.path == stored.path and call.result == 0
                   and stored.ended < call.began and call.ended < reply.began for call in found)

    def test_an_append_is_synced_before_it_is_answered(self):
        self.assert_order("append")
        self.assert_log([MARK + b"\n"])

    def test_lines_are_synced_before_they_are_answered(self):
        self.assert_order("log/lines")
        self.assert_log([MARK + b"\n"])


if __name__ == "__main__":
    member.main()
