"""The command line: signatures only. Each body imports one verb, so that ``--help`` loads no torch, onnx or runtime."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

app = typer.Typer(
    name="edgekit",
    help="From a trained teacher network to a verified int8 student file on a device, and what it costs there.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Io(StrEnum):
    """Types of a quantized file's input and output tensors."""

    int8 = "int8"
    uint8 = "uint8"
    float32 = "float32"


class Form(StrEnum):
    """File formats that ``export`` writes."""

    tflite = "tflite"
    onnx = "onnx"


class Kind(StrEnum):
    """What ``list`` lists."""

    teachers = "teachers"
    students = "students"
    devices = "devices"
    recipes = "recipes"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
Data = Annotated[
    str | None,
    typer.Option(
        "--data", metavar="SRC", help="mnist, a folder, .npz, .parquet or module:factory. [default: the card's]"
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of everything random. [default: the card's]")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results. [default: runs/NAME]")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Override the recipe's epochs.")]
Batch = Annotated[int | None, typer.Option("--batch-size", min=2, help="Override the recipe's batch size.")]
Rate = Annotated[float | None, typer.Option("--learning-rate", help="Override the recipe's peak learning rate.")]
Recipe = Annotated[str, typer.Option("--recipe", help="A recipe of the card.")]
Runtime = Annotated[
    str | None, typer.Option("--runtime", help="ort, litert, tflm or tflite-runtime. [default: by the file's ending]")
]
Models = Annotated[list[str], typer.Argument(metavar="MODEL...", help="Files, run folders or students' names.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A file, a run folder or a student's name.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of the runtime.")]


class Result(Protocol):
    """What every verb returns."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""


@app.command()
def demo(
    out: Out = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")] = 0,
    json: Json = False,
) -> None:
    """MNIST from teacher to report: distill, quantize, verify, profile."""
    from edgekit.report import demo as verb

    _finish(verb, verb.demo(out or Path("runs/demo"), seed), json)


@app.command()
def teach(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A teacher of the catalog.")] = "mnist-cnn",
    data: Data = None,
    out: Out = None,
    recipe: Recipe = "full",
    epochs: Epochs = None,
    batch_size: Batch = None,
    learning_rate: Rate = None,
    seed: Seed = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Train a teacher from its card."""
    from edgekit import catalog
    from edgekit.distill import teach as verb

    card = catalog.network_card("teachers", name)
    chosen = card.recipe(recipe).override(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
    folder = out or Path("runs") / name
    _finish(verb, verb.teach(name, data, chosen, card.seed if seed is None else seed, folder, resume), json)


@app.command()
def distill(
    student: Annotated[str, typer.Option("--student", metavar="NAME", help="A student of the catalog.")] = "mnist-tiny",
    teacher: Annotated[
        str | None,
        typer.Option("--teacher", help="A card's name, FILE.onnx, FILE.pt2 or module:factory. [default: the card's]"),
    ] = None,
    teacher_weights: Annotated[
        Path | None, typer.Option("--teacher-weights", metavar="FILE", help="safetensors or state dict of the teacher.")
    ] = None,
    teacher_mean: Annotated[
        str, typer.Option("--teacher-mean", help="Per-channel mean of the teacher's input, as in 0.49,0.48,0.45.")
    ] = "",
    teacher_std: Annotated[
        str, typer.Option("--teacher-std", help="Per-channel standard deviation of the teacher's input.")
    ] = "",
    data: Data = None,
    out: Out = None,
    recipe: Recipe = "full",
    epochs: Epochs = None,
    batch_size: Batch = None,
    learning_rate: Rate = None,
    temperature: Annotated[float | None, typer.Option("--temperature", help="Override T of the soft answers.")] = None,
    mix: Annotated[
        float | None, typer.Option("--mix", help="Override the weight of the teacher's answers, 0 to 1.")
    ] = None,
    seed: Seed = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Distill a teacher into a student, ending in a float ONNX file."""
    from edgekit import catalog
    from edgekit.distill import distill as verb
    from edgekit.distill.teacher import TeacherOptions
    from edgekit.errors import UsageError

    card = catalog.network_card("students", student)
    chosen = card.recipe(recipe).override(
        epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, temperature=temperature, mix=mix
    )
    name = teacher or card.teacher
    if not name:
        raise UsageError(f"The student {student} has no teacher of its own; name one with --teacher.")
    if not (data or card.data):
        raise UsageError(f"The student {student} has no data of its own; name a source with --data.")
    options = verb.DistillOptions(
        student=student,
        teacher=TeacherOptions(
            name, teacher_weights, _floats("--teacher-mean", teacher_mean), _floats("--teacher-std", teacher_std)
        ),
        recipe=chosen,
        folder=out or Path("runs") / student,
        source=data or "",
        seed=card.seed if seed is None else seed,
        resume=resume,
    )
    _finish(verb, verb.distill(options), json)


def main() -> None:
    """Run the command line; an EdgekitError becomes one line on stderr and its exit status."""
    from edgekit.errors import EdgekitError

    try:
        app()
    except EdgekitError as exc:
        print(f"edgekit: {exc}", file=sys.stderr)
        sys.exit(exc.exit_status)
    except KeyboardInterrupt:
        print("edgekit: interrupted; nothing half-written is left.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of stdout has gone; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _finish(verb: Any, result: Result, as_json: bool) -> None:
    """Show a result as its verb does, or as JSON."""
    if as_json:
        from edgekit.console import emit_json

        emit_json(result.to_dict())
    else:
        verb.show(result)


def _floats(option: str, text: str) -> tuple[float, ...]:
    from edgekit.errors import UsageError

    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as exc:
        raise UsageError(f"{option} takes numbers separated by commas, not '{text}'.") from exc
