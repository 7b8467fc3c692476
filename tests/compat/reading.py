"""Programs that read, of a log to which nobody appends meanwhile. Each says the same of it as of plain files."""

import os

from cases import READ, case, same
from terminal import Terminal

STREAM = "mnt/log/stream"

same("bash",
     f'while IFS= read -r line; do printf "%s\\n" "$line"; done < <(tail -n 50 {STREAM})',
     f"mapfile -n 20 -s 30 lines < {STREAM}; printf '%s' \"${{lines[@]}}\"")
same("dash", f'i=0; while [ $i -lt 50 ] && IFS= read -r line; do echo "$line"; i=$((i + 1)); done < {STREAM}')
same("busybox sh", f'i=0; while [ $i -lt 50 ] && IFS= read -r line; do echo "$line"; i=$((i + 1)); done < {STREAM}')
same("busybox",
     f"busybox cat {STREAM}", f"busybox head -n 100 {STREAM}", f"busybox tail -n 100 {STREAM}",
     f"busybox wc {STREAM}", f"busybox cp {STREAM} copy && cat copy",
     f"busybox dd if={STREAM} bs=1000 skip=3 count=5 2> /dev/null", f"busybox sha256sum {STREAM}",
     "busybox ls -l mnt/log/records/*", "busybox stat -c '%n %s %Y %a' mnt/log/records/*",
     f"busybox od -j 5000 -N 300 {STREAM}", f"busybox sort -r {STREAM}", f"busybox grep -n 'line 11' {STREAM}",
     f"busybox sed -n '100,200p' {STREAM}", f"busybox awk '{{ s += length }} END {{ print s }}' {STREAM}",
     "busybox find mnt/log/records/ -type f -size -2 | sort", f"busybox xxd -l 300 {STREAM}",
     "busybox tar -cf - -C mnt/log records/1 records/2 | busybox tar -xO")
same("cat", f"cat {STREAM}", f"cat -n {STREAM}", "cat mnt/records/7 mnt/records/8")
same("tac", f"tac {STREAM}")
same("head", f"head -n 100 {STREAM}", f"head -c 4097 {STREAM}", f"head -n -5 {STREAM}")
same("tail", f"tail -n 100 {STREAM}", f"tail -n +50 {STREAM}", f"tail -c 4097 {STREAM}", f"tail -c +70001 {STREAM}")
same("wc", f"wc {STREAM}", f"wc -c {STREAM}", "wc -c mnt/log/records/* | tail -n 1")
same("cp", f"cp {STREAM} copy && cat copy", f"cp --sparse=always --reflink=auto {STREAM} copy && cat copy",
     "cp -rp mnt/log/records/. copy && cd copy && stat -c '%n %s %y' * && cat *")
same("dd", f"dd if={STREAM} bs=1000 skip=3 count=5 status=none", f"dd if={STREAM} bs=1M iflag=direct status=none",
     f"dd if={STREAM} bs=4K skip=70001 count=9999 iflag=skip_bytes,count_bytes status=none")
same("sha256sum", f"sha256sum {STREAM}", "sha256sum mnt/log/records/*")
same("md5sum", f"md5sum {STREAM}")
same("cksum", f"cksum {STREAM}")
same("cmp", f"cmp {STREAM} <(cat {STREAM}) && echo same")
same("diff", f"diff <(head -n 20 {STREAM}) {STREAM} || true")
same("ls", "ls -U mnt/log/records | sort", "ls -v mnt/log/records/", "ls -l --time-style=full-iso mnt/log/records/*",
     f"ls -l {STREAM} | cut -d ' ' -f 1-5", "ls -S mnt/log/records/* | head -n 20")
same("stat", "stat -c '%n %s %y %a %F' mnt/log/records/*", f"stat -c '%n %s %a %F' {STREAM}")
same("du", "du -b mnt/log/records/7", f"du -b {STREAM}")
same("split", f"split -b 100K {STREAM} part && sha256sum part*", f"split -n l/3/7 {STREAM}")
same("od", f"od -A d -t x1 -j 5000 -N 300 {STREAM}")
same("xxd", f"xxd -s 5000 -l 300 {STREAM}")
same("sort", f"sort {STREAM}", f"sort -r -u {STREAM}")
same("uniq", f"uniq -c -w 5 {STREAM}")
same("cut", f"cut -c 1-9 {STREAM}")
same("nl", f"nl {STREAM}")
same("paste", f"paste -s {STREAM}")
same("grep", f"grep -c 'line 10' {STREAM}", f"grep -n -A 2 -m 3 fox {STREAM}", "grep -rhc fox mnt/log/records | sort",
     "grep -l fox mnt/log/records/*")
same("sed", f"sed -n '100,200p;300q' {STREAM}")
same("awk", f"awk '{{ n += NF; s += length }} END {{ print n, s }}' {STREAM}")
same("perl", f"perl -ne 'print if $. % 77 == 0' {STREAM}",
     f"perl -e 'open(F, \"{STREAM}\"); seek(F, -500, 2); print <F>'")
same("python3", f"python3 -c 'print(list(open(\"{STREAM}\", newline=\"\"))[-30:])'",
     f"python3 -c 'import os; f = os.open(\"{STREAM}\", 0); print(os.pread(f, 5000, 7777))'",
     "python3 -c 'import mmap; f = open(\"mnt/records/8\", \"rb\"); "
     "print(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)[:])'")
same("xargs", "ls -v mnt/log/records | head -n 50 | (cd mnt/log/records && xargs cat)")
same("find", "find mnt/log/records/ -type f | sort", "find mnt/log/records/ -type f -size +3k | sort",
     "find mnt/log/records/ -type f -newer mnt/log/records/9 | sort",
     "find mnt/log/records/ -name '1?' -print0 | sort -z | xargs -0 cat")
same("tar", "tar -C mnt/log -cf - records | tar -xf - && cd records && stat -c '%n %s %y' * && cat *",
     f"tar -C mnt/log --mtime=@0 -cf - stream | tar -xO")
same("rsync", "rsync -a mnt/log/records/ copy && cd copy && stat -c '%n %s %y' * && cat *",
     f"rsync {STREAM} copy && cat copy")
same("gzip", f"gzip -c {STREAM} | zcat")
same("less", f"less {STREAM}", f"less -p 'line 9' {STREAM} < /dev/null | tail -n 3")
same("curl", f'curl -s "file://$PWD/{STREAM}"', f'curl -s -r 100-999 "file://$PWD/{STREAM}"')
same("vi", f"vi -u NONE -es -c '%p' -c q {STREAM} < /dev/null | head -n 100")
same("ed", f"printf '%s\\n' 5,50p q | ed -s {STREAM}")
same("fio", f"fio --name=x --filename={STREAM} --rw=randread --bs=1k --size=100k --readonly --thread --minimal | "
     "cut -d ';' -f 5,6")


@case("find", "`find mnt/records/ -newermt TIME`", READ, "the records that were appended after that time")
def find_newer_than_a_time(place):
    times = {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(place.path("records"))}
    for moment in (sorted(times.values())[len(times) // 2], max(times.values()), 1):
        expected = {name for name, time in times.items() if time > moment}
        script = f"find mnt/records/ -type f -newermt '@{moment // 10**9}.{moment % 10**9:09d}' -printf '%f\\n'"
        assert set(place.shell(script).decode().split()) == expected, moment


@case("rsync", "`rsync -a mnt/records/ copy`, again", READ, "copies nothing anew")
def rsync_again(place):
    place.shell("rsync -a mnt/records/ copy")
    assert place.shell("rsync -a --itemize-changes --omit-dir-times mnt/records/ copy") == b""


@case("rsync", "`rsync --append mnt/log/stream copy`", READ, "copies what the copy lacks")
def rsync_append(place):
    place.shell("head -c 50000 mnt/log/stream > copy; rsync --append mnt/log/stream copy; cmp mnt/log/stream copy")


@case("grep", "`grep -r fox mnt/log`", READ, "comes to an end: `follow`, which waits, is not listed")
def grep_all(place):
    found = place.shell("grep -rl 'T0000 the quick brown fox' mnt/log").decode().split()
    assert "mnt/log/stream" in found and len(found) == 2, found


@case("python3", "`mmap` of `stream`", READ, "a file that grows is not mapped; records are, and `read` works",
      works=False)
def python_maps_the_stream(place):
    place.shell("python3 -c 'import mmap; f = open(\"mnt/log/stream\", \"rb\"); "
                "mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)'", status=1, complaint="No such device")


@case("less", "`less mnt/log/stream` in a terminal: `G`, `g`, `/`", READ, "the end, the beginning, what is searched")
def less_in_a_terminal(place):
    lines = place.stream().splitlines()
    with Terminal(place, "less -S mnt/log/stream") as less:
        less.wait_for(lines[0][:60])
        less.press("G")
        less.wait_for(lines[-1][:60])
        less.press("g/line 11\n")
        less.wait_for(next(line for line in lines if b"line 11" in line)[:30])
        less.press("q")
        less.wait_for_end()
