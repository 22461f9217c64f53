"""The files of the repository, read once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# What a build, a run or a fetch leaves behind is not ours to judge.
LEFT_OUT = {".git", "build", "models", "state", "logs", "__pycache__", ".pytest_cache"}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


@dataclass(frozen=True)
class File:
    """One file; `path` is relative to the root, with slashes."""

    path: str

    @property
    def suffix(self) -> str:
        return Path(self.path).suffix

    @property
    def folder(self) -> str:
        return str(Path(self.path).parent)

    @cached_property
    def text(self) -> str:
        return (ROOT / self.path).read_text(encoding="utf-8", errors="replace")

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def includes(self) -> list[str]:
        return INCLUDE.findall(self.text)


def _walk(folder: Path) -> list[File]:
    files = []
    for entry in sorted(folder.iterdir()):
        if entry.name in LEFT_OUT or entry.name.endswith(".egg-info") or entry.is_symlink():
            continue
        if entry.is_dir():
            files += _walk(entry)
        else:
            files.append(File(entry.relative_to(ROOT).as_posix()))
    return files


FILES = _walk(ROOT)
HEADERS = [file for file in FILES if file.suffix in (".hpp", ".cuh")]
SOURCES = [file for file in FILES if file.suffix in (".cpp", ".cu")]
CPP = HEADERS + SOURCES
PYTHON = [file for file in FILES if file.suffix == ".py"]
SHELL = [file for file in FILES if file.suffix == ".sh" or file.path == ".ci/run"]
CMAKE = [file for file in FILES if file.path.endswith("CMakeLists.txt")]
CODE = CPP + PYTHON + SHELL
