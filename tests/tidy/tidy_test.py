"""The tree stays as drawn: layers, sizes, format, no dead files. The rules are in rules.py."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

import cpp_text
import rules
import tree
from tree import ROOT, File


def report(violations: list[str]) -> None:
    assert not violations, "\n" + "\n".join(violations)


def layer_of(path: str) -> str:
    return next((layer for layer in rules.LAYERS if path.startswith(layer)), "")


def own_folder(path: str) -> str:
    """The folder whose headers a file may always include: the stage inside actors/, else the
    layer."""
    if path.startswith("actors/"):
        return "/".join(path.split("/")[:2]) + "/"
    return layer_of(path)


def is_allowed(path: str, header: str) -> bool:
    if header in rules.INCLUDED_BY_ALL or not layer_of(header):
        return True
    folders = [own_folder(path), *rules.LAYERS.get(layer_of(path), [])]
    return any(header.startswith(folder) for folder in folders)


def test_layers_include_only_what_stands_below_them():
    report(
        [
            f"{file.path} includes {header}: {own_folder(file.path)} may not"
            for file in tree.CPP
            for header in file.includes
            if not is_allowed(file.path, header)
        ]
    )


def test_the_layer_rule_finds_a_stage_that_includes_another():
    assert not is_allowed("actors/batch/batcher.cpp", "actors/dispatch/ledger.hpp")
    assert not is_allowed("kernels/cpu/linear.cpp", "model/model_file.hpp")
    assert not is_allowed("actors/link/port_actor.cpp", "actors/gateway/zmq_door.hpp")
    assert is_allowed("actors/batch/batcher.cpp", "messages/batch.hpp")


def test_libraries_are_included_only_where_they_belong():
    violations = []
    for file in tree.CPP:
        for header in file.includes:
            for library, places in rules.LIBRARIES.items():
                if re.match(library, header) and not any(re.match(p, file.path) for p in places):
                    violations.append(f"{file.path} includes <{header}>")
    report(violations)


def test_our_headers_are_included_from_the_root():
    """`#include "sibling.hpp"` hides which folder a header comes from; tests may include their own
    helpers so."""
    names = {file.path for file in tree.HEADERS}
    violations = []
    for file in tree.CPP:
        for header in re.findall(r'^#include "([^"]+)"', file.text, re.MULTILINE):
            beside = f"{file.folder}/{header}"
            if header not in names and not (file.path.startswith("tests/") and beside in names):
                violations.append(f"{file.path} includes {header}, which is no path from the root")
    report(violations)


def lines_max(file: File) -> int:
    if re.match(r"kernels/\w+/", file.path):  # a backend; right under kernels/ lie the contracts
        return rules.KERNEL_LINES_MAX
    return rules.HEADER_LINES_MAX if file in tree.HEADERS else rules.SOURCE_LINES_MAX


def test_files_are_short():
    report(
        [
            f"{file.path} has {len(file.lines)} lines, at most {lines_max(file)}"
            for file in tree.CODE
            if len(file.lines) > lines_max(file)
        ]
    )


def test_lines_are_short():
    report(
        [
            f"{file.path}:{number} has {len(line)} columns, at most {rules.COLUMNS_MAX}"
            for file in tree.CODE
            for number, line in enumerate(file.lines, 1)
            if len(line) > rules.COLUMNS_MAX and "http" not in line
        ]
    )


def test_functions_and_handlers_are_short():
    violations = []
    for file in tree.CPP:
        for body in cpp_text.bodies(file.text):
            actor = "_actor." in file.path
            if body.handler and actor and body.lines - 2 > rules.HANDLER_LINES_MAX:
                what = f"a handler of {body.lines - 2} lines, at most {rules.HANDLER_LINES_MAX}"
                violations.append(f"{file.path}:{body.line} has {what}")
            elif not body.handler and body.lines > rules.FUNCTION_LINES_MAX:
                what = f"{body.name} of {body.lines} lines, at most {rules.FUNCTION_LINES_MAX}"
                violations.append(f"{file.path}:{body.line} has {what}")
    report(violations)


def test_the_measure_of_functions_sees_what_stands_there():
    text = """
namespace a {
Thing::Thing(int x)
    : x_(x), y_{1} {
  if (x) { call("}"); }  // }
}
struct S { int f() const { return 1'000; } };
auto behaviour() -> B {
  return {
      [this](const M& m) {
        use(m);
      },
  };
}
}
"""
    found = [(body.name, body.lines, body.handler) for body in cpp_text.bodies(text)]
    assert found == [
        ("Thing", 3, False),
        ("f", 1, False),
        ("lambda", 3, True),
        ("behaviour", 7, False),
    ]


def test_headers_open_with_their_purpose():
    report(
        [
            f"{file.path} does not open with a comment that says what it is for"
            for file in tree.HEADERS
            if not re.match(r"// \S.{20,}\n(//.*\n)*#pragma once\n", file.text)
        ]
    )


def test_no_work_is_left_as_a_note():
    note = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    report(
        [
            f"{file.path}:{number} {line.strip()}"
            for file in [*tree.CODE, *tree.CMAKE]
            for number, line in enumerate(file.lines, 1)
            if note.search(line)
        ]
    )


def listed_in_cmake(file: File) -> bool:
    for cmake in tree.CMAKE:
        folder = "" if cmake.folder == "." else cmake.folder + "/"
        if not file.path.startswith(folder):
            continue
        name = re.escape(file.path.removeprefix(folder))
        if re.search(rf"(?<![\w/]){name}(?!\w)", cmake.text):
            return True
    return False


def test_every_source_is_built():
    report(
        [
            f"{file.path} is listed in no CMakeLists.txt"
            for file in tree.SOURCES
            if not listed_in_cmake(file)
        ]
    )


def test_every_test_has_a_time_limit():
    """One that hangs may not hold up the others for ever: troupe_test gives each a limit, so
    nothing else may add one."""
    functions = (ROOT / "cmake" / "TroupeTargets.cmake").read_text()
    assert re.search(r"set_tests_properties\([^)]*\bTIMEOUT \$\{ARG_TIMEOUT\}", functions)
    report(
        [
            f"{path.relative_to(ROOT)} adds a test by itself: use troupe_test"
            for path in [ROOT / "CMakeLists.txt", *ROOT.glob("*/**/CMakeLists.txt")]
            if "build" not in path.relative_to(ROOT).parts
            and re.search(r"^\s*add_test\(", path.read_text(), re.MULTILINE)
        ]
    )


def test_every_header_is_included():
    included = {header for file in tree.CPP for header in file.includes}
    beside = {f"{file.folder}/{header}" for file in tree.CPP for header in file.includes}
    report(
        [
            f"{file.path} is included by nobody"
            for file in tree.HEADERS
            if file.path not in included | beside
        ]
    )


def test_scripts_can_be_run():
    report(
        [
            f"{file.path} begins with #! and is not executable"
            for file in tree.FILES
            if file in tree.CODE
            and file.text.startswith("#!")
            and not os.access(ROOT / file.path, os.X_OK)
        ]
    )


def test_the_readme_lists_the_stages_in_the_order_of_the_flow():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `?(?:actors/)?(\w+)/?`? \|", readme, re.MULTILINE)
    assert [row for row in rows if row in rules.STAGES] == rules.STAGES


def test_every_actor_folder_is_a_stage_or_serves_them():
    folders = {file.path.split("/")[1] for file in tree.CPP if file.path.startswith("actors/")}
    allowed = {folder.split("/")[1] for folder in rules.LAYERS["actors/"] if folder.count("/") > 1}
    assert folders <= {*rules.STAGES, *allowed}


def test_cpp_files_are_formatted():
    clang_format = shutil.which("clang-format-14")
    if clang_format is None:
        pytest.skip("clang-format-14 is not installed")
    paths = [file.path for file in tree.CPP if file.suffix in (".hpp", ".cpp")]
    command = [clang_format, "--dry-run", "-Werror", "--style=file", *paths]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    files = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", run.stderr, re.MULTILINE)))
    report([f"{file} is not formatted: run clang-format-14 -i on it" for file in files])
    assert run.returncode == 0, run.stderr
