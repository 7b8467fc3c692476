"""The programs that people have append what they write, and read what is there."""

import os
import re
import shutil
import signal
import unittest

import member
from wait import until

LINE = b"the quick brown fox\n"
PERL = 'open(F, ">>", "mnt/append") or die; print F "the quick brown fox\\n"; close(F) or die'
PERL_LINES = 'open(F, ">>", "mnt/log/lines") or die; print F "$_\\n" for 1 .. 3000; close(F) or die'
PYTHON = 'with open("mnt/append", "a") as f: f.write("the quick brown fox\\n")'
PYTHON_LINES = 'with open("mnt/log/lines", "a") as f: [print(i, file=f) for i in range(1, 3001)]'
PYTHON_LOGGING = '''
import logging
logging.basicConfig(filename="mnt/append", format="%(levelname)s %(message)s", level=logging.INFO)
for i in range(100): logging.info("event %d", i)
'''

# What appends LINE as one record, a script each; text is a file that holds it.
ONE_RECORD = {
    "bash": "echo 'the quick brown fox' >> mnt/append",
    "bash with >": "echo 'the quick brown fox' > mnt/append",
    "bash with a descriptor": "exec 3>>mnt/append; echo 'the quick brown fox' >&3; exec 3>&-",
    "dash": "dash -c \"echo 'the quick brown fox' >> mnt/append\"",
    "printf": "/usr/bin/printf 'the quick brown fox\\n' >> mnt/append",
    "bash's printf": "printf 'the quick brown fox\\n' >> mnt/append",
    "cat >>": "cat text >> mnt/append",
    "cat from a pipe": "echo 'the quick brown fox' | cat >> mnt/append",
    "here document": "cat >> mnt/append << END\nthe quick brown fox\nEND",
    "tee -a": "tee -a mnt/append < text > /dev/null",
    "tee": "tee mnt/append < text > /dev/null",
    "cp": "cp text mnt/append",
    "dd": "dd if=text of=mnt/append status=none",
    "dd conv=notrunc": "dd if=text of=mnt/append conv=notrunc oflag=append status=none",
    "dd conv=fsync": "dd if=text of=mnt/append conv=fsync status=none",
    "awk": "awk 'BEGIN { print \"the quick brown fox\" >> \"mnt/append\" }'",
    "sed w": "sed -n 'w mnt/append' text",
    "sort -o": "sort -o mnt/append text",
    "head": "head -n 1 text >> mnt/append",
    "python": ["/usr/bin/python3", "-c", PYTHON],
    "perl": ["perl", "-e", PERL],
    "busybox": "busybox sh -c 'echo \"the quick brown fox\" >> mnt/append'",
    "busybox tee": "busybox tee -a mnt/append < text > /dev/null",
}

NUMBERS = [b"%d\n" % i for i in range(1, 3001)]
# What writes the lines 1 to 3000 into log/lines, in whatever pieces.
ALL_LINES = {
    "seq": "seq 3000 >> mnt/log/lines",
    "bash": "for i in {1..3000}; do echo $i; done >> mnt/log/lines",
    "bash's printf": "printf '%d\\n' {1..3000} >> mnt/log/lines",
    "dash's printf": "dash -c 'printf \"%d\\n\" $(seq 3000) >> mnt/log/lines'",
    "awk": "awk 'BEGIN { for (i = 1; i <= 3000; i++) print i > \"mnt/log/lines\" }'",
    "sed w": "seq 3000 | sed -n 'w mnt/log/lines'",
    "sort -o": "seq 3000 | sort -R | sort -n -o mnt/log/lines",
    "tee -a": "seq 3000 | tee -a mnt/log/lines > /dev/null",
    "dd of odd pieces": "seq 3000 | dd of=mnt/log/lines bs=7 status=none",
    "cp": "seq 3000 > numbers; cp numbers mnt/log/lines",
    "split's filter": "seq 3000 | split -C 100 --filter='cat >> mnt/log/lines'",
    "stdbuf -oL": "stdbuf -oL seq 3000 >> mnt/log/lines",
    "python": ["/usr/bin/python3", "-c", PYTHON_LINES],
    "perl": ["perl", "-e", PERL_LINES],
    "busybox": "busybox seq 3000 >> mnt/log/lines",
}

# What must say the same of FILE, be it a plain file or the stream that holds the same bytes.
READERS = [
    "cat FILE", "cat -n FILE", "head -n 100 FILE", "head -c 4097 FILE", "head -n -5 FILE", "tail -n 100 FILE",
    "tail -n +50 FILE", "tail -c 4097 FILE", "tail -c +70001 FILE", "tac FILE", "wc < FILE", "sha256sum < FILE",
    "md5sum < FILE", "grep -c 7 FILE", "grep -n 99 FILE", "grep -A 2 -m 3 1234 FILE", "sort -r FILE", "nl FILE",
    "sed -n '100,200p;2000q' FILE", "awk '{ n += NF; s += length } END { print n, s }' FILE", "cut -c 1-9 FILE",
    "od -A d -t x1 -j 5000 -N 300 FILE", "dd if=FILE bs=1000 skip=3 count=5 status=none", "nl FILE",
    "dd if=FILE bs=1M status=none", "dd if=FILE bs=1M iflag=direct status=none", "cmp FILE text", "diff FILE text",
    "less FILE", "less -p 1234 FILE < /dev/null | tail -n 3", "paste -s FILE", "cp FILE copy && cat copy",
    "cp --reflink=auto --sparse=always FILE copy && cat copy", "split -n 3/7 FILE", "stat -c %s FILE", "uniq -c FILE",
    "/usr/bin/python3 -c 'import sys; print(list(open(\"FILE\"))[-3:])'", "perl -ne 'print if $. % 777 == 0' FILE",
    "while read -r line; do echo \"$line\"; done < <(tail -n 50 FILE)",
]


def there(script):
    """True when the first word of a script is a program or a part of the shell."""
    name = script[0] if isinstance(script, list) else script.split()[0]
    return shutil.which(name) is not None or name in ("exec", "for", "while", "printf", "echo")


class Appending(member.MemberTest):
    """Programs that write."""

    limit_s = 90

    def test_a_write_of_each_program_is_a_record(self):
        with open(self.member.folder + "/text", "wb") as text:
            text.write(LINE)
        count = 0
        for name, script in ONE_RECORD.items():
            with self.subTest(program=name):
                if not there(script):
                    continue
                output = self.run_program(script) if isinstance(script, list) else self.shell(script)
                self.assertEqual(output, b"")
                self.assertEqual(self.next(), count + 1)
                self.assertEqual(self.record(count), LINE)
            count = self.next()
        self.assertGreaterEqual(count, 20)
        self.assert_log([LINE] * count)

    def test_each_line_of_each_program_is_a_record_of_lines(self):
        records = []
        for name, script in ALL_LINES.items():
            with self.subTest(program=name):
                if not there(script):
                    continue
                self.assertEqual(self.run_program(script) if isinstance(script, list) else self.shell(script), b"")
                records += NUMBERS
                self.assertEqual(self.next(), len(records))
        self.assert_log(records, each=False)
        for offset in range(0, len(records), 101):
            self.assertEqual(self.record(offset), records[offset])

    def test_dd_appends_a_record_for_each_block(self):
        blocks = [os.urandom(1000) for _ in range(20)] + [b"the rest"]
        with open(self.member.folder + "/blocks", "wb") as file:
            file.write(b"".join(blocks))
        self.shell("dd if=blocks of=mnt/append bs=1000 status=none")
        self.assert_log(blocks)

    def test_a_large_file_is_the_joined_records_of_what_copies_it(self):
        data = os.urandom(3_000_017)
        with open(self.member.folder + "/large", "wb") as file:
            file.write(data)
        size = 0
        for script in ("cat large >> mnt/append", "cp large mnt/append", "dd if=large of=mnt/append bs=64K status=none",
                       "tee mnt/append < large > /dev/null"):
            self.shell(script)
            stream = member.read(self.member.path("log/stream"))
            self.assert_same(stream[size:], data, script)
            size += len(data)

    def test_loggers_write_a_record_for_each_message(self):
        self.shell("logger --no-act --stderr --socket-errors=off --tag door 'it is open' 2>> mnt/append")
        self.assertEqual(self.next(), 1)
        self.assertRegex(self.record(0), rb"(?s)^<13>[^\n]* door(\[\d+\])?: it is open\n$")
        self.run_program(["/usr/bin/python3", "-c", PYTHON_LOGGING])
        self.assertEqual([self.record(offset) for offset in range(1, self.next())],
                         [b"INFO event %d\n" % i for i in range(100)])

    def test_shells_and_their_errors_go_where_they_are_sent(self):
        self.shell("{ echo out; ls /no/such/file >&2; echo again; } >> mnt/log/lines 2>&1; true")
        records = [self.record(offset) for offset in range(self.next())]
        self.assertEqual(records[::2], [b"out\n", b"again\n"])
        self.assertIn(b"/no/such/file", records[1])


class Reading(member.MemberTest):
    """Programs that read."""

    limit_s = 90

    def test_each_program_reads_the_true_bytes(self):
        self.shell("for i in {1..20000}; do echo \"$((i * i % 7919)) line $i ${i//[0-4]/ab}\"; done > text")
        self.shell("cat text >> mnt/log/lines")
        for script in READERS:
            with self.subTest(program=script):
                if there(script):
                    expected = self.shell("LC_ALL=C; rm -f copy; " + script.replace("FILE", "text"))
                    found = self.shell("LC_ALL=C; rm -f copy; " + script.replace("FILE", "mnt/log/stream"))
                    self.assert_same(found, expected, script)
                    if not re.match("cmp|diff", script):
                        self.assertNotEqual(found, b"")

    def test_tail_sees_new_records(self):
        for command in ("tail -s 0.1 -n +1 -f mnt/log/stream", "tail -s 0.1 -n +1 -F mnt/log/stream"):
            with self.subTest(program=command):
                self.shell("echo first >> mnt/append")
                begin = member.read(self.member.path("log/stream"))
                path = self.member.folder + "/tailed"
                with open(path, "wb") as output:
                    tail = self.spawn(command.split(), stdout=output, stderr=output)
                until(lambda: member.read(path) == begin, what=f"{command} shows what is there")
                for text in (b"second\n", b"third, not a line", b"x" * 70_000 + b"\n"):
                    with open(self.member.path("append"), "ab", buffering=0) as append:
                        append.write(text)
                    begin += text
                    until(lambda: len(member.read(path)) >= len(begin), what=f"{command} shows what is new")
                    self.assert_same(member.read(path), begin, command)
                self.assertIsNone(tail.poll())
                tail.send_signal(signal.SIGTERM)
                self.assertEqual(tail.wait(20), -signal.SIGTERM)

    def test_an_open_stream_grows(self):
        self.shell("echo one >> mnt/append")
        with open(self.member.path("log/stream"), "rb", buffering=0) as stream:
            self.assertEqual(stream.read(), b"one\n")
            self.assertEqual(stream.read(), b"")
            self.shell("echo two >> mnt/append")
            self.assertEqual(os.fstat(stream.fileno()).st_size, 8)
            self.assertEqual(stream.read(), b"two\n")
            stream.seek(2)
            self.assertEqual(stream.read(), b"e\ntwo\n")
            stream.seek(-3, os.SEEK_END)
            self.assertEqual(stream.read(), b"wo\n")

    def test_records_are_copied_as_a_folder(self):
        self.shell("seq 100 >> mnt/log/lines; cp -rp mnt/records/. copy")
        self.assertEqual(sorted(os.listdir(self.member.folder + "/copy"), key=int), [str(i) for i in range(100)])
        for i in range(100):
            self.assertEqual(member.read(f"{self.member.folder}/copy/{i}"), b"%d\n" % (i + 1))
            copied, record = os.stat(f"{self.member.folder}/copy/{i}"), os.stat(self.member.path("records", str(i)))
            self.assertEqual(copied.st_mtime_ns, record.st_mtime_ns)
        self.assertEqual(self.shell("tar -C mnt -c records/7 | tar -x -O"), b"8\n")
        self.assertEqual(self.shell("cat $(ls mnt/records/* | sort -t / -k 3n | tail -n 2)"), b"99\n100\n")

    @unittest.skipUnless(shutil.which("rsync"), "rsync is not installed")
    def test_rsync_copies_the_records(self):
        self.shell("seq 100 >> mnt/log/lines; rsync -a mnt/log/records/ copy")
        for i in range(100):
            self.assertEqual(member.read(f"{self.member.folder}/copy/{i}"), b"%d\n" % (i + 1))


if __name__ == "__main__":
    member.main()
