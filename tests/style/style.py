"""Checks the tree against the rules of the house, for `meson test --suite style`.

    style.py [ROOT]

prints file:line and a sentence for each breach, and exits 1 if there was any.
"""

import os
import subprocess
import sys

import rules
from source import Source

NOT_OURS = ("build", ".git", "mnt", "data", "__pycache__")


def tracked(root):
    """The paths of all files that are or may come to be in the repository, relative to the root."""
    git = ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(git, capture_output=True, check=True).stdout.decode("utf-8", "surrogateescape")
        paths = set(listed.split("\0")) - {""}
    except (OSError, subprocess.CalledProcessError):  # not a checkout: a release's tarball
        paths = set()
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if not (folder == root and name.startswith(NOT_OURS))]
            paths.update(os.path.relpath(os.path.join(folder, name), root) for name in files)
    return sorted(path for path in paths if os.path.isfile(os.path.join(root, path)))


def check_file(path, data):
    """Yields (line, sentence) for a file, given its path from the root and its bytes."""
    yield from rules.file_name(path)
    yield from rules.hosts_and_paths(data)
    text = data.decode("utf-8", "replace")
    if path.endswith((".c", ".h")):
        source = Source(path, text)
        for rule in rules.C_RULES:
            yield from rule(source)
    elif rules.room_of(path) == "tests":
        first = text.split("\n", 1)[0]
        if path.endswith(".py") or (first.startswith("#!") and "python" in first):
            yield from rules.python_sleep(path, text)
        elif path.endswith(".sh") or (first.startswith("#!") and first.rstrip().endswith("sh")):
            yield from rules.shell_sleep(path, text)


def check_tree(root):
    """Returns the breaches in the tree as lines of text, and the number of files that were looked at."""
    found, paths = [], tracked(root)
    for path in paths:
        with open(os.path.join(root, path), "rb") as file:
            found += [f"{path}:{line}: {sentence}" for line, sentence in sorted(check_file(path, file.read()))]
    return found, len(paths)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    found, count = check_tree(root)
    for line in found:
        print(line)
    if count == 0:
        print(f"{root}: no files to look at")
    print(f"{count} files, {len(found)} breaches")
    return 1 if found or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
