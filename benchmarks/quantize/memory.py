"""Peak memory of quantizing MobileNetV2 as the number of calibration images grows from 100 to 2,000."""

from __future__ import annotations

from typing import Any

from command import choose, publish
from images import many_clothes
from models import open_model
from places import FILES
from tools import EDGEKIT, Calibration, quantized
from watch import GIB

COUNTS = (100, 2000)
METHODS = (EDGEKIT, "ORT min/max")
"""The one that keeps least of an image beside ours; speed.py has the peaks of all others, for 200 images."""
LIMIT = 16 * GIB


def main() -> None:
    choice = choose(__doc__, ("mobilenetv2",), METHODS)
    result: dict[str, Any] = {}
    many = many_clothes()
    for name in choice.models:
        model = open_model(name)
        rows: dict[str, Any] = {tool: {} for tool in choice.tools}
        for tool, row in rows.items():
            for count in COUNTS:
                images = Calibration(many.pixels, many.folder, count)
                row[str(count)] = quantized(tool, model, images, FILES / "memory", LIMIT).costs()
                print(f"{name:20}{tool:28}{count:6} images: {row[str(count)]}", flush=True)
                if row[str(count)]["error"]:
                    break  # more images will not cure it
        result[name] = {"tools": rows}
    publish(__file__, choice, result)


if __name__ == "__main__":
    main()
