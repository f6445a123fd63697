"""Image classifiers of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.errors import ModelError
from edgekit.inputs.contract import InputContract


def repository(name: str) -> str:
    """The hub's own name of a model."""
    return name


def contract(folder: Path) -> InputContract:
    """What the model's image processor makes of a picture: its centre, resized and normalised.

    Raises:
        ModelError: nothing says what it makes, or it makes something else.
    """
    if not (folder / "preprocessor_config.json").is_file():
        raise ModelError(f"{folder} has no preprocessor_config.json; save the model's image processor there too.")
    processor = _quiet("AutoImageProcessor").from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if getattr(processor, "do_flip_channel_order", False):
        raise ModelError(f"{folder} takes blue before red, which no app of EdgeKit's does; name another model.")
    cropped = getattr(processor, "do_center_crop", None) and processor.crop_size
    size = cropped or processor.size
    height, width = (getattr(size, side) or size.shortest_edge for side in ("height", "width"))
    # Its real input is ((pixel · factor - offset) - mean) / std, ours ((pixel / 255) - mean) / std.
    factor = 255 * processor.rescale_factor if processor.do_rescale else 255.0
    offset = 1.0 if getattr(processor, "rescale_offset", False) else 0.0
    means, deviations = (processor.image_mean, processor.image_std) if processor.do_normalize else ((0.0,), (1.0,))
    mean = tuple((offset + value) / factor for value in means)
    return InputContract(height, width, 3, mean, tuple(value / factor for value in deviations))


def labels(folder: Path) -> tuple[str, ...]:
    """The names of its classes; none where they are the numbers that transformers makes up."""
    config = _quiet("AutoConfig").from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    found = tuple(str(config.id2label[index]) for index in range(config.num_labels))
    return () if all(name == f"LABEL_{index}" for index, name in enumerate(found)) else found


def network(folder: Path) -> tuple[Any, list[str]]:
    """The network, and the names of its parameters that the file has no weights for."""
    import torch
    from torch import Tensor, nn

    class Logits(nn.Module):
        """One tensor, of all that a model of transformers answers."""

        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs: Tensor) -> Tensor:
            """Logits [N, classes] of real inputs [N, C, H, W]."""
            logits: Tensor = self.model(pixel_values=inputs).logits
            return logits

    model, report = _quiet("AutoModelForImageClassification").from_pretrained(
        folder,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        dtype=torch.float32,
        attn_implementation="eager",  # which exports as products and a softmax, without a question for NaN
        output_loading_info=True,
    )
    return Logits(model), [f"model.{name}" for name in report["missing_keys"]]


def _quiet(name: str) -> Any:
    """A class of transformers, which then tells nothing beside our own lines."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return getattr(transformers, name)
