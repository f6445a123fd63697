"""``edgekit quantize`` and ``export``: from a float model to the file that is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.options import (
    LARGEST_SEED,
    SOURCES,
    Domain,
    Io,
    Json,
    Labels,
    Mean,
    Pixels,
    Shape,
    Std,
    input_options,
    shapes,
)
from edgekit.cli.result import finish

convert = typer.Typer()


@convert.command()
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
    from edgekit.catalog import home_of, taken
    from edgekit.errors import UsageError

    if int8 == fp16 or (fp16 and weights_only):
        raise UsageError("Say one scheme: --int8 (static), --int8 --weights-only, or --fp16.")
    model = taken(model)
    folder = out or home_of(model)
    if fp16 or weights_only:
        from edgekit.conversion.weights_only import WEIGHTS_ONLY_HALF, WEIGHTS_ONLY_INT8
        from edgekit.quantization import small_weights as small

        if io is not Io.int8 or rungs or shape or mean or std or pixels != 1 or domain or labels:
            raise UsageError(
                "--weights-only and --fp16 keep the float input as it is; they take --data and --max-drop."
            )
        recipe = WEIGHTS_ONLY_HALF if fp16 else WEIGHTS_ONLY_INT8
        finish(small, small.store_small(small.SmallWeightsOptions(model, recipe, folder, data or "", max_drop)), json)
        return
    from edgekit.quantization import quantize as verb
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
