"""The manual pages and the completion know the options that --help lists, and no others."""

import os
import re
import shutil
import subprocess
import sys
import unittest

CLOGD = os.path.abspath(sys.argv[1])
CLOG = os.path.join(os.path.dirname(CLOGD), "clog")
DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
COMMANDS = ("append", "read", "tail", "mount", "bench", "status", "member", "transfer", "token", "acl", "cert", "verify")


def text(name):
    with open(os.path.join(DOCS, name), encoding="utf-8") as file:
        return file.read()


def options(words):
    return set(re.findall(r"--[a-z][a-z-]*", words))


def listed(program):
    """The options that --help lists."""
    return options(subprocess.run([program, "--help"], stdout=subprocess.PIPE, check=True, timeout=30, text=True).stdout)


def described(page):
    """The options of a page in mdoc."""
    found = set()
    for line in text(page).splitlines():
        if line.startswith(".") and not line.startswith((".Bl", ".Bd")):
            found |= {"-" + word for word in re.findall(r"(?<=\s)-[a-z][a-z-]*", line)}
    return found


def completed(*words):
    """What bash offers after these words, the last of which is begun."""
    script = f'. "{DOCS}/clog.bash"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _$1; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return subprocess.run(["bash", "-c", script, "-", *words], stdout=subprocess.PIPE, check=True, timeout=30,
                          text=True).stdout.split()


class Pages(unittest.TestCase):
    def test_the_pages_have_the_options_that_help_lists(self):
        self.assertEqual(listed(CLOG) - described("clog.1"), set())
        self.assertEqual(listed(CLOGD) - described("clogd.8"), set())

    def test_the_pages_have_no_others(self):
        self.assertEqual(described("clog.1") - listed(CLOG), set())
        self.assertEqual(described("clogd.8") - listed(CLOGD), set())

    def test_the_pages_and_the_manuals_have_all_commands(self):
        for command in COMMANDS:
            self.assertIn(f".It Cm {command}", text("clog.1"))
            self.assertIn(f"    clog {command}", text("clog.md"))
        self.assertEqual(listed(CLOG) - options(text("clog.md")), set())

    @unittest.skipUnless(shutil.which("groff"), "there is no groff")
    def test_the_pages_are_mdoc(self):
        for page in ("clog.1", "clogd.8"):
            done = subprocess.run(["groff", "-mdoc", "-Tascii", "-ww", os.path.join(DOCS, page)], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=60, check=True, text=True)
            self.assertEqual(done.stderr, "")

    def test_the_completion_offers_what_there_is(self):
        offered = set(completed("clog", ""))
        self.assertEqual(offered - options(" ".join(offered)), set(COMMANDS))
        for command in COMMANDS:
            offered |= set(completed("clog", command, "")) | set(completed("clog", command, "x", ""))
        self.assertEqual({word for word in offered if word.startswith("--")}, listed(CLOG))
        self.assertEqual(set(completed("clogd", "-")), listed(CLOGD))

    def test_the_completion_knows_what_comes_before(self):
        self.assertEqual(completed("clog", "--server", "x:1", "ta"), ["tail"])
        self.assertEqual(completed("clog", "token", "re"), ["revoke"])
        self.assertEqual(completed("clog", "token", "create", "x", "--grant", "pro"), ["produce"])
        self.assertEqual(completed("clog", "append", "--l"), ["--lines"])


if __name__ == "__main__":
    sys.argv = sys.argv[:1]
    unittest.main(verbosity=2)
