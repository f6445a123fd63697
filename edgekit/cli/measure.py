"""``edgekit evaluate``, ``compare``, ``profile``, ``predict`` and ``inspect``: what a model file does and costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.options import (
    SOURCES,
    Data,
    Domain,
    Json,
    Labels,
    Mean,
    Model,
    Models,
    Pixels,
    Runtime,
    Shape,
    Std,
    input_options,
    shapes,
)
from edgekit.cli.result import finish

measure = typer.Typer()


@measure.command()
def evaluate(
    models: Models = None,
    data: Data = "mnist",
    runtime: Runtime = None,
    mean: Mean = "",
    std: Std = "",
    pixels: Pixels = 1,
    domain: Domain = "",
    labels: Labels = None,
    device: Annotated[
        str, typer.Option("--device", help="Where they run: cpu, or a board that 'devices setup' has prepared.")
    ] = "cpu",
    images: Annotated[
        int | None, typer.Option("--images", min=1, help="At most so many test images. [default: all]")
    ] = None,
    json: Json = False,
) -> None:
    """Measure the accuracy of model files on the test split."""
    from edgekit.catalog import taken
    from edgekit.evaluation import evaluate as verb

    given = input_options(mean, std, pixels, domain, labels)
    finish(verb, verb.evaluate(models or [taken("")], data, runtime, given, device, images), json)


@measure.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="The reference: MODEL or MODEL@RUNTIME.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other: MODEL or MODEL@RUNTIME.")],
    data: Annotated[
        str, typer.Option("--data", metavar="SRC", help=f"{SOURCES[:-1]}; or noise, for models of any inputs.")
    ] = "mnist",
    images: Annotated[int, typer.Option("--images", min=1, help="At most so many test images.")] = 1000,
    mean: Mean = "",
    std: Std = "",
    pixels: Pixels = 1,
    domain: Domain = "",
    json: Json = False,
) -> None:
    """Compare two files or runtimes on the same images: parity and fidelity."""
    from edgekit.evaluation import compare as verb

    given = input_options(mean, std, pixels, domain, None)
    finish(verb, verb.compare_models(a, b, data, images, given), json)


@measure.command()
def profile(
    models: Models = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device", help="A device of the catalog, or ssh://user@host[:port]; may be repeated. [default: cpu]"
        ),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of the runtime.")] = 1,
    runtime: Runtime = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Time at least this many runs.")] = 50,
    seconds: Annotated[float, typer.Option("--seconds", min=0, max=300, help="Time for at least this long.")] = 1.0,
    pin: Annotated[
        str, typer.Option("--pin", help="Cores to keep to: auto (one for each thread), off, or numbers as in 2,3.")
    ] = "auto",
    shape: Shape = None,
    budget: Annotated[
        str,
        typer.Option(
            "--budget",
            metavar="LIMITS",
            help="On emulated boards, limits as in instructions=2e6,size=16000,memory=1e6; more: exit status 3.",
        ),
    ] = "",
    json: Json = False,
) -> None:
    """Say what model files cost on a device: bytes, memory, milliseconds."""
    from edgekit.catalog import taken
    from edgekit.profiling import profile as verb

    devices = tuple(device or ["cpu"])
    options = verb.ProfileOptions(
        devices, runtime or "", threads, runs, seconds, pin, budget=budget, shapes=shapes(shape)
    )
    result = verb.profile(models or [taken("")], options)
    finish(verb, result, json)
    result.require()


@measure.command()
def predict(
    model: Model,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Picture files of any size and mode.")],
    runtime: Runtime = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many classes to print for each picture.")] = 3,
    mean: Mean = "",
    std: Std = "",
    pixels: Pixels = 1,
    domain: Domain = "",
    labels: Labels = None,
    json: Json = False,
) -> None:
    """Classify pictures: labels with probabilities."""
    from edgekit.evaluation import predict as verb

    given = input_options(mean, std, pixels, domain, labels)
    finish(verb, verb.predict(model, images, runtime, top, given), json)


@measure.command()
def inspect(model: Model, json: Json = False) -> None:
    """Say what a model file is: tensors, operators, bytes, description."""
    from edgekit.evaluation import inspect as verb

    finish(verb, verb.inspect(model), json)
