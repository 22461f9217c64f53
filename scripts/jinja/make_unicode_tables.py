#!/usr/bin/env python3
"""Writes jinja/unicode_case.cpp and unicode_classes.cpp: how Python's str maps the case of
characters and classes them.
Runs (first, last, stride, delta) cover whole alphabets in one row. Needs nothing but Python."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ALL = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def runs(points):
    """[(code, delta)] in order → [(first, last, stride, delta)]."""
    found = []
    for code, delta in points:
        if found:
            first, last, stride, old = found[-1]
            step = code - last
            if old == delta and (step == stride or (first == last and step <= 2)):
                found[-1] = (first, code, step, delta)
                continue
        found.append((code, code, 1, delta))
    return found


def mapping(function):
    return runs(
        (ord(c), ord(function(c)) - ord(c))
        for c in ALL
        if len(function(c)) == 1 and function(c) != c
    )


def members(function):
    return runs((ord(c), 0) for c in ALL if function(c))


def long(function):
    return [(ord(c), function(c)) for c in ALL if len(function(c)) > 1]


def table(out, name, rows):
    out.append(f"const Run {name}[] = {{")
    line = "   "
    for row in rows:
        cell = " {%d, %d, %d, %d}," % row if row[3] else " {%d, %d, %d}," % row[:3]
        if len(line) + len(cell) > 100:
            out.append(line)
            line = "   "
        line += cell
    out += [line, "};", f"const std::size_t {name}Size = std::size({name});", ""]


def long_table(out, name, rows):
    out.append(f"const LongCase {name}[] = {{")
    line = "   "
    for code, text in rows:
        escaped = "".join(f"\\x{byte:02x}" for byte in text.encode())
        cell = ' {%#x, "%s"},' % (code, escaped)
        if len(line) + len(cell) > 100:
            out.append(line)
            line = "   "
        line += cell
    out += [line, "};", f"const std::size_t {name}Size = std::size({name});", ""]


def write(file, tables):
    out = [
        "// Made by scripts/jinja/make_unicode_tables.py from the Unicode data of Python "
        f"{sys.version_info[0]}.{sys.version_info[1]}.",
        "#include <iterator>",
        "",
        '#include "jinja/unicode_tables.hpp"',
        "",
        "// clang-format off",
        "namespace troupe::jinja::unicode {",
        "",
    ]
    for make, name, rows in tables:
        make(out, name, rows)
    out += ["}  // namespace troupe::jinja::unicode", "// clang-format on"]
    (ROOT / "jinja" / file).write_text("\n".join(out) + "\n", encoding="ascii")


def main():
    titles = [
        (ord(c), ord(c.title()) - ord(c))
        for c in ALL
        if len(c.title()) == 1 and c.title() != c.upper()
    ]
    write(
        "unicode_case.cpp",
        [
            (table, "kUpper", mapping(str.upper)),
            (table, "kLower", mapping(str.lower)),
            (table, "kTitle", runs(titles)),
            (long_table, "kLongUpper", long(str.upper)),
            (long_table, "kLongTitle", long(str.title)),
            (table, "kUpperCased", members(str.isupper)),
            (table, "kLowerCased", members(str.islower)),
            (table, "kTitleCased", members(lambda c: c.istitle() and not c.isupper())),
        ],
    )
    write(
        "unicode_classes.cpp",
        [
            (table, "kAlphabetic", members(str.isalpha)),
            (table, "kDecimal", members(str.isdecimal)),
            (table, "kDigit", members(lambda c: c.isdigit() and not c.isdecimal())),
            (table, "kNumeric", members(lambda c: c.isnumeric() and not c.isdigit())),
            (table, "kUnprintable", members(lambda c: not c.isprintable())),
        ],
    )


if __name__ == "__main__":
    main()
