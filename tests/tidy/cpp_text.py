"""Just enough of C++ to measure it: comments and strings blanked out, braces matched. No parser,
and no false alarms: what it cannot classify it leaves alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

BLANKED = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)\""""
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])'|^[ \t]*\#(?:[^\n\\]|\\\n|\\.)*""",
    re.DOTALL | re.MULTILINE,
)
SCOPE = re.compile(
    r"^(template\s*<.*>\s*)?(inline\s+)?(namespace|class|struct|enum|union|extern)\b", re.DOTALL
)
CONTROL = re.compile(r"^(\w+:\s*)?(if|for|while|switch|else|do|try|catch)\b")
CAPTURE = r"\[[^\[\]]*\]"
PARAMETERS = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
LAMBDA = re.compile(
    rf"{CAPTURE}\s*(?:{PARAMETERS})?\s*(?:mutable|noexcept)*\s*(?:->[^;{{}}]*)?$"
)
TAIL = r"(?:const|noexcept|override|final|&&?|->[^;{}]*|requires[^;{}]*|:[^:;][^;]*[)}])"
FUNCTION = re.compile(rf"(?P<name>[~\w]+|operator\W+)\s*{PARAMETERS}\s*(?:{TAIL}\s*)*$")


@dataclass(frozen=True)
class Body:
    """A function's or lambda's braces: `lines` counts from the opening to the closing line."""

    name: str
    line: int
    lines: int
    handler: bool  # a lambda that stands directly in a braced list: an actor's message handler


def blank(text: str) -> str:
    """The text with comments, strings, characters and directives replaced by spaces, line for
    line."""

    def spaces(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group())

    # A separator inside a number (1'000) is no character.
    return BLANKED.sub(spaces, re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "_", text))


def classify(header: str) -> tuple[str, str]:
    """What a brace opens after this text: (scope | block | lambda | function | list, name)."""
    header = header.strip()
    if SCOPE.match(header) and not header.endswith(")"):
        return "scope", ""
    if CONTROL.match(header) or not header:
        return "block", ""
    if LAMBDA.search(header):
        return "lambda", "lambda"
    if match := FUNCTION.search(header):
        return "function", match.group("name")
    return "list", ""


def bodies(text: str) -> list[Body]:
    """Functions at namespace or class level, and handlers."""
    found: list[Body] = []
    stack: list[tuple[str, str, int, str]] = []  # kind, name, line, header to go on with
    header = ""
    line = 1
    for char in blank(text):
        if char == "\n":
            line += 1
        if char == "{":
            kind, name = classify(header)
            stack.append((kind, name, line, header))
            header = ""
        elif char == "}" and stack:
            kind, name, first, before = stack.pop()
            parents = [entry[0] for entry in stack]
            handler = kind == "lambda" and parents[-1:] == ["list"]
            free = kind == "function" and all(parent == "scope" for parent in parents)
            if free or handler:
                found.append(Body(name, first, line - first + 1, handler))
            header = before + "{}" if kind in ("list", "lambda") else ""
        elif char == ";" and header.count("(") <= header.count(")"):
            header = ""
        else:
            header += char
    return found
