"""How clogd ends: by a signal, by an unmount, by a disk that fails."""

import errno
import os
import signal
import subprocess

import clogd
import member
from wait import until

WORDS = ("mounted", "started", "stopping", "unmounted", "stopped")


class Ends(clogd.ClogdTest):
    """A mounted member that is ended."""

    def begin(self):
        """Starts it, with a record."""
        self.member.start()
        self.shell("echo data >> mnt/append")

    def assert_ended(self, cause, status=0):
        """It ends with the status, tells the cause, and has unmounted."""
        self.assertEqual(self.member.ended(), status, self.member.told())
        self.assertEqual(member.mounts(self.member.mount), [])
        self.assertEqual(self.member.event("stopping")["cause"], cause)
        names = [event["event"] for event in self.member.events() if event["event"] in WORDS]
        self.assertEqual(names, list(WORDS))
        self.assertEqual(self.member.events()[-1]["event"], "stopped")
        self.assertEqual(self.member.event("stopped")["status"], str(status))

    def assert_kept(self, records):
        """After a start the log holds just these."""
        self.member.start()
        self.assert_log(records)
        self.assertEqual(self.member.stop(), 0)

    def test_what_happens_is_told(self):
        self.begin()
        started = self.member.event("started")
        self.assertRegex(started["version"], r"\A\d+\.\d+\.\d+\Z")
        self.assertEqual(started["data"], self.member.data)
        self.assertEqual(started["level"], "info")
        self.assertRegex(started["time"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
        self.assertEqual(self.member.event("mounted")["folder"], self.member.mount)
        self.assertEqual(self.member.stop(), 0)
        self.assertEqual(self.member.event("unmounted")["folder"], self.member.mount)

    def test_the_mount_is_there_when_it_is_told(self):
        self.member.launch()
        self.wait_for("mounted")
        self.assertEqual(len(member.mounts(self.member.mount)), 1)
        self.shell("echo data >> mnt/append")
        self.assert_log([b"data\n"])
        self.assertEqual(self.member.stop(), 0)

    def test_signals_end_it_cleanly(self):
        for number, name in enumerate(("SIGTERM", "SIGINT", "SIGHUP")):
            with self.subTest(signal=name):
                self.member = self.new_member()
                self.begin()
                self.member.process.send_signal(signal.Signals[name])
                self.assert_ended(name)
                self.assert_kept([b"data\n"])
        self.assertEqual(number, 2)

    def test_further_signals_change_nothing(self):
        self.begin()
        for _ in range(20):
            for number in (signal.SIGTERM, signal.SIGINT):
                if self.member.process.poll() is None:
                    self.member.process.send_signal(number)
        self.assertEqual(self.member.ended(), 0)
        self.assertEqual(member.mounts(self.member.mount), [])
        stopping = [event for event in self.member.events() if event["event"] == "stopping"]
        self.assertEqual(len(stopping), 1)
        self.assert_kept([b"data\n"])

    def test_a_signal_while_it_starts_is_not_lost(self):
        self.member.launch()
        until(lambda: os.path.exists(self.member.data), what="the data folder is made")
        self.member.process.terminate()
        self.assertEqual(self.member.ended(), 0)
        self.assertEqual(member.mounts(self.member.mount), [])

    def test_a_hangup_that_was_ignored_stays_ignored(self):
        self.member.wrapper = ["/usr/bin/nohup"]
        self.begin()
        self.member.process.send_signal(signal.SIGHUP)
        self.member.process.terminate()
        self.assert_ended("SIGTERM")

    def test_an_unmount_from_outside_is_a_clean_stop(self):
        for unmount in (["umount"], ["umount", "-l"], ["fusermount3", "-u"]):
            with self.subTest(unmount=unmount):
                self.member = self.new_member()
                self.begin()
                subprocess.run(unmount + [self.member.mount], check=True, timeout=30)
                self.assert_ended("umount")
                self.assert_kept([b"data\n"])

    def test_a_member_without_a_mount_runs(self):
        self.member.options = ["--data", self.member.data]
        self.member.launch()
        self.wait_for("not_mounted")
        self.assertEqual(self.member.stop(), 0)
        self.assertIsNone(self.member.event("mounted"))
        self.assertIsNone(self.member.event("unmounted"))
        self.assertEqual(self.member.event("stopped")["status"], "0")

    def test_it_outlives_the_reader_of_its_events(self):
        reader, writer = os.pipe()
        self.member.process = subprocess.Popen(self.member.command(), stdin=subprocess.DEVNULL, stderr=writer)
        os.close(writer)
        os.close(reader)
        until(self.member.leads, what="clogd leads")
        self.shell("echo data >> mnt/append")
        self.assert_log([b"data\n"])
        self.assertEqual(self.member.stop(), 0)

    def test_a_stop_in_the_middle_of_writing_loses_nothing(self):
        os.mkdir(self.member.mount)  # so that it stays, guarded, and no append makes a plain file in it
        self.stop_in_the_middle_of_writing()
        self.assertTrue(os.path.isdir(self.member.mount))

    def test_nor_where_the_folder_was_made_and_goes(self):
        self.stop_in_the_middle_of_writing()
        self.assertFalse(os.path.exists(self.member.mount))

    def stop_in_the_middle_of_writing(self):
        self.begin()
        kept = [b"data\n"]
        for _ in range(5):
            writer = self.spawn(["/bin/bash", "-c", 'i=0; while echo $i >> mnt/append; do i=$((i + 1)); done; echo $i'],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            before = self.next()
            until(lambda: self.next() > before + 20, what="20 records are appended")
            self.assertEqual(self.member.stop(), 0)
            acknowledged = int(writer.communicate(timeout=30)[0])
            self.children.remove(writer)
            self.member.start()
            records = self.next() - len(kept)
            self.assertIn(records, (acknowledged, acknowledged + 1))  # of the last one the writer does not know
            kept += [b"%d\n" % i for i in range(records)]
            self.assert_log(kept)
        self.assertEqual(self.member.stop(), 0)

    def fail_syncs(self):
        """From here on every sync of the running clogd fails."""
        tracer = self.spawn(["strace", "-f", "-qq", "-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:error=EIO",
                             "-p", str(self.member.process.pid)], stderr=subprocess.DEVNULL)
        tasks = f"/proc/{self.member.process.pid}/task"
        until(lambda: all(self.tracer_of(f"{tasks}/{task}/status") == tracer.pid for task in os.listdir(tasks)),
              what="strace has all threads of clogd")

    def tracer_of(self, path):
        """Who traces a thread."""
        with open(path, encoding="utf-8") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("TracerPid:"))

    def test_a_disk_that_fails_ends_it(self):
        self.begin()
        self.assertEqual(self.member.stop(), 0)
        self.member.start()  # which writes nothing, so that the write below is what fails
        self.fail_syncs()
        with self.assertRaises(OSError) as refused:
            handle = os.open(self.member.path("append"), os.O_WRONLY)
            try:
                os.write(handle, b"lost\n")
            finally:
                os.close(handle)
        self.assertIn(refused.exception.errno, (errno.EIO, errno.ENOTCONN, errno.ECONNABORTED))
        self.assert_ended("failure", status=1)
        failed = self.member.event("failed")
        self.assertEqual(failed["level"], "error")
        self.assertIn(self.member.data, failed["reason"])
        self.member.start()
        self.assertEqual(self.record(0), b"data\n")
        self.assertIn(self.next(), (1, 2))  # what failed may be there: nobody was told otherwise
        self.assertEqual(self.member.stop(), 0)


if __name__ == "__main__":
    member.main()
