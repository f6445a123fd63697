"""int8 weights and activations with static ranges, as far up the ladder as is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgekit.catalog import INT8_ONNX, INT8_TFLITE
from edgekit.data.dataset import Dataset
from edgekit.quantization.calibrate import RealInputs
from edgekit.quantization.judge import Judge
from edgekit.quantization.ladder import Candidate, Ladder
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.recipes import Made, Recipe, Start
from edgekit.quantization.sensitivity import layer_table
from edgekit.quantization.stem import fast_qdq
from edgekit.quantization.tensor_groups import float_operators

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgekit.quantization.options import QuantizeOptions

JUDGING_IMAGES = 128
"""Images that the rungs of the ladder are judged on."""


def make(start: Start) -> Made:
    """Ranges and weights come from training images; ONNX gets uint8 activations, fastest on x86, TFLite its int8."""
    options, data, inputs = start.options, start.data, start.inputs
    assert data is not None
    assert inputs is not None
    judge = judge_for(start.model, data, inputs, options)
    ladder = Ladder(inputs, judge, options, start.lesson, lambda found: start.passes(_made(found, options)))
    best, rungs = ladder.climb(start.model, inputs.intake)
    return replace(
        _made(best, options),
        calibration_images=len(inputs),
        rungs=rungs,
        layers=layer_table(best.exact, best.model, best.plan, inputs.taken_by(best.intake)),
    )


def _made(found: Candidate, options: QuantizeOptions) -> Made:
    return Made(
        onnx=fast_qdq(found.model, found.plan, options.io),
        tflite=insert_qdq(found.model, found.plan, options.io),
        intake=found.intake,
        floats=tuple(sorted({*found.plan.floats, *float_operators(found.model)})),
    )


def judge_for(model: ModelProto, data: Dataset, inputs: RealInputs, options: QuantizeOptions) -> Judge:
    """On validation images; where there are none on the last that calibrate, since the rungs fit to the first."""
    if len(data.validation):
        split, chosen = data.validation, data.validation.sample(JUDGING_IMAGES, options.seed)
    else:
        split, chosen = inputs.split, inputs.indices[-JUDGING_IMAGES:]
    return Judge(model, inputs.intake, split, chosen, options.input.task)


RECIPE = Recipe(
    summary="int8 weights and activations with static ranges from calibration images (quantize --int8)",
    files=(INT8_ONNX, INT8_TFLITE),
    make=make,
    calibrates=True,
    advice="Calibrate on more or better images, or allow more.",
    remark=f"On an x86 processor without VNNI, open {INT8_ONNX} with ONNX Runtime's session option "
    "session.x64quantprecision=1: its sums saturate there without. (EdgeKit does.)",
)
