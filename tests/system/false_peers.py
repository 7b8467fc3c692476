"""What may be found at a member's address instead of it: the others do not take it for the member, tell of it once, and get
on without."""

import os
import re
import socket
import ssl
import struct
import threading

from cluster import PORT, expired
from member import main, read
from wait import until
from writing import WritingTest

TELLING = re.compile(r'event=peer_unreachable member=\d+ address="?([0-9.]+):\d+"? reason="([^"]*)"')


class FalseServer:
    """Listens until it is closed. To each that comes it speaks TLS, if it has a context, and says what it has to say."""

    def __init__(self, host, context=None, says=b""):
        self.context = context
        self.says = says
        self.guests = 0
        self.listener = socket.create_server((host, PORT))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                guest = self.listener.accept()[0]
            except OSError:
                return
            self.guests += 1
            guest.settimeout(10)
            try:
                if self.context:
                    guest = self.context.wrap_socket(guest, server_side=True)
                guest.sendall(self.says)
                while guest.recv(4096):
                    pass
            except OSError:
                pass
            guest.close()

    def close(self):
        """Ends it; who is there still is let go."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(30)


class FalsePeers(WritingTest):
    limit_s = 120

    def context(self, folder, newest=ssl.TLSVersion.TLSv1_3):
        """A server's, with a folder's certificate. It lets everybody in."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = newest
        context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
        return context

    def tellings(self, member):
        """What a member has told of the address, in its order."""
        return [reason for address, reason in TELLING.findall(member.told()) if address == self.host]

    def meet(self, words, *server):
        """The false one is found where the third member was, and told of by both others."""
        false = FalseServer(self.host, *server)
        try:
            for member in self.staying:
                until(lambda m=member: any(words in reason for reason in self.tellings(m)), 30, f"it is told: {words}")
            until(lambda: false.guests >= 3, 30, "it is tried again")
        finally:
            false.close()
        self.wait_for_more(self.appending)

    def test_who_is_not_the_member_is_not_taken_for_it(self):
        base = self.authority.name
        self.cert("init", base + "/other", "--cluster", "test")
        self.cert("member", base + "/other", "n3", "--host", f"{self.net}.3", "--out", base + "/foreign")
        self.cert("client", base + "/ca", "app", "--out", base + "/app")
        expired(base + "/ca", "test", "n3", base + "/expired")
        if self.leading() is self.members[2]:
            self.run_program([os.path.join(os.path.dirname(os.environ["CLOGD"]), "clog"), "transfer", "n1", "--mount",
                              self.members[0].mount])
        self.staying, self.host = self.members[:2], f"{self.net}.3"
        self.assertEqual(self.members[2].stop(), 0)
        self.appending = self.writers(self.staying)
        self.wait_for_more(self.appending)
        before = [(self.leader(member), read(member.path("status/term"))) for member in self.staying]
        right = base + "/n3"
        self.meet("its certificate is not trusted: certificate has expired", self.context(base + "/expired"))
        self.meet("its certificate is not trusted: unable to get local issuer", self.context(base + "/foreign"))
        self.meet("it does not speak TLS 1.3", self.context(right, ssl.TLSVersion.TLSv1_2))
        self.meet("it does not speak TLS", None, b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.meet("it does not keep to the protocol", self.context(right), struct.pack("<II", 4, 2**32 - 1))
        for member in self.staying:
            reasons = self.tellings(member)
            self.assertEqual(len(reasons), len(set(reasons)), f"each is told once: {reasons}")
            self.assertNotIn("level=error", member.told())
        self.assertEqual([(self.leader(member), read(member.path("status/term"))) for member in self.staying], before)
        # The right one is let in as ever.
        self.members[2].launch()
        self.wait_for_voters(3)
        self.assert_written(self.appending)


if __name__ == "__main__":
    main()
