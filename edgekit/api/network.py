"""A network or an estimator of the user's own as the ONNX file that verbs start from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.artifact import Metadata
from edgekit.catalog import FLOAT_ONNX, RUNS
from edgekit.data import open_data
from edgekit.data.arrays import CLASS_WORDS, LABEL_WORDS
from edgekit.data.splits import ALIASES
from edgekit.errors import EdgekitError, ModelError, UsageError, input_errors
from edgekit.files import require_writable, write_bytes
from edgekit.inputs.contract import InputContract
from edgekit.runtimes.refusal import first_line

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor


def from_sklearn(estimator: Any, out: str | Path | None = None) -> Path:
    """Write a fitted scikit-learn estimator or pipeline as ``model.onnx`` into the folder ``out`` (runs/NAME).

    Its input is ``features`` float32 [1, N], its output ``logits`` float32 [1, classes] with ``classes_`` as labels,
    or ``output`` float32 [1, values].

    Raises:
        ModelError: it is not fitted.
        UnsupportedError: it, or a step of its pipeline, is none of those that are known.
        UsageError: it is no estimator.
    """
    from edgekit.conversion.estimators import estimator_onnx, is_estimator

    if not is_estimator(estimator):
        raise UsageError(f"A {type(estimator).__name__} is no scikit-learn estimator; give a fitted one.")
    return _written(estimator_onnx(estimator), Path(out or RUNS / type(estimator).__name__.lower()))


def network_file(network: Any, given: dict[str, Any]) -> str:
    """Write a ``torch.nn.Module`` or an estimator as model.onnx into the folder of results; it is left as it is.

    ``given`` are the options of the verb: ``example`` is taken out of them, and ``out`` put in if it is not there.

    Raises:
        UsageError: it is neither, or nothing says the shape of a network's input.
        ModelError: it cannot be exported.
    """
    from edgekit.conversion.estimators import is_estimator

    if is_estimator(network):
        path = from_sklearn(network, given.get("out"))
        given["out"] = path.parent
        return str(path)
    from torch import nn

    from edgekit.conversion.torch_onnx import to_onnx

    name = type(network).__name__
    if not isinstance(network, nn.Module):
        raise UsageError(f"A {name} is no model here; give a path, a name, an opened model or a torch.nn.Module.")
    takes = _takes(name, given.pop("example", None), given.get("data"))
    contract = takes if isinstance(takes, InputContract) else None
    folder = given["out"] = Path(given.get("out") or RUNS / name.lower())
    try:
        model = to_onnx(copy.deepcopy(network), takes, Metadata(contract))
    except EdgekitError:
        raise
    except Exception as exc:  # torch raises whatever the user's code leads to
        raise ModelError(
            f"{name} cannot be exported ({first_line(exc)}); make its forward traceable by torch.export."
        ) from exc
    return str(_written(model, folder))


def _written(model: ModelProto, folder: Path) -> Path:
    path = require_writable(folder) / FLOAT_ONNX
    write_bytes(path, model.SerializeToString(deterministic=True))
    return path


def _takes(name: str, example: Any, data: Any) -> InputContract | dict[str, Tensor]:
    """The contract of its one image, or an example of each input by name."""
    import torch

    if example is None and isinstance(data, Mapping) and not set(data) <= set(ALIASES):
        labels = {key for key in data if key in (*LABEL_WORDS, *CLASS_WORDS)}
        example = {key: np.asarray(array)[:1] for key, array in data.items() if key not in labels}
    if example is None and data is None:
        raise UsageError(f"Nothing says what {name} takes; give example=(1, 3, 224, 224), or data.")
    if example is None:
        return InputContract(*open_data(data).image_shape)
    if isinstance(example, Mapping):
        return {
            key: torch.as_tensor(value) if hasattr(value, "dtype") else torch.zeros(_sizes(name, value))
            for key, value in example.items()
        }
    sizes = _sizes(name, example)
    if len(sizes) != len("NCHW"):
        return {"input": torch.zeros(sizes)}
    _, channels, height, width = sizes
    with input_errors(UsageError, "example: "):
        return InputContract(height, width, channels)


def _sizes(name: str, example: Any) -> tuple[int, ...]:
    sizes = tuple(example)
    if len(sizes) < 2 or sizes[0] != 1:
        raise UsageError(
            f"{name} takes a batch of 1, so example is as in (1, 3, 224, 224), not {sizes}; of several inputs it is a "
            "mapping of their names to such."
        )
    return sizes
