"""The rules of the house are tested by breaking them: each breach is found on its line, and nothing else is."""

import os
import subprocess
import sys
import tempfile
import unittest

import style

DOOR = """\
/* log: a log. */
#ifndef CLOG_LOG_LOG_H
#define CLOG_LOG_LOG_H

#include <stdint.h>

#include "error/error.h"

struct log;
struct uv_loop_s;

#define LOG_SIZE_MAX (1u << 20) /* bytes */

/* Two that share
 * a comment. */
#define LOG_A 1
#define LOG_B \\
	2

typedef void (*log_done_cb)(struct log *log, void *arg);

/* What a log is. */
struct log_stat {
	uint64_t first;
};
void log_stat(const struct log *log, struct log_stat *stat);

enum log_type {
	LOG_RECORDS, /* records */
};

#ifdef __GNUC__
/* In one line. */
static inline int log_one(void)
{
	return 1;
}
#endif

#endif
"""

SOURCE = """\
#include "log/store.h"

#include <string.h>

#include "log/log.h"

/* Neither strcpy(a, b) nor #include "fs/fs.h" nor { counts in a comment, */ // nor sprintf(here), \\
   nor atoi(there), nor typedef int x;
static const char *const text = "strcpy(a, b) \\" { // sprintf(x) /*";
static const char quote = '"', brace = '{', tick = '\\'';

#define TWICE(call) \\
	do {        \\
		call;   \\
		call;   \\
	} while (0)

#if defined(A)
static int add(int a)
{
#else
static int add(int a, int b)
{
#endif
	return a;
}

static int (*choose(int which))(int)
{
	struct chooser c = {.strtok = 1};
	c.strtok(1);
	(&c)->gets(2);
	my_strcpy(text, quote);
	return add;
}

struct table tables[] = {
	{1, 2},
	{3, 4},
};
"""


def function(lines, name="long_one"):
    """A function of so many lines, its first and last counted."""
    return f"int {name}(\n\tint a)\n{{\n" + "\ta++;\n" * (lines - 4) + "}\n"


def header(path, body):
    name = "CLOG_" + path.upper().replace("/", "_").replace(".", "_")
    return f"#ifndef {name}\n#define {name}\n{body}\n#endif\n"


class Rules(unittest.TestCase):
    def breaches(self, files):
        """What the checker says about a tree of these files."""
        with tempfile.TemporaryDirectory(prefix="clog-style-") as root:
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "wb") as file:
                    file.write(text if isinstance(text, bytes) else text.encode())
            found, count = style.check_tree(root)
            self.assertEqual(count, len(files))
            return found

    def assert_fine(self, path, text):
        self.assertEqual(self.breaches({path: text}), [])

    def assert_breach(self, path, text, line, words):
        found = self.breaches({path: text})
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{path}:{line}: "), found)
        self.assertIn(words, found[0])

    def test_a_good_tree_passes(self):
        self.assertEqual(self.breaches({"log/log.h": DOOR, "log/store.c": SOURCE, "README.md": "# clog\n"}), [])

    def test_files_over_500_lines(self):
        self.assert_fine("log/long.c", "int a;\n" * 500)
        self.assert_breach("log/long.c", "int a;\n" * 501, 501, "501 lines")
        self.assert_breach("log/long.c", "int a;\n" * 500 + "int a;", 501, "501 lines")

    def test_functions_over_60_lines(self):
        self.assert_fine("log/long.c", "int a;\n" + function(60) + function(60, "other"))
        self.assert_breach("log/long.c", "int a;\n\n" + function(61), 3, "long_one has 61 lines")
        self.assert_breach("tests/log/long.c", function(10, "short_one") + function(61), 11, "long_one has 61")

    def test_functions_over_60_lines_however_they_are_braced(self):
        body = "\ta++;\n" * 70
        self.assert_breach("log/long.c", "int long_one(int a) {\n" + body + "}\n", 1, "long_one has 72 lines")
        self.assert_breach("log/long.c", "int (*long_one(int a))(int)\n{\n" + body + "}\n", 1, "long_one has")
        self.assert_breach("log/long.c", 'int f(void)\n{\n\treturn "{";\n}\n' + function(61), 5, "long_one has")
        unbalanced = "#if A\nint f(int a)\n{\n#else\nint f(void)\n{\n#endif\n}\n"
        self.assert_breach("log/long.c", unbalanced + function(61), 9, "long_one has")
        self.assert_breach("log/long.c", "#define OPEN \\\n\t{\n" + function(61), 3, "long_one has")
        attribute = "__attribute__((format(printf, 1, 2)))\n"
        self.assert_breach("log/long.c", attribute + function(61), 1, "long_one has 62 lines")

    def test_tables_are_not_functions(self):
        table = "static struct x table[] = {\n" + "\t{f(1), (int)2},\n" * 70 + "};\n"
        self.assert_fine("log/table.c", table)
        self.assert_fine("log/table.c", "struct x {\n" + "\tint (*f)(int a);\n" * 70 + "};\n")

    def test_includes_past_a_door(self):
        self.assert_breach("fs/tree.c", 'int a;\n#include "service/private.h"\n', 2, "private to service/")
        self.assert_breach("cmd/clogd.c", '#include "fs/node.h"\n', 1, "private to fs/")
        self.assert_breach("bench/append.c", '#include "log/store.h"\n', 1, "private to log/")
        self.assert_fine("log/store.c", '#include "log/index.h"\n')
        self.assert_fine("tests/log/test_store.c", '#include "log/store.h"\n#include "tests/disk/disk.h"\n')

    def test_includes_up_or_sideways(self):
        for room, other in (
            ("log", "service"),
            ("service", "log"),
            ("fs", "cluster"),
            ("fs", "log"),
            ("rpc", "fs"),
            ("cluster", "fs"),
            ("cluster", "auth"),
            ("client", "cluster"),
            ("auth", "observe"),
            ("error", "log"),
        ):
            include = f'#include "{other}/{other}.h"\n'
            self.assert_breach(f"{room}/one.c", include, 1, f"{room}/ may not depend on {other}/")
        for other in ("cmd", "tests", "bench", "docs"):
            self.assert_breach("fs/one.c", f'#include "{other}/{other}.h"\n', 1, f"private to {other}/")

    def test_includes_in_their_order(self):
        for room, others in (
            ("error", ()),
            ("log", ("error",)),
            ("cluster", ("log", "service", "observe", "tls", "proto", "error")),
            ("fs", ("service", "auth", "observe", "error")),
            ("client", ("service", "tls", "proto", "error")),
            ("cmd", ("cluster", "fs", "rpc", "client", "service", "log", "auth", "observe", "error")),
            ("docs", ("log", "client")),
        ):
            self.assert_fine(f"{room}/one.c", "".join(f'#include "{other}/{other}.h"\n' for other in others))

    def test_includes_that_are_not_from_the_root(self):
        self.assert_breach("log/store.c", '#include "index.h"\n', 1, "not a path from the root")
        self.assert_breach("log/store.c", '#include "../fs/fs.h"\n', 1, "not a path from the root")
        self.assert_breach("log/store.c", '#include "log/../fs/fs.h"\n', 1, "not a path from the root")
        self.assert_breach("log/store.c", "#include <log/index.h>\n", 1, "in quotes")
        self.assert_breach("log/store.c", "#include HEADER\n", 1, "names its file")

    def test_includes_are_seen_however_they_are_written(self):
        self.assert_breach("log/store.c", '/* why */ #\tinclude /* x */ "fs/fs.h"\n', 1, "may not depend on fs/")
        self.assert_fine("log/store.c", '/*\n#include "fs/fs.h"\n*/\n')

    def test_doors_that_include_what_is_behind_them(self):
        for name in ("uv.h", "fuse_lowlevel.h", "fuse.h", "fuse3/fuse.h"):
            self.assert_breach("fs/fs.h", header("fs/fs.h", f"#include <{name}>"), 3, "a door does not include")
        found = self.breaches({"cluster/cluster.h": header("cluster/cluster.h", "#include <raft.h>")})
        self.assertTrue(any("a door does not include raft.h" in line for line in found), found)
        self.assert_breach("log/log.h", header("log/log.h", '#include "log/store.h"'), 3, "a door includes no private")
        self.assert_fine("fs/node.h", header("fs/node.h", "#include <fuse_lowlevel.h>\n#include <uv.h>"))

    def test_raft_is_included_in_one_file(self):
        self.assert_breach("cluster/append.c", "#include <raft.h>\n", 1, "raft.h is included by")
        self.assert_breach("cmd/clogd.c", '#include <raft.h>\n', 1, "raft.h is included by")
        self.assert_fine("cluster/raft_core.h", header("cluster/raft_core.h", "#include <raft.h>"))
        self.assert_fine("tests/cluster/test_raft.c", "#include <raft.h>\n")
        self.assert_fine("cluster/append.c", '#include "cluster/raft.h"\n')

    def test_banned_calls(self):
        for name in ("strcpy", "strcat", "sprintf", "vsprintf", "atoi", "atol", "gets", "strtok", "alloca"):
            self.assert_breach("log/a.c", f"int a;\nint f(void)\n{{\n\treturn {name}(b);\n}}\n", 4, f"{name} is banned")
        self.assert_breach("tests/log/a.c", "#define COPY(a, b) \\\n\tstrcpy\t(a, b)\n", 2, "strcpy is banned")
        self.assert_fine("log/a.c", "int a = snprintf(b) + strtok_r(c) + x.gets(d) + x->gets(e) + my_atoi(f);\n")

    def test_typedefs(self):
        self.assert_breach("log/a.c", "int b;\ntypedef struct a a;\n", 2, "typedef")
        self.assert_breach("log/a.c", "typedef struct {\n\tint a;\n} a;\n", 1, "typedef")
        self.assert_breach("log/a.c", "typedef int (*handler)(int a);\n", 1, "typedef")
        self.assert_breach("log/a.c", "typedef int a_cb;\n", 1, "typedef")
        self.assert_fine("log/a.c", "typedef struct x *(*handle_cb)(\n\tint (*a)(int), void *arg);\n")

    def test_names_with_get(self):
        self.assert_breach("log/a.c", "int a;\nstatic int get_size(int a)\n{\n}\n", 2, "get_size")
        self.assert_breach("log/a.h", header("log/a.h", "int log_get_size(int a);"), 3, "log_get_size")
        self.assert_breach("log/a.c", "#define GET_X 1\n#define get_x(a) (a)\n", 2, "get_x")
        self.assert_breach("log/a.c", "struct x {\n\tint (*get_size)(int a);\n};\n", 2, "get_size")
        sentence = "static void others_do_not_get_in(void **state)\n{\n}\n"
        self.assert_fine("tests/fs/a.c", sentence)
        self.assert_breach("fs/a.c", sentence, 1, "others_do_not_get_in")
        self.assert_breach("tests/fs/a.c", "int get_a(void)\n{\n}\n", 1, "get_a")
        self.assert_fine("log/a.c", "int target_size(int a)\n{\n\treturn uv_handle_get_data(a);\n}\n")

    def test_guards(self):
        self.assert_breach("log/store.h", "#ifndef STORE_H\n#define STORE_H\n#endif\n", 1, "CLOG_LOG_STORE_H")
        self.assert_breach("log/store.h", "int a;\n", 1, "CLOG_LOG_STORE_H")
        self.assert_breach("log/store.h", "#pragma once\n", 1, "CLOG_LOG_STORE_H")
        late = "#include <a.h>\n#ifndef CLOG_LOG_STORE_H\n#define CLOG_LOG_STORE_H\n#endif\n"
        self.assert_breach("log/store.h", late, 1, "CLOG_LOG_STORE_H")
        self.assert_fine("tests/log/disk.h", header("tests/log/disk.h", ""))

    def test_doors_without_comments(self):
        for declared in (
            "int log_open(int a);",
            "int log_open(int a,\n\tint b);",
            "struct log_x {\n\tint a;\n};",
            "enum { LOG_A };",
            "#define LOG_A 1",
            "extern int log_level;",
            "static inline int log_a(void)\n{\n\treturn 1;\n}",
        ):
            self.assert_breach("log/log.h", header("log/log.h", declared), 3, "has a comment above it or beside")
            self.assert_breach("log/log.h", header("log/log.h", "/* far */\n\n" + declared), 5, "has a comment")
            self.assert_fine("log/log.h", header("log/log.h", "/* near */\n" + declared))
            self.assert_fine("log/store.h", header("log/store.h", declared))
        beside = "#define LOG_A 1 /* beside */\n#define LOG_B 2"
        self.assert_breach("log/log.h", header("log/log.h", beside), 4, "LOG_B")
        shared = "/* shared */\n#define LOG_A 1\n#define LOG_B 2\n\n#define LOG_C 3"
        self.assert_breach("log/log.h", header("log/log.h", shared), 7, "LOG_C")
        opening = "/* log: a log. */\n#ifndef CLOG_LOG_LOG_H\n#define CLOG_LOG_LOG_H\nint log_open(int a);\n#endif\n"
        self.assert_breach("log/log.h", opening, 4, "has a comment")

    def test_empty_names(self):
        self.assert_breach("log/util.c", "int a;\n", 1, "does not name what it holds")
        self.assert_breach("log/store_helpers.h", header("log/store_helpers.h", ""), 1, "store_helpers.h does not")
        self.assert_breach("tests/common/disk.py", "", 1, "common does not name")
        self.assert_fine("docs/commonplace.md", "miscellany\n")

    def test_places_that_are_no_room(self):
        self.assert_breach("examples/append.c", "int a;\n", 1, "none of them")
        self.assert_breach("append.c", "int a;\n", 1, "none of them")

    def test_sleeps_in_tests(self):
        for call in ("sleep(1)", "usleep (9)", "nanosleep(&t, NULL)", "clock_nanosleep(1, 0, &t, NULL)", "uv_sleep(3)"):
            self.assert_breach("tests/log/a.c", f"int f(void)\n{{\n\treturn {call};\n}}\n", 3, "does not")
            self.assert_fine("cmd/clog.c", f"int f(void)\n{{\n\treturn {call};\n}}\n")
        self.assert_fine("tests/log/a.c", "int a = b->sleep(1) + no_sleep(2); /* sleep(1) */\n")
        for code in ("import time\ntime.sleep(1)\n", "from time import sleep\nsleep(1)\n"):
            self.assert_breach("tests/system/a.py", code, 2, "does not sleep")
            self.assert_fine("tests/system/wait.py", code)
            self.assert_fine("dev/wait.py", code)
        self.assert_breach("tests/system/a", "#!/usr/bin/python3\nimport time\ntime.sleep(1)\n", 3, "does not sleep")
        self.assert_fine("tests/system/a.py", '"""time.sleep(1)"""  # time.sleep(1)\n')
        self.assert_breach("tests/system/a.py", "def (:\n", 1, "not Python")

    def test_sleeps_in_shell(self):
        for code in ("sleep 1", "a; sleep 1", "while ! a; do sleep 1; done", "(/bin/sleep 1)", "a && sleep 2"):
            self.assert_breach("tests/system/a.sh", f"set -e\n{code}\n", 2, "does not sleep")
            self.assert_breach("tests/system/a", f"#!/bin/bash\n{code}\n", 2, "does not sleep")
            self.assert_fine("dev/run", f"#!/bin/bash\n{code}\n")
        self.assert_fine("tests/system/a.sh", "# sleep 1\necho no_sleep asleep sleepless\n")

    def test_hosts_and_paths(self):
        host, path = "deb.debian" ".org", "/wo" "rk/main"
        self.assert_breach("dev/deps", f"#!/bin/sh\necho http://{host}/debian\n", 2, host)
        self.assert_breach("docs/a.md", "x\ny " + "registry.npm" "js.org\n", 2, "registry's host")
        self.assert_breach("docs/a.md", f"x\n\ncd {path}\n", 3, "path of the machine")
        self.assert_breach("tests/fuzz/corpus/a", b"\xff\n\0-I" + path.encode() + b"\xfe", 2, "path of the machine")
        self.assert_fine("docs/a.md", "https://www.debian.org/ ./work and networks/work.md\n")

    def test_files_that_are_not_text(self):
        self.assert_fine("tests/fuzz/corpus/store/1", bytes(range(256)))
        self.assert_fine("log/a.c", b'/* caf\xe9 */\nstatic const char *a = "\xff\xfe";\n')

    def test_the_command_says_what_is_wrong(self):
        command = [sys.executable, "-B", os.path.join(os.path.dirname(os.path.abspath(__file__)), "style.py")]
        with tempfile.TemporaryDirectory(prefix="clog-style-") as root:
            empty = subprocess.run(command + [root], capture_output=True, text=True)
            self.assertEqual((empty.returncode, "no files to look at" in empty.stdout), (1, True))
            os.mkdir(os.path.join(root, "log"))
            path = os.path.join(root, "log", "a.c")
            with open(path, "w") as file:
                file.write("int a;\n")
            good = subprocess.run(command + [root], capture_output=True, text=True)
            self.assertEqual((good.returncode, good.stdout), (0, "1 files, 0 breaches\n"))
            with open(path, "a") as file:
                file.write("int b = atoi(c);\n")
            bad = subprocess.run(command + [root], capture_output=True, text=True)
            self.assertEqual((bad.returncode, bad.stdout), (1, "log/a.c:2: atoi is banned\n1 files, 1 breaches\n"))

    def test_what_git_ignores_is_not_looked_at(self):
        with tempfile.TemporaryDirectory(prefix="clog-style-") as root:
            subprocess.run(["git", "init", "-q", root], check=True)
            for path, text in ((".gitignore", "/build*/\n"), ("build/a.c", "int a;\n"), ("log/a.c", "int a;\n")):
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w") as file:
                    file.write(text)
            self.assertEqual(style.tracked(root), [".gitignore", "log/a.c"])


if __name__ == "__main__":
    unittest.main()
