"""What a model file says of itself: input contract, labels, recipe, quality, lineage.

ONNX files carry it in ``metadata_props`` under the key ``edgekit``, TFLite files in the metadata buffer named
``edgekit``: the same compact JSON in both, so that ``predict`` and ``deploy`` need only the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import EdgekitError, ModelError, UnknownNameError
from edgekit.inputs import tensors

METADATA_KEY = "edgekit"

MAX_IMAGE_VALUES = 1 << 26
"""Of one input image; a description that asks for more would fill the memory."""

Array = NDArray[Any]


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and type of one input or output of a model file.

    ``scale`` and ``zero_point`` are those of a quantized tensor, ``real = scale * (q - zero_point)``;
    ``scale`` is None for a float tensor. Dimensions that the file leaves open are -1.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int = 0

    def quantize(self, real: Array) -> Array:
        """Real values to this tensor's type: rounded half to even, saturated; a cast if it is not quantized."""
        return tensors.quantize(real, self.dtype, self.scale, self.zero_point)

    def dequantize(self, stored: Array) -> NDArray[np.float32]:
        """Stored values to real ones."""
        return tensors.dequantize(stored, self.scale, self.zero_point)


@dataclass(frozen=True)
class InputContract:
    """How uint8 pixels become a model's real input: ``(pixel / 255 - mean) / std``, per channel.

    The zoo's students eat raw pixels (mean 0, std 1): with an int8 input of scale 1/255 and zero point -128
    the stored value is ``byte - 128``. ``domain`` says what an arbitrary picture must go through first:
    ``photo`` is resized, ``digit`` gets MNIST's preprocessing (inverted if dark on light, centred, scaled).
    """

    height: int
    width: int
    channels: int
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    domain: str = "photo"

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or math.prod(self.shape) > MAX_IMAGE_VALUES:
            raise ModelError(f"An input of {self.height}x{self.width}x{self.channels} is not an image.")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels) or not all(math.isfinite(value) for value in values):
                raise ModelError(f"The input's {name} {values} must be one number, or one per channel.")
        if self.domain not in ("photo", "digit"):
            raise UnknownNameError("input domain", self.domain, ("photo", "digit"))
        if any(value <= 0 for value in self.std):
            raise ModelError(f"The input's std {self.std} must be positive.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (self.height, self.width, self.channels)

    @property
    def is_raw_pixels(self) -> bool:
        """True if the real input is pixel / 255 and nothing else."""
        return set(self.mean) == {0.0} and set(self.std) == {1.0}

    def real(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, H, W, C] to the real-valued float32 [N, H, W, C] that the model was trained on."""
        return tensors.real_pixels(images, self.mean, self.std)

    def encode(self, images: NDArray[np.uint8], spec: TensorSpec, layout: str) -> Array:
        """uint8 [N, H, W, C] to the bytes that a file's input tensor takes, in ``layout`` ``NHWC`` or ``NCHW``."""
        return tensors.in_layout(spec.quantize(self.real(images)), layout)


@dataclass(frozen=True)
class Metadata:
    """The self-description that is written into a file; every field may be absent in a third-party file."""

    contract: InputContract | None = None
    labels: tuple[str, ...] = ()
    recipe: str = ""
    quality: Mapping[str, float] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Compact JSON; absent fields and defaults are left out, since the bytes count on a device."""
        document: dict[str, Any] = {}
        if self.contract is not None:
            default = InputContract(*self.contract.shape)
            changed = {item.name: getattr(self.contract, item.name) for item in fields(InputContract)}
            changed = {name: value for name, value in changed.items() if value != getattr(default, name)}
            document["contract"] = {"shape": self.contract.shape, **changed}
        for name in ("labels", "recipe", "quality", "parents"):
            if value := getattr(self, name):
                document[name] = dict(value) if isinstance(value, Mapping) else value
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, source: str) -> Metadata:
        """Read what ``to_json`` wrote.

        Raises:
            ModelError: the text in file ``source`` is not such a document.
        """
        try:
            document = json.loads(text)
            json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair could be written nowhere
            contract = document.get("contract")
            if contract is not None:
                for name in ("mean", "std"):
                    if name in contract:
                        contract[name] = tuple(float(value) for value in contract[name])
                height, width, channels = (int(size) for size in contract.pop("shape"))
                contract = InputContract(height, width, channels, **contract)
            return cls(
                contract=contract,
                labels=tuple(str(label) for label in document.get("labels", ())),
                recipe=str(document.get("recipe", "")),
                quality={str(k): float(v) for k, v in document.get("quality", {}).items()},
                parents={str(k): str(v) for k, v in document.get("parents", {}).items()},
            )
        except EdgekitError as exc:
            raise ModelError(f"{source} has an impossible 'edgekit' description: {exc}") from exc
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as exc:
            raise ModelError(f"{source} has an unreadable 'edgekit' description; export the file again.") from exc
