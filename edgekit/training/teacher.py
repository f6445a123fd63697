"""Any trained network as a teacher: a card, an ``.onnx`` file, a ``.pt2`` program, or ``module:factory`` with weights.

A Teacher is a function from uint8 images to logits with a sha256 that names it in the cache of answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit import catalog
from edgekit.data.dataset import Images
from edgekit.data.factory import load_factory
from edgekit.errors import EdgekitError, ModelError, UnknownNameError, UsageError, input_errors
from edgekit.files import require_file, sha256_bytes, sha256_file
from edgekit.inputs.contract import InputContract
from edgekit.runtimes.refusal import first_line

if TYPE_CHECKING:
    from torch import nn

MAX_BATCH = 256
BATCH_VALUES = 8 << 20
"""Of the real pixels that a teacher is given together."""
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class TeacherOptions:
    """Which network teaches, and what its input needs where its file does not say.

    ``mean`` and ``std`` are per channel, of pixels in [0, 1]; ``weights`` goes with ``module:factory``.
    """

    model: str
    weights: Path | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True)
class Teacher:
    """``forward`` maps real inputs float32 [N, C, H, W] to logits float32 [N, classes].

    ``labels`` are the names of its classes; empty where nothing says them.
    """

    name: str
    sha256: str
    contract: InputContract
    forward: Callable[[NDArray[np.float32]], Logits]
    labels: tuple[str, ...] = ()

    def answer(self, images: Images) -> Logits:
        """Logits for uint8 images [N, H, W, C]; images of another size are resized bilinearly to the teacher's.

        Raises:
            UsageError: the images have another number of channels.
            ModelError: the network fails on them, or gives what are not finite numbers.
        """
        if images.shape[3] != self.contract.channels:
            raise UsageError(
                f"The teacher {self.name} takes {self.contract.channels} channels, but the data have {images.shape[3]}."
            )
        answers = []
        size = min(MAX_BATCH, max(1, BATCH_VALUES // math.prod(self.contract.shape)))
        for start in range(0, len(images), size):
            block = _resized(images[start : start + size], self.contract)
            answers.append(self._forward(np.ascontiguousarray(self.contract.real(block).transpose(0, 3, 1, 2))))
        return np.concatenate(answers)

    def _forward(self, inputs: NDArray[np.float32]) -> Logits:
        try:
            logits = self.forward(inputs)
        except EdgekitError:
            raise
        except Exception as exc:  # a network of the user's own, or a runtime, raises what it likes
            sizes = "x".join(map(str, inputs.shape[1:]))
            raise ModelError(
                f"The teacher {self.name} fails on an image of {sizes} ({first_line(exc)}); give one for such images."
            ) from exc
        if not np.isfinite(logits).all():
            raise ModelError(
                f"The teacher {self.name} gives answers that are not finite numbers; check its weights, and whether "
                "its input needs --teacher-mean and --teacher-std."
            )
        return logits


def open_teacher(options: TeacherOptions, image_shape: tuple[int, int, int]) -> Teacher:
    """Open a teacher; ``image_shape`` (H, W, C) is used where its file leaves the input's size open.

    Raises:
        UnknownNameError: the name is neither a file nor a card nor ``module:factory``.
        ModelError: its file is missing, broken or not an image classifier.
        UsageError: ``weights`` are given for a file that has its own.
    """
    model = options.model
    if options.weights is not None and model.endswith((".onnx", ".pt2")):
        raise UsageError(f"{model} has its weights inside; leave out --teacher-weights.")
    if model.endswith(".onnx"):
        teacher = _open_onnx(Path(model), image_shape)
    elif model.endswith(".pt2"):
        teacher = _open_program(Path(model))
    elif ":" in model:
        teacher = _open_factory(model, options.weights, image_shape)
    elif model in catalog.names("teachers"):
        teacher = _open_card(model, options.weights)
    else:
        raise UnknownNameError("teacher card, .onnx or .pt2 file, or module:factory", model, catalog.names("teachers"))
    changes = {name: value for name in ("mean", "std") if (value := getattr(options, name))}
    with input_errors(ModelError, f"{model}: "):
        return replace(teacher, contract=replace(teacher.contract, **changes))


def _open_card(name: str, weights: Path | None) -> Teacher:
    from edgekit.training.weights import load_weights
    from edgekit.zoo import build

    card = catalog.network_card("teachers", name)
    path = weights or card.weights
    if not path.exists():
        raise ModelError(f"The teacher {name} has no weights at {path}; make them with 'edgekit teach {name}'.")
    model = load_weights(build(card.architecture, card.contract.shape, len(card.classes)), path)
    return Teacher(name, sha256_file(path), card.contract, _torch_forward(model, name), card.classes)


def _open_factory(target: str, weights: Path | None, image_shape: tuple[int, int, int]) -> Teacher:
    """The user's own code builds the network; its weights come from a file that is never unpickled."""
    from torch import nn

    from edgekit.training.weights import load_weights

    factory = load_factory(target, UsageError)
    try:
        model = factory()
    except Exception as exc:  # whatever the user's code raises
        raise UsageError(
            f"The teacher '{target}' failed with {type(exc).__name__}: {exc}; correct that function."
        ) from exc
    if not isinstance(model, nn.Module):
        raise UsageError(f"The teacher '{target}' returned a {type(model).__name__}; return a torch.nn.Module.")
    if weights is not None:
        load_weights(model, weights)
        digest = sha256_file(weights)
    else:
        from safetensors.torch import save

        digest = sha256_bytes(save({name: value.contiguous() for name, value in model.state_dict().items()}))
    return Teacher(
        target, sha256_bytes(f"{target} {digest}".encode()), InputContract(*image_shape), _torch_forward(model, target)
    )


def _open_program(path: Path) -> Teacher:
    from edgekit.training.pt2 import load_program

    program = load_program(path)
    batch, channels, height, width = program.input_shape
    contract = InputContract(height, width, channels)
    return Teacher(path.name, sha256_file(path), contract, _torch_forward(program.module, path.name, batch))


def _open_onnx(path: Path, image_shape: tuple[int, int, int]) -> Teacher:
    """An ONNX classifier, run by ONNX Runtime in batches where the file allows it."""
    from edgekit.graph.isolated import model_sha256
    from edgekit.graph.load import load_onnx
    from edgekit.graph.metadata import read_metadata
    from edgekit.modelfiles.session import rehearse
    from edgekit.runtimes.ort import open_file

    require_file(path)
    rehearse(path)
    metadata = read_metadata(load_onnx(path), str(path))
    session = open_file(str(path), threads=0)
    if len(session.get_inputs()) != 1 or session.get_inputs()[0].type != "tensor(float)":
        raise ModelError(f"{path} does not take one float image, so it cannot teach; give a float image classifier.")
    entry, exit_ = session.get_inputs()[0], session.get_outputs()[0].name
    shape = [size if isinstance(size, int) and size > 0 else None for size in entry.shape]
    if len(shape) != 4:
        raise ModelError(f"{path} takes an input of rank {len(shape)}; a teacher takes images [N, C, H, W].")
    height, width, channels = image_shape
    with input_errors(ModelError, f"{path}: "):
        contract = metadata.contract or InputContract(shape[2] or height, shape[3] or width, shape[1] or channels)

    def forward(inputs: NDArray[np.float32]) -> Logits:
        return _as_logits(session.run([exit_], {entry.name: inputs})[0])

    return Teacher(path.name, model_sha256(path), contract, _in_batches(forward, shape[0]), metadata.labels)


def _torch_forward(model: nn.Module, name: str, batch: int = -1) -> Callable[[NDArray[np.float32]], Logits]:
    import torch

    if not isinstance(model, torch.fx.GraphModule):
        model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(inputs: NDArray[np.float32]) -> Logits:
        with torch.inference_mode():
            outputs = model(torch.from_numpy(inputs).contiguous(memory_format=torch.channels_last))
        if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2:
            raise ModelError(f"The teacher {name} does not return one tensor of logits [N, classes].")
        return _as_logits(outputs.float().numpy())

    return _in_batches(forward, batch)


def _in_batches(
    forward: Callable[[NDArray[np.float32]], Logits], size: int | None
) -> Callable[[NDArray[np.float32]], Logits]:
    """Cut inputs into the fixed batches that a network takes; the last is padded with repeats of its last image."""
    if size is None or size < 1:
        return forward

    def batched(inputs: NDArray[np.float32]) -> Logits:
        outputs = []
        for start in range(0, len(inputs), size):
            block = inputs[start : start + size]
            padding = np.repeat(block[-1:], size - len(block), axis=0)
            outputs.append(forward(np.concatenate([block, padding]))[: len(block)])
        return np.concatenate(outputs)

    return batched


def _as_logits(outputs: NDArray[np.float32]) -> Logits:
    """Logits as they are; the logarithm of outputs that are probabilities already."""
    outputs = outputs.reshape(len(outputs), -1).astype(np.float32)
    if outputs.min() >= 0 and np.allclose(outputs.sum(1), 1, atol=1e-3):
        return np.log(np.maximum(outputs, np.float32(1e-8)))
    return outputs


def _resized(images: Images, contract: InputContract) -> Images:
    if images.shape[1:3] == (contract.height, contract.width):
        return images
    import torch
    from torch.nn import functional as F

    # Bytes, not floats: ten times as fast, and rounded as Pillow rounds where an app resizes.
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    size = (contract.height, contract.width)
    resized: Images = (
        F.interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False)
        .permute(0, 2, 3, 1)
        .numpy()
    )
    return resized
