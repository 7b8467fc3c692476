"""Programs that go on: those that follow the log while it grows, and daemons that write it."""

import os
import re
import signal

from cases import GROW, case
from terminal import Terminal
from wait import until


def follow_the_stream(place, running):
    """What is appended comes out of a program that shows what comes, once and in order."""
    place.append(b"%s first\n" % place.token.encode())
    running.wait_for(b"%s first\n" % place.token.encode())
    for i in range(5):
        place.append(b"%s %d\n" % (place.token.encode(), i))
    place.append(b"%s " % place.token.encode() + b"x" * 5000 + b"\n")
    place.append(b"%s, not a line," % place.token.encode())
    place.append(b" and %s ends\n" % place.token.encode())
    running.wait_for(b" and %s ends\n" % place.token.encode())
    place.expect_part(running.end())


def tails(program, *commands):
    """Programs that show the end of stream and what comes after it."""
    for command in commands:
        @case(program, f"`{command}`", GROW, "shows what comes, once")
        def run(place, command=command):
            running = place.start(command)
            until(lambda: running.look() != b"", 60, f"{command} shows the end of what is there")
            follow_the_stream(place, running)


tails("tail", "tail -f mnt/log/stream", "tail -F mnt/log/stream", "tail -n +1 -f mnt/log/stream",
      "tail -c 100 -s 0.1 -F mnt/log/stream")
tails("busybox", "busybox tail -f mnt/log/stream", "busybox tail -F mnt/log/stream")


def followers(program, *commands):
    """Programs that wait for what comes, by follow."""
    for command in commands:
        @case(program, f"`{command}`", GROW, "shows what comes from then on, once")
        def run(place, command=command):
            running = place.start(command)
            running.wait_until_open("log/follow")
            follow_the_stream(place, running)


followers("cat", "cat mnt/log/follow")
followers("busybox", "busybox cat mnt/log/follow")
followers("dd", "dd if=mnt/log/follow bs=1M status=none")
followers("tail", "tail -n +1 -f mnt/log/follow")
followers("grep", "grep --line-buffered '' mnt/log/follow")
followers("sed", "sed -u '' mnt/log/follow")
followers("awk", "mawk -W interactive '{ print; fflush() }' mnt/log/follow")
followers("perl", "perl -e '$| = 1; open(F, \"mnt/log/follow\"); print $_ while sysread(F, $_, 65536)'")
followers("python3", "python3 -uc 'import os; f = os.open(\"mnt/log/follow\", 0); "
          "[os.write(1, os.read(f, 65536)) for i in iter(int, 1)]'")


@case("python3", "`select.poll` on `log/follow`, with O_NONBLOCK", GROW, "tells when there is more")
def python_polls(place):
    place.put("script", b"""
import os, select, sys
follow = os.open("mnt/log/follow", os.O_RDONLY | os.O_NONBLOCK)
poll = select.poll()
poll.register(follow, select.POLLIN)
while True:
    poll.poll()
    try:
        os.write(1, os.read(follow, 65536))
    except BlockingIOError:
        pass
""")
    running = place.start("python3 -u script")
    running.wait_until_open("log/follow")
    follow_the_stream(place, running)


@case("python3", "reads on by a `stream` that is open, and seeks in it", GROW, "what was appended since")
def python_reads_on(place):
    with open(place.path("log/stream"), "rb", buffering=0) as stream:
        before = len(stream.readall())
        place.append(place.line)
        more = until(lambda: (b := os.pread(stream.fileno(), 10**6, before)) and place.line in b and b, what="more is read")
        assert os.fstat(stream.fileno()).st_size >= before + len(more)
        stream.seek(before - 100)
        place.expect_part(stream.read(100 + len(more)))
        stream.seek(before)
        assert stream.read(len(more)) == more


def line_readers(program, script):
    """Programs that read follow line by line, and do something with each."""
    @case(program, f"`{script}`", GROW, "each line, once")
    def run(place):
        place.put("script", script.encode())
        running = place.start(f"{program} script")
        running.wait_until_open("log/follow")
        lines = [b"%s line %d\n" % (place.token.encode(), i) for i in range(5)]
        for line in lines:
            place.append(line)
        running.wait_for(lines[-1])
        assert re.findall(place.token.encode() + rb" line \d+\n", running.end()) == lines, running.output


line_readers("bash", 'while IFS= read -r line; do echo "$line"; done < mnt/log/follow')
line_readers("dash", 'while IFS= read -r line; do echo "$line"; done < mnt/log/follow')
line_readers("busybox sh", 'while IFS= read -r line; do echo "$line"; done < mnt/log/follow')


@case("head", "`head -n 1 mnt/log/follow`", GROW, "shows the next line and ends; says that it cannot seek")
def head_waits(place):
    place.put("script", b"head -n 1 mnt/log/follow 2> complaint")
    running = place.start("sh script")
    until(lambda: os.path.exists(place.folder + "/complaint"), 60, "head starts")
    until(lambda: place.append(place.line) and running.child.poll() is not None, 60, "head ends")
    assert running.child.returncode == 0
    place.expect_part(running.look())


@case("less", "`less +F mnt/log/stream` in a terminal", GROW, "shows what comes; `q` after an interrupt ends it")
def less_follows(place):
    with Terminal(place, "less -S +F mnt/log/stream") as less:
        less.wait_for(b"Waiting for data")
        lines = [b"%s line %d of less" % (place.token.encode(), i) for i in range(8)]
        for line in lines:
            place.append(line + b"\n")
            less.wait_for(line)
        shown = [less.shown().find(line) for line in lines]
        assert shown == sorted(shown), less.shown()
        until(lambda: less.child.send_signal(signal.SIGINT) or b"(END)" in less.shown(), 60, "less asks for keys again")
        less.press("q")
        less.wait_for_end()


@case("rsyslogd", "`action(type=\"omfile\" file=\"mnt/log/lines\")`", GROW, "a record for each message")
def rsyslogd(place):
    begin = place.begin()
    place.put("rsyslog.conf", f"""
global(workDirectory="{place.folder}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{place.folder}/socket")
template(name="line" type="string" string="%syslogtag%%msg:::sp-if-no-1st-sp%%msg%\\n")
action(type="omfile" file="{place.mount}/log/lines" template="line")
""".encode())
    running = place.start(f"rsyslogd -n -f {place.folder}/rsyslog.conf -i {place.folder}/pid")
    until(lambda: os.path.exists(place.folder + "/socket"), 60, "rsyslogd listens")
    messages = [f"{place.token} message {i}" for i in range(50)]
    place.shell(f"logger --socket {place.folder}/socket --tag clog-test", feed="\n".join(messages).encode())
    expected = [f"clog-test: {message}\n".encode() for message in messages]
    until(lambda: expected[-1] in place.shown.records[begin:] or place.shown.update() < 0, 60, "rsyslogd writes")
    place.expect(expected, begin)
    running.end()


@case("nginx", "`access_log mnt/log/lines`, `error_log mnt/append`", GROW, "a record for each request")
def nginx(place):
    begin = place.begin()
    os.mkdir(place.folder + "/root")
    place.put("root/page", place.line)
    place.put("nginx.conf", f"""
daemon off;
master_process off;
pid {place.folder}/pid;
error_log {place.mount}/append error;
events {{ }}
http {{
  log_format short '$request_method $request_uri $status $body_bytes_sent';
  access_log {place.mount}/log/lines short;
  client_body_temp_path {place.folder}/body; proxy_temp_path {place.folder}/proxy; fastcgi_temp_path {place.folder}/fastcgi;
  uwsgi_temp_path {place.folder}/uwsgi; scgi_temp_path {place.folder}/scgi;
  server {{ listen unix:{place.folder}/socket; root {place.folder}/root; }}
}}
""".encode())
    running = place.start(f"nginx -p {place.folder} -c {place.folder}/nginx.conf -e stderr")
    until(lambda: os.path.exists(place.folder + "/socket"), 60, "nginx listens")
    get = "curl -s --unix-socket socket"
    place.shell(f"{get} 'http://localhost/page?{place.token}-[0-9]' > /dev/null; "
                f"{get} http://localhost/missing-{place.token}")
    size = len(place.line)
    expected = [f"GET /page?{place.token}-{i} 200 {size}\n".encode() for i in range(10)]
    until(lambda: len(place.shown.records) >= 0 and place.shown.update() and
          any(b"missing-" + place.token.encode() + b" 404" in record for record in place.shown.records[begin:]), 60,
          "nginx logs the last request")
    place.expect(expected, begin)
    rest = place.expect_matching(place.token.encode(), begin)
    assert len(rest) == 2 and sum(b"[error]" in record for record in rest) == 1, rest
    running.end()


@case("inotifywait", "`inotifywait -m mnt/log/stream`", GROW,
      "inotify does not see what is appended: `log/follow` waits for that", works=False)
def inotifywait(place):
    place.put("seen", b"")
    running = place.start("inotifywait -q -m -e modify mnt/log/stream seen")
    running.wait_until_open("inotify")
    until(lambda: inotify_watches(running.child.pid) == 2, 60, "inotifywait watches")
    place.append(place.line)
    place.put("seen", b"x")
    running.wait_for(b"seen MODIFY")
    assert b"stream" not in running.end()


def inotify_watches(pid):
    """How many files a process watches."""
    count = 0
    for name in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as lines:
            count += sum(line.startswith("inotify ") for line in lines)
    return count
