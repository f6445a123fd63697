"""litert-torch's converter with static int8 by ai-edge-quantizer, or by PyTorch 2 export quantization (PT2E)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import litert_torch
import torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import calibrator, quantizer, recipe
from ai_edge_quantizer.utils import qsv_utils
from networks import NETWORKS
from peer_job import Job, run_job

SIGNATURE = "serving_default"


def ai_edge(job: Job, update: Any) -> None:
    """The recipe static_wi8_ai8; ``update`` merges the ranges of single images."""
    float_file = Path(job.out) / "model.tflite"
    network, example = _channels_last(job)
    litert_torch.convert(network, example).export(str(float_file))
    tool = quantizer.Quantizer(str(float_file), recipe.static_wi8_ai8())
    feeds = Feeds(job, input_of(float_file))
    watcher = calibrator.Calibrator(str(float_file), **({} if update is None else {"qsv_update_func": update}))
    watcher.calibrate({SIGNATURE: feeds}, tool._recipe_manager)
    tool.quantize(watcher.get_model_qsvs()).export_model(str(Path(job.out) / "model.int8.tflite"))
    float_file.unlink()


class Feeds:
    """The calibration images as the calibrator takes them: it counts them in a pass of its own."""

    def __init__(self, job: Job, name: str) -> None:
        self.job, self.name = job, name

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each image [1, H, W, C] under the input's name."""
        return ({self.name: image.transpose(0, 2, 3, 1)} for image in self.job.inputs())


def input_of(file: Path) -> str:
    """The name of the signature's only input."""
    (name,) = Interpreter(model_path=str(file)).get_signature_list()[SIGNATURE]["inputs"]
    return str(name)


def pt2e(job: Job) -> None:
    """PT2EQuantizer's symmetric configuration, per channel, as in litert-torch's documentation."""
    from litert_torch.quantize.pt2e_quantizer import PT2EQuantizer, get_symmetric_quantization_config
    from litert_torch.quantize.quant_config import QuantConfig
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    network, example = _channels_last(job)
    config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=False)
    chooser = PT2EQuantizer().set_global(config)
    prepared = prepare_pt2e(torch.export.export(network, example).module(), chooser)
    for image in job.inputs():
        prepared(torch.from_numpy(image.transpose(0, 2, 3, 1).copy()))
    quantized = convert_pt2e(prepared, fold_quantize=False)
    edge = litert_torch.convert(quantized, example, quant_config=QuantConfig(pt2e_quantizer=chooser))
    edge.export(str(Path(job.out) / "model.int8.tflite"))


def _channels_last(job: Job) -> tuple[torch.nn.Module, tuple[torch.Tensor]]:
    """The network with its input [1, H, W, C], as phones feed it, and an example."""
    network = NETWORKS[job.model]
    return litert_torch.to_channel_last_io(network.build(), args=[0]).eval(), (torch.zeros(1, *network.shape),)


run_job(
    {
        "ai-edge": partial(ai_edge, update=None),
        "ai-edge-minmax": partial(ai_edge, update=qsv_utils.min_max_update),
        "pt2e": pt2e,
    }
)
