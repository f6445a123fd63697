"""What would help a quantized network most: single changes around the tensors that hurt, each made and judged.

A tensor may be left real with the operators around it, stored over another range, or come out of another activation
function. The last changes the float network too, and is judged as it is, without training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from edgekit.console import counted, progress
from edgekit.graph.draft import Draft
from edgekit.graph.messages import make_node, makers_of
from edgekit.quantization.calibrate import RealInputs, calibrate
from edgekit.quantization.judge import Judge
from edgekit.quantization.ladder import Candidate
from edgekit.quantization.ranges import METHODS, Range
from edgekit.quantization.rungs.mixed_precision import around
from edgekit.quantization.sensitivity import TensorRow
from edgekit.quantization.tensor_groups import Group
from edgekit.quantization.weighted_layers import with_float_layers
from edgekit.scales import range_quantization
from edgekit.tasks.quality import Quality

if TYPE_CHECKING:
    from onnx import ModelProto

WORST = 4
"""So many tensors are tried, those that cost the outputs most when they alone are rounded."""
HELPFUL = 3
WIDER = 1.5
SIX = 6.0
TO_RELU = frozenset({"Elu", "Gelu", "HardSwish", "LeakyRelu", "Mish", "Softplus"})


@dataclass(frozen=True)
class Change:
    """One change, and what the network is worth with it.

    Attributes:
        kind: float, range or activation.
        tensor: around which it was made.
        what: what was done.
        verdict: on the judging samples, against the float model.
        gain_db: of signal to noise.
    """

    kind: str
    tensor: str
    what: str
    verdict: Quality
    gain_db: float


def helpful_changes(
    before: Candidate, rows: Sequence[TensorRow], inputs: RealInputs, judge: Judge, verdict: Quality
) -> tuple[Change, ...]:
    """The changes that gain most, the best first, at most HELPFUL; of each kind around a tensor only the best.

    Args:
        before: the quantized network.
        rows: its layers.
        inputs: calibration samples.
        judge: measures.
        verdict: what the network is worth without a change.
    """
    worst = sorted((row for row in rows if row.alone_db is not None), key=lambda row: row.alone_db or 0.0)[:WORST]
    tried = list(_tries(before, [row.tensor for row in worst], inputs))
    best: dict[tuple[str, str], Change] = {}
    with progress("trying changes", len(tried)) as bar:
        for done, (kind, tensor, what, changed) in enumerate(tried, 1):
            found = judge.judge(changed.model, changed.plan, changed.intake)
            change = Change(kind, tensor, what, found, round(found.sqnr_db - verdict.sqnr_db, 2))
            if change.gain_db > max(0.0, best[kind, tensor].gain_db if (kind, tensor) in best else 0.0):
                best[kind, tensor] = change
            bar.update(done, f"{what} ({tensor})")
    return tuple(sorted(best.values(), key=lambda change: -change.gain_db)[:HELPFUL])


def _tries(before: Candidate, tensors: Sequence[str], inputs: RealInputs) -> Iterator[tuple[str, str, str, Candidate]]:
    """Each change as (kind, tensor, what is done, the network with it)."""
    groups = {name: group for group in before.groups for name in group.tensors}
    free = {name: groups[name] for name in tensors if groups[name].fixed is None}
    histograms = calibrate(before.exact, sorted({name for group in free.values() for name in group.tensors}), inputs)
    for tensor in tensors:
        ends = {value.name for value in (*before.model.graph.input, *before.model.graph.output)}
        if tensor not in ends:
            floats = around(before.model, tensor)
            model = with_float_layers(before.model, before.exact, floats)
            what = f"in float: {counted(len(floats), 'operators')}"
            yield "float", tensor, what, replace(before, model=model, plan=before.plan.with_floats(floats))
        if tensor not in free:
            continue
        ranges = {name: free[tensor].range(name, histograms) for name in METHODS}
        low, high = ranges["minmax"]
        ranges[f"{WIDER:g} times as wide as all values"] = (low * WIDER, high * WIDER)
        for name, (least, most) in ranges.items():
            if range_quantization(least, most) != before.plan.affines[tensor]:
                what = f"range {least:.4g} to {most:.4g} ({name})"
                yield "range", tensor, what, _stored(before, free[tensor], (least, most))
        yield from _activations(before, free[tensor], tensor, ranges["minmax"])


def _stored(before: Candidate, group: Group, found: Range) -> Candidate:
    """The network with the tensors of a group stored over another range."""
    affines = {**before.plan.affines, **dict.fromkeys(group.tensors, range_quantization(*found))}
    return replace(before, plan=replace(before.plan, affines=affines))


def _activations(
    before: Candidate, group: Group, tensor: str, found: Range
) -> Iterator[tuple[str, str, str, Candidate]]:
    """The network with another activation function behind the tensor, where that has an alternative."""
    maker, (_, high) = makers_of(before.model.graph.node).get(tensor), found
    limits: tuple[float, ...]
    if maker is not None and maker.op_type == "Relu" and high > SIX:
        operator, limits, name = "Clip", (0.0, SIX), "ReLU6"
    elif maker is not None and maker.op_type in TO_RELU:
        operator, limits, name = "Relu", (), "Relu"
    else:
        return
    model, exact = (_with_operator(one, tensor, operator, limits) for one in (before.model, before.exact))
    changed = _stored(replace(before, model=model, exact=exact), group, (0.0, min((max(high, 0.0), *limits[1:]))))
    yield "activation", tensor, f"{name} in place of {maker.op_type}", changed


def _with_operator(model: ModelProto, tensor: str, operator: str, limits: Sequence[float]) -> ModelProto:
    """The model with another operator of one input making a tensor."""
    draft = Draft.from_model(model)
    node = draft.producer(tensor)
    assert node is not None
    constants = [draft.add_constant("limit", np.array(limit, np.float32)) for limit in limits]
    draft.replace(node, make_node(operator, [node.input[0], *constants], [tensor]))
    return draft.to_model()
