"""Who may do what at which door: each cell of the tables is tried, with every call that belongs to it."""

import errno
import os
import random
import socket
import ssl
import struct
import time

import grpc

import http2
import jwt
import member
import stubs
import users
from cluster import PORT as PEER_PORT, clog, expired
from curl import Curl, Request
from hostile_peers import NO_UNIT, TELLING, hello
from stubs import clog_pb2, log_pb2
from users import GROUP, IN_GROUP, OTHER, OWNER, OWNING, User
from wait import until

ACTIONS = ("produce", "consume", "observe", "admin")
GRPC_PORT, HTTP_PORT = 8400, 7480

# yes: may. no: may not, and it is known who asks: EACCES, 403, PERMISSION_DENIED. who: it is not: 401, UNAUTHENTICATED. out:
# there is no connection. -: the door has no such call.

USERS = """
| who asks, mode 0640, no list | door  | produce | consume | observe | admin |
| root                         | mount | yes     | yes     | yes     | yes   |
| the owner                    | mount | yes     | yes     | yes     | yes   |
| a user in the group          | mount | no      | yes     | yes     | no    |
| another user                 | mount | no      | no      | no      | no    |
| root                         | gRPC  | yes     | yes     | -       | yes   |
| the owner                    | gRPC  | yes     | yes     | -       | yes   |
| a user in the group          | gRPC  | no      | no      | -       | no    |
| another user                 | gRPC  | no      | no      | -       | no    |
| root                         | HTTP  | yes     | yes     | yes     | yes   |
| the owner                    | HTTP  | yes     | yes     | yes     | yes   |
| a user in the group          | HTTP  | no      | no      | no      | no    |
| another user                 | HTTP  | no      | no      | no      | no    |
"""
CERTIFICATES = """
| who asks, TLS, no list             | door | produce | consume | observe | admin |
| a client's certificate             | gRPC | yes     | yes     | -       | yes   |
| a member's certificate             | gRPC | yes     | yes     | -       | yes   |
| an expired certificate             | gRPC | out     | out     | -       | out   |
| a certificate of another authority | gRPC | out     | out     | -       | out   |
| nobody                             | gRPC | who     | who     | -       | who   |
| a client's certificate             | HTTP | yes     | yes     | yes     | yes   |
| a member's certificate             | HTTP | yes     | yes     | yes     | yes   |
| an expired certificate             | HTTP | out     | out     | out     | out   |
| a certificate of another authority | HTTP | out     | out     | out     | out   |
| nobody                             | HTTP | who     | who     | who     | who   |
"""
# The list: alice may produce, consume and observe, ops everything, and bob by a JSON Web Token consume and observe.
LIST = b"""
p, cert:alice, log, produce
p, cert:alice, log, consume
p, cert:alice, *, observe
p, cert:ops, *, *
p, jwt:bob, log, consume
p, jwt:bob, log, observe
"""
LISTED = """
| who asks, TLS, with a list              | door | produce | consume | observe | admin |
| the certificate alice                   | gRPC | yes     | yes     | -       | no    |
| the certificate ops                     | gRPC | yes     | yes     | -       | yes   |
| a certificate that is not listed        | gRPC | no      | no      | -       | no    |
| a member's certificate, not listed      | gRPC | no      | no      | -       | no    |
| nobody                                  | gRPC | who     | who     | -       | who   |
| a JWT of bob                            | gRPC | no      | yes     | -       | no    |
| a JWT of eve, who is not listed         | gRPC | no      | no      | -       | no    |
| a JWT of alice, a name of a certificate | gRPC | no      | no      | -       | no    |
| an expired JWT of bob                   | gRPC | who     | who     | -       | who   |
| a JWT of bob for somebody else          | gRPC | who     | who     | -       | who   |
| an unsigned JWT of bob (alg none)       | gRPC | who     | who     | -       | who   |
| a JWT of bob by a wrong key             | gRPC | who     | who     | -       | who   |
| a JWT of bob by the public key (HS256)  | gRPC | who     | who     | -       | who   |
| the certificate alice                   | HTTP | yes     | yes     | yes     | no    |
| the certificate ops                     | HTTP | yes     | yes     | yes     | yes   |
| a certificate that is not listed        | HTTP | no      | no      | no      | no    |
| a member's certificate, not listed      | HTTP | no      | no      | no      | no    |
| nobody                                  | HTTP | who     | who     | who     | who   |
| a JWT of bob                            | HTTP | no      | yes     | yes     | no    |
| a JWT of eve, who is not listed         | HTTP | no      | no      | no      | no    |
| a JWT of alice, a name of a certificate | HTTP | no      | no      | no      | no    |
| an expired JWT of bob                   | HTTP | who     | who     | who     | who   |
| a JWT of bob for somebody else          | HTTP | who     | who     | who     | who   |
| an unsigned JWT of bob (alg none)       | HTTP | who     | who     | who     | who   |
| a JWT of bob by a wrong key             | HTTP | who     | who     | who     | who   |
| a JWT of bob by the public key (HS256)  | HTTP | who     | who     | who     | who   |
"""
# Whatever the list says: all of these are tried with one, and without.
TOKENS = """
| who asks, TLS, with a list or without      | door | produce | consume | observe | admin |
| a token to produce                         | gRPC | yes     | no      | -       | no    |
| a token to consume                         | gRPC | no      | yes     | -       | no    |
| a token to observe                         | gRPC | no      | no      | -       | no    |
| a token to admin                           | gRPC | no      | no      | -       | yes   |
| a token to do all of it                    | gRPC | yes     | yes     | -       | yes   |
| a token to consume, by the certificate ops | gRPC | no      | yes     | -       | no    |
| an expired token                           | gRPC | who     | who     | -       | who   |
| a revoked token                            | gRPC | who     | who     | -       | who   |
| a token that was never made                | gRPC | who     | who     | -       | who   |
| a word that is no token                    | gRPC | who     | who     | -       | who   |
| a token to produce                         | HTTP | yes     | no      | no      | no    |
| a token to consume                         | HTTP | no      | yes     | no      | no    |
| a token to observe                         | HTTP | no      | no      | yes     | no    |
| a token to admin                           | HTTP | no      | no      | no      | yes   |
| a token to do all of it                    | HTTP | yes     | yes     | yes     | yes   |
| a token to consume, by the certificate ops | HTTP | no      | yes     | no      | no    |
| an expired token                           | HTTP | who     | who     | who     | who   |
| a revoked token                            | HTTP | who     | who     | who     | who   |
| a token that was never made                | HTTP | who     | who     | who     | who   |
| a word that is no token                    | HTTP | who     | who     | who     | who   |
"""
# Users with a list, and mode 0660: both have to let them. Root and the owner need neither.
USER_LIST = f"p, user:{users.MATE}, log, produce\np, user:{users.STRANGER}, *, *\n".encode()
LISTED_USERS = """
| who asks, mode 0660, with a list       | door  | produce | consume | observe | admin |
| root                                   | mount | yes     | yes     | yes     | yes   |
| the owner                              | mount | yes     | yes     | yes     | yes   |
| a user in the group, listed to produce | mount | yes     | no      | no      | no    |
| a user in the group, not listed        | mount | no      | no      | no      | no    |
| another user, listed for everything    | mount | no      | no      | no      | no    |
"""
PEERS = """
| who asks at the peers' port        | gets in |
| a member's certificate             | yes     |
| a member's certificate, as another | no      |
| a client's certificate             | no      |
| an expired certificate             | no      |
| a certificate of another authority | no      |
| nobody                             | no      |
"""


def rows(table):
    """The rows of a table below its head, as lists of words."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]
    return lines[1:]


# ---- The calls, by door and action ----

def list_folder(path):
    """A folder's names; root's, and whose else, too."""
    os.listdir(path)


def mount_calls(mount):
    """Each is a function and its arguments, which raises what the kernel says."""
    def read(*names):
        return users.read, os.path.join(mount, *names)

    def write(text, *names):
        return users.write, os.path.join(mount, *names), text
    return {"produce": [write(b"a\n", "append"), write(b"a\n", "log/lines")],
            "consume": [read("records/0"), read("log/stream"), read("log/next"), (list_folder, mount + "/log/records")],
            "observe": [read("status/health"), read("self/state"), (list_folder, mount + "/cluster")],
            "admin": [write(b"0\n", "log/first"), write(b"all\n", "log/retention")]}


END, TRIM, RETAIN, SET_ROLE, REMOVE, TRANSFER, SET = range(7)  # enum service_command_kind
RECORD = 1                   # enum service_read_kind
GRPC_CALLS = {
    "produce": [("/log.v1.Log/Produce", stubs.request(b"a")), ("/log.v1.Log/ProduceStream", stubs.request(b"a")),
                ("/clog.v1.Clog/OpenSession", clog_pb2.OpenSessionRequest(key=7))],
    "consume": [("/log.v1.Log/Consume", log_pb2.ConsumeRequest(offset=0)),
                ("/log.v1.Log/ConsumeStream", log_pb2.ConsumeRequest(offset=0)),
                ("/clog.v1.Clog/Read", clog_pb2.ReadRequest(kind=RECORD, offset=0)),
                ("/clog.v1.Clog/Command", clog_pb2.CommandRequest(kind=END))],
    "admin": [("/clog.v1.Clog/Command", clog_pb2.CommandRequest(kind=TRIM, offset=0)),
              ("/clog.v1.Clog/Command", clog_pb2.CommandRequest(kind=RETAIN)),
              ("/clog.v1.Clog/GetSettings", clog_pb2.GetSettingsRequest())],
}
APPENDS = {"mount": 2, "gRPC": 2, "HTTP": 3}  # of the calls to produce, the first that append a record each
BYTES, JSON = "application/octet-stream", "application/json"
HTTP_CALLS = {
    "produce": [("POST", "/v1/records", b"a", BYTES), ("POST", "/", b'{"record":{"value":"YQ=="}}', JSON),
                ("POST", "/v1/records", b'["YQ=="]', JSON)],
    "consume": [("GET", "/v1/records/0"), ("HEAD", "/v1/records/0"), ("GET", "/v1/records?limit=1"), ("HEAD", "/v1/tail"),
                ("GET", "/", b'{"offset":0}', JSON), ("GET", "/v1/retention")],
    "observe": [("GET", "/v1/status"), ("GET", "/v1/members"), ("GET", "/metrics")],
    "admin": [("DELETE", "/v1/records?below=0"), ("PUT", "/v1/retention", b'{"bytes":0,"seconds":0}', JSON),
              ("GET", "/v1/acl"), ("GET", "/v1/tokens")],
}
# What only who may not is to try.
DENIED_CALLS = {
    "gRPC": [("/clog.v1.Clog/Command", clog_pb2.CommandRequest(kind=SET_ROLE, member=1, role=2)),
             ("/clog.v1.Clog/Command", clog_pb2.CommandRequest(kind=REMOVE, member=1)),
             ("/clog.v1.Clog/Command", clog_pb2.CommandRequest(kind=TRANSFER, member=1)),
             ("/clog.v1.Clog/Command", clog_pb2.CommandRequest(kind=SET, key="acl", setting=b"p, *, *, *\n"))],
    "HTTP": [("PUT", "/v1/acl", b"p, *, *, *\n", "text/plain"), ("DELETE", "/v1/acl"), ("DELETE", "/v1/tokens/all"),
             ("POST", "/v1/tokens", b'{"name":"mine","grants":["admin"]}', JSON)],
}
WORDS = {0: "yes", errno.EACCES: "no", errno.EKEYREJECTED: "who", errno.ECONNREFUSED: "out"}
GRPC_WORDS = {0: "yes", 7: "no", 16: "who", 14: "out"}


def call_by_hand(address, path, message):
    """A call of gRPC by a process that is somebody else's. Raises what stands for its status in WORDS."""
    connection = http2.Connection(address)
    try:
        connection.send(http2.call(1, path, message))
        status, data = None, False
        for kind, flags, stream, payload in connection.frames():
            if kind == http2.HEADERS:
                status = dict(connection.decoder.decode(payload)).get("grpc-status", status)
            data = data or kind == http2.DATA and len(payload) > 0
            if data or stream == 1 and (kind == http2.RST_STREAM or flags & http2.END_STREAM):
                break
        word = "yes" if data else GRPC_WORDS.get(int(status), status)
        code = {text: number for number, text in WORDS.items()}.get(word, errno.EPROTO)
        if code:
            raise OSError(code, word)
    finally:
        connection.close()


class Asker:
    """Somebody who asks: a user, or who has a folder of certificates (or of an authority alone), or a token."""

    def __init__(self, user=None, tls=None, token=None):
        self.user, self.tls, self.token = user, tls, token
        self.channel = None  # of gRPC, once it is asked by

    def credentials(self):
        def content(name):
            path = os.path.join(self.tls, name)
            if not os.path.exists(path):
                return None
            with open(path, "rb") as file:
                return file.read()
        return grpc.ssl_channel_credentials(content("ca.pem"), content("key.pem"), content("cert.pem"))

    def mount(self, place, action):
        """What the calls of an action came to, in words."""
        return [WORDS.get(code, errno.errorcode.get(code)) for code in self.user.outcomes(mount_calls(place)[action])]

    def grpc(self, address, action, more=()):
        """Likewise, and what more calls came to."""
        calls = [*GRPC_CALLS[action], *more]
        if self.user:
            calls = [(call_by_hand, address, path, message.SerializeToString()) for path, message in calls]
            return [WORDS.get(code, errno.errorcode.get(code)) for code in self.user.outcomes(calls)]
        if self.channel is None:
            self.channel = grpc.secure_channel(address, self.credentials(), [
                ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)])
        return [self.call(path, message) for path, message in calls]

    def close(self):
        if self.channel:
            self.channel.close()
        self.channel = None

    def call(self, path, message):
        """A call by gRPC's own client: a word."""
        metadata = [("authorization", "Bearer " + self.token)] if self.token else []
        call = self.channel.unary_stream(path, request_serializer=type(message).SerializeToString)(
            message, timeout=20, metadata=metadata)
        try:
            next(call)
            return "yes"
        except grpc.RpcError as error:
            return GRPC_WORDS.get(error.code().value[0], f"{error.code()}: {error.details()}")
        finally:
            call.cancel()

    def http(self, curl, url, calls):
        """What each of these calls came to."""
        requests = [Request(url + path, method, *more) for method, path, *more in calls]
        answers = curl.ask(*requests, user=self.user, tls=self.tls, token=self.token)
        # Who gets as far as to be told that there is no list may ask for it.
        words = {200: "yes", 201: "yes", 204: "yes", 404: "yes", 401: "who", 403: "no", 0: "out"}
        return [words.get(answer.status, f"{answer.status} {answer.body}") for answer in answers]


class Table(member.MemberTest):
    """A test with one member that has all doors."""

    starts = False
    limit_s = 90

    def setUp(self):
        super().setUp()
        self.net = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}"
        self.curl = Curl()
        self.addCleanup(self.curl.close)
        self.grpc_address = f"{self.net}.1:{GRPC_PORT}"
        self.member.options = ("--grpc", self.grpc_address, "--http", f"{self.net}.1:{HTTP_PORT}")
        os.chmod(self.member.folder, 0o755)

    def begin(self, *options):
        """Starts the member, and appends what can be read."""
        self.tls = "--tls" in options
        self.member.options += options
        self.member.start()
        users.write(self.member.path("append"))

    def outcomes(self, asker, door, cells):
        """What each call of a row's cells came to, by their actions; cells has what is expected."""
        more = {"admin": DENIED_CALLS.get(door, ())} if cells["admin"] in ("no", "who") else {}
        if door == "mount":
            return {action: asker.mount(self.mount, action) for action in cells}
        if door == "gRPC":
            return {action: asker.grpc(self.grpc_address, action, more.get(action, ())) for action in cells if cells[action] != "-"}
        calls = {action: [*HTTP_CALLS[action], *more.get(action, ())] for action in cells}
        url = f"http{'s' if self.tls else ''}://{self.net}.1:{HTTP_PORT}"
        words = iter(asker.http(self.curl, url, sum(calls.values(), [])))
        return {action: [next(words) for _ in calls[action]] for action in cells}

    def try_all(self, table, askers):
        """Tries each cell. Nothing is appended but what was let in."""
        wrong, allowed = [], self.next()
        tried = set()
        for who, door, *cells in rows(table):
            tried.add((who, door))
            cells = dict(zip(ACTIONS, cells))
            for action, found in self.outcomes(askers[who], door, cells).items():
                expected = cells[action]
                allowed += found[:APPENDS[door]].count("yes") if action == "produce" else 0
                if set(found) != {expected}:
                    wrong.append(f"{who} may {action} by {door}: {found}, and it should be {expected}")
        for asker in askers.values():
            asker.close()
        self.assertEqual(wrong, [])
        self.assertEqual(self.next(), allowed, "what was denied has appended nothing")
        doors = {door for _, door in tried}
        self.assertEqual(tried, {(who, door) for who in askers for door in doors}, "each is tried at each door")

    def test_the_documentation_has_these_tables(self):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "access.md")
        with open(path, encoding="utf-8") as file:
            text = "".join(line for line in file if not line.startswith("| ---"))
        for table in (USERS, CERTIFICATES, TOKENS, LISTED, LISTED_USERS, PEERS):
            self.assertIn(table, text)

    # Users

    def test_users_by_owner_group_and_mode(self):
        self.begin("--owner", f"{OWNER}:{GROUP}", "--mode", "0640", "--allow-other")
        self.try_all(USERS, {"root": Asker(User(0, 0)), "the owner": Asker(OWNING), "a user in the group": Asker(IN_GROUP),
                             "another user": Asker(OTHER)})

    # Certificates

    def folder(self, name):
        return os.path.join(self.member.folder, name)

    def cert(self, *arguments):
        self.run_program([clog(), "cert", *arguments])

    def make_certificates(self):
        """Folders of everybody's, and of an authority alone; the member's is one's."""
        authority, other = self.folder("ca"), self.folder("other")
        self.cert("init", authority, "--cluster", "test")
        self.cert("init", other, "--cluster", "test")
        for name in ("one", "n2"):
            self.cert("member", authority, name, "--host", f"{self.net}.1", "--out", self.folder(name))
        self.cert("client", authority, "alice", "--out", self.folder("alice"))
        self.cert("client", other, "alice", "--out", self.folder("foreign"))
        expired(authority, "test", "n3", self.folder("n3"))
        os.mkdir(self.folder("nobody"))
        for name in ("foreign", "nobody", "n3"):
            with open(self.folder("alice/ca.pem"), "rb") as right, open(self.folder(name + "/ca.pem"), "wb") as copy:
                copy.write(right.read())

    def certified(self):
        """Who asks with which."""
        return {"a client's certificate": Asker(tls=self.folder("alice")), "a member's certificate": Asker(tls=self.folder("n2")),
                "an expired certificate": Asker(tls=self.folder("n3")), "nobody": Asker(tls=self.folder("nobody")),
                "a certificate of another authority": Asker(tls=self.folder("foreign"))}

    def test_certificates(self):
        self.make_certificates()
        self.begin("--tls", self.folder("one"))
        self.try_all(CERTIFICATES, self.certified())

    # Tokens and lists

    def clog(self, *words, feed=b""):
        """Runs clog as who may admin: ops, or where there is no TLS, root. Gives what it prints."""
        options = ["--server", self.grpc_address, *(["--tls", self.folder("ops")] if self.tls else [])]
        return self.run_program([clog(), *words, *options], feed).decode()

    def make_token(self, name, grants, *more):
        """A token's text."""
        return self.clog("token", "create", name, "--grant", grants, *more).split()[-1]

    def begin_with_tokens(self):
        """A member with certificates, keys, and everybody's tokens."""
        self.make_certificates()
        for name in ("ops", "mallory"):
            self.cert("client", self.folder("ca"), name, "--out", self.folder(name))
        os.mkdir(self.folder("keys"))
        self.key = jwt.Key(self.folder("key.pem"), self.folder("keys/first.pem"))
        self.wrong_key = jwt.Key(self.folder("wrong.pem"), self.folder("wrong-public.pem"))
        self.begin("--tls", self.folder("one"), "--jwt-keys", self.folder("keys"))

    def tokens(self):
        """Who asks with which."""
        def bearer(token, tls="nobody"):
            return Asker(tls=self.folder(tls), token=token)
        grants = {action: bearer(self.make_token(action, action)) for action in ACTIONS}
        revoked = bearer(self.make_token("gone", ",".join(ACTIONS)))
        until(lambda: revoked.grpc(self.grpc_address, "admin") == ["yes"] * 3, 20, "the token is known")
        self.clog("token", "revoke", "gone")
        until(lambda: revoked.grpc(self.grpc_address, "admin") == ["who"] * 3, 20, "it is known no more")
        expired_token = bearer(self.make_token("old", ",".join(ACTIONS), "--ttl", "1s"))
        until(lambda: expired_token.grpc(self.grpc_address, "admin") == ["who"] * 3, 20, "its time is over")
        return {f"a token to {action}": asker for action, asker in grants.items()} | {
            "a token to do all of it": bearer(self.make_token("all", ",".join(ACTIONS))),
            "a token to consume, by the certificate ops": bearer(grants["consume"].token, "ops"),
            "an expired token": expired_token,
            "a revoked token": revoked, "a token that was never made": bearer("clog_" + jwt.encode(bytes(32))),
            "a word that is no token": bearer("open-sesame")}

    def web_tokens(self):
        """Who asks with which."""
        def bearer(token):
            return Asker(tls=self.folder("nobody"), token=token)
        bob, later = {"sub": "bob", "exp": int(time.time()) + 3600, "aud": "test"}, {"exp": int(time.time()) - 120}
        return {
            "a JWT of bob": bearer(self.key.sign("first", bob)),
            "a JWT of eve, who is not listed": bearer(self.key.sign("first", bob | {"sub": "eve"})),
            "a JWT of alice, a name of a certificate": bearer(self.key.sign("first", bob | {"sub": "alice"})),
            "an expired JWT of bob": bearer(self.key.sign("first", bob | later)),
            "a JWT of bob for somebody else": bearer(self.key.sign("first", bob | {"aud": "others"})),
            "an unsigned JWT of bob (alg none)": bearer(jwt.unsigned("first", bob)),
            "a JWT of bob by a wrong key": bearer(self.wrong_key.sign("first", bob)),
            "a JWT of bob by the public key (HS256)": bearer(self.key.sign_by_public("first", bob))}

    def test_tokens_and_the_access_list(self):
        self.begin_with_tokens()
        tokens = self.tokens()
        self.try_all(TOKENS, tokens)
        self.clog("acl", "set", "-", feed=LIST)
        mallory = Asker(tls=self.folder("mallory"))
        until(lambda: set(mallory.grpc(self.grpc_address, "consume")) == {"no"}, 20, "the list is in force")
        self.try_all(TOKENS, tokens)
        self.try_all(LISTED, self.web_tokens() | {
            "the certificate alice": Asker(tls=self.folder("alice")), "the certificate ops": Asker(tls=self.folder("ops")),
            "a certificate that is not listed": mallory, "a member's certificate, not listed": Asker(tls=self.folder("n2")),
            "nobody": Asker(tls=self.folder("nobody"))})

    def test_users_need_the_lists_leave_and_the_modes(self):
        self.begin("--owner", f"{OWNER}:{GROUP}", "--mode", "0660", "--allow-other")
        self.clog("acl", "set", "-", feed=USER_LIST)
        listed, unlisted, other = IN_GROUP, User(users.STRANGER + 1, GROUP), OTHER
        until(lambda: set(Asker(unlisted).mount(self.mount, "consume")) == {"no"}, 20, "the list is in force")
        self.try_all(LISTED_USERS, {
            "root": Asker(User(0, 0)), "the owner": Asker(OWNING), "a user in the group, listed to produce": Asker(listed),
            "a user in the group, not listed": Asker(unlisted), "another user, listed for everything": Asker(other)})

    # The peers' port

    def knock(self, host, tls, name):
        """Comes to the peers' port from an address, greets by a name, and says something that no member says."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if os.path.exists(tls + "/cert.pem"):
            context.load_cert_chain(tls + "/cert.pem", tls + "/key.pem")
        with socket.create_connection((f"{self.net}.1", PEER_PORT), 20, (host, 0)) as plain:
            try:
                with context.wrap_socket(plain) as connection:
                    connection.sendall(hello(name) + struct.pack("<II", 0xffffffff, 0))
                    while connection.recv(4096):
                        pass
            except OSError as error:
                self.assertNotIsInstance(error, TimeoutError)

    def test_only_members_get_in_at_the_peers_port(self):
        self.make_certificates()
        self.begin("--tls", self.folder("one"), "--peer", f"{self.net}.1:{PEER_PORT}")
        askers = self.certified()
        askers["a member's certificate, as another"] = askers["a member's certificate"]
        for number, (who, expected) in enumerate(rows(PEERS), 101):
            host = f"{self.net}.{number}"
            self.knock(host, askers.pop(who).tls, b"n3" if "another" in who else b"n2")
            def told():
                return [(name, reason) for address, name, reason in TELLING.findall(self.member.told()) if address == host]
            name, reason = until(told, 20, f"{who} is told of")[0]
            # Who is in is listened to, and refused for what it says.
            found = "yes" if (name, reason) == ("n2", NO_UNIT) else "no"
            self.assertEqual((who, found), (who, expected), reason)
            self.assertTrue(found == "yes" or "certificate" in reason or "no member's" in reason, f"{who}: {reason}")
        self.assertEqual(askers, {}, "each has knocked")


if __name__ == "__main__":
    member.main()
