"""MiniLM fine-tuned on the sentences of SST-2: the head alone, and every weight.

    python benchmarks/frontier/sentences_teacher.py SST2 RUNS

A run goes on where it was interrupted. Bars: head at least 80%, every weight 90.5% of the 1,821 test sentences, which
are looked at once a run; the 872 of dev choose.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import of_run, record

from edgekit.training.teach import TeachOptions, teach

FIGURES = ("validation_accuracy", "test_accuracy", "test_f1", "sha256")


def main(data: str, runs: Path) -> None:
    """Fine-tune both ways, and record."""
    results: dict[str, dict[str, Any]] = {}
    for tune in ("head", "full"):
        result = teach(TeachOptions("minilm", data, tune, out=runs / tune, resume=True))
        results[tune] = {name: getattr(result, name) for name in FIGURES}
    record(__file__, {**results, **of_run(runs / "full", "teach.json")}, "SST2 RUNS")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
