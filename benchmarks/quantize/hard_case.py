"""MobileNetV2 with one scale for all channels of a convolution: how much of the lost agreement the rungs win back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from command import choose, publish
from models import open_model
from scores import Judge
from tools import FORMATS, OWN, PER_TENSOR, outcome_of

RUNGS = tuple(tool for tool in OWN if tool.startswith("per tensor"))


def main() -> None:
    choice = choose(__doc__, ("mobilenetv2",), (*RUNGS, *PER_TENSOR))
    result: dict[str, Any] = {}
    for name in choice.models:
        model = open_model(name)
        judge = Judge(model, choice.split, choice.images)
        rows: dict[str, Any] = {}
        for tool in choice.tools:
            outcome = outcome_of(tool, model, tool in choice.again)
            judged = {form: asdict(judge.judge(file)) for form in FORMATS if (file := outcome.file(form))}
            rows[tool] = {"error": outcome.error, **judged}
            print(f"{name:20}{tool:28}{outcome.error or judged}", flush=True)
        result[name] = {**judge.context(), "tools": rows}
    publish(__file__, choice, result)


if __name__ == "__main__":
    main()
