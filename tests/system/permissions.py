"""Who may do what in a mount that others are let into, by its owner, group and mode."""

import errno
import os
import stat

import member
import users
from users import GROUP, IN_GROUP, IN_GROUP_BESIDES, IN_GROUP_OF_MANY, OTHER, OWNER, OWNING

GROUPED = (IN_GROUP, IN_GROUP_BESIDES, IN_GROUP_OF_MANY)
EVERYBODY = (OWNING, *GROUPED, OTHER)
CREATE = os.O_CREAT | os.O_EXCL


class Permissions(member.MemberTest):
    """A mount of root's whose files are another user's."""

    starts = False

    def begin(self, mode):
        """Starts clogd with that mode, and appends a record."""
        os.chmod(self.member.folder, 0o755)
        self.member.options = ("--owner", f"{OWNER}:{GROUP}", "--mode", mode, "--allow-other")
        self.member.start()
        self.shell("echo first >> mnt/append")

    def assert_all(self, who, expected, call, paths, *arguments):
        """Each of these users gets that errno, or none, when calling that for each path."""
        paths = [paths] if isinstance(paths, str) else paths
        for user in who:
            found = user.outcomes([(call, path, *arguments) for path in paths])
            named = [errno.errorcode.get(code, code) for code in found]
            self.assertEqual(named, [errno.errorcode.get(expected, expected)] * len(paths),
                             f"{call.__name__} of {paths} by {user.uid}:{user.gid} {user.groups[-3:]}")

    def assert_modes(self, **expected):
        """The modes, owner and group that files are shown with."""
        for name, mode in expected.items():
            found = os.stat(self.member.path(name.replace("_", "/")))
            self.assertEqual((name, oct(stat.S_IMODE(found.st_mode))), (name, oct(mode)))
            self.assertEqual((found.st_uid, found.st_gid), (OWNER, GROUP), name)

    def paths(self, *names):
        """Paths in the mount."""
        return [self.member.path(name) for name in names]

    def test_a_group_that_may_append_and_read(self):
        self.begin("0660")
        self.assert_modes(log=0o750, log_records=0o770, log_append=0o660, log_lines=0o660, log_records_0=0o440,
                          log_stream=0o440, log_follow=0o440, log_next=0o440, log_first=0o640, log_retention=0o640,
                          cluster=0o750, self_role=0o640, self_state=0o440, status_health=0o440)
        written = self.paths("append", "log/append", "log/lines")
        shown = self.paths("records/0", "log/stream", "log/next", "log/first", "log/retention", "status/metrics", "self/role")
        for call, paths in ((users.write, written), (users.read, shown),
                            (os.listdir, self.paths("log/records", "cluster", "status"))):
            self.assert_all((OWNING, *GROUPED), 0, call, paths)
            self.assert_all((OTHER,), errno.EACCES, call, paths)
        self.assertEqual(self.next(), 1 + 3 * 4)
        self.assert_all((OTHER,), errno.EACCES, users.write, self.member.path("records/13"), b"claimed\n", CREATE)
        self.assert_all((IN_GROUP_BESIDES,), 0, users.write, self.member.path("records/13"), b"claimed\n", CREATE)
        self.assertEqual(self.record(13), b"claimed\n")

    def test_admin_is_for_the_owner_and_root_alone(self):
        self.begin("666")
        for path, text in zip(self.paths("log/first", "log/retention", "self/role"), (b"0\n", b"all\n", b"voter\n")):
            self.assert_all((*GROUPED, OTHER), errno.EACCES, users.write, path, text)
            self.assert_all((OWNING,), 0, users.write, path, text)
            users.write(path, text)
        self.assert_all((*GROUPED, OTHER), errno.EACCES, os.rmdir, self.member.path("cluster/one"))
        self.assert_all((OWNING,), errno.EBUSY, os.rmdir, self.member.path("cluster/one"))
        self.assert_all(EVERYBODY, 0, users.write, self.member.path("append"))
        self.assertIn(f"event=admin_done file=log/first text=0 uid={OWNER}", self.member.told())

    def test_who_may_only_append_and_who_may_only_read(self):
        self.begin("0624")
        append, stream = self.paths("append", "log/stream")
        self.assert_modes(log=0o755, log_append=0o664, log_lines=0o664, log_stream=0o404, log_records=0o725)
        self.assert_all(GROUPED, 0, users.write, append)
        self.assert_all(GROUPED, errno.EACCES, users.read, stream)
        self.assert_all((OTHER,), errno.EACCES, users.write, append)
        self.assert_all((OTHER,), 0, users.read, stream)

        def append_and_read_back(path):
            handle = os.open(path, os.O_RDWR)
            os.write(handle, b"data\n")
            os.read(handle, 10) and os.close(handle)

        self.assert_all(GROUPED, 0, append_and_read_back, append)
        # What recursive programs ask for is let go by to who may read.
        self.run_program(["setpriv", "--reuid", str(OTHER.uid), "--regid", str(OTHER.gid), "--clear-groups", "sh", "-c",
                          "ls -lR mnt && find mnt -ls && grep -r first mnt/log"])

    def test_what_the_owner_may_not_root_may(self):
        self.begin("0440")
        self.assert_all((OWNING, *GROUPED, OTHER), errno.EACCES, users.write, self.member.path("append"))
        self.assert_all((OWNING,), 0, users.write, self.member.path("log/retention"), b"all")
        users.write(self.member.path("append"))
        self.assert_log([b"first\n", b"data\n"])

    def test_an_open_file_is_its_openers_whoever_uses_it(self):
        self.begin("660")
        child = os.fork()
        if child == 0:  # in the group when it opens, and then no more
            try:
                os.setgroups([GROUP])
                os.setgid(users.ELSEWHERE)
                os.seteuid(users.MATE)
                handles = [os.open(path, flags) for path, flags in (
                    (self.member.path("log/append"), os.O_WRONLY), (self.member.path("log/lines"), os.O_WRONLY),
                    (self.member.path("log/stream"), os.O_RDONLY), (self.member.path("log/records"), os.O_RDONLY))]
                os.seteuid(0)
                os.setgroups([])
                os.setuid(users.STRANGER)
                os.write(handles[0], b"appended\n")
                os.write(handles[1], b"carried")
                os.close(handles[1])
                found = [os.fstat(handles[0]).st_size, os.fstat(handles[2]).st_size, os.lseek(handles[2], 0, os.SEEK_END),
                         os.pread(handles[2], 100, 0), os.listdir(handles[3]),
                         users.outcome(os.open, self.member.path("log/append"), os.O_WRONLY)]
                expected = [0, 22, 22, b"first\nappended\ncarried", ["0", "1", "2"], errno.EACCES]
                os._exit(0 if found == expected else 1)
            finally:
                os._exit(2)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assert_log([b"first\n", b"appended\n", b"carried"])

    def test_the_mount_is_set_up_so_that_it_harms_nobody(self):
        self.begin("644")
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
            line = next(line for line in lines if line.split()[4] == self.mount)
        options, superblock = line.split()[5].split(","), line.split()[-1].split(",")
        self.assertLessEqual({"nosuid", "nodev"}, set(options))
        self.assertLessEqual({"default_permissions", "allow_other"}, set(superblock))
        for path in self.paths("log/append", "log/first"):
            for call, *more in ((os.chmod, 0o666), (os.chown, OWNER, users.ELSEWHERE)):
                self.assert_all((OWNING,), errno.EPERM, call, path, *more)

    def test_without_allow_other_nobody_else_gets_in(self):
        os.chmod(self.member.folder, 0o755)
        self.member.options = ("--mode", "666")
        self.member.start()
        self.assert_all((OWNING, OTHER), errno.EACCES, os.listdir, self.mount)


if __name__ == "__main__":
    member.main()
