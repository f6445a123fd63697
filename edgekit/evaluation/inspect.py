"""``edgekit inspect``: what a model file is, from the file alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.artifact import Metadata, TensorSpec
from edgekit.catalog import resolve_models
from edgekit.console import Part, Table
from edgekit.errors import EdgekitError
from edgekit.graph.isolated import model_sha256
from edgekit.modelfiles.contents import ModelContents
from edgekit.modelfiles.delegation import UndelegatedOperator, summarize, undelegated
from edgekit.modelfiles.runtime_choice import default_runtime
from edgekit.modelfiles.session import FileSession, vet
from edgekit.options import MODEL, Options, argument
from edgekit.result import Result
from edgekit.runtimes.runtime import sizes_text

XNNPACK_RUNTIME = "litert"
REPLACEABLE = "{} are inputs too, so ONNX Runtime prepares none of them; 'export --to onnx' makes constants of them"


@dataclass(frozen=True)
class FileFacts:
    """A model file; ``refusal`` says why its runtime does not open it, where that is so.

    ``undelegated`` are the operators of a .tflite file that LiteRT does not give to XNNPACK; None if it is not known.
    """

    path: str
    sha256: str
    contents: ModelContents
    metadata: Metadata
    runtime: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    refusal: str = ""
    undelegated: tuple[UndelegatedOperator, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        document = asdict(self)
        contents = document["contents"]
        del contents["description"]
        del contents["standard"]
        contents |= {"overhead_bytes": self.contents.overhead_bytes, "parameters": self.contents.parameters}
        contents["scheme"] = self.contents.scheme
        return document | {"metadata": json.loads(self.metadata.to_json())}


@dataclass(frozen=True)
class InspectOptions(Options):
    """Which model."""

    model: str = argument(MODEL, metavar="MODEL")


@dataclass(frozen=True)
class InspectResult(Result):
    """One FileFacts per model file."""

    files: tuple[FileFacts, ...]

    def parts(self) -> Iterator[Part]:
        """The facts of each file."""
        for facts in self.files:
            yield Table(facts.path, (), [row for row in _rows(facts) if row[1]])


def inspect(options: InspectOptions) -> InspectResult:
    """Say what a file, or each file of a run folder or a student, is.

    Raises:
        ModelError: a file is missing, broken or of another kind.
        RuntimeCrashError: reading it made the worker crash, hang or want too much memory.
    """
    return InspectResult(tuple(inspect_file(path) for path in resolve_models(options.model)))


def inspect_file(path: Path) -> FileFacts:
    """Say what one model file is, whether or not its runtime opens it."""
    contents = vet(path)
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    refusal = ""
    runtime = default_runtime(path)
    try:
        with FileSession(path, runtime, threads=1) as session:
            inputs, outputs = session.inputs, session.outputs
        left = undelegated(path) if runtime == XNNPACK_RUNTIME else None
    except EdgekitError as exc:
        refusal, left = str(exc), None
    metadata = contents.metadata(str(path))
    return FileFacts(str(path), model_sha256(path), contents, metadata, runtime, inputs, outputs, refusal, left)


def _rows(facts: FileFacts) -> list[tuple[str, str]]:
    contents, metadata, contract = facts.contents, facts.metadata, facts.metadata.contract
    return [
        ("format", f"{contents.format}, {contents.version}"),
        ("scheme", contents.scheme),
        ("sha256", facts.sha256),
        ("size", f"{contents.file_bytes:,} B"),
        ("weights", f"{contents.weight_bytes:,} B ({_pairs(contents.constants)})"),
        ("", REPLACEABLE.format(contents.replaceable) if contents.replaceable else ""),
        ("overhead", f"{contents.overhead_bytes:,} B"),
        ("operators", f"{sum(contents.operators.values())}: {_pairs(contents.operators)}"),
        *(("input", _describe(spec)) for spec in facts.inputs),
        *(("output", _describe(spec)) for spec in facts.outputs),
        ("opens", f"not in {facts.runtime}: {facts.refusal}" if facts.refusal else f"in {facts.runtime}"),
        ("XNNPACK", _delegation(facts)),
        ("contract", contract.summary if contract else "arrays as they are" if metadata.tensors else ""),
        ("left to the app", metadata.rest),
        ("labels", ", ".join(metadata.labels[:12]) + (", ..." if len(metadata.labels) > 12 else "")),
        ("recipe", metadata.recipe),
        ("quality", ", ".join(f"{name} {value:g}" for name, value in metadata.quality.items())),
        *((f"parent {name}", digest) for name, digest in metadata.parents.items()),
    ]


def _delegation(facts: FileFacts) -> str:
    if facts.undelegated is None:
        return ""
    return f"does not take {summarize(facts.undelegated)}" if facts.undelegated else "takes all operators"


def _describe(spec: TensorSpec) -> str:
    scale = "" if spec.scale is None else f", scale {spec.scale:.6g}, zero point {spec.zero_point}"
    return f"{spec.name}: {spec.dtype} {sizes_text(spec.shape)}{scale}"


def _pairs(counts: Any) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
