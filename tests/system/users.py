"""Doing something as another user."""

import os

OWNER, MATE, STRANGER = 61001, 61002, 61003  # numbers that no user of the machine needs to have
GROUP, ELSEWHERE = 62001, 62002


class User:
    """A user by numbers."""

    def __init__(self, uid, gid, *groups):
        self.uid, self.gid, self.groups = uid, gid, groups

    def outcomes(self, calls):
        """Makes the calls (each a function and its arguments) in a process of this user's, and gives for each 0 or the
        errno that it failed with."""
        here, there = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups(self.groups)
                os.setgid(self.gid)
                os.setuid(self.uid)
                for call, *arguments in calls:
                    os.write(there, bytes([outcome(call, *arguments)]))
            finally:
                os._exit(0)
        os.close(there)
        with open(here, "rb") as answers:
            found = answers.read()
        os.waitpid(child, 0)
        return list(found)


def outcome(call, *arguments):
    """Makes the call, and gives 0 or the errno that it failed with."""
    try:
        call(*arguments)
        return 0
    except OSError as error:
        return error.errno


OWNING = User(OWNER, ELSEWHERE)
IN_GROUP = User(MATE, GROUP)
IN_GROUP_BESIDES = User(MATE, ELSEWHERE, 4, GROUP, 5)
IN_GROUP_OF_MANY = User(MATE, ELSEWHERE, *range(63000, 63300), GROUP)
OTHER = User(STRANGER, ELSEWHERE, 4, 5)


def write(path, text=b"data\n", flags=0):
    """One write to a file that is there, or, by the flags, that it makes."""
    handle = os.open(path, os.O_WRONLY | flags)
    try:
        os.write(handle, text)
    finally:
        os.close(handle)


def read(path):
    """All of a file."""
    with open(path, "rb", buffering=0) as file:
        return file.read()
