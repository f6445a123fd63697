"""``edgekit export``: a model in the canonical float form of ONNX, as TFLite, or as C."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgekit.catalog import FLOAT_ONNX, FLOAT_TFLITE, INT8_TFLITE, home_of, resolve_models
from edgekit.console import Part, Remark, Table
from edgekit.conversion.c import c_program
from edgekit.conversion.c.build import TARGETS, Built, build
from edgekit.conversion.estimators import SUFFIX, open_skops
from edgekit.conversion.tflite import lower
from edgekit.errors import ModelError, UsageError, naming
from edgekit.files import own_name, require_file, require_writable, sha256_bytes, staged, write_bytes, write_text
from edgekit.graph.isolated import is_quantized, model_sha256, open_prepared
from edgekit.graph.metadata import is_described, read_metadata
from edgekit.graph.prepare import prepare
from edgekit.modelfiles.golden import onnx_with_example, with_example
from edgekit.modelfiles.session import vet
from edgekit.options import MODEL, Options, argument, byte_size, option, shape_option
from edgekit.result import Result
from edgekit.runtimes.runtime import Shapes

FORMATS = ("tflite", "onnx", "c")
PICKLES = (".pkl", ".pickle", ".joblib")


@dataclass(frozen=True)
class ExportOptions(Options):
    """What to write. ``onnx`` is the prepared float form: static, folded, one file."""

    model: str = argument(MODEL, metavar="MODEL")
    to: str = option("The format to write.", "tflite", choices=FORMATS)
    shape: Shapes = shape_option()
    build: str | None = option("What to compile a C program for.", None, choices=tuple(TARGETS))
    cut_at: str = option("End the file before this node, or the one that makes this value.", "", metavar="NAME")
    max_ram: int | str | None = option(
        "Largest memory that the layers of a C program may share: 16KB, 64KiB, 20000.",
        None,
        metavar="SIZE",
        read=byte_size,
    )
    out: Path | None = option("Folder for the result.", None, metavar="DIR", unset="the run folder, else runs/NAME")


@dataclass(frozen=True)
class ExportResult(Result):
    """The file that was written, from what, and its size in bytes."""

    source: Path
    path: Path
    format: str
    file_bytes: int
    sha256: str
    outputs: tuple[str, ...]
    left_to_the_app: str = ""
    header: Path | None = None
    arena_bytes: int = 0
    built: Built | None = None

    def parts(self) -> Iterator[Part]:
        """What was written, and what an object takes on a board."""
        rows = [(str(self.path), f"{self.file_bytes:,}")]
        if self.built is not None:
            rows.append((str(self.built.path), f"{self.built.file_bytes:,}"))
        if self.built is None or self.built.sizes is None:
            yield Table("", ("file", "bytes"), rows)
        else:
            sizes = self.built.sizes
            rest = [("", ""), (f"{sizes.flash:,}", f"{sizes.ram:,}")]
            yield Table(
                "", ("file", "bytes", "flash", "RAM"), [(*row, *end) for row, end in zip(rows, rest, strict=True)]
            )
        if self.header is not None:
            yield Remark(f"{self.header} says how to call it; its layers share {self.arena_bytes:,} bytes of memory.")
        if self.left_to_the_app:
            ends = ", ".join(f"'{name}'" for name in self.outputs)
            yield Remark(f"the file ends with {ends}. {self.left_to_the_app}")


def export(options: ExportOptions) -> ExportResult:
    """Write ``model.onnx``, ``model.tflite``, or ``model.c`` and ``model.h``, compiled too, into a folder.

    A QDQ int8 ONNX file becomes ``model.int8.tflite``; C is written of a .tflite file.

    Raises:
        ModelError, UnsupportedError: the model is not ONNX, is broken, or holds what the target form has not.
        RuntimeCrashError: the file made the worker that looks at it first crash or hang.
        UsageError: no compiler for ``build`` is here.
        StorageError: the folder cannot be written.
    """
    folder = require_writable(options.out or home_of(options.model))
    if options.to == "c":
        return _as_c(options, folder)
    if options.max_ram is not None:
        raise UsageError("--max-ram is for '--to c'; other files do not say how much memory a runtime takes.")
    if options.build is not None:
        raise UsageError("--build is for '--to c'; other files are not compiled.")
    source = _source(options.model)
    if source.suffix == SUFFIX:
        prepared = prepare(open_skops(source), options.shape, options.cut_at)
    else:
        prepared = open_prepared(source, shapes=options.shape, cut_at=options.cut_at)
    metadata = read_metadata(prepared, str(source))
    is_fresh = is_described(prepared) and not metadata.parents  # as the Python API writes a network that it exports
    metadata = replace(metadata, parents={**metadata.parents, source.suffix[1:]: model_sha256(source)})
    outputs = tuple(value.name for value in prepared.graph.output)
    quantized = is_quantized(prepared)
    if options.to == "onnx":
        if quantized:
            raise ModelError(f"{source} is int8 already; give the float ONNX file that it was made from.")
        name, data = FLOAT_ONNX, onnx_with_example(prepared, metadata)
    else:
        name = INT8_TFLITE if quantized else FLOAT_TFLITE
        with naming(source):
            data = with_example(partial(lower, prepared), metadata, "litert")
    if (folder / name).resolve() == source.resolve() and not is_fresh:
        raise UsageError(f"{source} would be written over; say another folder with --out.")
    write_bytes(folder / name, data)
    return ExportResult(source, folder / name, options.to, len(data), sha256_bytes(data), outputs, metadata.rest)


def _as_c(options: ExportOptions, folder: Path) -> ExportResult:
    """``model.c`` and ``model.h`` of MODEL's TFLite file, the int8 one of a student or a run."""
    if options.shape or options.cut_at:
        raise UsageError("--shape and --cut-at are for ONNX models; C is written of a .tflite file as it is.")
    found = resolve_models(options.model)
    source = next((path for path in found if path.suffix == ".tflite"), None)
    if source is None:
        raise ModelError(
            f"{found[0]} is no .tflite file, of which alone C is written; make one with 'edgekit quantize --int8' or "
            "'edgekit export --to tflite'."
        )
    metadata = vet(require_file(source)).metadata(str(source))
    program = c_program(source, metadata.golden, own_name(source))
    if isinstance(options.max_ram, int) and program.arena_bytes > options.max_ram:
        raise ModelError(
            f"The layers of {source} share {program.arena_bytes:,} bytes of memory, more than --max-ram "
            f"{options.max_ram:,} allows; take a student of fewer channels or a smaller input."
        )
    with staged(folder) as scratch:
        for name, text in (("model.c", program.source), ("model.h", program.header)):
            write_text(scratch / name, text)
        built = build(program, options.build, scratch) if options.build else None
    data, header = program.source.encode(), folder / "model.h"
    return ExportResult(
        source,
        folder / "model.c",
        "c",
        len(data),
        sha256_bytes(data),
        tuple(spec.name for spec in program.outputs.values()),
        metadata.rest,
        header,
        program.arena_bytes,
        built and replace(built, path=folder / built.path.name),
    )


def _source(model: str) -> Path:
    """The ONNX file that MODEL stands for, the float one if there are two; or a scikit-learn estimator's file."""
    found = resolve_models(model)
    named = [path for path in found if path.suffix in (".onnx", SUFFIX)]
    if found[0].suffix in PICKLES:
        raise ModelError(
            f"{found[0]} is a pickle, which runs whatever is in it when it is opened; where the estimator is, save it "
            f"by skops.io.dump(estimator, '{found[0].stem}{SUFFIX}') and give that file."
        )
    if not named:
        raise ModelError(
            f"{found[0]} is neither ONNX nor {SUFFIX}, from which alone EdgeKit exports; write the model as ONNX first "
            "(torch.onnx.export, tf2onnx, paddle2onnx) and give that file."
        )
    return require_file(next((path for path in named if not path.name.endswith(".int8.onnx")), named[0]))
