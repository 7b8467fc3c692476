"""clog from a machine that is no member: records, pipes, tokens, a mount, load, and a leader that dies meanwhile."""

import errno
import json
import os
import re
import signal
import subprocess

import cluster
from member import MemberTest, main, mounts, read
from wait import until

ADDRESS = "127.0.0.1:8404"
GRPC_PORT = 8400


class ClientTest:
    """Running clog; the target is how it finds and is known to a server."""

    target = ("--server", ADDRESS)

    def clog(self, *words, feed=b"", status=0, target=None):
        """Runs it, gives what it printed, and keeps what it said on stderr as self.complaint."""
        return self.run_program([cluster.clog(), *(self.target if target is None else target), *words], feed, status,
                                env=self.environment())

    def begin(self, *words, **options):
        """Starts it."""
        return self.spawn([cluster.clog(), *self.target, *words], env=self.environment(), **options)

    @staticmethod
    def environment():
        return {key: value for key, value in os.environ.items() if not key.startswith("CLOG_")}


class Alone(ClientTest, MemberTest):
    starts = False

    def setUp(self):
        super().setUp()
        self.member.options = ("--grpc", ADDRESS)
        self.member.start()

    def test_what_is_appended_is_read_and_is_in_the_members_mount(self):
        whole = bytes(range(256)) * 4000
        self.assertEqual(self.clog("append", feed=whole), b"0\n")
        self.assertEqual(self.clog("append", "--lines", feed=b"one\ntwo\n\nlast"), b"1 4\n")
        path = self.member.folder + "/file"
        with open(path, "wb") as file:
            file.write(b"from a file\n")
        self.assertEqual(self.clog("append", "--at", "5", path), b"5\n")
        self.assert_log([whole, b"one\n", b"two\n", b"\n", b"last", b"from a file\n"])
        self.assert_same(self.clog("read", "0"), whole, "record 0")
        self.assertEqual(self.clog("read", "1..4"), b"one\ntwo\n\nlast")
        self.assertEqual(self.clog("tail", "-n", "2", "--offsets"), b"4\tlast\n5\tfrom a file\n")
        line = json.loads(self.clog("read", "1", "--json"))
        self.assertEqual((line["offset"], line["value"]), (1, "b25lCg=="))
        self.clog("append", "--at", "3", feed=b"x", status=1)
        self.assertIn("refused, and not appended: there is a record already at offset 3", self.complaint)
        self.clog("read", "6", status=1)
        self.assertIn("there is no record 6 yet", self.complaint)

    def test_the_environment_says_where_and_what_is_not_there_is_told(self):
        environment = {**self.environment(), "CLOG_SERVER": ADDRESS}
        self.assertIn(b"leader   one\n", self.run_program([cluster.clog(), "status"], env=environment))
        self.assertIn(b"voter", self.run_program([cluster.clog(), "member", "list"], env=environment))
        self.clog("status", target=("--server", "nonsense"), status=2)
        self.clog("status", target=("--server", ADDRESS, "--tls", "/nowhere"), status=1)
        self.assertIn("/nowhere", self.complaint)

    def test_a_pipe_is_appended_as_it_comes_and_followed_as_it_grows(self):
        follower = self.begin("tail", "-f", "-n", "0", stdout=subprocess.PIPE)
        writer = self.begin("append", "--lines", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for number in range(5):
            line = b"line %d\n" % number
            writer.stdin.write(line)
            writer.stdin.flush()
            self.assertEqual(follower.stdout.readline(), line)
        writer.stdin.write(b"no newline")
        writer.stdin.close()
        self.assertEqual(writer.stdout.read(), b"0 6\n")
        self.assertEqual(writer.wait(20), 0)
        self.assertEqual(follower.stdout.read(10), b"no newline")
        follower.send_signal(signal.SIGINT)
        self.assertEqual(follower.wait(20), -signal.SIGINT)
        writer.stdout.close()
        follower.stdout.close()

    def test_a_reader_that_goes_away_ends_it_without_a_word(self):
        self.clog("append", "--lines", feed=b"".join(b"%d\n" % number for number in range(50000)))
        script = f"{cluster.clog()} --server {ADDRESS} {{}} | head -n 1; echo ${{{{PIPESTATUS[0]}}}}"
        for words in ("read 0..", "tail -f --from 0", "tail -f"):  # the last has nothing more to write
            lines = self.shell(script.format(words), env=self.environment()).split()
            self.assertEqual(lines[-1], b"141", words)
        self.assertEqual(self.shell(f"{cluster.clog()} tail --server {ADDRESS} > /dev/full 2> full; echo $?", seconds=20,
                                    env=self.environment()), b"1\n")

    def test_what_is_closed_is_not_taken_for_a_connection(self):
        clog = f"{cluster.clog()} --server {ADDRESS}"
        self.clog("append", feed=b"one")
        script = f"""{clog} append <&-; echo $?; {clog} append --lines <&-; echo $?
            {clog} token create ci --grant admin >&-; echo $?; {clog} read 0 >&-; echo $?; echo x | {clog} append 2>&-"""
        self.assertEqual(self.shell(f"({script}) 2> said", env=self.environment()), b"1\n1\n1\n1\n1\n")
        self.assertEqual(self.clog("tail"), b"onex\n")

    def test_a_token_may_do_what_it_grants_until_it_is_revoked(self):
        path = self.member.folder + "/token"
        self.clog("token", "create", "ci", "--grant", "produce", "--ttl", "1d", "--out", path)
        known = ("--server", ADDRESS, "--token-file", path)
        self.assertEqual(self.clog("append", feed=b"by token", target=known), b"0\n")
        self.assertIn(b"\nci ", self.clog("token", "list"))
        for words in (("read", "0"), ("token", "list"), ("acl", "show")):
            self.clog(*words, target=known, status=1)
            self.assertIn("not permitted", self.complaint)
        self.clog("token", "revoke", "ci")
        self.clog("append", feed=b"too late", target=known, status=1)
        self.assertEqual(self.clog("read", "0.."), b"by token")
        self.clog("acl", "set", "-", feed=b"p, cert:alice, log, produce\n")
        self.assertEqual(self.clog("acl", "show"), b"p, cert:alice, log, produce\n")
        self.clog("acl", "set", "-", feed=b"nonsense\n", status=1)
        self.clog("acl", "unset")

    def test_a_mount_over_the_network_is_used_as_a_members(self):
        folder = self.member.folder + "/far"
        mount = self.begin("mount", folder, stderr=subprocess.PIPE)
        until(lambda: mounts(folder), 20, "clog mounts the log")
        self.shell("echo hello >> far/append; seq 1 1000 >> far/log/lines; set -C; echo claimed > far/records/1001")
        self.assertEqual(self.shell("cat far/records/0 far/records/1001 far/log/next"), b"hello\nclaimed\n1002\n")
        self.assertEqual(self.shell("cat far/log/stream | wc -l; tail -n 1 far/log/stream"), b"1002\nclaimed\n")
        self.assertEqual(self.shell("ls far/cluster; cat far/leader/state"), b"one\nleader\n")
        follower = self.spawn(["tail", "-n", "1", "-f", "far/log/stream"], stdout=subprocess.PIPE)
        self.assertEqual(follower.stdout.readline(), b"claimed\n")
        self.shell("echo near >> mnt/append")
        self.assertEqual(follower.stdout.readline(), b"near\n")
        follower.kill()
        follower.wait(20)
        follower.stdout.close()
        lines = b"%049d\n" % 0 * 20971  # a write as large as the kernel lets one be
        with open(folder + "/log/lines", "wb", buffering=0) as file:
            self.assertEqual(file.write(lines), len(lines))
        self.assertEqual(read(folder + "/log/next"), b"21974\n")
        with open(folder + "/log/lines", "wb", buffering=0) as file, self.assertRaises(OSError) as raised:
            file.write(b"\n" * 65537)
        self.assertEqual(raised.exception.errno, errno.EMSGSIZE)
        self.assertEqual(read(folder + "/log/next"), b"21974\n")
        mount.send_signal(signal.SIGHUP)
        mount.terminate()
        self.assertEqual(mount.wait(20), 0)
        self.assertIn(b"event=unmounted", mount.stderr.read())
        mount.stderr.close()
        self.assertEqual(mounts(folder), [])
        self.assertFalse(os.path.exists(folder))

    def test_a_bench_prints_what_it_measured(self):
        for words in ((), ("--connections", "3"), ("--read",)):
            found = json.loads(self.clog("bench", "--records", "1000", "--json", *words))
            times = found["latency_us"]
            self.assertEqual((found["requests"], found["bytes"]), (1000, 100000))
            self.assertTrue(0 < times["p50"] <= times["p90"] <= times["p99"] <= times["p99.9"] <= times["max"], times)
            self.assertGreater(found["requests_per_second"], 0)
        self.assertEqual(self.next(), 2000)


class Many(ClientTest, cluster.ClusterTest):
    """Three members with certificates."""

    def setUp(self):
        self.numbered = 0
        super().setUp()
        self.cert("client", self.authority.name + "/ca", "someone", "--out", self.authority.name + "/someone")
        servers = ",".join(f"{self.net}.{number}:{GRPC_PORT}" for number in (1, 2, 3))
        self.target = ("--server", servers, "--tls", self.authority.name + "/someone")

    def add_member(self, number, *more):
        return super().add_member(number, "--grpc", f"{self.net}.{number}:{GRPC_PORT}", *more)

    def test_lines_are_there_once_and_in_order_though_the_leader_dies(self):
        follower = self.begin("tail", "-f", "--from", "0", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        writer = self.begin("append", "--lines", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        lines = [b"line %d\n" % number for number in range(3000)]
        for line in lines[:1000]:
            writer.stdin.write(line)
        writer.stdin.flush()
        self.assertEqual([follower.stdout.readline() for _ in range(1000)], lines[:1000])
        self.leading().kill()
        for line in lines[1000:]:
            writer.stdin.write(line)
            writer.stdin.flush()
        writer.stdin.close()
        self.assertEqual(writer.stdout.read(), b"0 3000\n")
        self.assertEqual(writer.wait(30), 0)
        self.assertEqual([follower.stdout.readline() for _ in range(2000)], lines[1000:])
        for pipe in (writer.stdout, follower.stdout):
            follower.kill()
            pipe.close()

    def test_members_are_changed_by_a_server(self):
        self.assertIn(b"n2 ", self.clog("status"))
        self.clog("transfer", "n2")
        until(lambda: b"leader   n2\n" in self.clog("status"), 20, "n2 leads")
        self.clog("member", "role", "n3", "standby")
        # Each command asks another member, which may hear of it a moment later.
        until(lambda: re.search(rb"n3 .* standby ", self.clog("member", "list")), 20, "n3 is a standby everywhere")
        self.clog("member", "remove", "n3")
        until(lambda: b"n3 " not in self.clog("member", "list"), 20, "n3 is gone")
        self.clog("member", "remove", "n3", status=1)
        self.assertIn("there is no such member", self.complaint)


if __name__ == "__main__":
    main()
