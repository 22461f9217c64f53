"""What options of benchmarks may be: refused at once with a line, not later with a trace."""

from __future__ import annotations

import argparse
import shlex
import shutil
from pathlib import Path


def count(text: str) -> int:
    """At least one."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def counts(text: str) -> list[int]:
    """Separated by commas."""
    return [count(part) for part in text.split(",")]


def program(text: str) -> str:
    """Something that can be run."""
    if shutil.which(text) is None:
        raise argparse.ArgumentTypeError(
            f"{text} cannot be run: build it with scripts/build.sh release, or name another"
        )
    return text


def command(text: str) -> list[str]:
    """The words of something that can be run."""
    words = shlex.split(text)
    if not words or shutil.which(words[0]) is None:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be run")
    return words


def existing_file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"{text} is not a file")
    return Path(text)
