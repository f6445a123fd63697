"""What an int8 file computes in float, and what that costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.conversion.tflite.lower_model import lower_float_part
from edgekit.graph.messages import makers_of
from edgekit.modelfiles.times import Timed, times_in_turns

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True)
class FloatPart:
    """How many operators of each kind are left in float, and the share of the .tflite file's time that they take.

    The time is that of LiteRT on one thread of this machine, conversions between integers and floats included.
    """

    operators: Mapping[str, int]
    share_of_time: float

    @classmethod
    def of(cls, model: ModelProto, floats: Collection[str], file: Path) -> FloatPart | None:
        """Of the QDQ model behind a .tflite file; ``floats`` are the first outputs of its operators in float."""
        part = lower_float_part(model) if floats else None
        if part is None:
            return None
        makers = makers_of(model.graph.node)
        nodes = [makers.get(name) or makers.get(f"{name}_real") for name in floats]
        kinds = Counter(node.op_type for node in nodes if node is not None)
        own, whole = times_in_turns([Timed("litert", part), Timed("litert", file)])
        return cls(dict(kinds.most_common()), round(min(own / whole, 1.0), 3))

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.operators.items())
        return f"{kinds}; {self.share_of_time:.0%} of the TFLite file's time on this machine"
