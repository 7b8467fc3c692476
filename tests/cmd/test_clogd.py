"""What clogd is told, and the starts that it refuses."""

import os
import shutil
import socket
import stat
import subprocess

import clogd
import member


class Told(clogd.ClogdTest):
    """Options, the environment, the configuration file."""

    def test_help_is_printed(self):
        self.member.options = ["--help"]
        status, output, complaint = self.member.run_to_end()
        self.assertEqual((status, complaint), (0, ""))
        self.assertIn("clogd --data DIR", output)

    def test_the_version_is_printed(self):
        self.member.options = ["--version"]
        status, output, complaint = self.member.run_to_end()
        self.assertEqual((status, complaint), (0, ""))
        self.assertRegex(output, r"\Aclogd \d+\.\d+\.\d+\n\Z")

    def test_what_cannot_be_printed_is_a_failure(self):
        for option in ("--help", "--version"):
            with open("/dev/full", "wb") as full:
                self.member.options = [option]
                done = subprocess.run(self.member.command(), stdout=full, check=False, timeout=60)
            self.assertEqual(done.returncode, 1)

    def test_wrong_options_touch_nothing(self):
        for options, word in ((["--no-such"], "'--no-such'"), (["stray"], "'stray'"), (["--guard", "maybe"], "'maybe'"),
                              (["--name", "a/b"], "'a/b'"), (["--config"], "--config")):
            self.member.options = ["--data", self.member.data, "--mount", self.member.mount] + options
            self.assert_refused(2, word)
        self.member.options = ["--mount", self.member.mount]
        self.assert_refused(2, "--data")
        self.assertEqual(os.listdir(self.member.folder), [])

    def test_a_sentence_has_no_control_bytes(self):
        self.member.options = ["--data", "/x", "bell\a\x1b[2J\nclogd: forged"]
        self.assert_refused(2, "'bell??[2J?clogd: forged'")

    def test_a_wrong_file_is_named(self):
        path = self.write("clogd.yaml", f"data: {self.member.data}\nport: 80\n")
        self.member.options = ["--config", path]
        self.assert_refused(2, path, "line 1", "'port'")
        self.member.options = ["--config", path + ".not"]
        self.assert_refused(2, path + ".not", "No such file")

    def test_all_can_be_said_in_a_file(self):
        told = f"data: {self.member.data}\nmount: {self.member.mount}\nname: \"from-file\"\n" \
               "guard: no\nallow-other: yes\nowner: \"nobody:nogroup\"\nmode: 640\n"
        self.member.options = ["--config", self.write("clogd.yaml", told)]
        self.member.start()
        self.assertEqual(os.readlink(self.member.path("self")), "cluster/from-file")
        self.assertEqual(member.read(self.member.path("status/config")).decode(), told)
        self.assertEqual(self.member.stop(), 0)

    def test_all_can_be_said_in_the_environment(self):
        self.member.options = []
        self.member.environment = {"CLOG_DATA": self.member.data, "CLOG_MOUNT": self.member.mount, "CLOG_NAME": "variable",
                                   "CLOG_GUARD": "no", "CLOG_ALLOW_OTHER": "yes"}
        self.member.start()
        self.assertEqual(os.readlink(self.member.path("self")), "cluster/variable")
        self.assertIn(b"guard: no\nallow-other: yes\n", member.read(self.member.path("status/config")))
        self.assertEqual(self.member.stop(), 0)

    def test_the_command_line_comes_before_the_environment_and_that_before_the_file(self):
        path = self.write("clogd.yaml", "data: /no/such/folder\nmount: /no/such/folder\nname: from-file\n")
        self.member.environment = {"CLOG_CONFIG": path, "CLOG_DATA": "/no/such/folder", "CLOG_MOUNT": self.member.mount,
                                   "CLOG_NAME": "variable"}
        self.member.options = ["--data", self.member.data]
        self.member.start()
        self.assertEqual(os.readlink(self.member.path("self")), "cluster/variable")
        self.assertEqual(self.member.stop(), 0)

    def test_paths_may_be_relative(self):
        self.member.wrapper = ["/usr/bin/env", "-C", self.member.folder]
        self.member.options = ["--data", "data", "--mount", "mnt"]
        self.member.start()
        self.shell("echo data >> mnt/append")
        self.assertEqual(self.member.stop(), 0)
        self.assertTrue(os.path.isdir(self.member.data))


class Names(clogd.ClogdTest):
    """The member's name."""

    def under_the_host_name(self, host):
        """The member is started on a host of that name, from here on."""
        self.member.wrapper = ["/usr/bin/unshare", "--uts", "/bin/sh", "-c",
                               'echo "$0" >/proc/sys/kernel/hostname && exec "$@"', host]

    def own_name(self):
        """What the mount calls the member."""
        return os.readlink(self.member.path("self")).removeprefix("cluster/")

    def test_a_new_member_has_the_first_label_of_the_hosts_name(self):
        self.member.start()
        self.assertEqual(self.own_name(), socket.gethostname().split(".")[0])
        self.assertEqual(self.member.event("started")["name"], self.own_name())
        self.assertEqual(self.member.stop(), 0)

    def test_a_member_keeps_its_name_when_the_host_is_renamed(self):
        self.under_the_host_name("before.example")
        self.member.start()
        self.assertEqual(self.own_name(), "before")
        self.assertEqual(self.member.stop(), 0)
        self.under_the_host_name("after.example")
        self.member.start()
        self.assertEqual(self.own_name(), "before")
        self.assertEqual(self.member.stop(), 0)
        self.member.options += ["--name", "after"]
        self.assert_refused(1, "before", "after")

    def test_a_host_whose_name_will_not_do_is_named(self):
        self.under_the_host_name(".example")
        self.assert_refused(1, "'.example'", "--name")


class Refused(clogd.ClogdTest):
    """Starts that fail, each with a sentence."""

    def test_a_data_folder_in_use(self):
        self.member.start()
        other = self.new_member("two")
        other.options = ["--data", self.member.data, "--mount", other.mount]
        self.assert_refused(1, self.member.data, "use", clogd=other)
        self.shell("echo data >> mnt/append")
        self.assert_log([b"data\n"])
        self.assertEqual(self.member.stop(), 0)

    def test_data_and_mount_in_each_other(self):
        for data, mount in (("one", "one"), ("one", "one/mnt"), ("one/data", "one")):
            self.member.options = ["--data", data, "--mount", mount]
            self.assert_refused(2, "mount", "data")
        self.assertEqual(os.listdir(self.member.folder), [])

    def test_a_data_folder_that_cannot_be_made(self):
        self.member.options[1] = f"{self.member.folder}/no/such/data"
        self.assert_refused(1, self.member.options[1])
        self.member.options[1] = self.write("file", "data")
        self.assert_refused(1, self.member.options[1])

    def test_a_mount_folder_that_cannot_be_made(self):
        self.member.options[3] = f"{self.member.folder}/no/such/mnt"
        self.assert_refused(1, self.member.options[3])

    def test_no_device(self):
        self.member.wrapper = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", 'mount -t tmpfs none /dev && exec "$0" "$@"']
        self.assert_refused(1, "/dev/fuse")

    def test_no_permission(self):
        os.chmod(self.member.folder, 0o755)
        os.mkdir(self.member.data)
        os.chown(self.member.data, 65534, 65534)
        os.mkdir(self.member.mount, 0o755)
        self.member.environment["GCOV_PREFIX"] = self.member.data  # where a build that counts coverage may write
        # The checkout may be where only root may look.
        self.member.program = shutil.copy(os.environ["CLOGD"], self.member.folder)
        self.member.wrapper = ["/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        self.assert_refused(1, "ermi")  # permission, or not permitted

    def test_what_a_refused_mount_leaves_can_be_started(self):
        precious = f"{self.member.folder}/precious"
        os.mkdir(precious)
        self.write("precious/file", "data")
        self.member.options[3] = precious
        self.assert_refused(1, precious, "file")
        self.member.options[3] = self.member.mount
        self.member.start()
        self.shell("echo data >> mnt/append")
        self.assert_log([b"data\n"])
        self.assertEqual(self.member.stop(), 0)


class Data(clogd.ClogdTest):
    """What it keeps."""

    def test_the_data_are_the_owners_alone(self):
        os.umask(0)
        self.member.start()
        self.shell("echo data >> mnt/append")
        self.assertEqual(self.member.stop(), 0)
        kept = [self.member.data]
        for folder, folders, files in os.walk(self.member.data):
            kept += [os.path.join(folder, name) for name in folders + files]
        self.assertGreater(len(kept), 3)
        for path in kept:
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode) & 0o077, 0, path)


if __name__ == "__main__":
    member.main()
