"""Odd and hostile calls are refused as the documentation says, and the log holds just what it must."""

import errno
import os

import member

KEPT = [b"zero\n", b"one\n"]


class OddCalls(member.MemberTest):
    """Two records, which all that follows must leave as they are."""

    def setUp(self):
        super().setUp()
        self.append = self.member.path("log/append")
        self.expected = []
        for record in KEPT:
            self.add(record)

    def tearDown(self):
        self.assert_log(self.expected)
        self.assertEqual(os.listdir(self.member.path("cluster")), ["one"])
        self.add(b"and it still works\n")
        self.assert_log(self.expected)
        self.assertEqual(self.member.stop(), 0)  # under a sanitizer another status tells of a leak

    def add(self, record, path=None, flags=0):
        """Appends a record with a handle of its own."""
        handle = os.open(path or self.append, os.O_WRONLY | flags)
        try:
            self.assertEqual(os.write(handle, record), len(record))
        finally:
            os.close(handle)
        self.expected.append(record)

    def assert_fails(self, codes, call, *args, **options):
        """The call fails with one of these errnos."""
        codes = codes if isinstance(codes, tuple) else (codes,)
        what = f"{call.__name__}{args}"[:200]
        with self.assertRaises(OSError, msg=what) as failed:
            call(*args, **options)
        names = [errno.errorcode[code] for code in codes]
        self.assertIn(errno.errorcode[failed.exception.errno], names, what)

    def paths(self, *names):
        """Paths in the mount."""
        return [self.member.path(name) for name in names]
