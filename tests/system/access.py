"""The access list: set as a file, it holds for each user at the mount and each client at the doors, at every member and
after a start; JSON Web Tokens by keys that are taken anew at SIGHUP."""

import base64
import errno
import os
import random
import select
import signal
import subprocess
import time

import grpc

import cluster
import member
import stubs
import users
from users import OTHER, STRANGER, outcome
from wait import until

LIST = f"# who may\np, user:{STRANGER}, log, consume\np, cert:reader, *, consume\np, jwt:bob, log, produce\n".encode()
PORT = 8400


class Listed(member.MemberTest):
    """One member, whose mount is everybody's by its mode."""

    starts = False

    def setUp(self):
        super().setUp()
        self.member.options = ("--allow-other", "--mode", "666")
        os.chmod(self.member.folder, 0o755)
        self.member.start()
        self.acl = self.member.path("acl")
        self.policy = os.path.join(self.member.folder, "policy")

    def set_list(self, text):
        with open(self.policy, "wb") as file:
            file.write(text)
        subprocess.run(["cp", self.policy, self.acl], check=True, timeout=20)

    def may(self):
        """What another user may of produce, consume, observe and admin."""
        codes = OTHER.outcomes([(users.write, self.member.path("append")), (users.read, self.member.path("log/stream")),
                                (users.read, self.member.path("status/health")), (users.write, self.acl, LIST)])
        self.assertLessEqual(set(codes), {0, errno.EACCES})
        return [code == 0 for code in codes]

    def test_a_list_that_is_copied_is_in_force_until_it_is_removed(self):
        self.assertEqual(self.may(), [True, True, True, False])
        self.assertEqual(member.read(self.acl), b"")
        self.set_list(LIST)
        self.assertEqual(member.read(self.acl), LIST)
        self.assertEqual(self.may(), [False, True, False, False])
        self.set_list(b"p, *, *, produce\n")
        self.assertEqual(self.may(), [True, False, False, False])
        self.set_list(b"# nobody\n")
        self.assertEqual(self.may(), [False, False, False, False])
        os.unlink(self.acl)
        self.assertEqual(self.may(), [True, True, True, False])
        self.assertIn(f"event=denied door=mount principal=user:{STRANGER} action=produce log=log", self.member.told())
        self.assertRegex(self.member.told(), r"event=access_changed list=no tokens=0 entry=\d+")

    def test_a_user_is_named_by_name(self):
        self.set_list(b"p, user:nobody, log, consume\n")
        nobody = users.User(65534, 65534)
        codes = nobody.outcomes([(users.read, self.member.path("log/stream")), (users.write, self.member.path("append"))])
        self.assertEqual(codes, [0, errno.EACCES])
        self.assertEqual(self.may(), [False, False, False, False])

    def test_a_list_survives_a_start(self):
        self.set_list(LIST)
        self.assertEqual(self.member.stop(), 0)
        self.member.start()
        self.assertEqual(member.read(self.acl), LIST)
        self.assertEqual(self.may(), [False, True, False, False])
        self.member.kill()
        self.member.start()
        self.assertEqual(self.may(), [False, True, False, False])

    def test_a_wrong_list_changes_nothing_and_the_line_is_told(self):
        self.set_list(LIST)
        self.assertEqual(outcome(users.write, self.acl, b"p, a, log, *\np, b, log\n"), errno.EINVAL)
        self.assertEqual(outcome(users.write, self.acl, b"\n" * 32769), errno.EMSGSIZE)
        self.assertEqual(outcome(users.write, self.acl, b"p, *, *, *\n", os.O_APPEND), errno.EINVAL)
        os.truncate(self.acl, 0)
        self.assertEqual(member.read(self.acl), LIST)
        self.assertIn('event=admin_refused file=acl size=23 uid=0 reason="line 2: a rule is p, ', self.member.told())

    def test_a_reader_in_follow_gets_nothing_once_it_is_denied(self):
        reader = self.spawn(["setpriv", f"--reuid={STRANGER}", "--regid=65534", "--clear-groups", "cat", "mnt/log/follow"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

        def has_read():
            users.write(self.member.path("append"), b"told\n")
            return select.select([reader.stdout], [], [], 0)[0]
        until(has_read, what="the reader gets records")
        self.set_list(b"# nobody\n")
        users.write(self.member.path("append"), b"secret\n")
        output, complaint = reader.communicate(timeout=20)
        self.assertNotIn(b"secret", output)
        self.assertIn(b"Permission denied", complaint)


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Makes JSON Web Tokens by a key of its own, with openssl."""

    def __init__(self, folder, kid):
        self.kid = kid
        self.key = os.path.join(folder, kid + ".key")
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, timeout=60, capture_output=True)

    def publish(self, folder):
        subprocess.run(["openssl", "rsa", "-in", self.key, "-pubout", "-out", f"{folder}/{self.kid}.pem"], check=True,
                       timeout=60, capture_output=True)

    def token(self, subject, audience):
        head = encode(b'{"alg":"RS256","typ":"JWT","kid":"%s"}' % self.kid.encode())
        claims = encode(b'{"sub":"%s","aud":"%s","exp":%d}' % (subject.encode(), audience.encode(), time.time() + 600))
        text = f"{head}.{claims}"
        signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), check=True,
                                timeout=60, capture_output=True)
        return f"{text}.{encode(signed.stdout)}"


class Keys(member.MemberTest):
    """Where the keys of JSON Web Tokens are."""

    starts = False

    def setUp(self):
        super().setUp()
        self.keys = os.path.join(self.member.folder, "keys")
        os.mkdir(self.keys)

    def test_a_key_that_is_wrong_keeps_it_from_starting(self):
        with open(self.keys + "/k.pem", "w", encoding="utf-8") as file:
            file.write("no key")
        self.member.options = ("--jwt-keys", self.keys)
        self.member.launch()
        self.assertEqual(self.member.ended(), 1)
        self.assertIn(f"clogd: {self.keys}/k.pem: no public key in PEM\n", self.member.told())

    def produce(self, token):
        """Appends over gRPC by a token. Gives the status' name."""
        with grpc.insecure_channel(self.address, [("grpc.enable_retries", 0)]) as channel:
            call = channel.unary_unary("/log.v1.Log/Produce",
                                       request_serializer=lambda request: request.SerializeToString())
            try:
                call(stubs.request(b"by a token"), timeout=20, metadata=[("authorization", "Bearer " + token)])
                return "OK", ""
            except grpc.RpcError as error:
                return error.code().name, error.details()

    def test_keys_are_taken_anew_at_sighup(self):
        self.address = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.1:{PORT}"
        self.member.options = ("--jwt-keys", self.keys, "--jwt-audience", "here", "--grpc", self.address)
        self.member.start()
        issuer = Issuer(self.member.folder, "one")
        bob, eve = issuer.token("bob", "here"), issuer.token("eve", "here")
        self.assertEqual(self.produce(bob)[0], "UNAUTHENTICATED")
        issuer.publish(self.keys)
        self.member.process.send_signal(signal.SIGHUP)
        until(lambda: "event=jwt_keys_loaded" in self.member.told(), what="the keys are loaded")
        self.assertEqual(self.produce(bob), ("PERMISSION_DENIED", "jwt:bob may not produce"))
        users.write(self.member.path("acl"), LIST)
        self.assertEqual(self.produce(bob), ("OK", ""))
        self.assertEqual(self.produce(eve), ("PERMISSION_DENIED", "jwt:eve may not produce"))
        self.assertEqual(self.produce(issuer.token("bob", "there")),
                         ("UNAUTHENTICATED", "the token is for another audience (aud)"))
        with open(self.keys + "/two.pem", "w", encoding="utf-8") as file:
            file.write("no key")
        self.member.process.send_signal(signal.SIGHUP)
        until(lambda: "event=jwt_keys_kept" in self.member.told(), what="the keys are kept")
        self.assertRegex(self.member.told(), r"event=jwt_keys_kept folder=\S+ reason=\"\S+/two.pem: no public key in PEM\"")
        self.assertEqual(self.produce(bob), ("OK", ""))
        self.assertIn("event=denied", self.member.told())
        for part in bob.split("."):
            self.assertNotIn(part, self.member.told())
        self.assertEqual(self.member.stop(), 0)


class Everywhere(cluster.ClusterTest):
    """Three members, whose mounts are everybody's by their mode."""

    def add_member(self, number, *more):
        added = super().add_member(number, "--allow-other", "--mode", "666", *more)
        os.chmod(added.folder, 0o755)
        return added

    def wait_until_denied(self, denied):
        until(lambda: all((OTHER.outcomes([(users.write, each.path("append"))]) == [errno.EACCES]) == denied
                          for each in self.members), what="the list is in force at every member")

    def test_a_list_reaches_every_member_and_is_kept(self):
        users.write(self.members[2].path("acl"), LIST)
        self.wait_until_denied(True)
        self.assertEqual([member.read(each.path("acl")) for each in self.members], [LIST] * 3)
        self.members[1].kill()
        users.write(self.member.path("acl"), b"p, *, *, *\n")
        self.members[1].launch()
        self.wait_for_voters(3)
        self.wait_until_denied(False)
        os.unlink(self.members[1].path("acl"))
        until(lambda: all(member.read(each.path("acl")) == b"" for each in self.members), what="the list is gone")


if __name__ == "__main__":
    member.main()
