"""What a model eats: from an encoded picture to the input tensor of its file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from . import tensors
from .domains import find_domain, require_domain
from .error import InputError

MAX_IMAGE_VALUES = 1 << 26
"""Of one input image; a description that asks for more would fill the memory."""

Pixels = NDArray[np.uint8]
SIZES = ("height", "width", "channels")


@dataclass(frozen=True)
class InputContract:
    """How uint8 pixels become a model's real input: ``(pixel / 255 - mean) / std``, per channel.

    The zoo's students eat raw pixels (mean 0, std 1): with an int8 input of scale 1/255 and zero point -128
    the stored value is ``byte - 128``. ``domain`` says what an arbitrary picture must go through first:
    ``photo`` is resized, ``digit`` gets MNIST's preprocessing (inverted if dark on light, centred, scaled).

    Raises:
        InputError: a size, a mean or a std is impossible, or the domain is unknown.
    """

    INPUT: ClassVar[str] = "image"
    CALLED: ClassVar[str] = "picture"

    height: int
    width: int
    channels: int
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    domain: str = "photo"

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or math.prod(self.shape) > MAX_IMAGE_VALUES:
            raise InputError(f"An input of {self.height}x{self.width}x{self.channels} is not an image.")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels) or not all(math.isfinite(value) for value in values):
                raise InputError(f"The input's {name} {values} must be one number, or one per channel.")
        if any(value <= 0 for value in self.std):
            raise InputError(f"The input's std {self.std} must be positive.")
        require_domain(self.domain)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (self.height, self.width, self.channels)

    @property
    def size(self) -> str:
        """As in ``28x28x1``."""
        return "x".join(map(str, self.shape))

    @property
    def is_raw_pixels(self) -> bool:
        """True if the real input is pixel / 255 and nothing else."""
        return set(self.mean) == {0.0} and set(self.std) == {1.0}

    @property
    def summary(self) -> str:
        """In a few words."""
        mean, std = (", ".join(f"{value:g}" for value in values) for values in (self.mean, self.std))
        return f"{self.domain}, mean {mean}, std {std}"

    @property
    def blank(self) -> Any:
        """A black picture, uint8 [1, H, W, C]."""
        return np.zeros((1, *self.shape), np.uint8)

    @property
    def plain(self) -> InputContract:
        """What decides the uint8 pixels: this contract without its normalization."""
        return replace(self, mean=(0.0,), std=(1.0,))

    def sized_as(self, other: Any) -> InputContract:
        """What decides the pixels for a model of ``other`` that knows the same pictures: alike but for the size."""
        return replace(self.plain, height=other.height, width=other.width, channels=other.channels)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> InputContract:
        """Read what ``to_dict`` or ``describe`` made, also after JSON has turned tuples into lists.

        Raises:
            InputError: the values are impossible.
            KeyError, TypeError, ValueError: a key is missing, unknown or of the wrong type.
        """
        rest = dict(values)
        sizes = rest.pop("shape", None) or [rest.pop(name) for name in SIZES]
        height, width, channels = (int(size) for size in sizes)
        for name in ("mean", "std"):
            if name in rest:
                rest[name] = tuple(float(value) for value in rest[name])
        return cls(height, width, channels, **rest)

    def to_dict(self) -> dict[str, Any]:
        """Plain values without defaults, since they go into model files, whose bytes count."""
        default = InputContract(*self.shape)
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in SIZES}
        return {"shape": self.shape, **{key: value for key, value in values.items() if value != getattr(default, key)}}

    def describe(self) -> dict[str, Any]:
        """Plain values with all defaults, for who does not know them."""
        return asdict(self)

    @property
    def endings(self) -> tuple[str, ...]:
        """Of files that ``read`` reads."""
        from .decode import READABLE

        return READABLE

    def given(self, word: str) -> bytes:
        """What a word of a command line stands for: the file of that name.

        Raises:
            OSError: it cannot be read.
        """
        return Path(word).read_bytes()

    def received(self, body: bytes, kind: str) -> bytes:
        """What came over HTTP with a content type.

        Raises:
            InputError: it is a form.
        """
        if kind.startswith("multipart/"):
            raise InputError("The body is a form; send the picture alone, as curl --data-binary @FILE does.")
        return body

    def read(self, data: bytes, name: str) -> Pixels:
        """An encoded picture of any size as the uint8 [H, W, C] that the model was trained on.

        Raises:
            InputError: it is no readable picture, or shows no digit where the domain is digits; ``name`` is in the
                sentence.
        """
        from .decode import decode_image  # what only describes a model file needs no Pillow

        image = decode_image(data, name)
        try:
            return self.fit(image)
        except InputError as exc:
            raise InputError(f"{name}: {exc}") from exc

    def fit(self, image: Pixels) -> Pixels:
        """A picture uint8 [h, w, c] as uint8 [H, W, C].

        Raises:
            InputError: see the domain's file.
        """
        pixels: Pixels = find_domain(self.domain).fit(image, self.shape)
        return pixels

    def real(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [N, H, W, C] to the real-valued float32 [N, H, W, C] that the model was trained on."""
        return tensors.real_pixels(images, self.mean, self.std)

    def encode(self, images: NDArray[np.uint8], spec: Any, layout: str) -> tensors.Array:
        """uint8 [N, H, W, C] to the bytes that a file's input tensor takes, in ``layout`` ``NHWC`` or ``NCHW``.

        ``spec`` has the tensor's dtype, scale and zero_point, as ``edgekit.artifact.TensorSpec`` has.
        """
        stored = tensors.quantize(self.real(images), spec.dtype, spec.scale, spec.zero_point)
        return tensors.in_layout(stored, layout)

    def tensor_shape(self, layout: str) -> tuple[int, ...]:
        """Of a file's input tensor."""
        return (1, self.channels, self.height, self.width) if layout == "NCHW" else (1, *self.shape)

    def tensor(self, data: bytes, name: str, spec: Any, layout: str) -> tensors.Array:
        """An encoded picture as a file's input tensor; see ``read`` and ``encode``."""
        return self.encode(self.read(data, name)[None], spec, layout)
