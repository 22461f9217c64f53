"""What options of benchmarks may be: refused at once with a line, not later with a trace."""

from __future__ import annotations

import argparse
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


def program(text: str) -> str:
    """Something that can be run."""
    if shutil.which(text) is None:
        raise argparse.ArgumentTypeError(
            f"{text} cannot be run: build it with scripts/build.sh release, or name another"
        )
    return text


def existing_file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"{text} is not a file")
    return Path(text)
