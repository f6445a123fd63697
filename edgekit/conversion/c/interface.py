"""What a C program is to its callers: the function that runs the model, the one that tests it, and the header."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import indent

import numpy as np

from edgekit.artifact import TensorSpec
from edgekit.conversion.c.layer import array, ctype, real, shape
from edgekit.inputs.golden import WORD, Golden
from edgekit.operators.lowered import ModelRecord

NOISE = """\
/* Byte i of the noise that a seed stands for: the highest of MurmurHash3's finalizer of i + 2^24 * seed. */
static uint8_t noise(uint32_t seed, uint32_t i)
{
    uint32_t mixed = i + (seed << 24);
    mixed = (mixed ^ (mixed >> 16)) * UINT32_C(0x85EBCA6B);
    mixed = (mixed ^ (mixed >> 13)) * UINT32_C(0xC2B2AE35);
    return (uint8_t)((mixed ^ (mixed >> 16)) >> 24);
}
"""
NOISE_AS = {"int8": "(int8_t)({} - 128)", "float32": "(float){} / 255.0f"}
"""How a byte of noise becomes a value of an input."""


@dataclass(frozen=True)
class Interface:
    """The functions NAME_run and NAME_self_test of a model, in C.

    Attributes:
        name: what the model is called; the functions begin with the C identifier of it.
        model: its inputs and outputs are the parameters.
        golden: what the model answers to noise; None leaves the self-test out.
    """

    name: str
    model: ModelRecord
    golden: Golden | None

    @property
    def prefix(self) -> str:
        """What all names begin with."""
        return identifier(self.name)

    @cached_property
    def parameters(self) -> Mapping[int, str]:
        """The C names of inputs and outputs, by their tensors' indices."""
        named: dict[int, str] = {}
        for kind, indices in (("input", self.model.inputs), ("output", self.model.outputs)):
            for index in indices:
                wanted = f"{kind}_{identifier(self.model.tensors[index].name)}"
                while wanted in named.values():
                    wanted += "_"
                named[index] = wanted
        return named

    def specs(self, indices: Sequence[int]) -> Mapping[str, TensorSpec]:
        """What inputs or outputs are, by their C names."""
        found = {}
        for index in indices:
            item = self.model.tensors[index]
            stored = () if item.quant is None else (item.quant.scale, item.quant.zero_point)
            found[self.parameters[index]] = TensorSpec(item.name, tuple(item.shape), item.dtype, *stored)
        return found

    @property
    def run(self) -> str:
        """The declaration of the function that runs the model."""
        return f"void {self.prefix}_run({self._declared('const ')})"

    @property
    def test(self) -> str:
        """The declaration of the function that tests the model."""
        return f"int {self.prefix}_self_test({self._declared('')})"

    def self_test(self, golden: Golden) -> Iterator[str]:
        """The definitions that the self-test consists of."""
        lines, start = [], 0
        for index in self.model.inputs:
            count = math.prod(self.model.tensors[index].shape)
            dtype = self.model.tensors[index].dtype
            place = plus_start(f"i % {WORD}" if dtype == "int32" else "i", start)
            value = f"noise({golden.seed}, (uint32_t){place})"
            if dtype in NOISE_AS:
                value = NOISE_AS[dtype].format(value)
            lines += [f"for (int i = 0; i < {count}; ++i) {{", f"    {self.parameters[index]}[i] = {value};", "}"]
            start += count
        places = golden.places or tuple(range(len(golden.output)))
        answer, answered = self.model.tensors[self.model.outputs[0]], self.parameters[self.model.outputs[0]]
        reals = answer.dtype == "float32"
        limit = real(golden.limit) if reals else str(int(golden.limit))
        values = [real(value) for value in golden.output] if reals else np.array(golden.output, int)
        lines += [
            f"{self.prefix}_run({', '.join(self.parameters.values())});",
            "int wrong = 0;",
            f"for (int i = 0; i < {len(places)}; ++i) {{",
            f"    const {'float' if reals else 'int'} off = {answered}[golden_place[i]] - golden_value[i];",
            f"    wrong += off < -{limit} || off > {limit};",
            "}",
            "return wrong;",
        ]
        body = indent("\n".join(lines), "    ")
        yield NOISE
        yield array("int32_t", "golden_place", np.array(places))
        yield array(ctype(answer), "golden_value", values)
        yield f"{self.test}\n{{\n{body}\n}}\n"

    def header(self, arena_bytes: int) -> str:
        """The header file."""
        upper = self.prefix.upper()
        stored = any(self.model.tensors[index].quant for index in self.parameters)
        meaning = " Real values are scale * (stored - zero point)." if stored else ""
        lines = [f"/* {comment(self.name)}: a neural network.{meaning} */"]
        for index, called in self.parameters.items():
            tensor, macro = self.model.tensors[index], f"{upper}_{called.upper()}"
            ids = " ids" if tensor.dtype == "int32" else ""
            lines += ["", f"/* {called}: {shape(tensor.shape)}{ids}. */"]
            lines += [f"#define {macro}_SIZE {math.prod(tensor.shape)}"]
            if tensor.quant is not None:
                lines += [f"#define {macro}_SCALE {tensor.quant.scale!r}"]
                lines += [f"#define {macro}_ZERO_POINT ({tensor.quant.zero_point})"]
        lines += ["", f"/* Layers share {arena_bytes:,} bytes of static memory, so one inference runs at a time. */"]
        lines += [f"{self.run};"]
        if self.golden is not None:
            lines += ["", "/* Runs on noise, which it writes to the inputs; gives the number of wrong values. */"]
            lines += [f"{self.test};"]
        body = "\n".join(lines)
        return (
            f"#ifndef {upper}_H\n#define {upper}_H\n\n#include <stdint.h>\n\n"
            f'#ifdef __cplusplus\nextern "C" {{\n#endif\n\n{body}\n\n#ifdef __cplusplus\n}}\n#endif\n\n#endif\n'
        )

    def _declared(self, constant: str) -> str:
        kinds = {**dict.fromkeys(self.model.inputs, constant), **dict.fromkeys(self.model.outputs, "")}
        return ", ".join(
            f"{kinds[index]}{ctype(self.model.tensors[index])} *{called}" for index, called in self.parameters.items()
        )


def identifier(text: str) -> str:
    """A text as a C identifier: its letters and digits in lower case, all else underscores."""
    found = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "model"
    return found if found[0].isalpha() else f"_{found}"


def comment(text: str) -> str:
    """A text of strangers that ends no comment."""
    return re.sub(r"[^ -~]|\*", "_", text)


def plus_start(index: str, start: int) -> str:
    """The C expression of an index that is counted from ``start``."""
    return f"({index} + {start})" if start else index
