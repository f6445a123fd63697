"""Seconds to quantize MobileNetV2 with 200 images, of the tool's whole process: from the float model to int8 files."""

from __future__ import annotations

from typing import Any

from command import choose, publish
from models import open_model
from places import FILES
from tools import calibration_of, quantized


def main() -> None:
    choice = choose(__doc__, ("mobilenetv2",))
    result: dict[str, Any] = {}
    for name in choice.models:
        model = open_model(name)
        images = calibration_of(model)
        rows = {}
        for tool in choice.tools:
            outcome = quantized(tool, model, images, FILES / "speed")
            rows[tool] = {**outcome.costs(), "work_seconds": outcome.work_seconds, **outcome.stages()}
            print(f"{name:20}{tool:28}{rows[tool]}", flush=True)
        result[name] = {"calibration_images": images.count, "tools": rows}
    publish(__file__, choice, result)


if __name__ == "__main__":
    main()
