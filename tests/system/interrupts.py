"""Writers that wait for a quorum, and get signals: a handler makes no duplicate, a death is at once, and what was being
written is there whole or not at all."""

import os
import signal

import kernel
from cluster import ClusterTest
from member import main, read
from wait import until

# A program with a handler of SIGUSR1, with SA_RESTART or without; each write(2) is made once, as in C. It writes when
# it is told to, and says at the end what the write gave, and whether the handler ran.
WRITER = """
import ctypes, os, signal, sys, threading
sys.path.insert(0, sys.argv[1])
import kernel
path, kind, text = sys.argv[2], sys.argv[3], sys.argv[4].encode()
count = 0
def handler(*_):
    global count
    count += 1
if kind != "deadly":
    signal.signal(signal.SIGUSR1, handler)
    signal.siginterrupt(signal.SIGUSR1, kind == "interrupt")
signal.signal(signal.SIGINT, signal.SIG_DFL)
if kind == "threads":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
handle = os.open(path, os.O_RDWR)
if path.endswith("lines"):
    os.write(handle, text[:3])
    text = text[3:]
buffer = kernel.Buffer(text)
WAYS = {"python": os.write, "aio": lambda handle, text: kernel.Aio().write(handle, buffer),
        "ring": lambda handle, text: kernel.Ring().call(kernel.URING_WRITE, handle, buffer.address, buffer.size)}
print("opened", flush=True)
sys.stdin.readline()
try:
    found = WAYS.get(kind, kernel.write_once)(handle, text)
    os.fsync(handle)
except OSError as error:
    found = error.strerror
print(found, len(text), count > 0, os.read(handle, 100).decode().split(), flush=True)
"""
HANDLERS = ("restart", "interrupt", "python", "threads")
NAMES = ("append", "log/lines")
FOLDER = os.path.dirname(os.path.abspath(__file__))
DEATHS = [(signal.SIGKILL, "deadly"), (signal.SIGTERM, "deadly"), (signal.SIGINT, "deadly"), (signal.SIGALRM, "deadly"),
          (signal.SIGKILL, "threads"), (signal.SIGKILL, "aio")] + [(signal.SIGKILL, "ring")] * kernel.has_ring()


class Interrupts(ClusterTest):
    """Three members, of which two are stopped for a while."""

    limit_s = 120

    def start(self, member, writers):
        """Starts writers, {text: (name, kind)}, stops the other members, and lets all write; gives {text: process}."""
        started = {text: self.spawn(["/usr/bin/python3", "-B", "-c", WRITER, FOLDER, member.path(name), kind, text],
                                    stdin=-1, stdout=-1) for text, (name, kind) in writers.items()}
        for child in started.values():
            self.assertEqual(child.stdout.readline(), b"opened\n")
        self.pause(member)
        for child in started.values():
            child.stdin.write(b"\n")
            child.stdin.flush()
        for child in started.values():
            until(lambda: self.waits(child), what="the writer waits")
        return started

    def waits(self, child):
        """It waits for an answer of clogd, or a thread does that the kernel has made for it."""
        def read_or_none(path):
            try:
                return read(path)
            except FileNotFoundError:  # a thread that has ended
                return b""
        tasks = f"/proc/{child.pid}/task"
        return any(b"request_wait" in read_or_none(f"{tasks}/{task}/wchan") for task in os.listdir(tasks))

    def pause(self, member):
        """Stops the members but this one, which then gets no quorum."""
        for other in self.members:
            if other is not member:
                other.process.send_signal(signal.SIGSTOP)
                self.addCleanup(other.process.send_signal, signal.SIGCONT)

    def resume(self):
        for member in self.members:
            member.process.send_signal(signal.SIGCONT)

    def records(self):
        """All that is in the log."""
        self.wait_for_equal_logs()
        member = self.leading()
        return [read(member.path("records", name)).decode() for name in os.listdir(member.path("records"))]

    def check_handlers(self, member, turn):
        """Writers that take signals."""
        writers = self.start(member, {f"{turn} {name} {kind}\n": (name, kind) for name in NAMES for kind in HANDLERS})
        for _ in range(3):
            for child in writers.values():
                child.send_signal(signal.SIGUSR1)
        self.assertEqual([child.poll() for child in writers.values()], [None] * len(writers))
        self.resume()
        for text, child in writers.items():
            found, size, handled, *answer = child.communicate(timeout=60)[0].decode().split()
            with self.subTest(text=text):
                self.assertEqual((found, handled), (size, "True"), "what it wrote, and whether its handler ran")
                self.assertNotEqual(answer, ["[]"])
        self.assertEqual(sorted(record for record in self.records() if record.startswith(turn)), sorted(writers))

    def check_deaths(self, member, turn):
        """Writers that signals end."""
        deaths = {f"{turn} {kind} {death.name}\n": ("append", death, kind) for death, kind in DEATHS}
        deaths[f"{turn} lines\n"] = ("log/lines", signal.SIGKILL, "deadly")
        handled, witness = f"{turn} handled, then killed\n", f"{turn} witness\n"
        writers = self.start(member, {text: (name, kind) for text, (name, _, kind) in deaths.items()} |
                             {handled: ("append", "interrupt"), witness: ("append", "restart")})
        writers[handled].send_signal(signal.SIGUSR1)
        until(lambda: self.is_past_signals(writers[handled]), what="the signal is taken")
        writers[handled].kill()
        for text, (_, death, _) in deaths.items():
            writers[text].send_signal(death)
        for text in [*deaths, handled]:
            self.assertLess(writers[text].wait(60), 0, text)
        self.assertIsNone(writers[witness].poll(), "who was not killed waits on: nobody has been answered yet")
        self.resume()
        self.assertNotEqual(writers[witness].communicate(timeout=60)[0], b"")
        records = [record for record in self.records() if record.startswith(turn[:3])]
        for text in writers:
            self.assertLessEqual(records.count(text), 1, text)
        # Of a line in pieces its beginning, which had been accepted, may stand alone: the death closed the file.
        self.assertLessEqual(set(records), {*writers, turn[:3]})

    def is_past_signals(self, child):
        """It has had the signal, and waits on in a way that no signal but a deadly one ends."""
        with open(f"/proc/{child.pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", maxsplit=1)[1].split()[0] == "D"

    def check_both(self, check):
        """Through the member that leads, and through one that does not."""
        check(self.leading(), "leader:")
        check(next(member for member in self.members if member is not self.leading()), "follower:")

    def test_handlers_make_no_duplicates(self):
        self.check_both(self.check_handlers)

    def test_who_is_killed_leaves_at_once(self):
        self.check_both(self.check_deaths)


if __name__ == "__main__":
    main()
