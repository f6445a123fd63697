"""A model file, open: what it sees in pictures or reads in texts, and what it makes of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.artifact import Array, TensorSpec
from edgekit.closing import Closing
from edgekit.conversion.c.library import open_session
from edgekit.data.intake import require_pictures
from edgekit.errors import DataError, ModelError, UnknownNameError, UsageError, input_errors
from edgekit.evaluation.classifier import Classifier
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.predict import PredictOptions, PredictResult, predict_rows, row_of
from edgekit.evaluation.task_model import remark_on_input
from edgekit.inputs.contract import Pixels
from edgekit.inputs.contracts import Contract
from edgekit.modelfiles.model_ref import find_models
from edgekit.options import build

if TYPE_CHECKING:
    from PIL.Image import Image

    Picture = str | Path | Image | Pixels

TOP = PredictOptions.top


class Model(Closing):
    """A model file, open in a worker process until it is closed; a context manager.

    ``path`` is the file, ``runtime`` what runs it, ``inputs`` and ``outputs`` its tensors. A classifier of images also
    has ``contract``, what it eats, and ``labels``; for any other model these and ``predict`` raise ModelError.
    """

    def __init__(self, path: Path, runtime: str, options: InputOptions) -> None:
        self.path, self._refusal = path, ""
        self._image: Classifier | None = None
        try:
            self._image = Classifier(path, runtime=runtime, threads=1, options=options)
            remark_on_input(self._image)
        except ModelError as exc:  # no classifier: it still runs, if its runtime opens it
            self._refusal = str(exc)
        session = self._image.session if self._image else open_session(path, runtime, threads=1, shapes=options.shape)
        self._session, self.runtime = session, session.runtime
        self.inputs: tuple[TensorSpec, ...] = session.inputs
        self.outputs: tuple[TensorSpec, ...] = session.outputs

    @property
    def name(self) -> str:
        """What a verb calls it: MODEL@RUNTIME."""
        return f"{self.path}@{self.runtime}"

    @property
    def contract(self) -> Contract:
        """How pixels or texts become its input."""
        return self._classifier.contract

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its classes."""
        return self._classifier.labels

    def predict(self, pictures: Picture | list[Picture], top: int = TOP) -> PredictResult:
        """The likeliest classes of pictures: files, Pillow's images, or arrays uint8 [H, W] or [H, W, C]; or of texts.

        An array of exactly the size that the model takes is taken as its pixels; anything else is fitted as its
        app fits a photo.

        Raises:
            DataError: a picture is missing, broken or no picture, or a text is empty.
            ModelError: the model does not classify images or texts.
        """
        classifier, given = self._classifier, pictures if isinstance(pictures, list) else [pictures]
        named = ((_name(picture, index), self._row(picture, index)) for index, picture in enumerate(given))
        return predict_rows(classifier, named, top)

    def run(self, tensors: Mapping[str, Any]) -> dict[str, Array]:
        """One inference: arrays by the names of the inputs, each of the input's own type and shape, to the outputs.

        Raises:
            UnknownNameError: there is no such input.
            UsageError: an input is missing, or has another type or shape.
        """
        known = {spec.name: spec for spec in self.inputs}
        for name in tensors:
            if name not in known:
                raise UnknownNameError(f"input of {self.path}", name, known)
        if missing := [name for name in known if name not in tensors]:
            raise UsageError(f"{self.path} also takes '{missing[0]}'; give an array for it.")
        arrays = [np.ascontiguousarray(tensors[spec.name]) for spec in self.inputs]
        for spec, array in zip(self.inputs, arrays, strict=True):
            fits = len(spec.shape) == array.ndim and all(
                want in (-1, size) for want, size in zip(spec.shape, array.shape, strict=True)
            )
            if array.dtype != spec.dtype or not fits:
                raise UsageError(
                    f"'{spec.name}' of {self.path} is {spec.dtype} {spec.shape}, not {array.dtype} {array.shape}."
                )
        return dict(zip((spec.name for spec in self.outputs), self._session.run(arrays), strict=True))

    def close(self) -> None:
        """End the worker."""
        self._session.close()

    def __repr__(self) -> str:
        return f"<edgekit.Model {self.name}>"

    @property
    def _classifier(self) -> Classifier:
        if self._image is None:
            raise ModelError(self._refusal)
        return self._image

    def _row(self, picture: Picture, index: int) -> Any:
        if isinstance(picture, str | Path):
            return row_of(self.contract, str(picture))
        contract = require_pictures(self.contract, self.name)
        with input_errors(DataError, f"picture {index}: "):
            pixels = _decoded(picture, index)
            return (pixels if pixels.shape == contract.shape else contract.fit(pixels))[None]


def open(model: str | Path, runtime: str | None = None, **options: Any) -> Model:
    """Open a model file, a run folder or a student's name, of whose files the first that the runtime opens.

    Args:
        model: as on the command line, also ``MODEL@RUNTIME``.
        runtime: its name; None chooses by the file's ending.
        options: what the file does not say of its input and classes: mean, std, pixels, domain, labels, shape.

    Raises:
        ModelError, RuntimeCrashError, UsageError: the file is missing or broken, or an option does not fit.
    """
    found = find_models(str(model), runtime)[0]
    return Model(found.path, found.runtime, build(InputOptions, options))


def _name(picture: Picture, index: int) -> str:
    return str(picture) if isinstance(picture, str | Path) else f"picture {index}"


def _decoded(picture: Any, index: int) -> Pixels:
    """The pixels of an image or an array, [H, W, C]."""
    from edgekit.inputs.decode import to_pixels

    if hasattr(picture, "getbands"):
        return to_pixels(picture)
    pixels = np.asarray(picture)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise DataError(
            f"picture {index} is {pixels.dtype} {pixels.shape}; give uint8 pixels [H, W] or [H, W, C], or a file."
        )
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
