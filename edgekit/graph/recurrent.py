"""LSTM, GRU and RNN of fixed length, written out step by step: what they compute in a step has kernels everywhere.

The part of the input is one product for all steps; each step adds the product of its state. All steps share one tensor
of weights, and their states one scale, since they are joined. Passes are of the kind that ``edgekit.graph.passes``
describes; the equations are those of ONNX's operators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import UnsupportedError
from edgekit.graph.draft import Draft
from edgekit.graph.messages import Array, attributes, make_node
from edgekit.graph.moves import reshaped

if TYPE_CHECKING:
    from onnx import NodeProto

MOST_STEPS = 512
"""Longer ones would be many thousands of operators."""
ACTIVATIONS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
"""What each of them takes by default."""
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
KNOWN = {name.lower(): name for name in ("Sigmoid", "Tanh", "Relu", "HardSigmoid", "Softsign", "Softplus")}
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
"""Whether each direction begins at the end."""


def unroll(draft: Draft, node: NodeProto) -> bool:
    """An LSTM, GRU or RNN becomes the operators of its steps.

    Raises:
        UnsupportedError: it is longer than ``MOST_STEPS`` or of a form that is not known.
    """
    if node.op_type not in GATES:
        return False
    _check_form(draft, node)
    steps, batch, _ = draft.shapes[node.input[0]]
    runs = [_Direction(draft, node, place) for place in range(len(DIRECTIONS[_direction(node)]))]
    draft.remove(node)
    states, lasts, cells = zip(*(run.states() for run in runs), strict=True)
    width = runs[0].width
    results = [
        ([reshaped(draft, name, (steps, 1, batch, width)) for name in states], 1),
        ([reshaped(draft, name, (1, batch, width)) for name in lasts], 0),
        ([reshaped(draft, name, (1, batch, width)) for name in cells if name], 0),
    ]
    for target, (parts, axis) in zip(node.output, results, strict=False):
        if target:
            draft.add(make_node("Concat", parts, [target], axis=axis))
    return True


def _check_form(draft: Draft, node: NodeProto) -> None:
    options, shape = attributes(node), draft.shapes.get(node.input[0], ())
    lengths, peepholes = draft.constant(node, 4), draft.constant(node, 7)
    kinds = options.get("activations", ACTIVATIONS[node.op_type])
    if len(shape) != 3 or min(shape) < 1:
        fault = "has an input of open size"
    elif shape[0] > MOST_STEPS:
        fault = f"runs over {shape[0]} steps, more than the {MOST_STEPS} that are written out"
    elif any(draft.computes(node, position) for position in (1, 2, 3)):
        fault = "has weights that are computed"
    elif draft.computes(node, 4) or (lengths is not None and (lengths != shape[0]).any()):
        fault = "stops at lengths of its own"
    elif draft.computes(node, 7) or (peepholes is not None and peepholes.any()):
        fault = "has peepholes"
    elif any(_text(kind).lower() not in KNOWN for kind in kinds) or options.get("activation_alpha"):
        fault = f"has the activation functions {', '.join(map(_text, kinds))}"
    elif options.get("clip") or options.get("input_forget") or options.get("layout"):
        fault = "has a clip, coupled gates or the batch as its first axis"
    else:
        return
    raise UnsupportedError(
        f"{node.op_type} '{node.name or next(filter(None, node.output))}' {fault}; export it over a fixed, short "
        "part of the input in PyTorch's or Keras's usual form."
    )


class _Direction:
    """One direction of a node, whose operators it puts into the draft; ``width`` is the size of the state."""

    def __init__(self, draft: Draft, node: NodeProto, place: int) -> None:
        self.draft, self.node, self.place = draft, node, place
        self.options = attributes(node)
        self.weights, self.recurrent = (draft.constants[node.input[position]][place] for position in (1, 2))
        self.width = int(self.recurrent.shape[-1])
        both = draft.constant(node, 3)
        self.biases = np.zeros((2, len(self.weights)), np.float32) if both is None else both[place].reshape(2, -1)
        self.constants: dict[str, str] = {}
        self.label = f"{next(filter(None, node.output))}_{place}"

    def states(self) -> tuple[str, str, str]:
        """(states of all steps, [steps · batch, width]; the state behind the last step; its cell, if it has one)."""
        steps, batch, depth = self.draft.shapes[self.node.input[0]]
        backwards = DIRECTIONS[_direction(self.node)][self.place]
        rows = reshaped(self.draft, self.node.input[0], (steps * batch, depth))
        constants = [self.constant("weights", self.weights), self.constant("bias", self._input_bias())]
        parts = self.split(self.put("Gemm", [rows, *constants], len(self.weights), transB=1), [batch] * steps, 0)
        hidden, cell = self._initial(5), self._initial(6)
        made: list[str] = []
        for part in reversed(parts) if backwards else parts:
            hidden, cell = STEPS[self.node.op_type](self, part, hidden, cell)
            made.append(hidden)
        made = made[::-1] if backwards else made
        joined = self.put("Concat", made, self.width, axis=0)
        # A part of them all: so the states share one scale, whether or not anything reads the others.
        start = 0 if backwards else (steps - 1) * batch
        bounds = [self.draft.add_integers(f"{joined}_part", [value]) for value in (start, start + batch, 0)]
        return joined, self.put("Slice", [joined, *bounds], self.width, batch), cell or ""

    def put(self, operator: str, inputs: Sequence[str], width: int, rows: int = 0, **values: Any) -> str:
        """Add an operator whose result has so many columns, and as many rows as its input if nothing is said."""
        rows = rows or self.draft.shapes[inputs[0]][0] * (len(inputs) if operator == "Concat" else 1)
        return self.draft.put(operator, inputs, f"{self.label}_{operator.lower()}", (rows, width), **values)

    def split(self, name: str, sizes: Sequence[int], axis: int) -> list[str]:
        """The parts of a value along an axis."""
        if len(sizes) == 1:
            return [name]
        parts = [self.draft.new_name(f"{self.label}_part") for _ in sizes]
        shape = self.draft.shapes[name]
        self.draft.shapes.update(
            (part, (*shape[:axis], size, *shape[axis + 1 :])) for part, size in zip(parts, sizes, strict=True)
        )
        self.draft.add(make_node("Split", [name, self.draft.add_integers(f"{name}_sizes", sizes)], parts, axis=axis))
        return parts

    def add(self, one: str, other: str | None) -> str:
        """The sum of two values of one size; None stands for zeros."""
        return one if other is None else self.put("Add", [one, other], self.draft.shapes[one][1])

    def times(self, one: str, other: str) -> str:
        """The product of two values of one size, value by value."""
        return self.put("Mul", [one, other], self.width)

    def activated(self, name: str, position: int) -> str:
        """A value behind the activation function of that number."""
        usual = ACTIVATIONS[self.node.op_type]
        kinds = self.options.get("activations") or usual * 2
        kind = KNOWN[_text(kinds[self.place * len(usual) + position]).lower()]
        return self.put(kind, [name], self.draft.shapes[name][1])

    def product(self, state: str | None, gates: slice = slice(None), bias: str | None = None) -> str | None:
        """The state times the recurrent weights of some gates, and a bias; None for a state of zeros without a bias."""
        if state is None:
            return bias
        rows = self.recurrent.reshape(-1, self.width, self.width)[gates].reshape(-1, self.width)
        weights = self.constant(f"recurrent_{gates.start}", rows)
        return self.put("Gemm", [state, weights, *([bias] if bias else [])], len(rows), transB=1)

    def candidate_bias(self) -> str | None:
        """The bias of a GRU's product of the state that is multiplied before it is added; None if it is zero."""
        bias = self.biases[1, 2 * self.width :]
        return self.constant("candidate_bias", bias) if bias.any() else None

    def constant(self, kind: str, value: Array) -> str:
        """The name of a constant of this direction; it is stored once."""
        if kind not in self.constants:
            self.constants[kind] = self.draft.add_constant(f"{self.label}_{kind}", np.ascontiguousarray(value))
        return self.constants[kind]

    def _input_bias(self) -> Array:
        """The bias of the input's product, and with it that of the state's where that is only added."""
        total: Array = self.biases.sum(axis=0)
        if self.options.get("linear_before_reset"):
            total[2 * self.width :] = self.biases[0, 2 * self.width :]
        return total

    def _initial(self, position: int) -> str | None:
        """The state before the first step; None for zeros."""
        given = self.draft.constant(self.node, position)
        if given is not None and not given.any():
            return None
        if not (given is not None or self.draft.computes(self.node, position)):
            return None
        name, (count, batch, width) = self.node.input[position], self.draft.shapes[self.node.input[position]]
        rows = reshaped(self.draft, name, (count * batch, width))
        return self.split(rows, [batch] * count, 0)[self.place]


Step = Callable[[_Direction, str, "str | None", "str | None"], tuple[str, "str | None"]]
"""(direction, the input's product, state, cell) → (state, cell); None stands for zeros."""


def _lstm(run: _Direction, part: str, hidden: str | None, cell: str | None) -> tuple[str, str | None]:
    width = run.width
    gates, candidate = run.split(run.add(part, run.product(hidden)), [3 * width, width], 1)
    entry, out, forget = run.split(run.activated(gates, 0), [width] * 3, 1)
    fresh = run.times(entry, run.activated(candidate, 1))
    cell = fresh if cell is None else run.add(run.times(forget, cell), fresh)
    return run.times(out, run.activated(cell, 2)), cell


def _gru(run: _Direction, part: str, hidden: str | None, _: str | None) -> tuple[str, str | None]:
    width, candidates = run.width, slice(2, None)
    gates, candidate = run.split(part, [2 * width, width], 1)
    gates = run.add(gates, run.product(hidden, slice(2)))
    update, reset = run.split(run.activated(gates, 0), [width] * 2, 1)
    if run.options.get("linear_before_reset"):
        state = run.product(hidden, candidates, run.candidate_bias())
        candidate = run.add(candidate, None if state is None else run.times(reset, state))
    else:
        kept = None if hidden is None else run.times(reset, hidden)
        candidate = run.add(candidate, run.product(kept, candidates))
    fresh = run.activated(candidate, 1)
    if hidden is None:
        return run.put("Sub", [fresh, run.times(update, fresh)], width), None
    return run.add(fresh, run.times(update, run.put("Sub", [hidden, fresh], width))), None


def _rnn(run: _Direction, part: str, hidden: str | None, _: str | None) -> tuple[str, str | None]:
    return run.activated(run.add(part, run.product(hidden)), 0), None


STEPS: dict[str, Step] = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}


def _direction(node: NodeProto) -> str:
    return str(attributes(node).get("direction", "forward"))


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
