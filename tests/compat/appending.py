"""Programs that append."""

import os

from cases import APPEND, BYTES, case, lines, one, pieces, refused, without_effect
from member import soak

one("bash",
    'echo "$T" >> mnt/append',
    'echo "$T" > mnt/append',
    "printf '%s\\n' \"$T\" >> mnt/append",
    'exec 3>>mnt/append; echo "$T" >&3; exec 3>&-',
    'cat >> mnt/append <<< "$T"')
one("dash",
    'echo "$T" >> mnt/append',
    "printf '%s\\n' \"$T\" > mnt/append",
    'exec 3>>mnt/append; echo "$T" >&3; exec 3>&-')
one("busybox sh",
    'echo "$T" >> mnt/append',
    'exec 3>>mnt/append; echo "$T" >&3; exec 3>&-')
one("busybox",
    "busybox cat line >> mnt/append",
    "busybox cp line mnt/append",
    "busybox dd if=line of=mnt/append 2> /dev/null",
    "busybox tee -a mnt/append < line > /dev/null",
    "busybox sort -o mnt/append line",
    "busybox sed -n 'w mnt/append' line",
    "busybox awk '{ print >> \"mnt/append\" }' line",
    'busybox printf "%s\\n" "$T" >> mnt/append')
one("printf", "/usr/bin/printf '%s\\n' \"$T\" >> mnt/append")
one("cat", "cat line >> mnt/append", 'echo "$T" | cat > mnt/append')
one("cp", "cp line mnt/append", "cp -p line mnt/append")
one("dd",
    "dd if=line of=mnt/append status=none",
    "dd if=line of=mnt/append oflag=append conv=notrunc,fsync status=none")
one("head", "head -n 1 line >> mnt/append")
one("tail", "tail -n 1 line >> mnt/append")
one("tee", 'echo "$T" | tee mnt/append > /dev/null', 'echo "$T" | tee -a mnt/append > /dev/null')
one("sort", "sort -o mnt/append line")
one("grep", "grep quick line >> mnt/append")
one("sed", "sed -n 'w mnt/append' line")
one("awk", "awk '{ print >> \"mnt/append\" }' line")
one("perl", "perl -e 'open(F, \">>\", \"mnt/append\") or die; print F \"$ENV{T}\\n\"; close(F) or die'")
one("python3",
    "python3 -c 'import os; print(os.environ[\"T\"], file=open(\"mnt/append\", \"a\"))'",
    "python3 -c 'import os; open(\"mnt/append\", \"wb\", buffering=0).write(os.environ[\"T\"].encode() + b\"\\n\")'")
one("xargs", "printf '%s' \"$T\" | xargs -0 -n 1 echo >> mnt/append")
one("find", "find . -name line -exec cat {} + >> mnt/append")
one("curl", 'curl -s -o mnt/append "file://$PWD/line"')
one("vi", "vi -u NONE -es -c 'w! mnt/append' -c q line < /dev/null")
one("ed", "printf '%s\\n' a \"$T\" . w q | ed -s mnt/append")

lines("bash", 'while IFS= read -r line; do printf "%s\\n" "$line"; done < text >> mnt/log/lines')
lines("dash", 'while IFS= read -r line; do printf "%s\\n" "$line"; done < text >> mnt/log/lines')
lines("busybox sh", 'while IFS= read -r line; do printf "%s\\n" "$line"; done < text >> mnt/log/lines')
lines("busybox", "busybox cat text >> mnt/log/lines", "busybox awk '{ print > \"mnt/log/lines\" }' text")
lines("cat", "cat text >> mnt/log/lines")
lines("cp", "cp text mnt/log/lines")
lines("dd", "dd if=text of=mnt/log/lines bs=7 status=none")
lines("tee", "tee -a mnt/log/lines < text > /dev/null")
lines("sort", "sort -s -k 1,1 -o mnt/log/lines text")
lines("split", "split -n l/5 --filter='cat >> mnt/log/lines' text")
lines("stdbuf", "stdbuf -oL cat text >> mnt/log/lines")
lines("grep", "grep --line-buffered '' text >> mnt/log/lines")
lines("sed", "sed -n 'w mnt/log/lines' text")
lines("awk", "awk '{ print > \"mnt/log/lines\" }' text")
lines("perl", "perl -ne 'BEGIN { open(F, \">>\", \"mnt/log/lines\") } print F $_; END { close(F) or die }' text")
lines("python3", "python3 -c 'open(\"mnt/log/lines\", \"ab\").writelines(open(\"text\", \"rb\"))'")
lines("xargs", "xargs -d '\\n' -n 1 -a text /usr/bin/printf '%s\\n' >> mnt/log/lines")
lines("curl", 'curl -s "file://$PWD/text" >> mnt/log/lines')
lines("rsync", "rsync --inplace --whole-file text mnt/log/lines")
lines("vi", "vi -u NONE -es -c 'w >> mnt/log/lines' -c q text < /dev/null")

pieces("cat", "cat blob >> mnt/append")
pieces("cp", "cp blob mnt/append")
pieces("dd", "dd if=blob of=mnt/append bs=64K status=none")
pieces("tee", "tee mnt/append < blob > /dev/null")
pieces("head", "head -c 20M blob > mnt/append")
pieces("split", "split -n 4 --filter='cat >> mnt/append' blob")
pieces("busybox", "busybox cat blob > mnt/append", "busybox dd if=blob of=mnt/append bs=100k 2> /dev/null")
pieces("perl", "perl -pe '' blob >> mnt/append")
pieces("python3", "python3 -c 'import shutil; shutil.copyfile(\"blob\", \"mnt/append\")'",
       "python3 -c 'open(\"mnt/append\", \"ab\").writelines(open(\"blob\", \"rb\"))'")
pieces("rsync", "rsync --inplace --whole-file blob mnt/log/append")
pieces("curl", 'curl -s -o mnt/append "file://$PWD/blob"')

without_effect("touch", "touch mnt/append mnt/log/lines", "succeeds, and changes nothing")
without_effect("truncate", "truncate -s 0 mnt/append", "succeeds, and changes nothing: what is in the log stays")
without_effect("cat", "cat /dev/null > mnt/append", "nothing: a record has a byte at least")


@case("dd", "`dd if=blob of=mnt/append bs=1000`", BYTES, "a record for each block")
def dd_blocks(place):
    blocks, begin = place.blob[:50_500], place.begin()
    place.shell("head -c 50500 blob > blocks; dd if=blocks of=mnt/append bs=1000 status=none")
    place.expect([blocks[i:i + 1000] for i in range(0, len(blocks), 1000)], begin)


def read_back(shell):
    """The offset of an append, as the shell that made it is told."""
    @case(shell, '`exec 3<>mnt/append; echo "$T" >&3; read -r offset <&3`', APPEND, "the offset of the record")
    def run(place):
        begin = place.begin()
        script = 'exec 3<>mnt/append; echo "$T" >&3; read -r offset <&3; echo "$offset"; cat "mnt/records/$offset"'
        offset, record = place.shell(script, shell.split()).split(b"\n", 1)
        assert record == place.line, record
        assert place.expect([place.line], begin) == [int(offset)], offset


def conditional(shell):
    """A record at just the offset that was asked for."""
    @case(shell, '`set -C; echo "$T" > mnt/records/42`', APPEND, "the record, if it gets the offset 42, or an error")
    def run(place):
        begin = place.begin()
        place.shell('set -C; until at=$(cat mnt/log/next) && echo "$T" > "mnt/records/$at"; do :; done 2> /dev/null; '
                    'test "$(cat "mnt/records/$at")" = "$T"', shell.split())
        place.expect([place.line], begin)
        place.shell('set -C; echo "$T" > mnt/records/0', shell.split(), complaint="exist", status=status)

    status = 2 if shell == "dash" else 1


for name in ("bash", "dash", "busybox sh"):
    read_back(name)
    conditional(name)


@case("python3", '`open("mnt/log/lines", "r+b", buffering=0)`: write, then read', APPEND,
      "the first offset of the batch, and how many records it has")
def python_reads_back(place):
    begin = place.begin()
    script = ('f = open("mnt/log/lines", "r+b", buffering=0); f.write(open("text", "rb").read()); '
              'print(f.read(100).decode(), end="")')
    place.put("script", script.encode())
    first, count = map(int, place.shell("python3 script").split())
    assert place.expect(place.lines, begin) == list(range(first, first + count)), (first, count)


@case("python3", "`logging.basicConfig(filename=\"mnt/append\")`", APPEND, "a record for each message")
def python_logging(place):
    begin = place.begin()
    place.put("script", b"import logging, os\n"
              b"logging.basicConfig(filename='mnt/append', format='%(levelname)s %(message)s', level=logging.INFO)\n"
              b"for i in range(10): logging.info('%s %d', os.environ['T'], i)\n")
    place.shell("python3 script")
    place.expect([b"INFO %s %d\n" % (place.line.strip(), i) for i in range(10)], begin)


@case("python3", "`logging.handlers.WatchedFileHandler`", APPEND, "a record for each message")
def python_watched_file(place):
    begin = place.begin()
    place.put("script", b"import logging.handlers, os\n"
              b"logging.getLogger().addHandler(logging.handlers.WatchedFileHandler('mnt/append'))\n"
              b"for i in range(10): logging.error('%s %d', os.environ['T'], i)\n")
    place.shell("python3 script")
    place.expect([b"%s %d\n" % (place.line.strip(), i) for i in range(10)], begin)


@case("python3", "`logging.handlers.RotatingFileHandler`, once it rotates", APPEND,
      "a file of the log cannot be renamed; `log/retention` says what is kept", works=False)
def python_rotating_file(place):
    begin = place.begin()
    place.put("script", b"import logging.handlers, os\n"
              b"logging.raiseExceptions = True\n"
              b"handler = logging.handlers.RotatingFileHandler('mnt/append', maxBytes=1, backupCount=1)\n"
              b"logging.getLogger().addHandler(handler)\n"
              b"logging.error(os.environ['T'])\n")
    place.shell("python3 script", complaint="PermissionError|Operation not permitted")
    assert place.expect_matching(place.token.encode(), begin) == []


@case("logger", "`logger --no-act --stderr \"$T\" 2>> mnt/append`", APPEND, "one record")
def logger(place):
    begin = place.begin()
    place.shell('logger --no-act --stderr --socket-errors=off "$T" 2>> mnt/append')
    found = place.expect_matching(place.token.encode(), begin)
    assert len(found) == 1 and found[0].startswith(b"<13>") and found[0].endswith(b": " + place.line), found


@case("cron", "`job >> mnt/log/lines 2>&1`, as cron runs it", APPEND, "a record for each line, of stdout and stderr")
def cron(place):
    begin = place.begin()
    script = 'echo "$T: begins"; cat "no such $T"; echo "$T: ends"'
    place.put("job", script.encode())
    place.shell(f"cd /; exec env -i PATH=/usr/bin:/bin T=\"$T\" /bin/sh -c '. {place.folder}/job >> "
                f"{place.mount}/log/lines 2>&1' < /dev/null", status=0)
    text = place.line.strip()
    place.expect([text + b": begins\n", b"cat: 'no such " + text + b"': No such file or directory\n",
                  text + b": ends\n"], begin)


@case("xargs", "`xargs -P 4 -I{} sh -c 'echo {} >> mnt/append'`", APPEND, "a record of each, in any order")
def xargs_in_parallel(place):
    begin = place.begin()
    names = [f"{place.token} {i}\n".encode() for i in range(8)]
    place.shell("xargs -P 4 -I{} sh -c 'echo {} >> mnt/append'", feed=b"".join(names))
    assert sorted(place.expect_matching(place.token.encode(), begin)) == sorted(names)


@case("flock", "`flock mnt/log/next program`", APPEND, "locks out those of the same mount, not of other members'")
def flock(place):
    place.shell("exec 3< mnt/log/next; flock 3; flock -n mnt/log/next true", status=1)
    others = [member for member in place.test.members if member.mount != place.mount]
    place.shell(f"exec 3< mnt/log/next; flock 3; flock -n {others[0].mount}/log/next true")


@case("flock", "`flock mnt/append program`", APPEND,
      "each opening of `append` is a file of its own to the kernel: nobody is locked out", works=False)
def flock_append(place):
    place.shell("exec 3>>mnt/append; flock 3; flock -n mnt/append true")


@case("gzip", "`gzip -c text >> mnt/append`, then `zcat mnt/records/N`", BYTES, "the text")
def gzip(place):
    begin = place.begin()
    place.shell("gzip -nc text >> mnt/append; gzip -nc text > packed")
    with open(place.folder + "/packed", "rb") as packed:
        offset, = place.expect([packed.read()], begin)
    assert place.shell(f"zcat < mnt/records/{offset}") == b"".join(place.lines)


@case("tar", "`tar -cf mnt/append FILES`, then `tar -xOf mnt/records/N`", BYTES,
      "one record up to 10 KiB, and else one for each 10 KiB")
def tar(place):
    begin = place.begin()
    place.shell("tar -cf mnt/append line; tar -cf packed line")
    with open(place.folder + "/packed", "rb") as packed:
        offset, = place.expect([packed.read()], begin)
    assert place.shell(f"tar -xOf mnt/records/{offset}") == place.line
    begin = place.begin()
    place.shell("tar -cf mnt/append text line; tar -cf packed text line")
    with open(place.folder + "/packed", "rb") as packed:
        assert set(place.expect_pieces(packed.read(), begin)) == {10240}


@case("fio", "`fio --rw=write --filename=mnt/append --create_on_open=1`, by psync and libaio", APPEND, "a record for each block")
def fio(place):
    for engine in ("psync", "libaio") + (("io_uring",) if soak() else ()):
        begin = place.begin()
        pattern = (place.token + engine[0]).encode() * 200
        place.shell(f"fio --name=x --filename=mnt/append --rw=write --bs=1k --size=20k --ioengine={engine} --iodepth=4 "
                    f"--create_on_open=1 --fallocate=none --buffer_pattern='\"{place.token}{engine[0]}\"' --output=said")
        found = place.expect_matching(place.token.encode() + engine[:1].encode(), begin)
        assert found == [pattern[:1024]] * 20, (len(found), found[:1])


refused("sed", "sed -i s/a/b/ mnt/log/stream", "couldn't open temporary file", "it makes a new file beside the old one",
        status=4)
refused("vi", "vi -u NONE -es -V1 -c '1s/T/t/' -c 'wq!' mnt/records/0 < /dev/null", "Can't open file for writing",
        "a record never changes")
refused("ed", "printf '%s\\n' 1s/T/t/ w q | ed -s mnt/records/0", "not permitted", "a record never changes")
refused("rm", "rm -f mnt/records/0", "not permitted", "records go by `log/first` and `log/retention`")
refused("mv", "mv line mnt/log/append", "not permitted", "it takes the old file away first")
refused("mv", "mv mnt/log/stream mnt/log/stream.1", "not permitted", "as logrotate does: `log/retention` says what is kept")
refused("install", "install line mnt/log/append", "not permitted", "it takes the old file away first")
refused("rsync", "rsync line mnt/log/append", "not permitted", "without `--inplace` it makes a new file, and renames it",
        status=23)
refused("gzip", "gzip mnt/log/stream", "not permitted", "it puts a new file in the place of the old one")
refused("tar", "tar -cf - line | tar -xf - -C mnt/log", "not permitted", "no files can be made", status=2)
