"""Last touches to a lowered model: a RESHAPE moves nothing, so of several in a row the last one is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edgekit.operators.lowered import ModelRecord, OperatorRecord

ABSENT = -1


def tidy(model: ModelRecord) -> ModelRecord:
    """The same model without reshapes of reshapes, reshapes to the shape that is there, and what nothing reads."""
    model = replace(model, operators=_without_still_reshapes(model, _short_reshapes(model.operators)))
    return _without_unread(model)


def _short_reshapes(operators: list[OperatorRecord]) -> list[OperatorRecord]:
    """Each RESHAPE reads what the first of its chain reads."""
    origin: dict[int, int] = {}
    result = []
    for operator in operators:
        if operator.code == "RESHAPE":
            source = origin.get(operator.inputs[0], operator.inputs[0])
            origin[operator.outputs[0]] = source
            operator = replace(operator, inputs=(source, *operator.inputs[1:]))
        result.append(operator)
    return result


def _without_still_reshapes(model: ModelRecord, operators: list[OperatorRecord]) -> list[OperatorRecord]:
    same: dict[int, int] = {}
    result = []
    for operator in operators:
        operator = replace(operator, inputs=tuple(same.get(index, index) for index in operator.inputs))
        source, target = operator.inputs[0], operator.outputs[0]
        still = operator.code == "RESHAPE" and model.tensors[source].shape == model.tensors[target].shape
        if still and target not in model.outputs:
            same[target] = source
        else:
            result.append(operator)
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
    return replace(
        model,
        tensors=[model.tensors[index] for index in sorted(used)],
        operators=[_moved(operator, places) for operator in kept[::-1]],
        inputs=[places[index] for index in model.inputs],
        outputs=[places[index] for index in model.outputs],
    )


def _moved(operator: OperatorRecord, places: Mapping[int, int]) -> OperatorRecord:
    inputs, outputs = (
        tuple(index if index == ABSENT else places[index] for index in indices)
        for indices in (operator.inputs, operator.outputs)
    )
    return replace(operator, inputs=inputs, outputs=outputs)
