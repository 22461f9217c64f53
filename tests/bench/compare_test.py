"""The comparison as a user runs it, with a peer and a `troupe` that compute nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import report
import scaling
from conftest import BENCH


@pytest.fixture
def run(tmp_path: Path, fake_troupe: str):
    """Runs compare.py with small defaults and returns the folder that it wrote."""

    def run(*options: str) -> Path:
        done = subprocess.run(
            [
                sys.executable, str(BENCH / "compare.py"), str(tmp_path / "out"), "--no-plot",
                "--model", "tiny.gguf", "--troupe", fake_troupe, "--rounds", "2",
                "--cache", str(tmp_path / "cache"), "--peer", f"fake={sys.executable}", *options,
            ],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return tmp_path / "out"

    return run


def rows_of(folder: Path) -> dict:
    said = json.loads((folder / "compare.json").read_text())
    return {(row["kind"], row["streams"], row["contender"]): row for row in said["rows"]}


def test_every_contender_is_measured_in_every_round_beside_a_calibration(run):
    rows = rows_of(run("--streams", "1,8"))
    for streams, rate in ((1, 10.0), (8, 80.0)):
        assert rows["decode", streams, "fake"]["tokens_per_s"] == [rate, rate]
        assert rows["decode", streams, "troupe default"]["tokens_per_s"] == [2 * rate, 2 * rate]
    assert rows["prefill", 1, "fake"]["median_tokens_per_s"] == 1000.0
    # Two of our modes ran in each of two rounds, and each brought what the machine gave then.
    assert len(rows["decode", 8, "fake"]["calibrations"]) == 4


def test_the_ratio_is_that_of_medians_to_the_best_peer(run):
    rows = rows_of(run("--streams", "8"))
    assert rows["decode", 8, "troupe default"]["ratio"] == 2.0
    assert rows["prefill", 1, "troupe exact"]["ratio"] == 3.0
    assert rows["decode", 8, "fake"]["ratio"] is None


def test_one_streams_share_of_a_packed_read_stands_beside_its_decoding(run):
    folder = run("--streams", "1")
    rows = rows_of(folder)
    assert rows["decode", 1, "troupe default"]["packed_read_share"] == 0.8
    assert rows["prefill", 1, "troupe default"]["packed_read_share"] is None
    assert "| 80 % |" in (folder / "compare.md").read_text()


def test_a_mode_that_the_binary_lacks_is_left_out_with_its_reason(run):
    folder = run("--streams", "1")
    assert "q4 is planned" in rows_of(folder)["decode", 1, "troupe q4"]["left_out"]
    assert "q4 is planned" in (folder / "compare.md").read_text()


def test_a_peer_that_cannot_load_is_left_out_with_its_reason(run):
    rows = rows_of(run("--streams", "1", "--threads", "99"))
    assert "99 threads are too many" in rows["decode", 1, "fake"]["left_out"]
    assert rows["decode", 1, "troupe default"]["median_tokens_per_s"] == 20.0


def test_a_peer_that_crashes_keeps_what_it_had_and_stops_nobody(run):
    rows = rows_of(run("--streams", "8,13"))
    assert rows["decode", 13, "fake"]["left_out"]
    assert rows["decode", 13, "troupe default"]["tokens_per_s"] == [260.0, 260.0]
    assert rows["decode", 13, "troupe default"]["ratio"] is None


def test_a_task_that_a_peer_cannot_do_costs_that_row_alone(run):
    rows = rows_of(run("--streams", "14,8"))
    assert "14 is unlucky" in rows["decode", 14, "fake"]["left_out"]
    assert rows["decode", 8, "fake"]["tokens_per_s"] == [80.0, 80.0]


def test_a_document_gets_the_table_between_its_markers_and_nowhere_else(run, tmp_path):
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    run("--streams", "1", "--refresh", str(document))
    text = document.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\n") and text.endswith(f"{report.END}\nafter\n")
    assert "| troupe default |" in text and "old" not in text


@pytest.mark.parametrize(
    ("calibration", "shown"),
    [
        ({"amx_int8_tops": 11.0, "avx512_int8_tops": 1.5, "avx2_int8_tops": 0.5}, "| 11.00 |"),
        ({"amx_int8_tops": None, "avx512_int8_tops": 1.5, "avx2_int8_tops": 0.5}, "| 1.50 |"),
        ({"amx_int8_tops": None, "avx512_int8_tops": None, "avx2_int8_tops": 0.5}, "| 0.50 |"),
        ({"amx_int8_tops": None}, "| – |"),
    ],
)
def test_rows_show_tiles_or_else_the_widest_vectors(calibration, shown):
    calibration |= {"memory_read_gb_per_s": 25.0}
    row = report.Row("m", report.Task("decode", 8, 128, 64), "fake", [report.Sample(5.0, 1)])
    row.calibrations.append(calibration)
    assert report.table_line([row], row).endswith(f"{shown} 25.0 |")
    cell = {
        "threads": 1, "context": 128, "streams": 8, "prefill_tokens_per_s": 1.0,
        "decode_tokens_per_s": 1.0, "peak_rss_bytes": 1, "calibrations": [calibration],
    }  # fmt: skip
    assert scaling.table_line(cell).endswith(f"{shown} 25.0 |")


def test_the_plot_has_every_contender(tmp_path):
    pytest.importorskip("matplotlib")
    task = report.Task("decode", 8, 128, 64)
    rows = [report.Row("m", task, name, [report.Sample(5.0, 1)]) for name in ("troupe q4", "fake")]
    report.plot(rows, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_scaling_leaves_out_cells_beyond_the_limit_of_tokens(run):
    folder = run(
        "--scaling", "--scaling-contexts", "128,512", "--scaling-streams", "1,4",
        "--scaling-threads", "2", "--scaling-tokens-max", "512",
    )  # fmt: skip
    rows = json.loads((folder / "scaling.json").read_text())["rows"]
    assert [(row["context"], row["streams"]) for row in rows] == [(128, 1), (128, 4), (512, 1)]
    assert rows[1]["decode_tokens_per_s"] == 80.0 and rows[1]["peak_rss_bytes"] == 4 * 2**20
