"""``edgekit search``: the best student that fits a device, found under a budget, distilled and quantized."""

from __future__ import annotations

from edgekit.catalog import SEARCH
from edgekit.errors import UsageError
from edgekit.files import write_json
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import quantize
from edgekit.search.costs import State
from edgekit.search.records import SearchOptions, SearchResult
from edgekit.search.setting import Setting


def search(options: SearchOptions) -> SearchResult:
    """Find the best student of a family within limits, then distil it by its full recipe and quantize it.

    The study lies in the folder as study.db: the same command goes on with it, and one that was killed and called again
    ends as if it had not been. Ctrl-C ends the search with what there is; once more ends the command.

    Raises:
        UsageError: no network of the space meets the budget, the device knows no latency for it, or the folder holds
            another study.
        EdgekitError: as ``distill`` and ``quantize``.
    """
    with Setting.without_teachers(options) as setting:
        setting.require_possible()
        return _searched(setting.taught())


def _searched(setting: Setting) -> SearchResult:
    options = setting.options
    if not setting.gauge.limits.known():
        return setting.result(proposals=tuple(setting.proposals()))
    study = setting.explored()
    finished = study.finished()
    if not finished:
        failed = [one.why for one in study.found if one.state == State.FAILED]
        last = f" The last that failed: {failed[-1]}" if failed else ""
        raise UsageError(f"No candidate was trained to the end in this time; give more --hours, and it goes on.{last}")
    best = min(finished, key=lambda one: (one.loss, one.number))
    distilled = setting.distilled(best, resume=study.takes_up(best, bool(options.ray)))
    own = {"model": str(setting.folder), "data": setting.school.source, "out": None}
    shared = options.shared_with(QuantizeOptions) | own
    quantized = distilled.int8 or quantize(QuantizeOptions(**shared, int8=True))
    result = setting.result(
        candidates=tuple(study.found), front=tuple(study.front()), best=best, distilled=distilled, quantized=quantized
    )
    write_json(setting.folder / SEARCH, {**result.to_dict(), "seed": options.seed})
    return result
