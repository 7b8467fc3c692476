"""The rules of the house. Each takes what it judges and yields (line, sentence) for every breach."""

import ast
import re

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60

# What a room may include, by doors; everyone may include error/. None: everything.
ROOMS = {
    "error": set(),
    "log": set(),
    "service": set(),
    "auth": set(),
    "observe": set(),
    "proto": set(),
    "tls": set(),
    "channel": {"tls"},
    "cluster": {"log", "service", "observe", "tls", "proto", "channel"},
    "fs": {"service", "auth", "observe"},
    "rpc": {"service", "auth", "observe", "tls", "proto", "channel"},
    "client": {"service", "tls", "proto", "channel"},
    "lib": {"service", "client"},
    "cmd": None,
    "bench": None,
    "docs": None,
    "tests": None,
}
OUTSIDE = {"lib", "cmd", "bench", "docs", "tests"}  # no room includes these
MAY_INCLUDE_RAFT = {"cluster/raft_core.h"}
GENERATED = re.compile(r"proto/\w+\.pb-c\.h")  # proto/ has no door: what it gives is made from its .proto files
MAY_SLEEP = {"tests/system/wait.py"}
EMPTY_NAMES = {"util", "utils", "misc", "common", "helper", "helpers"}

BANNED = re.compile(
    r"(?<!->)(?<![\w.])(strcpy|strcat|sprintf|vsprintf|atoi|atol|atoll|gets|strtok|alloca|strdupa|strndupa)\s*\("
)
SLEEP = re.compile(r"(?<!->)(?<![\w.])(sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep|uv_sleep)\s*\(")
SHELL_SLEEP = re.compile(r"(?:^|[;&|({`]|\b(?:do|then|else|if|while|until)\b)\s*(?:[\w./]*/)?u?sleep(?=\s|$)")
FORWARD = re.compile(r"(struct|union|enum) \w+$")
CALLBACK = re.compile(r"typedef [^()]+\(\s*\*\s*\w+_cb\s*\)\s*\(")
REGISTRIES = re.compile(
    rb"\b(?:(?:deb|ftp|security|archive|snapshot)(?:\.\w+)*\.(?:debian\.org|ubuntu\.com)"
    rb"|pypi\.org|files\.pythonhosted\.org|registry\.npmjs\.org|proxy\.golang\.org|crates\.io|rubygems\.org)\b"
)
MACHINE_PATHS = re.compile(rb"/(?:work|farm)/")


def room_of(path):
    return path.split("/")[0] if "/" in path else None


def is_door(path):
    room = room_of(path)
    return room in ROOMS and room not in OUTSIDE and path == f"{room}/{room}.h"


# ---- C ----


def place(source):
    if room_of(source.path) not in ROOMS:
        yield 1, "C is kept in the rooms that tests/style/rules.py lists, and this folder is none of them"


def file_length(source):
    if source.line_count() > FILE_LINES_MAX:
        yield FILE_LINES_MAX + 1, f"the file has {source.line_count()} lines; {FILE_LINES_MAX} are the most"


def function_length(source):
    for function in source.functions:
        lines = function.last - function.first + 1
        if lines > FUNCTION_LINES_MAX:
            yield function.first, f"{function.name()} has {lines} lines; {FUNCTION_LINES_MAX} are the most"


def _room_include(path, target):
    """Why the file may not include the header of a room, or None."""
    room, other = room_of(path), room_of(target)
    if other == room:
        if is_door(path):
            return f"a door includes no private header of its room, and {target} is one"
        return None
    if room == "tests":
        return None
    allowed = ROOMS.get(room)
    if GENERATED.fullmatch(target) and (allowed is None or other in allowed):
        return None
    if target != f"{other}/{other}.h" or other in OUTSIDE:
        return f"{target} is private to {other}/; a room is entered by its door, {other}/{other}.h"
    if allowed is not None and other != "error" and other not in allowed:
        return f"{room}/ may not depend on {other}/"
    return None


def includes(source):
    for line, target in source.includes:
        if target is None:
            yield line, "an #include names its file"
            continue
        base = target.split("/")[-1]
        quoted = f'"{target}"' in source.text.split("\n")[line - 1]
        if base == "raft.h" and target != "cluster/raft.h":
            if source.path not in MAY_INCLUDE_RAFT and room_of(source.path) != "tests":
                yield line, "raft.h is included by cluster/raft_core.h alone"
        if is_door(source.path) and (base in ("raft.h", "uv.h") and "/" not in target or base.startswith("fuse")):
            yield line, f"a door does not include {base}: declare what it needs of it"
        if room_of(target) in ROOMS and ".." not in target.split("/"):
            if not quoted:
                yield line, f'a header of clog is included as "{target}", in quotes'
            reason = _room_include(source.path, target)
            if reason:
                yield line, reason
        elif quoted:
            yield line, f'"{target}" is not a path from the root of the repository, such as "log/log.h"'


def calls(source):
    for match in BANNED.finditer(source.code):
        yield source.line(match.start()), f"{match.group(1)} is banned"
    if room_of(source.path) == "tests":
        for match in SLEEP.finditer(source.code):
            yield source.line(match.start()), f"a test does not {match.group(1)}: wait for a condition, with a deadline"


def typedefs(source):
    for match in re.finditer(r"\btypedef\b[^;]*", source.flat):
        if not CALLBACK.match(" ".join(match.group().split())):
            yield source.line(match.start()), "only types of callbacks are named by a typedef, and end in _cb"


def names(source):
    found = [(item.first, item.name()) for item in source.functions]
    found += [(item.first, item.name()) for item in source.directives if re.match(r"#\s*define\b", item.text)]
    if source.path.endswith(".h"):
        found += [(item.first, item.name()) for item in source.declarations if not item.body]
    for match in re.finditer(r"\(\s*\*\s*(\w+)\s*\)\s*\(", source.flat):
        found.append((source.line(match.start()), match.group(1)))
    # A test's name is a sentence, in which something may get_in.
    pattern = r"get_" if room_of(source.path) == "tests" else r"(?:\w*_)?get_"
    for line, name in found:
        if name and re.match(pattern, name):
            yield line, f"{name}: no name has get_ in it; say what it gives"


def guard(source):
    if not source.path.endswith(".h"):
        return
    name = "CLOG_" + re.sub(r"\W", "_", source.path).upper()
    texts = [re.sub(r"#\s+", "#", item.text) for item in source.directives]
    if texts[:2] != [f"#ifndef {name}", f"#define {name}"] or not texts[-1].startswith("#endif"):
        yield (source.directives[0].first if texts else 1), f"the header's guard is {name}"


def door_comments(source):
    if not is_door(source.path):
        return
    items = sorted(source.declarations + source.directives[2:-1], key=lambda item: item.first)
    above = {last + 1 for _, last, alone in source.comments if alone}
    within = {line for first, last, _ in source.comments for line in range(first, last + 1)}
    end, shared = 0, False
    for item in items:
        shared = item.first in above or (shared and item.first == end + 1)
        end = item.last
        if re.match(r"#\s*include", item.text):
            shared = False
        if re.match(r"#\s*(?!define\b)|typedef\b|_Static_assert\b", item.text) or FORWARD.match(item.text):
            continue
        if not shared and within.isdisjoint(range(item.first, item.last + 1)):
            declared = item.text.split("{")[0].strip()
            yield item.first, f"what a door declares has a comment above it or beside it: {declared}"


C_RULES = (
    place,
    file_length,
    function_length,
    includes,
    calls,
    typedefs,
    names,
    guard,
    door_comments,
)

# ---- Python and shell in tests/ ----


def python_sleep(path, text):
    if path in MAY_SLEEP:
        return
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield error.lineno or 1, f"this is not Python: {error.msg}"
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            if name == "sleep":
                yield node.lineno, "a test does not sleep: wait for a condition by tests/system/wait.py"


def shell_sleep(path, text):
    for line, code in enumerate(text.split("\n"), 1):
        if not code.lstrip().startswith("#") and SHELL_SLEEP.search(code):
            yield line, "a test does not sleep: wait for a condition, with a deadline"


# ---- every file ----


def file_name(path):
    for part in path.split("/"):
        for word in re.split(r"[._-]", part):
            if word.lower() in EMPTY_NAMES:
                yield 1, f"{part} does not name what it holds"
                return


def hosts_and_paths(data):
    for pattern, sentence in (
        (REGISTRIES, "no file names a package registry's host: {}"),
        (MACHINE_PATHS, "no file names a path of the machine it was written on: {}"),
    ):
        for match in pattern.finditer(data):
            yield data.count(b"\n", 0, match.start()) + 1, sentence.format(match.group().decode())
