"""What a page posts becomes the worker's answer, and nothing that is not one does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.devices.browser.result import browser_name, measured, system_name
from edgekit.devices.device import Job
from edgekit.errors import DeviceError, ModelError

JOB = Job("measure", "litert", Path("model.tflite"))
EXPECTED = np.array([3, -5], np.int8)
ANDROID = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
FOUND: dict[str, Any] = {
    "samples_ms": [0.25, 0.5],
    "load_ms": 120.5,
    "warm_load_ms": 10,
    "first_ms": 3.25,
    "warmup_runs": 40,
    "clock_ms": 0.1,
    "runs_per_sample": 8,
    "output": [3, -5],
    "runtime": "litert",
    "user_agent": ANDROID,
    "cores": 8,
    "cross_origin_isolated": False,
}


def test_milliseconds_become_nanoseconds_and_the_browser_is_recorded() -> None:
    answer = measured(FOUND, JOB, "2.5.3", {"cpu": "?"}, EXPECTED)
    assert answer["samples_ns"] == [250_000, 500_000]
    assert (answer["load_ns"], answer["warm_load_ns"], answer["first_ns"]) == (120_500_000, 10_000_000, 3_250_000)
    assert answer["versions"] == {"litert": "2.5.3 in Chrome 131"}
    machine = answer["machine"]
    assert (machine["user_agent"], machine["browser"], machine["usable_cores"]) == (ANDROID, "Chrome 131", 8)
    assert (machine["runs_per_sample"], machine["clock_step_ns"]) == (8, 100_000)


@pytest.mark.parametrize(("output", "difference"), [([3, -5], 0), ([3, -4], 1), ([0, 0], 5)])
def test_the_output_is_compared_with_this_machines(output: list[int], difference: float) -> None:
    answer = measured({**FOUND, "output": output}, JOB, "1", {}, EXPECTED)
    assert answer["machine"]["largest_difference_from_here"] == difference


@pytest.mark.parametrize(
    "change",
    [
        {"samples_ms": []},
        {"samples_ms": "0.5"},
        {"samples_ms": [None]},
        {"samples_ms": [-1]},
        {"samples_ms": [float("nan")]},
        {"load_ms": float("inf")},
        {"output": [1, 2, 3]},
        {"output": [[1], [2]]},
        {"output": ["a", "b"]},
        {"output": [1]},
        {"runs_per_sample": "many"},
    ],
)
def test_an_impossible_result_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DeviceError, match="lacks something or is impossible"):
        measured({**FOUND, **change}, JOB, "1", {}, EXPECTED)


@pytest.mark.parametrize("name", sorted(FOUND.keys() - {"runtime", "cores"}))
def test_a_result_that_lacks_something_is_refused(name: str) -> None:
    found = {key: value for key, value in FOUND.items() if key != name}
    with pytest.raises(DeviceError, match=name):
        measured(found, JOB, "1", {}, EXPECTED)


def test_a_model_that_the_runtime_in_the_page_refuses_is_an_error_with_its_words() -> None:
    with pytest.raises(ModelError, match=r"model.tflite does not run in the browser \(no kernel for FOO\)"):
        measured({"error": "no kernel for FOO."}, JOB, "1", {}, EXPECTED)


def test_browsers_are_called_by_their_names() -> None:
    assert (browser_name(ANDROID), system_name(ANDROID)) == ("Chrome 131", "Linux; Android 10; K")
    assert (browser_name(IPHONE), system_name(IPHONE)) == ("Safari 18", "iPhone; CPU iPhone OS 18_0 like Mac OS X")
    assert browser_name(ANDROID + " Edg/130.0") == "Edge 130"
    assert (browser_name("curl/8"), system_name("curl/8")) == ("curl/8", "")
    assert browser_name("") == "an unknown browser"
