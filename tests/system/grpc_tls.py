"""A member alone that serves gRPC under TLS: it has no peers to look at its certificates for."""

import os
import signal
import socket
import ssl
import subprocess
import tempfile

import grpc

import stubs
from cluster import clog
from member import MemberTest, main
from stubs import Client
from wait import until

ADDRESS = ("127.0.0.1", 8402)


class Alone(MemberTest):
    starts = False

    def setUp(self):
        super().setUp()
        authority = tempfile.TemporaryDirectory(prefix="clog-authority.")
        self.addCleanup(authority.cleanup)
        self.authority = authority.name
        self.cert("init", self.folder("ca"), "--cluster", "test")
        self.cert("client", self.folder("ca"), "app", "--out", self.folder("app"))
        self.issue("one")
        self.member.options = ("--grpc", "%s:%d" % ADDRESS, "--tls", self.folder("one"))
        self.member.start()

    def cert(self, *arguments):
        subprocess.run([clog(), "cert", *arguments], check=True, timeout=30, stdout=subprocess.DEVNULL)

    def folder(self, name):
        return os.path.join(self.authority, name)

    def issue(self, name):
        """Makes a certificate, and puts it where the member's is."""
        self.cert("member", self.folder("ca"), name, "--host", ADDRESS[0], "--out", self.folder("one"))

    def client(self, **more):
        client = Client("%s:%d" % ADDRESS, self.folder("app"), **more)
        self.addCleanup(client.close)
        return client

    def shown(self, version=ssl.TLSVersion.TLSv1_3):
        """The certificate that the member shows to who shows none."""
        context = ssl.create_default_context(cafile=self.folder("app/ca.pem"))
        context.maximum_version = version
        context.set_alpn_protocols(["h2"])
        with socket.create_connection(ADDRESS, 20) as plain:
            with context.wrap_socket(plain, server_hostname=ADDRESS[0]) as connection:
                return connection.getpeercert(binary_form=True)

    def test_new_certificates_are_taken_at_a_signal(self):
        before = self.shown()
        client = self.client()
        self.assertEqual(client.produce(b"before"), 0)
        self.issue("one")
        self.member.process.send_signal(signal.SIGHUP)
        until(lambda: self.shown() != before, 20, "the new one is shown")
        self.assertEqual(client.produce(b"on the old connection"), 1)
        self.assertEqual(self.client().produce(b"on a new one"), 2)
        # Those of another member are not.
        after = self.shown()
        self.issue("two")
        self.member.process.send_signal(signal.SIGHUP)
        until(lambda: "event=certificates_kept" in self.member.told(), 20, "it is told")
        self.assertIn("the certificate is for two of test now, and not for one of test", self.member.told())
        self.assertEqual(self.shown(), after)
        self.assertEqual(self.client().produce(b"still"), 3)

    def test_tls_is_as_new_as_is_wanted(self):
        with self.assertRaises(ssl.SSLError):
            self.shown(ssl.TLSVersion.TLSv1_2)
        self.assertEqual(self.member.stop(), 0)
        self.member.options += ("--tls-min", "1.2")
        self.member.start()
        self.assertEqual(self.shown(ssl.TLSVersion.TLSv1_2), self.shown())

    def test_who_shows_no_certificate_may_ask_for_the_health_alone(self):
        nobody = self.client(bare=True)
        self.assertEqual(nobody.check(), stubs.SERVING)
        for call in (nobody.watch, nobody.servers, lambda: nobody.produce(b"x"), lambda: nobody.follow(0)):
            with self.assertRaises(grpc.RpcError) as caught:
                result = call()
                list(result if hasattr(result, "cancel") else [])
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAUTHENTICATED)
            self.assertEqual(caught.exception.details(), "a certificate or a token is needed")


if __name__ == "__main__":
    main()
