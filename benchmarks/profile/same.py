"""Files compared with themselves, 20 times each: how often the interval of the ratio contains 1, and how wide it is."""

from __future__ import annotations

import statistics
from typing import Any

from common import publish
from files import files

from edgekit.console import progress
from edgekit.devices.device import open_device
from edgekit.modelfiles.model_ref import find_models
from edgekit.profiling.ratio import compare_latency
from edgekit.profiling.records import ProfileOptions

TIMES = 20
NARROW = 0.03


def main() -> None:
    device = open_device("cpu")
    result: dict[str, Any] = {}
    with files(__doc__) as paths, progress("comparing", len(paths) * TIMES) as bar:
        for path in paths:
            ratios = []
            for number in range(TIMES):
                twice = find_models(str(path)) * 2
                ratios += compare_latency(twice, device, ProfileOptions(), lambda share: None)
                bar.update(len(result) * TIMES + number + 1, path.name)
            widths = [max(ratio.high - ratio.ratio, ratio.ratio - ratio.low) for ratio in ratios]
            result[path.name] = {
                "times": TIMES,
                "contains_1": sum(not ratio.differs for ratio in ratios),
                "narrower_than_3_percent": sum(width < NARROW for width in widths),
                "median_half_width": round(statistics.median(widths), 5),
                "largest_half_width": round(max(widths), 5),
                "largest_deviation": round(max(abs(ratio.ratio - 1) for ratio in ratios), 5),
                "intervals": [[round(ratio.low, 5), round(ratio.ratio, 5), round(ratio.high, 5)] for ratio in ratios],
            }
    publish(__file__, result)


if __name__ == "__main__":
    main()
