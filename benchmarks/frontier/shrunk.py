"""A fine-tuned teacher shrunk to a size, quantized: the int8 TFLite file in LiteRT on the test photos.

    python benchmarks/frontier/shrunk.py runs/teacher FOLDER 300KB 128 runs/clothing-300KB

The student's pictures have 128 pixels a side here. What an earlier call with the same folder has trained is not trained
again. Validation photos choose everything; the test photos are looked at once, when all is done.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import record
from student import of_files

from edgekit.training.shrinking.shrink import ShrinkOptions, shrink


def main(teacher: str, data: str, size: str, side: str, folder: Path) -> None:
    """Shrink, quantize, evaluate, and record."""
    shrunk = shrink(ShrinkOptions(teacher, size, data, int(side), out=folder, resume=True))
    files = of_files(folder, data)
    behind = 100 * (shrunk.teacher_test_accuracy - files["files"]["model.int8.tflite"]["test_accuracy"])
    result = {
        "teacher_test_accuracy": shrunk.teacher_test_accuracy,
        "teacher_int8_bytes": shrunk.teacher_int8_bytes,
        "validation_accuracy": shrunk.validation_accuracy,
        "points_behind_teacher": round(behind, 3),
        **files,
    }
    record(__file__, result, f"RUN FOLDER {size} {side} DIR", name=f"clothing-{size}")


if __name__ == "__main__":
    main(*sys.argv[1:5], Path(sys.argv[5]))
