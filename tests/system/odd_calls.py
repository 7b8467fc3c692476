"""Every call that a program may make of a file, to every kind of file, with the errno that it gets: nearly a thousand.

A row is a call, the errno that it fails with, and what is different for some kinds of files. None: it succeeds. Nothing
of all this appends a record, or changes what is there."""

import errno as E
import fcntl
import mmap
import os
import select
import socket
import stat
import struct
import termios

import kernel
import member
from odd import OddCalls

# Kinds of files, by a name in the mount each.
KINDS = {
    "append": "log/append",
    "lines": "log/lines",
    "record": "records/0",
    "stream": "log/stream",
    "follow": "log/follow",
    "first": "log/first",
    "next": "log/next",
    "retention": "log/retention",
    "role": "cluster/one/role",
    "status": "status/health",
    "records": "log/records",
    "member": "cluster/one",
    "root": ".",
    "link": "leader",
}
WRITABLE = "append lines first retention role"
FOLDERS = "records member root"
NOBODY = 0xFFFFFFFF


def opening(flags):
    """Opens and closes."""
    return lambda path: os.close(os.open(path, flags, 0o600))


def same_mode(path):
    os.chmod(path, stat.S_IMODE(os.lstat(path).st_mode))


def beside(path):
    """A name that is not there, in the same folder."""
    return os.path.join(os.path.dirname(path), "new")


def outside(path):
    """A file beside the mount."""
    return os.path.join(path[:path.index("/mnt/")], "outside")


def bind(path):
    with socket.socket(socket.AF_UNIX) as unix:
        folder = os.open(os.path.dirname(path), os.O_PATH)
        try:
            unix.bind(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        finally:
            os.close(folder)


# user, group and others may read: struct posix_acl_xattr_header and three entries.
ACL = struct.pack("=I" + 3 * "HHI", 2, 1, 4, NOBODY, 4, 4, NOBODY, 32, 4, NOBODY)

# Calls by name.
BY_NAME = (
    ("open(O_RDONLY)", None, {}, opening(os.O_RDONLY)),
    ("open(O_WRONLY)", E.EPERM, {WRITABLE: None, FOLDERS + " link": E.EISDIR}, opening(os.O_WRONLY)),
    ("open(O_RDWR)", E.EPERM, {WRITABLE: None, FOLDERS + " link": E.EISDIR}, opening(os.O_RDWR)),
    ("open(O_ACCMODE)", E.EPERM, {WRITABLE: None, FOLDERS + " link": E.EISDIR}, opening(os.O_ACCMODE)),
    ("open(O_WRONLY|O_TRUNC)", E.EPERM, {WRITABLE: None, FOLDERS + " link": E.EISDIR},
     opening(os.O_WRONLY | os.O_TRUNC)),
    ("open(O_RDONLY|O_TRUNC)", E.EPERM, {WRITABLE: None, FOLDERS + " link": E.EISDIR},
     opening(os.O_RDONLY | os.O_TRUNC)),
    ("open(O_WRONLY|O_CREAT)", E.EPERM, {WRITABLE: None, FOLDERS + " link": E.EISDIR},
     opening(os.O_WRONLY | os.O_CREAT)),
    ("open(O_RDONLY|O_CREAT)", None, {FOLDERS + " link": E.EISDIR}, opening(os.O_RDONLY | os.O_CREAT)),
    ("open(O_CREAT|O_EXCL)", E.EEXIST, {}, opening(os.O_WRONLY | os.O_CREAT | os.O_EXCL)),
    ("open(O_DIRECTORY)", E.ENOTDIR, {FOLDERS + " link": None}, opening(os.O_DIRECTORY)),
    ("open(O_NOFOLLOW)", None, {"link": E.ELOOP}, opening(os.O_NOFOLLOW)),
    ("open(O_PATH)", None, {}, opening(os.O_PATH)),
    ("open(O_PATH|O_NOFOLLOW)", None, {}, opening(os.O_PATH | os.O_NOFOLLOW)),
    ("open(O_TMPFILE)", E.ENOTDIR, {FOLDERS + " link": E.EOPNOTSUPP}, opening(os.O_TMPFILE | os.O_WRONLY)),
    ("open(O_DIRECT)", None, {FOLDERS + " link": E.EINVAL}, opening(os.O_RDONLY | os.O_DIRECT)),
    ("open(O_NOATIME)", None, {}, opening(os.O_RDONLY | os.O_NOATIME)),
    ("open(O_SYNC|O_NONBLOCK)", None, {}, opening(os.O_RDONLY | os.O_SYNC | os.O_NONBLOCK)),
    ("open, as a folder", E.ENOTDIR, {FOLDERS + " link": None}, lambda path: os.close(os.open(path + "/", 0))),
    ("stat", None, {}, os.stat),
    ("lstat", None, {}, os.lstat),
    ("stat, of something in it", E.ENOTDIR, {FOLDERS + " link": E.ENOENT}, lambda path: os.stat(path + "/new")),
    ("stat, of a name of 255 bytes", E.ENOENT, {}, lambda path: os.stat(os.path.dirname(path) + "/" + "n" * 255)),
    ("stat, of a name of 256 bytes", E.ENAMETOOLONG, {},
     lambda path: os.stat(os.path.dirname(path) + "/" + "n" * 256)),
    ("stat, of a name of 4,095 bytes", E.ENAMETOOLONG, {},
     lambda path: os.stat(os.path.dirname(path) + "/" + "n" * 4095)),
    ("access(R_OK)", None, {}, lambda path: demand(os.access(path, os.R_OK))),
    ("access(W_OK), as root", None, {}, lambda path: demand(os.access(path, os.W_OK))),
    ("access(X_OK)", E.EACCES, {FOLDERS + " link": None}, lambda path: demand(os.access(path, os.X_OK))),
    ("execve", E.EACCES, {}, lambda path: os.execv(path, ["x"])),
    ("chdir", E.ENOTDIR, {FOLDERS + " link": None}, lambda path: (os.chdir(path), os.chdir("/"))),
    ("getdents", E.ENOTDIR, {FOLDERS + " link": None}, os.listdir),
    ("readlink", E.EINVAL, {"link": None}, os.readlink),
    ("statfs", None, {}, os.statvfs),
    ("pathconf", None, {}, lambda path: os.pathconf(path, "PC_NAME_MAX")),
    ("name_to_handle_at", None, {}, kernel.file_handle),
    ("truncate(0)", E.EPERM, {WRITABLE: None, FOLDERS + " link": E.EISDIR}, lambda path: os.truncate(path, 0)),
    ("truncate(2^40)", E.EPERM, {WRITABLE: None, FOLDERS + " link": E.EISDIR}, lambda path: os.truncate(path, 1 << 40)),
    ("truncate(-1)", E.EINVAL, {}, lambda path: os.truncate(path, -1)),
    ("chmod, another", E.EPERM, {}, lambda path: os.chmod(path, 0o4711)),
    ("chmod, the same", E.EPERM, {WRITABLE: None}, same_mode),
    ("chown, another", E.EPERM, {}, lambda path: os.lchown(path, 1, 1)),
    ("chown, the same", E.EPERM, {WRITABLE: None}, lambda path: os.lchown(path, os.geteuid(), os.getegid())),
    ("utimensat, now", E.EPERM, {WRITABLE: None}, lambda path: os.utime(path, follow_symlinks=False)),
    ("utimensat, then", E.EPERM, {WRITABLE: None}, lambda path: os.utime(path, (1, 1), follow_symlinks=False)),
    ("unlink", E.EPERM, {FOLDERS: E.EISDIR}, os.unlink),
    ("rmdir", E.ENOTDIR, {"records": E.EPERM, "member": E.EBUSY, "root": E.EINVAL}, os.rmdir),
    ("rename", E.EPERM, {"root": E.EBUSY}, lambda path: os.rename(path, beside(path))),
    ("rename, out of the mount", E.EXDEV, {}, lambda path: os.rename(path, outside(path))),
    ("rename, into the mount", E.EXDEV, {}, lambda path: os.rename(outside(path), path)),
    ("rename, over another", E.EPERM, {"records member": E.EISDIR, "root": E.EBUSY},
     lambda path: os.rename(path[:path.index("/mnt/")] + "/mnt/status/term", path)),
    ("renameat2(RENAME_NOREPLACE)", E.EPERM, {"root": E.EBUSY},
     lambda path: kernel.renameat2(path, beside(path), kernel.RENAME_NOREPLACE)),
    ("renameat2(RENAME_NOREPLACE), there is one", E.EEXIST, {"root": E.EBUSY},
     lambda path: kernel.renameat2(path, path, kernel.RENAME_NOREPLACE)),
    ("renameat2(RENAME_EXCHANGE)", E.EPERM, {"root": E.EBUSY},
     lambda path: kernel.renameat2(path, path[:path.index("/mnt/")] + "/mnt/status/term", kernel.RENAME_EXCHANGE)),
    ("renameat2(RENAME_WHITEOUT)", E.EPERM, {"root": E.EBUSY},
     lambda path: kernel.renameat2(path, beside(path), kernel.RENAME_WHITEOUT)),
    ("link", E.EPERM, {}, lambda path: os.link(path, beside(path), follow_symlinks=False)),
    ("link, out of the mount", E.EXDEV, {}, lambda path: os.link(path, outside(path) + "2", follow_symlinks=False)),
    ("link, over it", E.EEXIST, {}, lambda path: os.link(path[:path.index("/mnt/")] + "/mnt/status/term", path)),
    ("symlink", E.EPERM, {}, lambda path: os.symlink("x", beside(path))),
    ("symlink, over it", E.EEXIST, {}, lambda path: os.symlink("x", path)),
    ("mkdir", E.EPERM, {}, lambda path: os.mkdir(beside(path))),
    ("mkdir, over it", E.EEXIST, {}, os.mkdir),
    ("mkdir, in it", E.ENOTDIR, {FOLDERS + " link": E.EPERM}, lambda path: os.mkdir(path + "/new")),
    ("mknod", E.EPERM, {}, lambda path: os.mknod(beside(path), 0o600 | stat.S_IFREG)),
    ("mknod, a device", E.EPERM, {}, lambda path: os.mknod(beside(path), 0o600 | stat.S_IFCHR, os.makedev(1, 3))),
    ("mknod, over it", E.EEXIST, {}, lambda path: os.mknod(path, 0o600 | stat.S_IFREG)),
    ("mkfifo", E.EPERM, {}, lambda path: os.mkfifo(beside(path))),
    ("bind", E.EPERM, {}, lambda path: bind(beside(path))),
    ("setxattr(user.)", E.EOPNOTSUPP, {"link": E.EPERM},
     lambda path: os.setxattr(path, "user.x", b"y", follow_symlinks=False)),
    ("setxattr(user.clog.offset)", E.EOPNOTSUPP, {"link": E.EPERM},
     lambda path: os.setxattr(path, "user.clog.offset", b"9", follow_symlinks=False)),
    ("setxattr(security.)", E.EOPNOTSUPP, {},
     lambda path: os.setxattr(path, "security.x", b"y", follow_symlinks=False)),
    ("setxattr(trusted.)", E.EOPNOTSUPP, {}, lambda path: os.setxattr(path, "trusted.x", b"y", follow_symlinks=False)),
    ("setxattr(system.posix_acl_access)", E.EOPNOTSUPP, {},
     lambda path: os.setxattr(path, "system.posix_acl_access", ACL, follow_symlinks=False)),
    ("setxattr, of no name", E.ERANGE, {}, lambda path: os.setxattr(path, "", b"y", follow_symlinks=False)),
    ("getxattr(user.)", E.ENODATA, {}, lambda path: os.getxattr(path, "user.x", follow_symlinks=False)),
    ("getxattr(security.capability)", E.ENODATA, {},
     lambda path: os.getxattr(path, "security.capability", follow_symlinks=False)),
    ("getxattr(user.clog.offset)", E.ENODATA, {"record": None},
     lambda path: os.getxattr(path, "user.clog.offset", follow_symlinks=False)),
    ("getxattr, into too little room", E.ENODATA, {"record": E.ERANGE},
     lambda path: kernel.getxattr(path, b"user.clog.crc32c", 7)),
    ("listxattr, into too little room", None, {"record": E.ERANGE}, lambda path: kernel.listxattr(path, 7)),
    ("listxattr", None, {}, lambda path: os.listxattr(path, follow_symlinks=False)),
    ("removexattr", E.ENODATA, {"link": E.EPERM}, lambda path: os.removexattr(path, "user.x", follow_symlinks=False)),
    ("removexattr(user.clog.offset)", E.ENODATA, {"link": E.EPERM},
     lambda path: os.removexattr(path, "user.clog.offset", follow_symlinks=False)),
)


def demand(granted):
    """access(2) as a call that fails."""
    if not granted:
        raise PermissionError(E.EACCES, "no access")


def ioctl(command, room=256):
    return lambda handle: fcntl.ioctl(handle, command, bytearray(room))


def lease(handle):
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def lock_of_description(handle):
    fcntl.fcntl(handle, 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0))  # F_OFD_SETLK


def flags(handle, more):
    """Sets flags of an open file, and the ones that it had."""
    before = fcntl.fcntl(handle, fcntl.F_GETFL)
    fcntl.fcntl(handle, fcntl.F_SETFL, before | more)
    fcntl.fcntl(handle, fcntl.F_SETFL, before)


def watch(handle):
    with select.epoll() as epoll:
        epoll.register(handle, select.EPOLLIN)
        epoll.poll(0)


def to_pipe(move):
    """Moves bytes from the file into a pipe."""
    def call(handle):
        out, into = os.pipe()
        try:
            move(handle, into)
        finally:
            os.close(out)
            os.close(into)
    return call


def from_pipe(move):
    """Moves bytes from a pipe to the file: there are none."""
    def call(handle):
        out, into = os.pipe2(os.O_NONBLOCK)
        try:
            move(out, handle)
        finally:
            os.close(out)
            os.close(into)
    return call


def from_file(handle):
    with open("/proc/self/exe", "rb") as file:
        os.copy_file_range(file.fileno(), handle, 100, 0)


def to_file(handle):
    file = os.memfd_create("copy")
    try:
        os.copy_file_range(handle, file, 100, 0)
    finally:
        os.close(file)


def send_file(handle):
    file = os.memfd_create("copy")
    try:
        os.sendfile(file, handle, None, 100)
    finally:
        os.close(file)


def mount_of(handle):
    """Where the file is mounted."""
    path = os.readlink(f"/proc/self/fd/{handle}")
    return path[:path.index("/mnt") + 4]


def reopen(access):
    return lambda handle: os.close(os.open(f"/proc/self/fd/{handle}", access | os.O_NONBLOCK))


READ_ONLY = "record stream follow next status " + FOLDERS

# Calls by an open file: of each kind, for reading and writing where it can be written; "claim" is one of a record's
# name that has been created, "path" one that O_PATH gave. follow does not wait.
BY_HANDLE = (
    ("read(0)", None, {FOLDERS: E.EISDIR, "path": E.EBADF}, lambda handle: os.read(handle, 0)),
    ("read", None, {"follow": E.EAGAIN, FOLDERS: E.EISDIR, "path": E.EBADF}, lambda handle: os.read(handle, 1)),
    ("pread, far out", None, {"follow": E.ESPIPE, FOLDERS: E.EISDIR, "path": E.EBADF},
     lambda handle: os.pread(handle, 10, 1 << 62)),
    ("pread, at the very end", E.EINVAL, {"follow": E.ESPIPE, "path": E.EBADF},
     lambda handle: os.pread(handle, 10, (1 << 63) - 1)),
    ("pread, before the beginning", E.EINVAL, {"path": E.EINVAL}, lambda handle: os.pread(handle, 10, -1)),
    ("readv of 1,024", None, {"follow": E.EAGAIN, FOLDERS: E.EISDIR, "path": E.EBADF},
     lambda handle: os.readv(handle, [bytearray(1) for _ in range(1024)])),
    ("preadv2(RWF_NOWAIT)", E.EOPNOTSUPP, {"follow": E.ESPIPE, "path": E.EBADF},
     lambda handle: os.preadv(handle, [bytearray(1)], 0, os.RWF_NOWAIT)),
    ("read, to a bad address", E.EFAULT, {FOLDERS: E.EISDIR, "path": E.EBADF},
     lambda handle: kernel.read_to(handle, 16, 100)),
    ("write, from a bad address", E.EBADF, {WRITABLE + " claim": E.EFAULT},
     lambda handle: kernel.write_from(handle, 16, 100)),
    ("pwritev2(RWF_NOWAIT)", E.EBADF, {WRITABLE + " claim": E.EOPNOTSUPP, "follow": E.ESPIPE},
     lambda handle: os.pwritev(handle, [b"x"], 0, os.RWF_NOWAIT)),
    ("write(0)", E.EBADF, {WRITABLE + " claim": None}, lambda handle: os.write(handle, b"")),
    ("write, to what is open to be read", E.EBADF, {WRITABLE + " claim": None},
     lambda handle: os.write(handle, b"" if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_RDWR else b"x")),
    ("pwritev2, of an unknown flag", E.EBADF, {WRITABLE + " claim": E.EOPNOTSUPP, "follow": E.ESPIPE},
     lambda handle: os.pwritev(handle, [b"x"], 0, 0x40000000)),
    ("pwrite, before the beginning", E.EINVAL, {}, lambda handle: os.pwrite(handle, b"x", -1)),
    ("pwrite, at the very end", E.EBADF, {WRITABLE + " claim": E.EINVAL, "follow": E.ESPIPE},
     lambda handle: os.pwrite(handle, b"xx", (1 << 63) - 1)),
    ("lseek(SEEK_SET)", None, {"follow": E.ESPIPE, "path": E.EBADF}, lambda handle: os.lseek(handle, 0, os.SEEK_SET)),
    ("lseek(SEEK_SET), far out", None, {"follow": E.ESPIPE, "path": E.EBADF},
     lambda handle: (os.lseek(handle, 1 << 62, os.SEEK_SET), os.lseek(handle, 0, os.SEEK_SET))),
    ("lseek(SEEK_SET), before the beginning", E.EINVAL, {"follow": E.ESPIPE, "path": E.EBADF},
     lambda handle: os.lseek(handle, -1, os.SEEK_SET)),
    ("lseek(SEEK_CUR)", None, {"follow": E.ESPIPE, "path": E.EBADF}, lambda handle: os.lseek(handle, 0, os.SEEK_CUR)),
    ("lseek(SEEK_END)", None, {"follow": E.ESPIPE, "path": E.EBADF},
     lambda handle: (os.lseek(handle, 0, os.SEEK_END), os.lseek(handle, 0, os.SEEK_SET))),
    ("lseek(SEEK_DATA)", None, {"append lines claim " + FOLDERS: E.ENXIO, "follow": E.ESPIPE, "path": E.EBADF},
     lambda handle: os.lseek(handle, 0, os.SEEK_DATA)),
    ("lseek(SEEK_HOLE)", None, {"append lines claim " + FOLDERS: E.ENXIO, "follow": E.ESPIPE, "path": E.EBADF},
     lambda handle: (os.lseek(handle, 0, os.SEEK_HOLE), os.lseek(handle, 0, os.SEEK_SET))),
    ("lseek(SEEK_DATA), far out", E.ENXIO, {"follow": E.ESPIPE, "path": E.EBADF},
     lambda handle: os.lseek(handle, 1 << 62, os.SEEK_DATA)),
    ("lseek, of an unknown kind", E.EINVAL, {"path": E.EBADF},
     lambda handle: os.lseek(handle, 0, 9)),
    ("fsync", None, {"path": E.EBADF}, os.fsync),
    ("fdatasync", None, {"path": E.EBADF}, os.fdatasync),
    ("sync_file_range", None, {"path": E.EBADF}, kernel.sync_file_range),
    ("posix_fadvise", None, {"path": E.EBADF}, lambda handle: os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)),
    ("readahead", None, {FOLDERS: E.EINVAL, "path": E.EBADF}, kernel.readahead),
    ("ftruncate", None, {READ_ONLY: E.EINVAL, "path": E.EBADF}, lambda handle: os.ftruncate(handle, 5)),
    ("fallocate", E.EPERM, {READ_ONLY + " path": E.EBADF}, lambda handle: kernel.fallocate(handle, 0, 0, 4096)),
    ("posix_fallocate", E.EPERM, {READ_ONLY + " path": E.EBADF}, lambda handle: os.posix_fallocate(handle, 0, 4096)),
    ("fallocate(FALLOC_FL_KEEP_SIZE)", E.EPERM, {READ_ONLY + " path": E.EBADF},
     lambda handle: kernel.fallocate(handle, kernel.FALLOC_KEEP_SIZE, 0, 4096)),
    ("fallocate(FALLOC_FL_PUNCH_HOLE)", E.EPERM, {READ_ONLY + " path": E.EBADF},
     lambda handle: kernel.fallocate(handle, kernel.FALLOC_PUNCH_HOLE | kernel.FALLOC_KEEP_SIZE, 0, 4096)),
    ("fallocate(FALLOC_FL_ZERO_RANGE)", E.EPERM, {READ_ONLY + " path": E.EBADF},
     lambda handle: kernel.fallocate(handle, kernel.FALLOC_ZERO_RANGE, 0, 4096)),
    ("fallocate(FALLOC_FL_COLLAPSE_RANGE)", E.EOPNOTSUPP, {READ_ONLY + " path": E.EBADF},
     lambda handle: kernel.fallocate(handle, kernel.FALLOC_COLLAPSE_RANGE, 0, 4096)),
    ("fallocate(FALLOC_FL_INSERT_RANGE)", E.EOPNOTSUPP, {READ_ONLY + " path": E.EBADF},
     lambda handle: kernel.fallocate(handle, kernel.FALLOC_INSERT_RANGE, 0, 4096)),
    ("fallocate, of nothing", E.EINVAL, {"path": E.EBADF}, lambda handle: kernel.fallocate(handle, 0, 0, 0)),
    ("mmap(PROT_READ, MAP_SHARED)", E.ENODEV, {"record": None, "path": E.EBADF},
     lambda handle: kernel.map_file(handle, 4096, mmap.PROT_READ, mmap.MAP_SHARED)),
    ("mmap(PROT_WRITE, MAP_SHARED)", E.ENODEV, {READ_ONLY: E.EACCES, "path": E.EBADF},
     lambda handle: kernel.map_file(handle, 4096, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED)),
    ("mmap(PROT_READ, MAP_PRIVATE)", None, {FOLDERS: E.ENODEV, "path": E.EBADF},
     lambda handle: kernel.map_file(handle, 4096, mmap.PROT_READ, mmap.MAP_PRIVATE)),
    ("mmap, of nothing", E.EINVAL, {"path": E.EBADF},
     lambda handle: kernel.map_file(handle, 0, mmap.PROT_READ, mmap.MAP_PRIVATE)),
    ("ioctl(TIOCGWINSZ)", E.ENOTTY, {"path": E.EBADF}, ioctl(termios.TIOCGWINSZ)),
    ("ioctl(TCGETS)", E.ENOTTY, {"path": E.EBADF}, ioctl(termios.TCGETS)),
    ("ioctl(FS_IOC_GETFLAGS)", E.ENOTTY, {"claim": E.ESTALE, "path": E.EBADF}, ioctl(0x80086601)),
    ("ioctl(FS_IOC_SETFLAGS)", E.ENOTTY, {"claim": E.ESTALE, "path": E.EBADF}, ioctl(0x40086602)),
    ("ioctl(FS_IOC_FSGETXATTR)", E.ENOTTY, {"claim": E.ESTALE, "path": E.EBADF}, ioctl(0x801C581F)),
    ("ioctl(FS_IOC_FIEMAP)", E.EOPNOTSUPP, {"path": E.EBADF}, ioctl(0xC020660B)),
    ("ioctl(FITRIM)", E.ENOTTY, {"path": E.EBADF}, ioctl(0xC0185879)),
    ("ioctl, unknown", E.ENOTTY, {"path": E.EBADF}, ioctl(0x80046399)),
    ("ioctl, unknown, of 16,383 bytes", E.ENOTTY, {"path": E.EBADF}, ioctl(0xFFFF6399, 16383)),
    ("flock", None, {"path": E.EBADF}, lambda handle: fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)),
    ("fcntl(F_SETLK), to read", None, {"path": E.EBADF}, lambda handle: fcntl.lockf(handle, fcntl.LOCK_SH)),
    ("fcntl(F_SETLK), to write", E.EBADF, {WRITABLE + " claim": None},
     lambda handle: fcntl.lockf(handle, fcntl.LOCK_EX)),
    ("fcntl(F_OFD_SETLK)", None, {"path": E.EBADF}, lock_of_description),
    ("fcntl(F_SETLEASE)", None, {WRITABLE + " claim": E.EAGAIN, FOLDERS: E.EINVAL, "path": E.EBADF}, lease),
    ("fcntl(F_SETPIPE_SZ)", E.EBADF, {}, lambda handle: fcntl.fcntl(handle, 1031, 4096)),
    ("fcntl(F_ADD_SEALS)", E.EINVAL, {READ_ONLY: E.EPERM, "path": E.EBADF},
     lambda handle: fcntl.fcntl(handle, 1033, 1)),
    ("fcntl(F_SETFL, O_DIRECT)", None, {FOLDERS: E.EINVAL, "path": E.EBADF}, lambda handle: flags(handle, os.O_DIRECT)),
    ("fcntl(F_SETFL, O_APPEND)", None, {"path": E.EBADF}, lambda handle: flags(handle, os.O_APPEND)),
    ("fcntl(F_SETFL, O_ASYNC)", None, {"path": E.EBADF}, lambda handle: flags(handle, os.O_ASYNC)),
    ("dup", None, {}, lambda handle: os.close(os.dup(handle))),
    ("poll", None, {}, lambda handle: select_poll(handle)),
    ("epoll_ctl", None, {FOLDERS: E.EPERM, "path": E.EBADF}, watch),
    ("copy_file_range, to it", E.EXDEV, {FOLDERS: E.EISDIR, READ_ONLY + " path": E.EBADF}, from_file),
    ("copy_file_range, from it", E.EXDEV, {FOLDERS: E.EISDIR, "path": E.EBADF}, to_file),
    ("copy_file_range, to itself", E.EINVAL,
     {"append lines claim": None, FOLDERS: E.EISDIR, READ_ONLY + " path": E.EBADF},
     lambda handle: os.copy_file_range(handle, handle, 100, 0, 4096)),
    ("sendfile, from it", None, {"follow": E.EINVAL, FOLDERS: E.EINVAL, "path": E.EBADF}, send_file),
    ("splice, from it", None, {FOLDERS: E.EINVAL, "path": E.EBADF},
     to_pipe(lambda handle, into: os.splice(handle, into, 100))),
    ("splice, to it, of nothing", E.EAGAIN, {READ_ONLY + " path": E.EBADF},
     from_pipe(lambda out, handle: os.splice(out, handle, 100))),
    ("tee", E.EINVAL, {"path": E.EBADF}, to_pipe(kernel.tee)),
    ("vmsplice", E.EBADF, {}, lambda handle: kernel.vmsplice(handle, kernel.Buffer(b"x"))),
    ("getdents", E.ENOTDIR, {FOLDERS: None, "path": E.ENOTDIR}, os.listdir),
    ("getdents, far out", E.ENOTDIR, {FOLDERS: None, "follow": E.ESPIPE, "path": E.EBADF},
     lambda handle: (os.lseek(handle, 1 << 62, os.SEEK_SET), demand(kernel.getdents(handle) == 0))),
    ("openat", E.ENOTDIR, {FOLDERS: E.ENOENT}, lambda handle: os.open("new", 0, dir_fd=handle)),
    ("unlinkat", E.ENOTDIR, {FOLDERS: E.ENOENT}, lambda handle: os.unlink("new", dir_fd=handle)),
    ("linkat", E.EPERM, {}, lambda handle: kernel.linkat(handle, mount_of(handle) + "/new")),
    ("fchdir", E.ENOTDIR, {FOLDERS: None}, lambda handle: (os.fchdir(handle), os.chdir("/"))),
    ("fchmod", E.EPERM, {"path": E.EBADF}, lambda handle: os.fchmod(handle, 0o4711)),
    ("fchown", E.EPERM, {"path": E.EBADF}, lambda handle: os.fchown(handle, 1, 1)),
    ("futimens", E.EPERM, {WRITABLE + " claim": None, "path": E.EBADF}, lambda handle: os.utime(handle, (1, 1))),
    ("fstat", None, {}, os.fstat),
    ("fstatfs", None, {}, os.fstatvfs),
    ("fgetxattr", E.ENODATA, {"record": None, "path": E.EBADF}, lambda handle: os.getxattr(handle, "user.clog.offset")),
    ("fsetxattr", E.EOPNOTSUPP, {"path": E.EBADF}, lambda handle: os.setxattr(handle, "user.x", b"y")),
    ("fexecve", E.EACCES, {}, lambda handle: os.execve(handle, ["x"], {})),
    ("open, by /proc, to read", None, {"claim": E.ESTALE}, reopen(os.O_RDONLY)),
    ("open, by /proc, to write", E.EPERM, {WRITABLE + " path": None, FOLDERS: E.EISDIR}, reopen(os.O_WRONLY)),
)


def select_poll(handle):
    poll = select.poll()
    poll.register(handle, select.POLLIN | select.POLLOUT)
    poll.poll(0)


class Calls(OddCalls):
    """The tables."""

    def expected_code(self, row, kind):
        """What a row says of a kind of file."""
        found = [code for kinds, code in row[2].items() if kind in kinds.split()]
        return found[0] if found else row[1]

    def check(self, row, kind, argument):
        """Makes one call."""
        code = self.expected_code(row, kind)
        try:
            row[3](argument)
            found = None
        except OSError as error:
            found = error.errno
        if found != code:
            self.wrong.append(f"{row[0]} of {kind}: {E.errorcode.get(found, found)}, not {E.errorcode.get(code, code)}")
        self.count += 1

    def setUp(self):
        super().setUp()
        self.wrong, self.count = [], 0
        with open(self.member.folder + "/outside", "wb") as file:
            file.write(b"outside\n")

    def test_calls_by_name(self):
        for again in range(2):  # what the kernel takes for "not implemented" would be another answer then
            for row in BY_NAME:
                for kind, name in KINDS.items():
                    self.check(row, kind, self.mount + "/" + name)
        self.assertFalse(self.wrong, "\n".join(self.wrong))
        print(self.count, "calls", flush=True)

    def test_calls_by_an_open_file(self):
        names = {kind: name for kind, name in KINDS.items() if kind != "link"}
        for again in range(2):
            for row in BY_HANDLE:
                for kind, name in [*names.items(), ("claim", "records/2"), ("path", "log/append")]:
                    access = os.O_RDWR if kind in WRITABLE.split() else os.O_RDONLY
                    more = {"follow": os.O_NONBLOCK, "claim": os.O_RDWR | os.O_CREAT | os.O_EXCL, "path": os.O_PATH}
                    handle = os.open(self.mount + "/" + name, access | more.get(kind, 0))
                    try:
                        self.check(row, kind, handle)
                    finally:
                        os.close(handle)
        self.assertFalse(self.wrong, "\n".join(self.wrong))
        print(self.count, "calls", flush=True)


if __name__ == "__main__":
    member.main()
