"""Where a model loses by quantization, layer by layer, what each layer's time is, and which changes would help most."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.artifact import Metadata
from edgekit.catalog import taken
from edgekit.console import Part, Remark, Table, say
from edgekit.conversion.tflite.lower_model import lower, operator_nodes
from edgekit.devices.device import Job
from edgekit.devices.drivers.local import LocalDevice
from edgekit.evaluation.task_model import TaskModel
from edgekit.graph.messages import readers_of
from edgekit.modelfiles.delegation import undelegated
from edgekit.profiling.records import OperatorProfile
from edgekit.quantization.changes import Change, helpful_changes
from edgekit.quantization.float_source import asking_for_data, calibration_of, checked_model, float_onnx, running
from edgekit.quantization.ladder import Candidate, Ladder
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.recipes.static_wi8_ai8 import judge_for
from edgekit.quantization.sensitivity import TensorRow, layer_table, weights_alone
from edgekit.quantization.yardstick import check_answers
from edgekit.result import Result
from edgekit.tasks.quality import Quality

if TYPE_CHECKING:
    from onnx import ModelProto

RENAMED = re.compile(r"(_nchwc|_nhwc|_quant|_token_\d+|_fused)+$")
"""What ONNX Runtime appends to the name of an operator that it replaces."""
EXPLANATION = (
    "dB are signal over noise, empty where nothing changes: here of the layer's values, alone of the outputs when "
    "these values alone are rounded, weights of the outputs when the weights behind them alone are; µs are ONNX "
    "Runtime's on one thread of this machine"
)
ENDINGS = ("", "_real", "_int8", "_dequantized")
"""What a result is called in a QDQ graph, behind its name in the float model."""


@dataclass(frozen=True)
class Layer(TensorRow):
    """A stored tensor with the operator that makes it.

    Attributes:
        low, high: what its stored values can be.
        weights_db: signal over noise of the network's outputs when its operator's weights alone are rounded; None for
            no change, or no weights.
        int8_us: microseconds of its operators in the int8 file, in ONNX Runtime on one thread of this machine; None
            where its profiler does not tell.
        float_us: the same of the float file.
        undelegated: why LiteRT's XNNPACK does not take it; empty if it does.
    """

    low: float
    high: float
    weights_db: float | None
    int8_us: float | None
    float_us: float | None
    undelegated: str

    def cells(self) -> tuple[str, ...]:
        """A row of the table, which has to fit a terminal of 80 columns."""
        figures = (self.sqnr_db, self.alone_db, self.weights_db, self.int8_us, self.float_us)
        where = ", in float" if self.is_float else ", not in XNNPACK" if self.undelegated else ""
        layer, values = f"{self.tensor} ({self.operator}{where})", f"[{self.low:.4g}, {self.high:.4g}]"
        return (layer, values, *("" if figure is None else f"{figure:.1f}" for figure in figures))


@dataclass(frozen=True)
class Diagnosis(Result):
    """A float model, quantized by the ladder's first ``rung`` rungs, and what each layer and change does to it.

    ``verdict`` is on the judging samples, as are the changes'.
    """

    model: str
    data: str
    rung: str
    verdict: Quality
    layers: tuple[Layer, ...]
    changes: tuple[Change, ...]

    def parts(self) -> Iterator[Part]:
        """The layers, and the changes that help most."""
        columns = ("tensor", "range", "here dB", "alone dB", "weights dB", "int8 µs", "float µs")
        title = f"{self.model} on {self.data}, {self.rung}: {self.verdict}"
        yield Table(title, columns, [layer.cells() for layer in self.layers])
        yield Remark(EXPLANATION)
        if left := dict.fromkeys(f"{one.operator} ({one.undelegated})" for one in self.layers if one.undelegated):
            yield Remark(f"LiteRT's XNNPACK does not take: {'; '.join(left)}")
        rows = [
            (change.what, change.tensor, f"{change.gain_db:+.1f} dB", str(change.verdict)) for change in self.changes
        ]
        if rows:
            yield Table("what would help most, each change tried alone", ("change", "at", "gains", "then"), rows)
        else:
            yield "None of the changes that were tried helps; climb the ladder (quantize --rungs 3), or train (--qat)."


def diagnose(options: QuantizeOptions) -> Diagnosis:
    """Quantize a float model, look at each layer, and try changes around those that hurt; no file is written.

    Raises:
        ModelError, UnsupportedError: the model is broken, not float ONNX, gives the same for all samples of tensors, or
            has an operator without a TFLite form.
        DataError: there are no samples to calibrate on, or they do not fit the model.
    """
    path = float_onnx(taken(options.model))
    model = checked_model(path, options.input.shape)
    with asking_for_data(options), TaskModel(path, options=options.input) as original:
        data, inputs = calibration_of(original, options)
        original.judged_on(data.evaluation[1])
    with running(path):
        judge = judge_for(model, data, inputs, options)
        if not data.train.holds_pictures:
            check_answers(path, [value.name for value in model.graph.output], judge.scores)
        best, records = Ladder(inputs, judge, options).climb(model, inputs.intake)
    kept = next(record for record in records if record.kept)
    own = inputs.taken_by(best.intake)
    say("looking at each layer")
    rows = layer_table(best.exact, best.model, best.plan, own)
    layers = _layers(rows, best, weights_alone(best.exact, best.model, best.plan, own))
    changes = helpful_changes(best, rows, own, judge, kept.verdict)
    return Diagnosis(str(path), data.name, f"rung {kept.rung} ({kept.name})", kept.verdict, layers, changes)


def _layers(rows: tuple[TensorRow, ...], found: Candidate, weights: Mapping[str, float | None]) -> tuple[Layer, ...]:
    """The rows with their times in both files, and what the delegate leaves."""
    homes = _homes(found)
    with tempfile.TemporaryDirectory() as folder:
        fast = _times(insert_qdq(found.model, found.plan, "int8", "uint8"), homes, Path(folder) / "int8.onnx")
        slow = _times(found.exact, homes, Path(folder) / "float.onnx")
        integers, file = insert_qdq(found.model, found.plan, "int8"), Path(folder) / "int8.tflite"
        file.write_bytes(lower(integers, Metadata()))
        nodes = operator_nodes(integers)
        left = {homes.get(nodes[item.index], ""): item.reason for item in undelegated(file)}
    of_weights = {homes.get(name, ""): value for name, value in weights.items()}
    return tuple(
        Layer(
            **vars(row),
            low=row.scale * (-(2 ** (row.bits - 1)) - row.zero_point),
            high=row.scale * (2 ** (row.bits - 1) - 1 - row.zero_point),
            weights_db=of_weights.get(row.tensor),
            int8_us=fast.get(row.tensor),
            float_us=slow.get(row.tensor),
            undelegated=left.get(row.tensor, ""),
        )
        for row in rows
    )


def _homes(found: Candidate) -> dict[str, str]:
    """The stored tensor that each operator works for, by all names that its result has in the files."""
    nodes = found.exact.graph.node
    readers = readers_of(nodes)
    homes: dict[str, str] = {}
    for node in reversed(nodes):
        for output in node.output:
            behind = (homes[reader.output[0]] for reader in readers.get(output, ()) if reader.output[0] in homes)
            home = output if output in found.plan.affines else next(behind, "")
            homes |= {f"{output}{ending}": home for ending in ENDINGS if home}
    return homes


def _times(model: ModelProto, homes: Mapping[str, str], path: Path) -> dict[str, float]:
    """Microseconds of each stored tensor's operators, as far as ONNX Runtime's profiler names them."""
    for node in model.graph.node:
        node.name = node.output[0]
    path.write_bytes(model.SerializeToString())
    answer = LocalDevice().run(Job("operators", "ort", path), lambda share: None)
    spent: dict[str, float] = {}
    for operator in OperatorProfile.from_dict(answer).operators if "operators" in answer else ():
        if home := homes.get(RENAMED.sub("", operator.name)):
            spent[home] = spent.get(home, 0.0) + operator.mean_ns / 1000
    return spent
