"""Accuracy of int8 files: agreement with the float network, logit SQNR, and points lost where there are labels."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from command import Choice, choose, publish
from models import open_model
from scores import Judge
from tools import FORMATS, outcome_of


def main() -> None:
    choice = choose(__doc__, ("resnet56", "mobilenetv2", "efficientnet_lite0", "mnist-tiny"))
    publish(__file__, choice, {name: rows(name, choice) for name in choice.models})


def rows(name: str, choice: Choice) -> dict[str, Any]:
    """Of one model: a row for each tool, with its files' figures or its error."""
    model = open_model(name)
    judge = Judge(model, choice.split, choice.images)
    tools: dict[str, Any] = {}
    for tool in choice.tools:
        outcome = outcome_of(tool, model, tool in choice.again)
        files = {form: file for form in FORMATS if (file := outcome.file(form))}
        judged = {form: asdict(judge.judge(file)) for form, file in files.items()}
        tools[tool] = {"calibration_images": outcome.images, "error": outcome.error, **judged}
        for form, row in judged.items():
            drop = "" if row["drop"] is None else f", {row['drop']:.2f} points lost"
            print(f"{name:20}{tool:28}{form:8}{row['agreement']:8.2%} {row['sqnr_db']:6.1f} dB{drop}", flush=True)
        if outcome.error:
            print(f"{name:20}{tool:28}{outcome.error}", flush=True)
    return {**judge.context(), "tools": tools}


if __name__ == "__main__":
    main()
