"""A teacher: a function from rows, images or texts, to logits, with a sha256 that names it in the cache of answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import EdgekitError, ModelError, UsageError
from edgekit.inputs.contracts import Contract
from edgekit.inputs.tensors import are_probabilities
from edgekit.inputs.text import TextContract
from edgekit.runtimes.refusal import first_line
from edgekit.training.inputs import Inputs, in_order

if TYPE_CHECKING:
    from torch import nn

    from edgekit.training.runs import Structure

MAX_BATCH = 256
BATCH_VALUES = 1 << 20
"""Of pixels that a network is given together where it learns nothing: of more, its features leave the caches of the
processor, and it is slower."""
TEXTS_AT_ONCE = 32
"""Few, so that those of some hundred that go together are of like length: a teacher answers faster."""
Logits = NDArray[np.float32]
Forward = Callable[[NDArray[Any]], Logits]


@dataclass(frozen=True)
class Teacher:
    """``forward`` maps real inputs, of pictures float32 [N, C, H, W], to logits float32 [N, classes].

    ``labels`` are the names of its classes; empty where nothing says them. ``network`` is the torch module that
    computes it, where there is one, and ``structure`` what the zoo built it as. So many ``features`` follow the logits
    in its answers. ``learned`` is the sum of the data that it was trained on, where that is known.
    """

    name: str
    sha256: str
    contract: Contract
    forward: Forward
    labels: tuple[str, ...] = ()
    network: nn.Module | None = None
    structure: Structure | None = None
    features: int = 0
    learned: str = ""

    def answer(self, rows: Any) -> Logits:
        """Logits for rows [N, ...]; images of another size are resized bilinearly to the teacher's.

        Raises:
            UsageError: the images have another number of channels.
            ModelError: the network fails on them, or gives what are not finite numbers.
        """
        wanted = self.contract.blank.shape
        if rows.shape[3:] != wanted[3:]:
            raise UsageError(f"The teacher {self.name} takes {wanted[3]} channels, but the data have {rows.shape[3]}.")
        inputs = Inputs(len(rows), lambda some: _resized(rows[some], wanted[1:3]), self.contract)
        blocks = list(inputs.blocks(rows_at_once(self.contract)))
        return in_order(blocks, [self._forward(np.ascontiguousarray(inputs[some])) for some in blocks])

    def _forward(self, inputs: NDArray[Any]) -> Logits:
        try:
            logits = self.forward(inputs)
        except EdgekitError:
            raise
        except Exception as exc:  # a network of the user's own, or a runtime, raises what it likes
            sizes = "x".join(map(str, inputs.shape[1:]))
            raise ModelError(
                f"The teacher {self.name} fails on an input of {sizes} ({first_line(exc)}); give one for such inputs."
            ) from exc
        if not np.isfinite(logits).all():
            raise ModelError(
                f"The teacher {self.name} gives answers that are not finite numbers; check its weights, and whether "
                "its input needs --teacher-mean and --teacher-std."
            )
        return logits


def rows_at_once(contract: Contract) -> int:
    """How many rows a network that learns nothing is given together."""
    if isinstance(contract, TextContract):
        return TEXTS_AT_ONCE
    return min(MAX_BATCH, max(1, BATCH_VALUES // int(math.prod(contract.blank.shape))))


def torch_forward(model: nn.Module, name: str, batch: int = -1) -> Forward:
    """A network as a teacher's ``forward``; ``batch`` is the number of images that it takes at once, -1 for any."""
    import torch

    from edgekit.training.order import channels_last, in_rows

    if not isinstance(model, torch.fx.GraphModule):
        model.eval()
    orders = [channels_last, in_rows]

    def forward(inputs: NDArray[Any]) -> Logits:
        given = torch.from_numpy(inputs)
        with torch.inference_mode():
            try:
                outputs = model(orders[0](given) if given.ndim == 4 else given)
            except RuntimeError:
                if given.ndim != 4 or orders[0] is in_rows:
                    raise
                outputs = model(in_rows(given))
                orders.remove(channels_last)
        if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2:
            raise ModelError(f"The teacher {name} does not return one tensor of logits [N, classes].")
        return as_logits(outputs.float().numpy())

    return in_batches(forward, batch)


def in_batches(forward: Forward, size: int | None) -> Forward:
    """Cut inputs into the fixed batches that a network takes; the last is padded with repeats of its last row."""
    if size is None or size < 1:
        return forward

    def batched(inputs: NDArray[Any]) -> Logits:
        outputs = []
        for start in range(0, len(inputs), size):
            block = inputs[start : start + size]
            padding = np.repeat(block[-1:], size - len(block), axis=0)
            outputs.append(forward(np.concatenate([block, padding]))[: len(block)])
        return np.concatenate(outputs)

    return batched


def as_logits(outputs: NDArray[np.float32]) -> Logits:
    """Logits as they are; the logarithm of outputs that are probabilities already."""
    outputs = outputs.reshape(len(outputs), -1).astype(np.float32)
    if are_probabilities(outputs):
        return np.log(np.maximum(outputs, np.float32(1e-8)))
    return outputs


def _resized(images: Any, size: tuple[int, ...]) -> Any:
    """Pictures at another size (H, W); rows that have none are as they are."""
    if images.shape[1:3] == size:
        return images
    import torch
    from torch.nn import functional as F

    # Bytes, not floats: faster, and rounded as Pillow rounds where an app resizes.
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    resized = F.interpolate(pixels, size=list(size), mode="bilinear", antialias=True, align_corners=False)
    return resized.permute(0, 2, 3, 1).numpy()
