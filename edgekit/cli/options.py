"""The options that commands share: their names, types and help, and how their texts are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgekit.evaluation.input_options import InputOptions

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
SOURCES = "mnist, a folder, .npz, .parquet or module:factory."
LARGEST_SEED = 2**32 - 1
CardsData = Annotated[str | None, typer.Option("--data", metavar="SRC", help=f"{SOURCES} [default: the card's]")]
Data = Annotated[str, typer.Option("--data", metavar="SRC", help=SOURCES)]
Shape = Annotated[
    list[str] | None,
    typer.Option("--shape", metavar="NAME=1x3x224x224", help="Size of an input that the model leaves open."),
]
Mean = Annotated[
    str,
    typer.Option("--mean", help="Subtracted from the pixels: a number, or one per channel. [default: the file's]"),
]
Std = Annotated[str, typer.Option("--std", help="What they are divided by then. [default: the file's]")]
Pixels = Annotated[int, typer.Option("--pixels", help="A white pixel's value before --mean: 1, or 255.")]
Domain = Annotated[str, typer.Option("--domain", help="photo or digit: how pictures are fitted. [default: the file's]")]
Labels = Annotated[
    Path | None, typer.Option("--labels", metavar="FILE", help="Class names, one a line. [default: the file's]")
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of everything random. [default: the card's]"),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results. [default: runs/NAME]")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Override the recipe's epochs.")]
Batch = Annotated[int | None, typer.Option("--batch-size", min=2, help="Override the recipe's batch size.")]
Rate = Annotated[float | None, typer.Option("--learning-rate", help="Override the recipe's peak learning rate.")]
Recipe = Annotated[str, typer.Option("--recipe", help="A recipe of the card.")]
Runtime = Annotated[
    str | None, typer.Option("--runtime", help="ort, litert, tflm or tflite-runtime. [default: by the file's ending]")
]
Models = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODEL]...", help="Files, run folders or students' names. [default: the newest run]"),
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A file, a run folder or a student's name.")]


def floats(option: str, text: str) -> tuple[float, ...]:
    """Numbers separated by commas, of the option ``option``; none for an empty text."""
    from edgekit.errors import UsageError

    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as exc:
        raise UsageError(f"{option} takes numbers separated by commas, not '{text}'.") from exc


def shapes(given: list[str] | None) -> dict[str, tuple[int, ...]]:
    """``NAME=1x3x224x224`` for each input that has an open size."""
    from edgekit.errors import UsageError

    shapes = {}
    for text in given or ():
        name, _, sizes = text.rpartition("=")
        parts = sizes.split("x")
        if not name or not all(part.isdecimal() and int(part) > 0 for part in parts):
            raise UsageError(f"--shape takes NAME=SIZES with sizes like 1x3x224x224, not '{text}'.")
        shapes[name] = tuple(int(part) for part in parts)
    return shapes


def input_options(mean: str, std: str, pixels: int, domain: str, labels: Path | None) -> InputOptions:
    """What the options say of a file's input and classes."""
    from edgekit.evaluation.input_options import InputOptions

    return InputOptions(floats("--mean", mean), floats("--std", std), pixels, domain, labels)
