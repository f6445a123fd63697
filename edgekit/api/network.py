"""A network of the user's own as the ONNX file that verbs start from."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from edgekit.artifact import Metadata
from edgekit.data import open_data
from edgekit.errors import EdgekitError, ModelError, UsageError, input_errors
from edgekit.files import require_writable, write_bytes
from edgekit.inputs.contract import InputContract
from edgekit.runtimes.refusal import first_line


def network_file(network: Any, given: dict[str, Any]) -> str:
    """Write a ``torch.nn.Module`` as model.onnx into the folder of results; it is left as it is.

    ``given`` are the options of the verb: ``example`` is taken out of them, and ``out`` put in if it is not there.

    Raises:
        UsageError: it is no network, or nothing says the shape of its input.
        ModelError: it cannot be exported.
    """
    from torch import nn

    from edgekit.conversion.torch_onnx import to_onnx

    name = type(network).__name__
    if not isinstance(network, nn.Module):
        raise UsageError(f"A {name} is no model here; give a path, a name, an opened model or a torch.nn.Module.")
    contract = _contract(name, given.pop("example", None), given.get("data"))
    folder = given["out"] = Path(given.get("out") or Path("runs") / name.lower())
    try:
        model = to_onnx(copy.deepcopy(network), contract, Metadata(contract))
    except EdgekitError:
        raise
    except Exception as exc:  # torch raises whatever the user's code leads to
        raise ModelError(
            f"{name} cannot be exported ({first_line(exc)}); make its forward traceable by torch.export."
        ) from exc
    path = require_writable(folder) / "model.onnx"
    write_bytes(path, model.SerializeToString(deterministic=True))
    return str(path)


def _contract(name: str, example: Any, data: Any) -> InputContract:
    if example is None and data is None:
        raise UsageError(f"Nothing says what {name} takes; give example=(1, 3, 224, 224), or data.")
    if example is None:
        return InputContract(*open_data(data).image_shape)
    if len(example) != 4 or example[0] != 1:
        raise UsageError(f"{name} takes one image, so example is as in (1, 3, 224, 224), not {tuple(example)}.")
    _, channels, height, width = example
    with input_errors(UsageError, "example: "):
        return InputContract(height, width, channels)
