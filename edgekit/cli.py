"""The command line: signatures only. Each body imports one verb, so that ``--help`` loads no torch, onnx or runtime."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from edgekit.cli_devices import devices
from edgekit.cli_options import (
    LARGEST_SEED,
    SOURCES,
    Batch,
    CardsData,
    Data,
    Domain,
    Epochs,
    Form,
    Io,
    Json,
    Kind,
    Labels,
    Mean,
    Model,
    Models,
    Out,
    Pixels,
    Rate,
    Recipe,
    Resume,
    Runtime,
    Seed,
    Shape,
    Std,
    floats,
    input_options,
    shapes,
)
from edgekit.cli_result import finish

INTERRUPTED = 130
"""The exit status that typer gives to Ctrl-C."""
TRAINING_MODULES = ("torch", "onnxscript", "safetensors")

app = typer.Typer(
    name="edgekit",
    help="From a trained teacher network to a verified int8 student file on a device, and what it costs there.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(devices)


@app.command()
def demo(
    out: Out = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of everything random.")] = 0,
    json: Json = False,
) -> None:
    """MNIST from teacher to report: distill, quantize, verify, profile."""
    from edgekit.report import demo as verb

    finish(verb, verb.demo(out or Path("runs/demo"), seed), json)


@app.command()
def teach(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A teacher of the catalog.")] = "mnist-cnn",
    data: CardsData = None,
    out: Out = None,
    recipe: Recipe = "full",
    init: Annotated[
        Path | None, typer.Option("--init", metavar="FILE", help="Weights to start from, as the recipe 'refine' does.")
    ] = None,
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
    options = verb.TeachOptions(
        name=name,
        recipe=chosen,
        folder=out or Path("runs") / name,
        source=data or "",
        initial=init,
        seed=card.seed if seed is None else seed,
        resume=resume,
    )
    finish(verb, verb.teach(options), json)


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
    data: CardsData = None,
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
            name, teacher_weights, floats("--teacher-mean", teacher_mean), floats("--teacher-std", teacher_std)
        ),
        recipe=chosen,
        folder=out or Path("runs") / student,
        source=data or "",
        seed=card.seed if seed is None else seed,
        resume=resume,
    )
    finish(verb, verb.distill(options), json)


@app.command()
def quantize(
    model: Annotated[
        str,
        typer.Argument(
            metavar="[MODEL]", help="A float .onnx file, a run folder or a student's name. [default: the newest run]"
        ),
    ] = "",
    int8: Annotated[bool, typer.Option("--int8", help="Static int8 weights and activations (static_wi8_ai8).")] = False,
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="With --int8: int8 weights alone, computing in float.")
    ] = False,
    fp16: Annotated[bool, typer.Option("--fp16", help="float16 weights, computing in float.")] = False,
    data: Annotated[str | None, typer.Option("--data", metavar="SRC", help=f"{SOURCES} [default: mnist]")] = None,
    io: Annotated[Io, typer.Option("--io", help="Types of the input and output tensors.")] = Io.int8,
    max_drop: Annotated[
        float | None,
        typer.Option(
            "--max-drop",
            help="Points of accuracy (or, without labels, of agreement) that may be lost: the ladder is climbed until "
            "then; more exits with status 3 and leaves no file.",
        ),
    ] = None,
    rungs: Annotated[
        int | None,
        typer.Option("--rungs", help="Last rung of the ladder to try, 1 to 5. [default: 3, with --max-drop 5]"),
    ] = None,
    calibration: Annotated[int, typer.Option("--calibration", help="Images to calibrate on.")] = 500,
    ranges: Annotated[
        str, typer.Option("--ranges", help="minmax, percentile or mse; auto chooses by measured error.")
    ] = "auto",
    per_tensor: Annotated[
        bool, typer.Option("--per-tensor", help="One scale for all weights of a layer, for runtimes that need it.")
    ] = False,
    weight_bits: Annotated[int, typer.Option("--weight-bits", help="Bits of the weights' grid, 2 to 8.")] = 8,
    shape: Shape = None,
    mean: Mean = "",
    std: Std = "",
    pixels: Pixels = 1,
    domain: Domain = "",
    labels: Labels = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the results. [default: the run folder, else runs/NAME]"),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of the choice of calibration images.")
    ] = 0,
    json: Json = False,
) -> None:
    """Quantize a float ONNX model to int8 ONNX and int8 TFLite files."""
    from edgekit.errors import UsageError

    if int8 == fp16 or (fp16 and weights_only):
        raise UsageError("Say one scheme: --int8 (static), --int8 --weights-only, or --fp16.")
    model = model or _newest_run()
    folder = out or _home(model)
    if fp16 or weights_only:
        from edgekit.export.weights_only import WEIGHTS_ONLY_HALF, WEIGHTS_ONLY_INT8
        from edgekit.quantize import small_weights as small

        if io is not Io.int8 or rungs or shape or mean or std or pixels != 1 or domain or labels:
            raise UsageError(
                "--weights-only and --fp16 keep the float input as it is; they take --data and --max-drop."
            )
        recipe = WEIGHTS_ONLY_HALF if fp16 else WEIGHTS_ONLY_INT8
        finish(small, small.store_small(small.SmallWeightsOptions(model, recipe, folder, data or "", max_drop)), json)
        return
    from edgekit.quantize import quantize as verb
    from edgekit.report.quantization import write_page

    options = verb.QuantizeOptions(
        model=model,
        source=data or "mnist",
        folder=folder,
        io=io.value,
        max_drop=max_drop,
        calibration=calibration,
        ranges=ranges,
        rungs=rungs,
        per_tensor=per_tensor,
        weight_bits=weight_bits,
        shapes=shapes(shape),
        input=input_options(mean, std, pixels, domain, labels),
        seed=seed,
    )
    result = verb.quantize(options)
    write_page(result)
    finish(verb, result, json)


@app.command()
def export(
    model: Model,
    to: Annotated[Form, typer.Option("--to", help="The format to write.")] = Form.tflite,
    shape: Shape = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the result. [default: the run folder, else runs/NAME]"),
    ] = None,
    json: Json = False,
) -> None:
    """Write a float model as TFLite, or as static ONNX with BatchNorm folded."""
    from edgekit.export import convert as verb

    finish(verb, verb.export(model, to.value, out or _home(model), shapes(shape)), json)


@app.command()
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
    from edgekit.evaluate import evaluate as verb

    given = input_options(mean, std, pixels, domain, labels)
    finish(verb, verb.evaluate(models or [_newest_run()], data, runtime, given, device, images), json)


@app.command()
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
    from edgekit.evaluate import compare as verb

    given = input_options(mean, std, pixels, domain, None)
    finish(verb, verb.compare_models(a, b, data, images, given), json)


@app.command()
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
    budget: Annotated[
        str,
        typer.Option(
            "--budget",
            metavar="LIMITS",
            help="On an emulated board, limits as in instructions=2e6,size=16000,memory=1e6; more: exit status 3.",
        ),
    ] = "",
    json: Json = False,
) -> None:
    """Say what model files cost on a device: bytes, memory, milliseconds."""
    from edgekit.devices.cards import is_board
    from edgekit.errors import UsageError
    from edgekit.profile import profile as verb
    from edgekit.profile.budget import check_budget, read_budget

    named = device or ["cpu"]
    limits = read_budget(budget)
    if len(named) == 1 and is_board(named[0]):
        from edgekit.profile import board

        found = board.profile_board(models or [_newest_run()], named[0], runtime or "", needs_counts=bool(limits))
        finish(board, found, json)
        if found.counts is not None:
            found.counts.require_loaded()
            check_budget(limits, [(model.file, model.figures()) for model in found.counts.models])
        return
    if limits:
        raise UsageError(
            "--budget limits what is counted exactly: give it with one emulated board, as in --device raspberry-pi-4b."
        )
    options = verb.ProfileOptions(named[0], runtime or "", threads, runs, seconds, pin)
    models = models or [_newest_run()]
    if len(named) == 1:
        finish(verb, verb.profile(models, options), json)
        return
    from edgekit.profile import several

    outcomes = several.profile_several(models, options, named)
    finish(several, outcomes, json)
    outcomes.require_all()


@app.command()
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
    from edgekit.evaluate import predict as verb

    given = input_options(mean, std, pixels, domain, labels)
    finish(verb, verb.predict(model, images, runtime, top, given), json)


@app.command()
def inspect(model: Model, json: Json = False) -> None:
    """Say what a model file is: tensors, operators, bytes, description."""
    from edgekit.evaluate import inspect as verb

    finish(verb, verb.inspect(model), json)


@app.command("list")
def list_(
    kind: Annotated[Kind, typer.Argument(help="What to list.")] = Kind.students,
    json: Json = False,
) -> None:
    """List the catalog: teachers, students, devices or recipes."""
    from edgekit import listing as verb

    finish(verb, verb.listing(kind.value), json)


def main() -> None:
    """Run the command line; an EdgekitError becomes one line on stderr and its exit status."""
    from edgekit.errors import EdgekitError

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a stranger's label may be no text of this terminal
    try:
        app()
    except EdgekitError as exc:
        _fail(str(exc), exc.exit_status)
    except ModuleNotFoundError as exc:
        if exc.name not in TRAINING_MODULES:
            raise
        _fail(f"this command needs {exc.name}, which is not installed; run: pip install 'edgekit[train]'", 1)
    except OSError as exc:
        _fail(f"{exc.filename or 'the system'}: {exc.strerror or exc}; check the path and its permissions.", 1)
    except SystemExit as exc:
        if exc.code == INTERRUPTED:
            _fail("interrupted; nothing half-written is left.", INTERRUPTED)
        raise


def _fail(text: str, status: int) -> NoReturn:
    from edgekit.console import say

    say(f"edgekit: {text}")
    sys.exit(status)


def _newest_run() -> str:
    """The newest run, said aloud."""
    from edgekit.catalog import newest_run
    from edgekit.console import say

    run = newest_run()
    say(f"no MODEL named: taking the newest run, {run}")
    return str(run)


def _home(model: str) -> Path:
    """Where files made from MODEL go if no --out says it: into its run folder, or into runs/NAME."""
    path = Path(model)
    return path if path.is_dir() else Path("runs") / path.name.split(".")[0]
