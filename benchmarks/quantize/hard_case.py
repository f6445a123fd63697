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
        result[name] = {**judge.context(), "tools": rows, "recovered": recovered(rows)}
        print(result[name]["recovered"])
    publish(__file__, choice, result)


def recovered(rows: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Of the agreement that rung 1 loses, the share that each further rung has back."""
    first, *further = (tool for tool in RUNGS if tool in rows)
    shares: dict[str, dict[str, float]] = {}
    for tool in further:
        forms = [form for form in FORMATS if form in rows[first] and form in rows[tool]]
        lost = {form: 1 - rows[first][form]["agreement"] for form in forms}
        still = {form: 1 - rows[tool][form]["agreement"] for form in forms}
        shares[tool] = {form: round(1 - still[form] / lost[form], 4) for form in forms if lost[form]}
    return shares


if __name__ == "__main__":
    main()
