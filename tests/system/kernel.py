"""System calls that Python has no name for. Each fails with an OSError, as Python's own do."""

import ctypes
import errno
import mmap
import os
import platform
import struct

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_void_p

RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
AT_EMPTY_PATH = 0x1000
FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_COLLAPSE_RANGE, FALLOC_ZERO_RANGE, FALLOC_INSERT_RANGE = 1, 2, 8, 16, 32

IO_SETUP, IO_DESTROY, IO_SUBMIT, IO_GETEVENTS = {"aarch64": (0, 1, 2, 4)}.get(platform.machine(), (206, 207, 209, 208))
AIO_WRITE, AIO_WRITEV = 1, 8
GETDENTS = {"aarch64": 61}.get(platform.machine(), 217)
IO_URING_SETUP, IO_URING_ENTER = 425, 426
URING_SINGLE_MMAP, URING_WAIT, URING_SQES = 1, 1, 0x10000000
URING_WRITEV, URING_POLL, URING_READ, URING_WRITE, URING_SPLICE = 2, 6, 22, 23, 30
NOWHERE = 0xFFFFFFFFFFFFFFFF


def checked(found):
    """What a call gave, or its error."""
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found


def syscall(number, *arguments):
    """Any call; integers and addresses alone."""
    return checked(libc.syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments)))


def write_once(handle, data):
    """write(2) and nothing else: os.write calls it again when a signal comes."""
    return checked(libc.write(handle, data, ctypes.c_size_t(len(data))))


def renameat2(path, target, flags):
    return checked(libc.renameat2(-100, os.fsencode(path), -100, os.fsencode(target), flags))


def linkat(handle, target):
    """A name for an open file."""
    return checked(libc.linkat(handle, b"", -100, os.fsencode(target), AT_EMPTY_PATH))


def fallocate(handle, mode, place, size):
    return checked(libc.fallocate(handle, mode, ctypes.c_long(place), ctypes.c_long(size)))


def map_file(handle, size, access, kind):
    """Maps a file and takes the mapping away again: mmap.mmap looks at its size first."""
    where = libc.mmap(None, ctypes.c_size_t(size), access, kind, handle, ctypes.c_long(0))
    if where == ctypes.c_void_p(-1).value:
        checked(-1)
    libc.munmap(ctypes.c_void_p(where), ctypes.c_size_t(size))


def getdents(handle):
    """Gives the size of the entries from where the folder's handle is."""
    room = ctypes.create_string_buffer(4096)
    return syscall(GETDENTS, handle, ctypes.addressof(room), 4096)


def getxattr(path, name, size):
    """Into a room of so many bytes."""
    return checked(libc.lgetxattr(os.fsencode(path), name, ctypes.create_string_buffer(size), ctypes.c_size_t(size)))


def listxattr(path, size):
    return checked(libc.llistxattr(os.fsencode(path), ctypes.create_string_buffer(size), ctypes.c_size_t(size)))


def write_from(handle, address, size):
    """write(2) of what may not be there."""
    return checked(libc.write(handle, ctypes.c_void_p(address), ctypes.c_size_t(size)))


def read_to(handle, address, size):
    return checked(libc.read(handle, ctypes.c_void_p(address), ctypes.c_size_t(size)))


def forbid(address, size):
    """From here on nobody may look at these bytes, the kernel included."""
    checked(libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), 0))


def sync_file_range(handle):
    return checked(libc.sync_file_range(handle, ctypes.c_long(0), ctypes.c_long(0), 7))


def readahead(handle):
    return checked(libc.readahead(handle, ctypes.c_long(0), ctypes.c_size_t(4096)))


def tee(source, target):
    return checked(libc.tee(source, target, ctypes.c_size_t(100), 0))


def file_handle(path):
    """Asks for the name of a file by which open_by_handle_at finds it."""
    room = (ctypes.c_char * 136)(*struct.pack("I", 128))
    return checked(libc.name_to_handle_at(-100, os.fsencode(path), room, ctypes.byref(ctypes.c_int()), 0))


class Buffer:
    """Bytes at the beginning of a page, and the struct iovec that says where."""

    def __init__(self, data):
        self.memory = mmap.mmap(-1, max(len(data), 1))
        self.memory[:len(data)] = data
        self.view = memoryview(self.memory)[:len(data)]
        self.size = len(data)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.vector = (ctypes.c_uint64 * 2)(self.address, self.size)

    def pieces(self, count):
        """As many parts of it as may be, up to count, each of whole pages but for the last."""
        pages = -(-self.size // mmap.PAGESIZE)
        step = max(1, -(-pages // count)) * mmap.PAGESIZE
        return [self.view[at:at + step] for at in range(0, self.size, step)]


def vmsplice(pipe, buffer):
    """Lends bytes to a pipe."""
    return checked(libc.vmsplice(pipe, buffer.vector, ctypes.c_size_t(1), 0))


class Aio:
    """The kernel's own asynchronous I/O, one call at a time."""

    def __init__(self):
        context = ctypes.c_uint64()
        syscall(IO_SETUP, 4, ctypes.addressof(context))
        self.context = context.value

    def write(self, handle, buffer, opcode=AIO_WRITE, place=0):
        """A write, and its answer."""
        where, size = (buffer.address, buffer.size) if opcode == AIO_WRITE else (ctypes.addressof(buffer.vector), 1)
        block = ctypes.create_string_buffer(struct.pack("=QIIHhIQQqQII", 7, 0, 0, opcode, 0, handle, where, size, place,
                                                        0, 0, 0), 64)
        blocks = (ctypes.c_uint64 * 1)(ctypes.addressof(block))
        syscall(IO_SUBMIT, self.context, 1, ctypes.addressof(blocks))
        event = (ctypes.c_int64 * 4)()
        syscall(IO_GETEVENTS, self.context, 1, 1, ctypes.addressof(event), 0)
        return answer(event[2])

    def close(self):
        syscall(IO_DESTROY, self.context)


class Ring:
    """An io_uring, one call at a time."""

    def __init__(self):
        params = (ctypes.c_uint32 * 30)()
        self.handle = syscall(IO_URING_SETUP, 4, ctypes.addressof(params))
        if not params[5] & URING_SINGLE_MMAP:
            raise OSError(errno.ENOSYS, "an io_uring of an old kernel")
        self.submitted, self.completed = list(params[10:18]), list(params[20:28])
        size = max(self.submitted[6] + 4 * params[0], self.completed[5] + 16 * params[1])
        self.queue = mmap.mmap(self.handle, size)
        self.entries = mmap.mmap(self.handle, 64 * params[0], offset=URING_SQES)

    def word(self, place):
        return struct.unpack_from("I", self.queue, place)[0]

    def call(self, opcode, handle, where, size, offset=NOWHERE, source=0):
        """A call, and its answer. offset: NOWHERE for the file's own place."""
        tail, mask = self.word(self.submitted[1]), self.word(self.submitted[2])
        struct.pack_into("=BBHiQQIIQHHiQQ", self.entries, 64 * (tail & mask), opcode, 0, 0, handle, offset, where, size,
                         0, 7, 0, 0, source, 0, 0)
        struct.pack_into("I", self.queue, self.submitted[6] + 4 * (tail & mask), tail & mask)
        struct.pack_into("I", self.queue, self.submitted[1], tail + 1)
        syscall(IO_URING_ENTER, self.handle, 1, 1, URING_WAIT, 0, 0)
        head, mask = self.word(self.completed[0]), self.word(self.completed[2])
        found = struct.unpack_from("=Qi", self.queue, self.completed[5] + 16 * (head & mask))[1]
        struct.pack_into("I", self.queue, self.completed[0], head + 1)
        return answer(found)

    def close(self):
        self.queue.close()
        self.entries.close()
        os.close(self.handle)


def has_ring():
    """False where this kernel has no io_uring, or lets nobody have one."""
    try:
        Ring().close()
        return True
    except OSError as error:
        print("there is no io_uring:", error.strerror)
        return False


def answer(found):
    """What an asynchronous call gave, or its error."""
    if found < 0:
        raise OSError(-found, os.strerror(-found))
    return found
