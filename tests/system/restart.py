"""A clean stop, and a start after it."""

import errno
import os
import signal
import subprocess
import threading

import member
from history import GONE, REFUSED, UNKNOWN, History, Load
from wait import until


class Restart(member.MemberTest):
    """SIGTERM and SIGINT."""

    limit_s = 120

    def assert_gone(self):
        """Nothing is mounted, and the folder that clogd made is gone."""
        self.assertEqual(member.mounts(self.mount), [])
        self.assertFalse(os.path.lexists(self.mount))

    def test_a_clean_stop_unmounts_and_a_start_finds_all(self):
        self.shell("seq 1000 >> mnt/log/lines; echo last >> mnt/append")
        records = [b"%d\n" % i for i in range(1, 1001)] + [b"last\n"]
        times = [os.stat(self.member.path("records", str(i))).st_mtime_ns for i in range(0, 1001, 50)]
        for _ in range(5):
            self.assertEqual(self.member.stop(), 0)
            self.assert_gone()
            self.member.start()
            self.assert_log(records)
            found = [os.stat(self.member.path("records", str(i))).st_mtime_ns for i in range(0, 1001, 50)]
            self.assertEqual(found, times)

    def test_an_interrupt_from_the_keyboard_is_a_clean_stop(self):
        self.shell("echo data >> mnt/append")
        self.member.process.send_signal(signal.SIGINT)
        self.assertEqual(self.member.ended(), 0)
        self.assert_gone()
        self.member.start()
        self.assert_log([b"data\n"])

    def test_a_stop_under_load_answers_every_writer(self):
        history = History(self)
        for number in range(20 if member.soak() else 5):
            load = Load(self, number)
            until(lambda: load.noted()[0] > 20, what="each writer has 20 writes acknowledged")
            self.assertEqual(self.member.stop(), 0)
            self.assert_gone()
            load.end()
            self.member.start()
            history.check(load)

    def test_a_stop_with_open_handles_leaves_no_process_waiting(self):
        opened = [os.open(self.member.path(path), flags) for path, flags in (
            ("append", os.O_RDWR), ("log/lines", os.O_WRONLY), ("log/stream", os.O_RDONLY), ("log", os.O_RDONLY))]
        tail = self.spawn(["tail", "-s", "0.1", "-f", self.member.path("log/stream")], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
        os.write(opened[0], b"data\n")
        os.write(opened[1], b"carried")
        self.assertEqual(self.member.stop(), 0)
        self.assert_gone()
        for handle in opened[:2]:
            with self.assertRaises(OSError) as dead:
                os.write(handle, b"late\n")
            self.assertIn(dead.exception.errno, (errno.ENOTCONN, errno.ECONNABORTED))
        for handle in opened:
            try:
                os.close(handle)
            except OSError as error:
                self.assertIn(error.errno, (errno.ENOTCONN, errno.ECONNABORTED))
        tail.terminate()
        tail.wait(20)
        self.member.start()
        self.assert_log([b"data\n"])

    def test_a_stop_answers_writers_of_more_than_fits_in_memory(self):
        large = b"x" * 1_044_479 + b"\n"
        answers = []

        def write():
            """Writes until it is refused."""
            try:
                handle = os.open(self.member.path("append"), os.O_WRONLY)
                try:
                    while True:
                        os.write(handle, large)
                        answers.append(0)
                finally:
                    os.close(handle)
            except OSError as error:
                answers.append(error.errno)

        threads = [threading.Thread(target=write) for _ in range(100)]
        for thread in threads:
            thread.start()
        until(lambda: len(answers) > 50, what="50 writes are answered")
        self.assertEqual(self.member.stop(), 0)
        for thread in threads:
            thread.join()
        self.assert_gone()
        failed = [answer for answer in answers if answer]
        self.assertEqual(len(failed), 100)
        self.assertLessEqual(set(failed), REFUSED | UNKNOWN | GONE)
        self.member.start()
        unknown = sum(answer in UNKNOWN for answer in failed)
        self.assertGreaterEqual(self.next(), answers.count(0))
        self.assertLessEqual(self.next(), answers.count(0) + unknown)
        self.assertEqual(os.stat(self.member.path("log/stream")).st_size, self.next() * len(large))

    def test_an_unmount_from_outside_ends_clogd(self):
        self.shell("echo data >> mnt/append")
        self.shell("umount mnt")
        self.assertEqual(self.member.ended(), 0)
        self.member.start()
        self.assert_log([b"data\n"])

    def test_the_member_stays_the_same(self):
        names = ("self/id", "self/role", "self/address")
        before = [member.read(self.member.path(name)) for name in names]
        term = int(member.read(self.member.path("status/term")))
        self.assertEqual(self.member.stop(), 0)
        self.member.start()
        self.assertEqual([member.read(self.member.path(name)) for name in names], before)
        self.assertGreaterEqual(int(member.read(self.member.path("status/term"))), term)

    def test_a_dead_mount_is_taken_off(self):
        self.shell("echo data >> mnt/append")
        for _ in range(3):
            self.member.kill()
            with self.assertRaises(OSError) as dead:
                os.listdir(self.mount)
            self.assertEqual(dead.exception.errno, errno.ENOTCONN)
            self.member.start()
            self.assertEqual(len(member.mounts(self.mount)), 1)
            self.assert_log([b"data\n"])


if __name__ == "__main__":
    member.main()
