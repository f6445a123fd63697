"""Latency of the int8 files, one thread, paired: all files of a form take turns in one process, round after round."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from command import choose, publish
from images import part_of
from models import MODEL_NAMES, Model, open_model
from numpy.typing import NDArray
from tools import EDGEKIT, EDGEKIT_FLOAT_IO, FORMATS, TOOLS, outcome_of

from edgekit.evaluation.task_model import image_layout
from edgekit.modelfiles.sandboxed import OpenFile
from edgekit.profiling.statistics import median_interval, variance_inflation

RUNTIMES = {"onnx": "ort", "tflite": "litert"}
ROUNDS, TURN_S, WARM_UP_S = 61, 0.02, 0.3
FLOAT = "float"


@dataclass
class Runner:
    """A file in its runtime with one real image to run on; ``times`` gets the nanoseconds of a run of each turn."""

    session: OpenFile
    feed: list[Any]
    times: list[float]

    def turn(self, seconds: float) -> float:
        """Nanoseconds of a run, the median of as many as fit into ``seconds``."""
        clock = [time.perf_counter_ns()]
        while len(clock) < 2 or clock[-1] - clock[0] < seconds * 1e9:
            self.session.run(self.feed)
            clock.append(time.perf_counter_ns())
        return float(np.median(np.diff(clock)))


def main() -> None:
    choice = choose(__doc__, MODEL_NAMES, (*TOOLS, EDGEKIT_FLOAT_IO))
    result: dict[str, Any] = {}
    for name in choice.models:
        model = open_model(name)
        outcomes = {tool: outcome_of(tool, model, tool in choice.again) for tool in choice.tools}
        result[name] = {"errors": {tool: item.error for tool, item in outcomes.items() if item.error}}
        for form in FORMATS:
            files = {tool: file for tool, item in outcomes.items() if (file := item.file(form))}
            if form == "onnx":
                files[FLOAT] = model.path
            runners = {tool: _open(model, file, form) for tool, file in files.items()}
            take_turns(list(runners.values()))
            result[name][form] = {tool: _row(tool, runners) for tool in runners}
            for tool, row in result[name][form].items():
                print(f"{name:20}{form:8}{tool:28}{row}", flush=True)
    publish(__file__, choice, result)


def take_turns(runners: list[Runner]) -> None:
    """Fill ``times``: in each round every runner has one turn, each round begins with another one."""
    for runner in runners:
        runner.turn(WARM_UP_S)
    for number in range(ROUNDS):
        start = number % len(runners)
        for runner in runners[start:] + runners[:start]:
            runner.times.append(runner.turn(TURN_S))


def _open(model: Model, file: Any, form: str) -> Runner:
    session = OpenFile(file, RUNTIMES[form])
    image = np.asarray(part_of(model.images, "development").images[:1])
    spec = session.inputs[0]
    return Runner(session, [model.contract.encode(image, spec, image_layout(spec, file))], [])


def _row(tool: str, runners: dict[str, Runner]) -> dict[str, Any]:
    """The median in milliseconds, and the median over the rounds of EdgeKit's time over this file's."""
    times = np.array(runners[tool].times)
    row: dict[str, Any] = {
        "ms": round(float(np.median(times)) / 1e6, 4),
        "takes": runners[tool].session.inputs[0].dtype,
        "gives": runners[tool].session.outputs[0].dtype,
    }
    for own in (EDGEKIT, EDGEKIT_FLOAT_IO):
        if own in runners and own != tool:
            row[f"{own} / this"] = _median(np.array(runners[own].times) / times)
    return row


def _median(ratios: NDArray[np.float64]) -> dict[str, Any]:
    low, high = median_interval(ratios, variance_inflation(ratios))
    return {"median": round(float(np.median(ratios)), 4), "interval": [round(low, 4), round(high, 4)]}


if __name__ == "__main__":
    main()
