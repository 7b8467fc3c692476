"""The tables of docs/compatibility.md, made from the cases.

    table.py [--write] FILE

fails when the file has other tables than the cases make; with --write it puts those in their place.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import appending  # noqa: E402,F401
import growing  # noqa: E402,F401
import reading  # noqa: E402,F401
import trimming  # noqa: E402,F401
from cases import CASES  # noqa: E402

BEGIN = "<!-- made by tests/compat/table.py -->\n"
END = "<!-- end -->\n"


def cell(text):
    """Text in a cell: a bar would end it."""
    return " ".join(text.split()).replace("|", "\\|")


def rows(cases):
    """A row for each program and what comes of it, with all that it comes of."""
    grouped = {}
    for case in sorted(cases, key=lambda case: case.program):  # and else in their order
        grouped.setdefault((case.program, case.result), []).append(case.use)
    last = ""
    for (program, result), uses in grouped.items():
        yield f"| {'' if program == last else program} | {'<br>'.join(map(cell, uses))} | {cell(result)} |\n"
        last = program


def tables():
    """What works, and what does not."""
    return ("## What works\n\n| program | what is done with it | what comes of it |\n| --- | --- | --- |\n" +
            "".join(rows(case for case in CASES if case.works)) +
            "\n## What does not\n\n| program | what is done with it | why |\n| --- | --- | --- |\n" +
            "".join(rows(case for case in CASES if not case.works)))


def main():
    write, path = sys.argv[1] == "--write", sys.argv[-1]
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN)
    after = rest.split(END)[1]
    made = before + BEGIN + "\n" + tables() + "\n" + END + after
    if write:
        with open(path, "w", encoding="utf-8") as file:
            file.write(made)
    elif before + BEGIN + rest != made:
        sys.exit(f"{path}: the tables are not what the cases say; tests/compat/table.py --write {path} mends it")


if __name__ == "__main__":
    main()
