"""Makes bench/ importable, and its fake contenders known to it."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent.parent / "bench"
sys.path.insert(0, str(BENCH))


@pytest.fixture(autouse=True)
def fake_peers(monkeypatch):
    """Lets `--peer fake=…` find tests/bench/peers/fake.py."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))


@pytest.fixture
def fake_troupe() -> str:
    return str(HERE / "fake_troupe.sh")
