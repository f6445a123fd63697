"""The benchmarks' own parts: peers get what EdgeKit gets, memory is measured whole, the page is up to date."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.inputs.contract import InputContract

FOLDER = Path(__file__).parents[2] / "benchmarks" / "quantize"
MIB = 1 << 20
Part = Callable[[str], Any]


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Part:
    """Imports a module of benchmarks/quantize by its name."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


def test_the_page_shows_what_was_measured(part: Part) -> None:
    tables = part("tables")
    text = tables.PAGE.read_text(encoding="utf-8")
    assert text == tables.page_with_tables(text), "run benchmarks/quantize/tables.py"


def test_rows_of_tools_that_were_not_asked_again_stay_with_their_day(part: Part) -> None:
    rows = {"own": {"n": 1}, "peer": {"n": 2}}
    before = {"date": "2020-02-29", "result": {"models": {"net": {"tools": rows}, "other": {"images": 9, "tools": {}}}}}
    merged = part("command").with_earlier_rows({"net": {"tools": {"own": {"n": 3}}}}, before)
    assert merged["other"] == {"images": 9, "tools": {}}
    own, peer = merged["net"]["tools"].values()
    assert peer == {"n": 2, "date": "2020-02-29"}
    assert (own["n"], own["date"] > "2026") == (3, True)
    assert part("tables").older({"date": own["date"], "result": {"models": merged}}) == " Rows of 2020-02-29: peer."


def test_peers_calibrate_on_the_same_inputs_as_edgekit(part: Part, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    contract = InputContract(6, 7, 3, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    job = part("peer_job").Job(
        "", "", "", str(tmp_path / "images.npy"), 4, contract.mean, contract.std, out=str(tmp_path)
    )
    inputs = np.concatenate(list(job.inputs()))
    np.testing.assert_array_equal(inputs, contract.real(images[:4]).transpose(0, 3, 1, 2))


def test_memory_of_all_processes_of_a_command_is_added_up(part: Part, tmp_path: Path) -> None:
    child = "held = bytearray(b'x') * (60 << 20); print('held', flush=True); input()"
    both = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "held = bytearray(b'x') * (60 << 20)\n"
        "child.stdout.readline()\n"
        "time.sleep(2)\n"
        "child.communicate(b'\\n')\n"
    )
    watched = part("watch").watch([sys.executable, "-c", both], tmp_path / "log", 1 << 30)
    assert watched.error is None
    assert 0 < watched.processor_seconds < watched.seconds
    assert 120 * MIB < watched.peak_bytes < 240 * MIB


def test_a_command_that_wants_too_much_memory_or_time_is_ended_and_says_so(part: Part, tmp_path: Path) -> None:
    watch = part("watch").watch
    hold = [sys.executable, "-c", "import time; held = bytearray(b'x') * (60 << 20); time.sleep(30)"]
    assert "GiB" in watch(hold, tmp_path / "log", 30 * MIB).error
    assert "after" in watch(hold, tmp_path / "log", 1 << 30, limit_s=0.5).error


def test_a_command_that_fails_is_reported_by_its_last_words(part: Part, tmp_path: Path) -> None:
    code = "raise ValueError('no such operator')"
    watched = part("watch").watch([sys.executable, "-c", code], tmp_path / "log", 1 << 30)
    assert watched.error == "ValueError: no such operator"
