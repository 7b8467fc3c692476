"""Programs that have the log open while its beginning is trimmed. Each case yields once: then place.trimmed is the first
offset kept, and place.gone how many bytes went."""

import errno
import os
import signal
import subprocess

from cases import TRIM, case
from growing import follow_the_stream
from terminal import Terminal
from wait import until


def disturbed(program, *commands):
    """Programs that follow the log go on."""
    for command in commands:
        @case(program, f"`{command}`, while the log is trimmed", TRIM, "goes on, and shows what comes, once")
        def run(place, command=command):
            running = place.start(command)
            running.wait_until_open(command.split()[-1].removeprefix("mnt"))
            until(lambda: "tail" not in command or running.look() != b"", 60,
                  f"{command} shows the end of what is there")
            place.append(place.line)
            running.wait_for(place.line)
            begin = len(running.look())
            yield
            follow_the_stream(place, running)
            assert place.stream().find(running.look()[begin:]) >= 0


disturbed("tail", "tail -n 1 -f mnt/log/stream", "tail -n 1 -s 0.1 --max-unchanged-stats=1 -F mnt/log/stream")
disturbed("busybox", "busybox tail -n 1 -f mnt/log/stream")
disturbed("cat", "cat mnt/log/follow")


@case("less", "`less +F mnt/log/stream`, while the log is trimmed", TRIM, "goes on, and shows what comes")
def less_goes_on(place):
    with Terminal(place, "less -S +F mnt/log/stream") as less:
        less.wait_for(b"Waiting for data")
        place.append(place.line)
        less.wait_for(place.line.strip())
        yield
        place.append(place.token.encode() + b" after it\n")
        less.wait_for(place.token.encode() + b" after it")
        less.child.send_signal(signal.SIGTERM)


@case("cat", "`cat` of a `stream` that was opened before the trim", TRIM,
      "\"Stale file handle\" where what it reads is gone, never other bytes")
def cat_of_what_is_gone(place):
    stream = os.open(place.path("log/stream"), os.O_RDONLY)
    try:
        before = os.read(stream, 1000)
        assert len(before) == 1000
        yield
        done = subprocess.run(["cat"], stdin=stream, capture_output=True, check=False, timeout=60)
        assert (done.returncode, done.stdout) == (1, b"") and b"Stale file handle" in done.stderr, done
        try:
            raise AssertionError(f"bytes that are gone are {os.pread(stream, 100, 0)!r}")
        except OSError as error:
            assert error.errno == errno.ESTALE, error
    finally:
        os.close(stream)


@case("dd", "`dd skip=` in a `stream` that was opened before the trim", TRIM, "what is kept is where it was")
def dd_of_what_is_kept(place):
    stream = os.open(place.path("log/stream"), os.O_RDONLY)
    try:
        whole = place.stream()
        yield
        command = ["dd", "bs=64K", "iflag=skip_bytes", "status=none"]
        for position in (place.gone, place.gone + 12_345, len(whole) - 1):
            os.lseek(stream, 0, os.SEEK_SET)
            kept = subprocess.check_output([*command, f"skip={position}"], stdin=stream, timeout=60)
            assert kept[:len(whole) - position] == whole[position:], position
    finally:
        os.close(stream)


@case("sha256sum", "`sha256sum mnt/log/stream`, after a trim", TRIM, "of what is kept: byte 0 is the first byte kept")
def checksum_of_what_is_kept(place):
    kept = place.stream()
    yield
    place.put("kept", kept[place.gone:])
    size = len(kept) - place.gone
    assert place.shell(f"head -c {size} mnt/log/stream | sha256sum") == place.shell("sha256sum < kept")


@case("ls", "`ls mnt/records`, after a trim", TRIM, "the records that are kept")
def listing_of_what_is_kept(place):
    count = place.begin()
    yield
    listed = [int(name) for name in place.shell("ls -U mnt/records/").split()]
    assert listed[:count - place.trimmed] == list(range(place.trimmed, count)), listed[:5]
    place.shell("cat mnt/records/0", status=1, complaint="No such file")


@case("tar", "`tar` of records that are trimmed under it", TRIM, "names those that are gone, and has the others whole")
def tar_meets_a_trim(place):
    names = os.listdir(place.path("records"))
    place.put("names", "".join(f"records/{name}\n" for name in names[:20] + names[-20:]).encode())
    yield
    place.shell("tar -C mnt/log -cf packed -T names", status=2, complaint="records/0: .*(No such file|Stale)")
    found = place.shell("tar -xOf packed")
    assert found == b"".join(place.shown.records[int(name)] for name in names[-20:])
