"""A C file as the rules see it: comments and literals told apart from code, and what stands at the top level."""

import bisect
import re

TOKEN = re.compile(
    r"""(?P<comment> //(?:\\\n|[^\n])* | /\*.*?(?:\*/|\Z) )
      | (?P<literal> "(?:\\.|[^"\\\n])*(?:"|(?=\n)|\Z) | '(?:\\.|[^'\\\n])*(?:'|(?=\n)|\Z) )""",
    re.S | re.X,
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include\b[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>|[^\n]*)', re.M)
ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)")


def blank(text):
    """The same text as spaces, its lines kept."""
    return re.sub(r"[^\n]", " ", text)


class Declaration:
    """Something at the top level: a declaration, a definition, or a directive, by its first and last line."""

    def __init__(self, first, last, text, body=False):
        self.first, self.last, self.text, self.body = first, last, " ".join(text.split()), body

    def name(self):
        """The name of the function that it declares or defines, or None."""
        define = re.match(r"#\s*define\s+(\w+)", self.text)
        if define:
            return define.group(1)
        match = re.search(r"(\w+)\s*\((?!\s*\*)", ATTRIBUTE.sub("", self.text).split("=")[0])
        return match and match.group(1)


class Source:
    """path is relative to the root, with slashes."""

    def __init__(self, path, text):
        self.path = path
        self.text = text.replace("\r\n", "\n")
        self.ends = [match.start() for match in re.finditer("\n", self.text)]
        self.comments = []  # (first line, last line, whether it has its lines to itself)
        uncommented = TOKEN.sub(self._comment, self.text)
        self.code = TOKEN.sub(lambda match: blank(match.group()), uncommented)
        self.flat = DIRECTIVE.sub(lambda match: blank(match.group()), self.code)
        self.includes = [
            (self.line(match.start()), match.group(1) or match.group(2)) for match in INCLUDE.finditer(uncommented)
        ]
        self.directives = [
            Declaration(self.line(match.start()), self.line(match.end() - 1), match.group().replace("\\\n", " "))
            for match in DIRECTIVE.finditer(self.code)
        ]
        self.declarations = list(self._declarations())
        self.functions = [item for item in self.declarations if item.body]

    def line(self, position):
        return bisect.bisect_left(self.ends, position) + 1

    def line_count(self):
        return len(self.ends) + (not self.text.endswith("\n") and self.text != "")

    def _comment(self, match):
        if match.group("literal"):
            return match.group()
        start, end = match.span()
        before = self.text[self.text.rfind("\n", 0, start) + 1 : start]
        after = self.text[end : self.text.find("\n", end)] if "\n" in self.text[end:] else self.text[end:]
        self.comments.append((self.line(start), self.line(end - 1), not before.strip() and not after.strip()))
        return blank(match.group())

    def _declarations(self):
        depth, begin, body = 0, 0, False
        for match in re.finditer(r"[{};]", self.flat):
            position, mark = match.start(), match.group()
            if mark == "{":
                if depth == 0:
                    body = self._heads_function(self.flat[begin:position])
                    head_end = position
                depth += 1
                continue
            if mark == "}":
                # A brace at the start of a line ends what is at the top level, whatever #if made of the count.
                at_start = position == 0 or self.flat[position - 1] == "\n"
                depth = 0 if at_start else max(depth - 1, 0)
            if depth == 0 and (mark == ";" or body):
                text = self.flat[begin : head_end if body else position]
                if text.strip():
                    first = begin + len(text) - len(text.lstrip())
                    yield Declaration(self.line(first), self.line(position), text, body)
                begin, body = position + 1, False

    @staticmethod
    def _heads_function(head):
        head = head.strip()
        outside = head
        while True:  # what is in parentheses may hold anything
            outside, count = re.subn(r"\([^()]*\)", " ", outside)
            if count == 0:
                break
        return head.endswith(")") and "=" not in outside
