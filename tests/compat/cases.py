"""What is tried with each program, and what comes of it: each case is a row of docs/compatibility.md.

A case runs at a Place (place.py): a folder with a mount in it, `mnt`. In scripts $T is a text that no other case
writes, `line` a file that holds it as a line, `text` a file of lines and `blob` one of bytes that are this case's own.
"""

APPEND, READ, GROW, BYTES, TRIM = "append", "read", "grow", "bytes", "trim"  # the phases of compat.py, in their order

CASES = []


class Case:
    """A row: what is done with a program, whether that works, and what comes of it, or why it does not."""

    def __init__(self, program, use, phase, run, works, result):
        self.program = program
        self.use = use
        self.phase = phase
        self.run = run
        self.works = works
        self.result = result
        CASES.append(self)

    def __str__(self):
        return f"{self.program}: {self.use}"


def case(program, use, phase, result, works=True):
    """Makes a function of a place a case. In the phase TRIM it yields once: there the log is trimmed."""
    def add(run):
        Case(program, use, phase, run, works, result)
        return run
    return add


def shell_of(program):
    """What runs a case's scripts: the program where it is a shell."""
    return {"dash": ["dash"], "busybox sh": ["busybox", "sh"]}.get(program, ["bash"])


def code(script):
    """A script as the table shows it."""
    return f"`{script}`"


def one(program, *scripts):
    """Scripts that append $T as one record."""
    for script in scripts:
        def run(place, script=script):
            begin = place.begin()
            place.shell(script, shell_of(program))
            place.expect([place.line], begin)
        Case(program, code(script), APPEND, run, True, "one record")


def lines(program, *scripts):
    """Scripts that append the lines of `text`, each a record."""
    for script in scripts:
        def run(place, script=script):
            begin = place.begin()
            place.shell(script, shell_of(program))
            place.expect(place.lines, begin)
        Case(program, code(script), APPEND, run, True, "a record for each line")


def pieces(program, *scripts):
    """Scripts that append all of `blob`, in the pieces that the program writes."""
    for script in scripts:
        def run(place, script=script):
            blob, begin = place.blob, place.begin()
            place.shell(script, shell_of(program))
            place.expect_pieces(blob, begin)
        Case(program, code(script), BYTES, run, True, "records that make up the file, byte for byte")


def same(program, *scripts, result="the same output as of plain files"):
    """Scripts that read the log, and must say the same of it as of plain files that hold the same bytes."""
    for script in scripts:
        def run(place, script=script):
            place.compare(script, shell_of(program))
        Case(program, code(script), READ, run, True, result)


def refused(program, script, complaint, why, phase=APPEND, status=1):
    """A script that fails with a status and a complaint, and appends nothing."""
    def run(place):
        place.shell(script, shell_of(program), status=status, complaint=complaint)
    Case(program, code(script), phase, run, False, why)


def without_effect(program, script, result):
    """A script that succeeds and appends nothing."""
    def run(place):
        place.shell(script, shell_of(program))
    Case(program, code(script), APPEND, run, True, result)
