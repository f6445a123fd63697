"""A teacher of the catalog trained from scratch by its card: accuracy and seconds.

    python benchmarks/frontier/teacher.py cifar10-cnn cifar10.npz runs/cifar10-cnn

What an earlier call with the same folder has trained is not trained again. The test images are looked at once, when the
last epoch is done.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import record

from edgekit.training.teach import TeachOptions, teach


def main(name: str, data: str, folder: Path) -> None:
    """Train, and record."""
    taught = teach(TeachOptions(name, data=data, out=folder, resume=True))
    run = json.loads((folder / "teach.json").read_text())
    times = [json.loads(line)["seconds"] for line in (folder / "timing.jsonl").read_text().splitlines()]
    result = {
        "validation_accuracy": taught.validation_accuracy,
        "test_accuracy": taught.test_accuracy,
        "test_images": 10_000,
        "parameters": taught.parameters,
        "epochs": len(times),
        "seconds": round(sum(times)),
        "seed": run["seed"],
        "recipe": run["recipe"],
        "weights_sha256": taught.sha256,
    }
    record(__file__, result, f"{name} {Path(data).name} DIR", name=name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
