"""Files of one layer or of a few alike, over the sizes that real networks have: what is counted to know layers by.

Few positions are enough, since a kernel's instructions grow with them in proportion; channels go from few to many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edgekit.profiling.probes import SEED, Probe, Tensor

if TYPE_CHECKING:
    from onnx import ModelProto

CONV = (
    *((12, 8, 8, 3, 1), (12, 16, 32, 3, 1), (8, 32, 16, 3, 1), (6, 64, 64, 3, 1), (7, 24, 40, 3, 1)),
    *((5, 128, 96, 3, 1), (9, 12, 20, 3, 2), (6, 160, 36, 3, 1), (4, 256, 128, 3, 1), (9, 32, 24, 5, 1)),
    *((28, 1, 8, 5, 2), (28, 1, 16, 3, 1), (20, 1, 64, 3, 2), (32, 3, 16, 3, 2), (32, 3, 32, 3, 2), (24, 3, 8, 3, 1)),
    *((24, 3, 64, 7, 2), (14, 4, 6, 3, 1), (10, 16, 2, 3, 1)),
)
POINTWISE = (
    *((14, 8, 16), (14, 16, 16), (12, 16, 96), (8, 96, 24), (7, 32, 192), (6, 192, 64), (4, 512, 512), (4, 320, 1280)),
    *((9, 20, 30), (7, 24, 12), (5, 64, 10), (28, 12, 24), (3, 960, 160), (10, 40, 240), (20, 4, 6), (5, 128, 128)),
)
DEPTHWISE = (
    *((14, 8, 3, 1), (14, 16, 3, 1), (12, 32, 3, 1), (9, 48, 3, 1), (8, 96, 3, 1), (7, 144, 3, 1), (5, 192, 3, 1)),
    *((4, 512, 3, 1), (7, 20, 3, 1), (9, 18, 3, 1), (15, 16, 3, 2), (15, 64, 3, 2), (9, 96, 3, 2), (28, 12, 3, 1)),
    *((9, 40, 5, 1), (7, 96, 5, 1), (5, 240, 5, 1), (9, 12, 5, 1), (15, 24, 5, 2), (3, 1024, 3, 1)),
)
DENSE = (
    *((16, 10), (64, 10), (128, 64), (256, 128), (640, 128), (784, 10), (1024, 100), (1024, 1000), (32, 2), (8, 640)),
    *((500, 30), (128, 640)),
)
PASSES: dict[str, tuple[tuple[int, int], ...]] = {
    "add": ((14, 16), (7, 64), (14, 96), (3, 320), (5, 10)),
    "concat": ((14, 16), (7, 64), (14, 96), (5, 10)),
    "max-pool": ((28, 8), (14, 32), (8, 64), (9, 160)),
    "average-pool": ((28, 8), (14, 32), (8, 64)),
    "mean": ((7, 24), (7, 320), (4, 1024), (14, 64), (3, 12)),
    "softmax": ((1, 10), (1, 100), (1, 1000), (7, 21)),
    "leaky-relu": ((14, 16), (7, 96)),
    "sigmoid": ((14, 16), (7, 96)),
}
"""Kind → (side, channels) of the layers that pass over their values."""
CHAINS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "conv": ((12, 8, 3), (14, 16, 3), (6, 64, 3), (9, 24, 5)),
    "pointwise": ((14, 16, 1), (5, 128, 1), (10, 40, 1), (7, 32, 1)),
    "depthwise": ((14, 16, 3), (12, 32, 3), (7, 96, 3), (9, 40, 5)),
    "dense": ((1, 16, 1), (1, 64, 1), (1, 256, 1)),
}
"""Kind → (side, channels, window) of layers that stand LINKS times in a row, where a file's own costs come but once."""
LINKS = 4
PLAIN = {"leaky-relu": "LeakyRelu", "sigmoid": "Sigmoid"}


def layer_models() -> Iterator[tuple[str, ModelProto]]:
    """Every file as float ONNX, in a fixed order."""
    for side, depth, columns, window, stride in CONV:
        yield _one(f"conv-{side}-{depth}-{columns}-{window}-{stride}", side, depth, _conv(columns, window, stride))
    for side, depth, columns in POINTWISE:
        yield _one(f"pointwise-{side}-{depth}-{columns}", side, depth, _conv(columns, 1, 1))
    for side, depth, window, stride in DEPTHWISE:
        yield _one(f"depthwise-{side}-{depth}-{window}-{stride}", side, depth, _depthwise(window, stride))
    for depth, columns in DENSE:
        yield _one(f"dense-{depth}-{columns}", 1, depth, partial(_dense, columns))
    for kind, sizes in PASSES.items():
        for side, depth in sizes:
            yield _one(f"{kind}-{side}-{depth}", side, depth, partial(_pass, kind))
    for kind, rows in CHAINS.items():
        for side, depth, window in rows:
            yield _one(f"{LINKS}-{kind}-{side}-{depth}-{window}", side, depth, partial(_chain, kind, window))


def _one(name: str, side: int, depth: int, layer: Callable[[Probe], Tensor]) -> tuple[str, ModelProto]:
    probe = Probe(np.random.default_rng(SEED), side, depth)
    return name, probe.model(layer(probe))


def _conv(columns: int, window: int, stride: int) -> Callable[[Probe], Tensor]:
    return lambda probe: probe.conv(probe.input, columns, window, stride)


def _depthwise(window: int, stride: int) -> Callable[[Probe], Tensor]:
    return lambda probe: probe.depthwise(probe.input, window, stride)


def _dense(columns: int, probe: Probe) -> Tensor:
    return probe.dense(probe.input, columns)


def _chain(kind: str, window: int, probe: Probe) -> Tensor:
    x = probe.input
    for _ in range(LINKS):
        if kind == "dense":
            x = probe.dense(x, x.channels, relu=True)
        else:
            x = probe.conv(x, x.channels, window, groups=x.channels if kind == "depthwise" else 1)
    return x


def _pass(kind: str, probe: Probe) -> Tensor:
    x = probe.input
    if kind in PLAIN:
        return _over(probe, PLAIN[kind], x)
    if kind == "add":
        return probe.add(x, x)
    if kind == "concat":
        return probe.concat(x, x)
    if kind in ("max-pool", "average-pool"):
        return probe.pool(x, 3 if x.channels % 3 else 2, 2, "MaxPool" if kind == "max-pool" else "AveragePool")
    return {"mean": probe.mean, "softmax": probe.softmax}[kind](x)


def _over(probe: Probe, operator: str, x: Tensor) -> Tensor:
    from onnx import helper

    probe.nodes.append(helper.make_node(operator, [x.name], [operator], operator))
    return Tensor(operator, x.channels, x.side)
