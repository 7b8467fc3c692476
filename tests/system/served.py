"""Members that serve gRPC under TLS, and their clients."""

import base64
import hashlib
import os

from cluster import ClusterTest
from stubs import Client, clog_pb2

PORT = 8400
HOST = "log.test"  # that all members' certificates are for, besides their addresses
SET = 6            # the kind of a command


class ServedTest(ClusterTest):
    """A test with members that serve gRPC, and clients at each of them that show a certificate."""

    def setUp(self):
        super().setUp()
        self.cert("client", self.authority.name + "/ca", "app", "--out", self.folder("app"))
        self.clients = [self.client(number) for number in range(1, self.count + 1)]

    def add_member(self, number, *more):
        return super().add_member(number, "--grpc", self.served(number), *more)

    def issue(self, number):
        self.cert("member", self.authority.name + "/ca", f"n{number}", "--host", f"{self.net}.{number}", "--host", HOST,
                  "--out", self.folder(f"n{number}"))

    def served(self, number):
        """Where a member serves gRPC."""
        return f"{self.net}.{number}:{PORT}"

    def folder(self, name):
        return os.path.join(self.authority.name, name)

    def client(self, number, name="app", **more):
        client = Client(self.served(number), self.folder(name), **more)
        self.addCleanup(client.close)
        return client

    def make_token(self, name, grants):
        """Makes a token as clog does, and gives its text."""
        text = "clog_" + base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
        value = f"clog-token/1 grants={grants} created=1 until=0 sha256={hashlib.sha256(text.encode()).hexdigest()}"
        self.set("token/" + name, value.encode())
        return text

    def set(self, key, value=b""):
        """Sets a setting, or takes it away."""
        self.clients[0].clog.Command(clog_pb2.CommandRequest(kind=SET, key=key, setting=value), timeout=30)
