"""clog as a program: certificates, the members as files tell of them, help, and how it ends."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

CLOG = os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), "clog")
HELP = "clog: a replicated commit log that is used as files"


class ClogTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="clog-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def run_clog(self, *words, **more):
        more.setdefault("stdout", subprocess.PIPE)
        done = subprocess.run([CLOG, *words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=False,
                              cwd=self.folder, text=True, **more)
        return done.returncode, done.stdout, done.stderr

    def done(self, *words):
        """It does it, and says nothing on stderr: stdout."""
        status, output, sentence = self.run_clog(*words)
        self.assertEqual((status, sentence), (0, ""), words)
        return output

    def refused(self, status, sentence, *words):
        """It ends with the status and one line that has the sentence."""
        found, output, line = self.run_clog(*words)
        self.assertEqual((found, output), (status, ""), line)
        self.assertRegex(line, r"\Aclog: [^\n]+\n\Z")
        self.assertIn(sentence, line)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)


class Words(ClogTest):
    def test_help_is_printed_wherever_it_is_asked_for(self):
        for words in ((), ("cert",), ("cert", "init"), ("cert", "member", "ca", "n1"), ("member",), ("member", "list"),
                      ("transfer",), ("transfer", "n1")):
            self.assertTrue(self.done(*words, "--help").startswith(HELP), words)
        self.assertRegex(self.done("--version"), r"\Aclog \d+\.\d+\.\d+\n\Z")

    def test_what_cannot_be_printed_is_a_failure_and_said(self):
        os.makedirs(self.path("mount", "cluster"))
        for words in (("--help",), ("--version",), ("cert", "--help"), ("member", "list", "--mount", "mount")):
            with open("/dev/full", "wb") as full:
                status, _, sentence = self.run_clog(*words, stdout=full)
            self.assertEqual(status, 1, words)
            self.assertIn("No space left on device", sentence)

    def test_wrong_words_are_named(self):
        for sentence, *words in (
                ("a command is missing",), ("there is no command 'sing'", "sing"),
                ("clog cert takes init, member or client", "cert"), ("takes init, member or client", "cert", "sing"),
                ("the authority's folder is missing", "cert", "init"), ("--cluster NAME is missing", "cert", "init", "ca"),
                ("'--sing' is not an option", "cert", "init", "--sing"), ("--cluster needs a value", "cert", "init",
                                                                         "ca", "--cluster"),
                ("'x' is one word too many", "cert", "init", "ca", "x", "--cluster", "prod"),
                ("'.' is no name for a cluster", "cert", "init", "ca", "--cluster", "."),
                ("--days: '0' is not 1 to 36500", "cert", "init", "ca", "--cluster", "prod", "--days", "0"),
                ("--days: '1d' is not", "cert", "init", "ca", "--cluster", "prod", "--days", "1d"),
                ("neither --out nor --host", "cert", "init", "ca", "--cluster", "prod", "--out", "x"),
                ("a name are needed", "cert", "member", "ca"), ("--out DIR is missing", "cert", "member", "ca", "n1"),
                ("--host HOST is missing", "cert", "member", "ca", "n1", "--out", "n1"),
                ("a client has no --host", "cert", "client", "ca", "c1", "--out", "c1", "--host", "h"),
                ("--cluster is for clog cert init", "cert", "client", "ca", "c1", "--out", "c1", "--cluster", "x"),
                ("clog member takes list", "member"), ("clog member takes list", "member", "list", "n1"),
                ("a role is voter, standby or spare", "member", "role", "n1", "king"),
                ("'../n1' is no member's name", "member", "remove", "../n1"),
                ("clog transfer takes the name of a member", "transfer")):
            self.refused(2, sentence, *words)
        self.assertEqual(os.listdir(self.folder), [])


class Certificates(ClogTest):
    def setUp(self):
        super().setUp()
        self.done("cert", "init", "ca", "--cluster", "prod")

    def test_certificates_are_made(self):
        self.done("cert", "member", "ca", "n1", "--host", "n1", "--host", "127.0.0.1", "--out", "n1", "--days", "7")
        self.done("cert", "client", "ca", "c1", "--out", "c1")
        for folder in ("n1", "c1"):
            self.assertEqual(sorted(os.listdir(self.path(folder))), ["ca.pem", "cert.pem", "key.pem"])
            self.assertEqual(os.stat(self.path(folder, "key.pem")).st_mode & 0o777, 0o600)
        self.assertEqual(sorted(os.listdir(self.path("ca"))), ["ca-key.pem", "ca.pem"])

    def test_an_authority_is_not_replaced(self):
        self.refused(1, "ca/ca.pem is there: an authority is not replaced", "cert", "init", "ca", "--cluster", "prod")

    def test_an_authority_that_a_crash_left_unfinished_is_made(self):
        os.unlink(self.path("ca", "ca.pem"))
        self.done("cert", "init", "ca", "--cluster", "prod")

    def test_a_host_with_a_port_is_refused(self):
        self.refused(2, "'n1:7400': a host is given without a port", "cert", "member", "ca", "n1", "--host", "n1:7400",
                     "--out", "n1")
        self.assertFalse(os.path.exists(self.path("n1")))

    def test_what_is_not_there_is_named(self):
        self.refused(1, "nowhere/ca.pem: No such file", "cert", "client", "nowhere", "c1", "--out", "c1")
        self.refused(1, "a/b: the folder cannot be made", "cert", "client", "ca", "c1", "--out", "a/b")


class Members(ClogTest):
    """The files of a mount, as plain files."""

    def setUp(self):
        super().setUp()
        for name in ("n1", "n2"):
            os.makedirs(self.path("mount", "cluster", name))
            for file, text in (("address", f"{name}:7400"), ("role", "voter"), ("state", "up"), ("match", "17"),
                               ("lag", "0"), ("id", "5")):
                with open(self.path("mount", "cluster", name, file), "w", encoding="utf-8") as out:
                    out.write(text + "\n")

    def test_members_are_listed(self):
        lines = self.done("member", "list", "--mount", "mount").splitlines()
        self.assertEqual([line.split() for line in lines],
                         [["NAME", "ADDRESS", "ROLE", "STATE", "MATCH", "LAG", "ID"],
                          ["n1", "n1:7400", "voter", "up", "17", "0", "5"],
                          ["n2", "n2:7400", "voter", "up", "17", "0", "5"]])

    def test_a_member_that_has_just_gone_is_no_failure(self):
        os.unlink(self.path("mount", "cluster", "n2", "match"))
        self.assertEqual(self.done("member", "list", "--mount", "mount").splitlines()[2].split()[4], "-")

    def test_what_cannot_be_opened_or_read_is_a_failure(self):
        self.refused(1, "nowhere/cluster: No such file", "member", "list", "--mount", "nowhere")
        path = self.path("mount", "cluster", "n2", "match")
        os.unlink(path)
        os.mkdir(path)
        self.refused(1, "n2/match: Is a directory", "member", "list", "--mount", "mount")
        os.rmdir(path)
        os.symlink("match", path)
        self.refused(1, "n2/match: Too many levels", "member", "list", "--mount", "mount")

    def test_roles_are_written(self):
        for words, role in ((("member", "role", "n1", "standby"), "standby"), (("transfer", "n1"), "leader")):
            with open(self.path("mount", "cluster", "n1", "role"), "w", encoding="utf-8"):
                pass
            self.done(*words, "--mount", "mount")
            with open(self.path("mount", "cluster", "n1", "role"), encoding="utf-8") as file:
                self.assertEqual(file.read(), role)
        self.refused(1, "there is no such member", "transfer", "n3", "--mount", "mount")
        self.refused(1, "there is no such member", "member", "remove", "n3", "--mount", "mount")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
