"""The C program of a model: a function for each layer, and one that runs them after each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.artifact import TensorSpec
from edgekit.conversion.c.arena import SAME_VALUES, plan
from edgekit.conversion.c.interface import Interface, comment, identifier
from edgekit.conversion.c.kernels import KERNELS, KERNELS_OF_REALS
from edgekit.conversion.c.layer import Kernel, Layer, Site, ctype, shape
from edgekit.errors import UnsupportedError
from edgekit.inputs.golden import Golden
from edgekit.operators.lowered import ModelRecord, OperatorRecord, TensorRecord

HEAD = """\
#include "model.h"

#include <string.h>

#if defined(__OPTIMIZE_SIZE__) && !defined(PLAIN_C)
#define PLAIN_C
#endif
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline, unused))
/* Compilers copy a few bytes by themselves; where there is no C library they have to be told. */
#define memcpy __builtin_memcpy
#define memset __builtin_memset
#else
#define INLINE static inline
#endif
#if defined(__GNUC__) && !defined(PLAIN_C)
#define UNROLLED _Pragma("GCC unroll 16")
#define ALIGNED __attribute__((aligned(64)))
#else
#define UNROLLED
#define ALIGNED
#endif
"""
SHARED = """\
static union {{
    float real;
    int8_t bytes[{0}];
}} shared;
#define arena shared.bytes
"""
"""The bytes that layers share, where reals may lie."""
TWO_SIDES = ("ADD", "SUB", "MUL")
"""Operators whose operands are called left and right; they may be one, and be written over, so none is restrict."""

BORDER = dict.fromkeys(("QUANTIZE", "DEQUANTIZE"), ("int8", "uint8", "float32"))
"""Operators that take other types than int8, or give them."""


@dataclass(frozen=True)
class Program:
    """A model in C.

    Attributes:
        prefix: what the names of its functions begin with.
        source, header: the texts of model.c and model.h.
        arena_bytes: the size of the array that its layers share.
        inputs, outputs: what PREFIX_run takes, by the names of its parameters.
        tests_itself: whether there is PREFIX_self_test.
    """

    prefix: str
    source: str
    header: str
    arena_bytes: int
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    tests_itself: bool

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Program:
        """Read what ``dataclasses.asdict`` made."""
        ends = {
            key: {name: TensorSpec.from_dict(spec) for name, spec in document[key].items()}
            for key in ("inputs", "outputs")
        }
        return cls(**{**document, **ends})


def program_of(model: ModelRecord, name: str, golden: Golden | None = None) -> Program:
    """The C99 program of a lowered int8 or float32 model; its functions begin with ``name``, made a C identifier.

    Integers are those of TFLite Micro's reference kernels. With a golden example it can test itself.

    Raises:
        UnsupportedError: an operator, a type or a form that C does not take.
    """
    check(model)
    interface, arena = Interface(name, model, golden), plan(model)
    pointers = {index: _pointer(model.tensors[index], offset) for index, offset in arena.offsets.items()}
    pointers |= interface.parameters
    layers = [
        (_site(model, number, operator), operator)
        for number, operator in enumerate(model.operators)
        if not _leaves_in_place(operator, pointers)
    ]
    written = [(site, _kernels(site.output)[site.operator.code](site)) for site, _ in layers]
    calls = "".join(
        f"    {site.name}({', '.join(pointers[index] for index in _ends(model, operator))});\n"
        for site, operator in layers
    )
    parts = [
        f"/* {comment(name)}, written by EdgeKit. Images are height x width x channels. */\n",
        HEAD,
        *([(SHARED if arena.unit > 1 else "static int8_t arena[{0}];\n").format(arena.size)] if arena.size else []),
        *dict.fromkeys(helper for _, layer in written for helper in layer.helpers),
        *(_function(site, layer) for site, layer in written),
        f"{interface.run}\n{{\n{calls}}}\n",
        *(interface.self_test(golden) if golden else ()),
    ]
    return Program(
        interface.prefix,
        "\n".join(parts),
        interface.header(arena.size),
        arena.size,
        interface.specs(model.inputs),
        interface.specs(model.outputs),
        golden is not None,
    )


def check(model: ModelRecord) -> None:
    """Raise what ``program_of`` would raise of operators and types, before any long work.

    Raises:
        UnsupportedError: an operator that C does not take, or a tensor of another type than it has.
    """
    for operator in model.operators:
        target = model.tensors[operator.outputs[0]]
        if operator.code not in _kernels(target):
            known = ", ".join(sorted(_kernels(target)))
            raise UnsupportedError(
                f"'{operator.node}' needs {operator.code}, which has no C form of {target.dtype}; C takes {known}. "
                "Write a .tflite file ('edgekit export --to tflite'), or change that layer of the model."
            )
        own = BORDER.get(operator.code, ("float32",) if target.dtype == "float32" else ("int8",))
        for index in _ends(model, operator):
            tensor = model.tensors[index]
            ids = index in operator.inputs[1:] and operator.code == "GATHER"
            if tensor.dtype not in (["int32"] if ids else own) or (
                tensor.dtype in ("int8", "uint8") and (tensor.quant is None or len(tensor.quant.scales) != 1)
            ):
                raise UnsupportedError(
                    f"{operator.code} of '{operator.node}' computes with {tensor.dtype}; the C form is of int8 and "
                    "float32 models: make one with 'edgekit quantize --int8'."
                )


def _kernels(output: TensorRecord) -> Mapping[str, Kernel]:
    """The operators that give such a tensor."""
    return KERNELS_OF_REALS if output.dtype == "float32" else KERNELS


def _pointer(tensor: TensorRecord, offset: int) -> str:
    place = f"arena + {offset}"
    return place if tensor.dtype == "int8" else f"({ctype(tensor)} *)(void *)({place})"


def _ends(model: ModelRecord, operator: OperatorRecord) -> list[int]:
    """The tensors between operators that an operator reads and writes, in this order."""
    read = [index for index in operator.inputs if index >= 0 and model.tensors[index].data is None]
    return [*read, *operator.outputs]


def _site(model: ModelRecord, number: int, operator: OperatorRecord) -> Site:
    tensors = tuple(model.tensors[index] for index in operator.inputs if index >= 0)
    name = f"layer{number}_{identifier(operator.node.removesuffix('_int8'))}"
    return Site(name, operator, tensors, model.tensors[operator.outputs[0]])


def _leaves_in_place(operator: OperatorRecord, pointers: Mapping[int, str]) -> bool:
    """True for a RESHAPE whose result lies where its values are."""
    return operator.code == SAME_VALUES and pointers[operator.inputs[0]] == pointers[operator.outputs[0]]


def _sides(site: Site) -> Sequence[str]:
    """What each operand is called; of most operators one alone is no constant."""
    if site.operator.code in TWO_SIDES:
        return ("left", "right")
    several = site.operator.code == "CONCATENATION"
    return [f"in{number}" if several else "in" for number in range(len(site.inputs))]


def _function(site: Site, layer: Layer) -> str:
    restrict = "" if site.operator.code in TWO_SIDES else "restrict "
    read = [(side, tensor) for side, tensor in zip(_sides(site), site.inputs, strict=True) if tensor.data is None]
    given = (f"const {ctype(tensor)} *{restrict}{side}" for side, tensor in read)
    parameters = ", ".join([*given, f"{ctype(site.output)} *{restrict}out"])
    sources = ", ".join(shape(tensor.shape) for _, tensor in read)
    what = "; ".join(filter(None, (f"{sources} to {shape(site.output.shape)}", layer.note)))
    parts = (
        *layer.constants,
        f"/* '{comment(site.operator.node)}': {site.operator.code}, {what}. */",
        *([layer.place] if layer.place else []),
        f"static void {site.name}({parameters})\n{{\n{layer.body}}}\n",
    )
    return "\n".join(parts)
