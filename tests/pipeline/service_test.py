"""The systemd unit: what systemd-analyze says of it, and that it fits what root does."""

import pathlib
import re
import shutil
import subprocess

import pytest

UNIT = pathlib.Path(__file__).parents[2] / "deploy" / "troupe.service"


@pytest.fixture
def verify(tmp_path):
    """What systemd-analyze says of a unit of this text."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    unit = tmp_path / "troupe.service"
    command = [analyze, "verify", "--man=no", "--recursive-errors=no", str(unit)]

    def run(text: str) -> subprocess.CompletedProcess[str]:
        unit.write_text(text)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_systemd_accepts_the_unit(verify):
    # The program and the user of the unit are not installed here; all else is judged as it is.
    text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text())
    done = verify(re.sub(r"(?m)^(User|Group)=.*$", r"\1=root", text))
    assert "troupe.service" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


def test_systemd_finds_what_is_wrong_in_a_unit(verify):
    done = verify(UNIT.read_text().replace("Type=notify", "Type=notifies"))
    assert "Type=" in done.stderr or "notifies" in done.stderr, done.stderr


def test_the_unit_waits_for_readiness_and_feeds_a_watchdog():
    lines = UNIT.read_text().splitlines()
    for line in ("Type=notify", "NotifyAccess=main", "KillMode=mixed", "Restart=always"):
        assert line in lines
    assert any(re.fullmatch(r"WatchdogSec=\d+", line) for line in lines)
