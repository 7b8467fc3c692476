"""What may come to a member's peer port from anywhere: each is refused and told of once, and the cluster that is written to
meanwhile is not disturbed."""

import os
import random
import re
import resource
import select
import socket
import ssl
import struct
import time

from cluster import PORT, expired
from member import main, read
from wait import until
from writing import WritingTest

GROWTH_MAX = 64 << 10  # KiB that a member may take more
CROWD, STEP = 10_000, 400  # connections in all, and from one address
STRANGERS = 16  # that one address may have before they say who they are
NO_UNIT = "a message is larger than any may be"
TOO_LATE = "it has not said who it is in time"
TELLING = re.compile(r'event=peer_refused address="?([0-9.]+):\d+"? name="?([^ "]*)"? reason="([^"]*)"')


def hello(name, version=1, cluster=b"test", member=0xbad):
    """A greeting (proto/peer.proto) of a unit's bytes (docs/protocol.md)."""
    def text(number, value):
        return bytes([number << 3 | 2, len(value)]) + value
    header = (bytes([1 << 3, version]) + text(3, cluster) + struct.pack("<BQ", 4 << 3 | 1, member) + text(5, name) +
              text(6, b"127.0.0.1:1"))
    return struct.pack("<II", len(header), 0) + header


def ended(connection):
    """Whether the other side has ended a connection that does not block."""
    try:
        while connection.recv(4096):
            pass
        return True
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return False
    except OSError:
        return True


class Hostile(WritingTest):
    limit_s = 120

    def setUp(self):
        super().setUp()
        self.host_number = 100
        self.victim = self.leading()
        self.target = f"{self.net}.{self.members.index(self.victim) + 1}"
        self.appending = self.writers(self.members)
        self.wait_for_more(self.appending)
        self.before = self.state()
        self.resident = self.anonymous()
        self.open, self.attacks = [], []
        self.addCleanup(self.hang_up)

    def hang_up(self):
        while self.open:
            self.open.pop().close()

    def tearDown(self):
        """The cluster is as it was, and got on."""
        self.hang_up()
        self.wait_for_more(self.appending)
        self.assertEqual(self.state(), self.before)
        self.assert_small()
        self.assert_written(self.appending)
        for member in self.members:
            self.assertNotIn("level=error", member.told())

    def state(self):
        """What each member knows of who leads, and since when."""
        return [(self.leader(member), read(member.path("status/term"))) for member in self.members]

    def anonymous(self):
        """KiB of memory that the member has of its own."""
        with open(f"/proc/{self.victim.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"^RssAnon:\s*(\d+) kB$", status.read(), re.M)[1])

    def assert_small(self):
        """The member's memory has not grown by much."""
        self.assertLess(self.anonymous() - self.resident, GROWTH_MAX, "the member's memory grew")

    # What the attacks are made of

    def from_new_host(self):
        """An address of its own for each attack, so that what is told of it is found."""
        self.host_number += 1
        return f"{self.net}.{self.host_number}"

    def connect(self, host):
        """A connection to the member."""
        connection = socket.create_connection((self.target, PORT), 30, (host, 0))
        self.open.append(connection)
        return connection

    def shake(self, host, folder=None, version=ssl.TLSVersion.TLSv1_3):
        """A connection on which TLS is spoken, with a folder's certificate. None where the handshake fails."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        if folder:
            context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
        plain = self.connect(host)
        self.open.remove(plain)
        try:
            connection = context.wrap_socket(plain)
        except OSError as error:
            self.assertNotIsInstance(error, TimeoutError)
            plain.close()
            return None
        self.open.append(connection)
        return connection

    def say(self, connection, data):
        """Sends what goes; the other side may have had enough."""
        try:
            connection.sendall(data)
        except OSError as error:
            self.assertNotIsInstance(error, TimeoutError)

    def assert_ended(self, connections, seconds=30):
        """The member ends them all."""
        connections = [connection for connection in connections if connection]
        for connection in connections:
            connection.setblocking(False)
        until(lambda: all(ended(connection) for connection in connections), seconds, "the member ends them")

    def tellings(self, host):
        """What the member has told of an address: names and reasons."""
        return [(name, reason) for address, name, reason in TELLING.findall(self.victim.told()) if address == host]

    def assert_told(self, host, words, name=""):
        """It was told once of the address, by that name and with these words."""
        until(lambda: self.tellings(host), 30, f"it is told of {host}: {words}")
        told = self.tellings(host)
        self.assertEqual([(found, words in reason) for found, reason in told], [(name, True)], f"{words}: {told}")

    def attack(self, words, begin, *data, name=""):
        """Three times the same from one address: begin(host) connects. assert_refused has the end of it."""
        host = self.from_new_host()
        connections = [begin(host) for _ in range(3)]
        for connection in connections:
            for piece in data:
                if connection:
                    self.say(connection, piece)
        self.attacks.append((host, words, name, connections))

    def assert_refused(self):
        """All attacks were, and are told of."""
        for host, words, name, connections in self.attacks:
            with self.subTest(words):
                self.assert_ended(connections)
                self.assert_told(host, words, name)
        self.assert_small()

    def folder(self, number):
        """Where a member's certificate is."""
        return f"{self.authority.name}/n{number}"

    # The attacks

    def test_who_is_not_trusted_is_refused(self):
        base = self.authority.name
        self.cert("init", base + "/other", "--cluster", "test")
        self.cert("member", base + "/other", "n2", "--host", f"{self.net}.2", "--out", base + "/foreign")
        self.cert("client", base + "/ca", "app", "--out", base + "/app")
        self.attack("its certificate is not trusted", lambda host: self.shake(host, base + "/foreign"), hello(b"n2"))
        expired(base + "/ca", "test", "n2", base + "/expired")
        self.attack("its certificate is not trusted: certificate has expired",
                    lambda host: self.shake(host, base + "/expired"), hello(b"n2"))
        self.attack("it has no certificate", self.shake, hello(b"n2"))
        self.attack("it does not speak TLS 1.3", lambda host: self.shake(host, self.folder(2), ssl.TLSVersion.TLSv1_2))
        self.attack("it does not speak TLS", self.connect, hello(b"n2"))
        self.attack("it does not speak TLS", self.connect, b"GET / HTTP/1.1\r\nHost: n1\r\n\r\n")
        self.attack("the client app's, and no member's", lambda host: self.shake(host, base + "/app"), hello(b"n2"),
                    name="n2")
        self.attack("it says that it is n3, and its certificate is n2's",
                    lambda host: self.shake(host, self.folder(2)), hello(b"n3"), name="n3")
        self.assert_refused()

    def test_what_is_not_the_protocol_is_refused(self):
        def right(host):
            return self.shake(host, self.folder(2))
        self.attack("it speaks version 99 of the protocol", right, hello(b"n2", version=99))
        self.attack("is of the cluster others", right, hello(b"n2", cluster=b"others"), name="n2")
        self.attack("it does not keep to the protocol", right, struct.pack("<II", 4, 0) + b"\xff" * 4)
        self.attack(NO_UNIT, right, struct.pack("<II", 4, 2**32 - 1))
        self.attack(NO_UNIT, right, struct.pack("<II", 2**32 - 1, 0))
        self.attack(NO_UNIT, right, hello(b"n2"), struct.pack("<II", 4, 2**32 - 1), bytes(1 << 20), name="n2")
        self.assert_refused()

    def test_who_does_not_say_who_it_is_in_time_is_refused(self):
        silent, half, slow = (self.from_new_host() for _ in range(3))
        connections = [self.connect(silent), self.shake(half, self.folder(2))]
        self.say(connections[1], hello(b"n2")[:4])
        loris = self.connect(slow)
        # A byte now and then of a record of TLS that has thousands.
        for byte in b"\x16\x03\x01\x3f\xff" + bytes(1000):
            self.say(loris, bytes([byte]))
            if select.select([loris], [], [], 0.1)[0]:
                break
        self.assert_ended([loris, *connections])
        for host in (silent, half, slow):
            self.assert_told(host, TOO_LATE)

    def test_garbage_is_refused(self):
        seed = int(os.environ.get("CLOG_SEED", time.time_ns() % 2**32))
        print(f"CLOG_SEED={seed}", flush=True)
        rng = random.Random(seed)
        for begin in (self.connect, lambda host: self.shake(host, self.folder(2))):
            host = self.from_new_host()
            for _ in range(50):
                connection = begin(host)
                self.say(connection, rng.randbytes(rng.randrange(16, 100_000)))
                connection.setblocking(False)
            self.assert_ended(self.open)
            self.hang_up()
            reasons = until(lambda h=host: self.tellings(h), 30, "it is told of garbage")
            self.assertEqual(len(reasons), len(set(reasons)), "each reason is told once")
            self.assert_small()

    def test_a_crowd_is_refused(self):
        wanted = CROWD + 1000
        limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, wanted), max(most, wanted)))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (limit, max(most, wanted)))
        hosts = [self.from_new_host() for _ in range(CROWD // STEP)]
        # All of them stay, as far as it is up to them.
        for host in hosts:
            crowd = [self.connect(host) for _ in range(STEP)]
            for connection in crowd:
                connection.setblocking(False)
            until(lambda c=crowd: sum(map(ended, c)) >= STEP - STRANGERS, 30, "most are refused")
            self.assert_small()
        self.assertEqual(len(self.open), CROWD)
        self.wait_for_more(self.appending, 1)
        self.hang_up()
        for host in hosts:
            crowded = "too many connections from there"
            until(lambda h=host: crowded in str(self.tellings(h)), 30, f"it is told of the crowd from {host}")
            reasons = self.tellings(host)
            self.assertEqual(len(reasons), len(set(reasons)), f"each reason is told once: {reasons}")
        # Others are not kept out, nor is who comes from there when the crowd is gone.
        places = (self.from_new_host(), hosts[0])
        self.assert_ended([self.shake(place, self.folder(2)) for place in places])
        for place in places:
            until(lambda p=place: TOO_LATE in str(self.tellings(p)), 30, "it was let in")


if __name__ == "__main__":
    main()
