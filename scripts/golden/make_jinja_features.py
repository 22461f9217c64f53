#!/usr/bin/env python3
"""Writes tests/jinja/data/features.json: the lines of features.txt, each a template, rendered by
Python's jinja2 as transformers sets it up; null where it raises. Needs transformers and jinja2."""

import json
from pathlib import Path

from transformers.utils import chat_template_utils

DATA = Path(__file__).resolve().parents[2] / "tests/jinja/data"


def render(source):
    try:
        return chat_template_utils._compile_jinja_template(source).render()
    except Exception:  # whatever Python raises: ours must fail too
        return None


lines = (DATA / "features.txt").read_text(encoding="utf-8").splitlines()
goldens = [{"template": line, "text": render(line)} for line in lines]
(DATA / "features.json").write_text(json.dumps(goldens, indent=1) + "\n", encoding="ascii")
