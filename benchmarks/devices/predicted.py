"""Predicted latency on published rows, each network by a fit that has seen none of its family.

python benchmarks/devices/predicted.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fit import fit_published, show
from latency.published import published_rows
from record import record


def main() -> None:
    """Fit, print and record."""
    result = fit_published(published_rows())
    show(result)
    figures = result.to_dict()
    for item in figures["held_out"]:
        del item["source"]  # it stands in published_latency.csv
        item["predicted_ms"] = round(item["predicted_ms"], 3)
    record(__file__, figures)


if __name__ == "__main__":
    main()
