"""Last touches to a lowered model: a RESHAPE moves nothing, so of several in a row the last one is enough."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edgekit.operators.lowered import ABSENT, ModelRecord, OperatorRecord


def tidy(model: ModelRecord) -> ModelRecord:
    """The same model without reshapes of reshapes, reshapes to the shape that is there, and what nothing reads."""
    return _without_unread(replace(model, operators=_without_idle_reshapes(model)))


def _without_idle_reshapes(model: ModelRecord) -> list[OperatorRecord]:
    """Each RESHAPE reads what the first of its chain reads; one that then has its input's shape is left out."""
    origin: dict[int, int] = {}
    same: dict[int, int] = {}
    result = []
    for operator in model.operators:
        inputs = [same.get(index, index) for index in operator.inputs]
        if operator.code == "RESHAPE":
            inputs[0] = source = origin.get(inputs[0], inputs[0])
            target = operator.outputs[0]
            origin[target] = source
            if model.tensors[source].shape == model.tensors[target].shape and target not in model.outputs:
                same[target] = source
                continue
        result.append(replace(operator, inputs=tuple(inputs)))
    return result


def _without_unread(model: ModelRecord) -> ModelRecord:
    """Leave out operators whose results nothing reads, and tensors that belong to no operator."""
    needed = set(model.outputs)
    kept: list[OperatorRecord] = []
    for operator in reversed(model.operators):
        if needed.intersection(operator.outputs):
            kept.append(operator)
            needed.update(operator.inputs)
    used = needed.union(model.inputs, *(operator.outputs for operator in kept)) - {ABSENT}
    places = {index: place for place, index in enumerate(sorted(used))}

    def moved(indices: Iterable[int]) -> tuple[int, ...]:
        return tuple(places.get(index, ABSENT) for index in indices)

    return replace(
        model,
        tensors=[model.tensors[index] for index in sorted(used)],
        operators=[replace(item, inputs=moved(item.inputs), outputs=moved(item.outputs)) for item in reversed(kept)],
        inputs=list(moved(model.inputs)),
        outputs=list(moved(model.outputs)),
    )
