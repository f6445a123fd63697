"""Figures of a running service in Prometheus' text form (version 0.0.4 of its exposition format)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Requests by what was asked and how it ended, predictions by model, and how long predictions took."""

    def __init__(self) -> None:
        self.requests: Counter[Labels] = Counter()
        self.predictions: Counter[Labels] = Counter()
        self._buckets = [0] * (len(BOUNDS_S) + 1)
        self._seconds = 0.0

    def count_request(self, asked: str, status: int) -> None:
        """A request was answered; ``asked`` is the name of a route, never what a client wrote."""
        self.requests[("route", asked), ("status", str(status))] += 1

    def count_prediction(self, model: str, seconds: float) -> None:
        """A prediction was made, in so many seconds from the complete request to the answer."""
        self.predictions[(("model", model),)] += 1
        self._buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self._seconds += seconds

    def text(self, gauges: Mapping[str, tuple[str, str, float]]) -> str:
        """Everything so far, and ``gauges``: (type, help, value) by name."""
        lines = [
            *_family("requests_total", "counter", "Requests by route and status.", self.requests.items()),
            *_family("predictions_total", "counter", "Predictions by model.", self.predictions.items()),
            *self._histogram(),
        ]
        for name, (kind, help_text, value) in gauges.items():
            lines.extend(_family(name, kind, help_text, [((), value)]))
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        bounds = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
        counts = list(accumulate(self._buckets))
        name = "prediction_seconds"
        lines = _family(name, "histogram", "Seconds from a complete request to its answer.", [])
        lines.extend(_sample(f"{name}_bucket", (("le", bound),), n) for bound, n in zip(bounds, counts, strict=True))
        return [*lines, _sample(f"{name}_sum", (), self._seconds), _sample(f"{name}_count", (), counts[-1])]


def _family(name: str, kind: str, help_text: str, samples: Iterable[tuple[Labels, float]]) -> list[str]:
    head = [f"# HELP edgekit_{name} {help_text}", f"# TYPE edgekit_{name} {kind}"]
    return head + [_sample(name, labels, value) for labels, value in samples]


def _sample(name: str, labels: Labels, value: float) -> str:
    """Values of labels are names of routes, of models and of statuses: nothing that would need escaping."""
    inside = ",".join(f'{key}="{text}"' for key, text in labels)
    return f"edgekit_{name}{{{inside}}} {value:.10g}" if inside else f"edgekit_{name} {value:.10g}"
