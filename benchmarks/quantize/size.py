"""Bytes of the int8 files, and EdgeKit's as a share of the smallest peer's of the same form."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from command import choose, publish
from models import MODEL_NAMES, open_model
from onnx import TensorProto
from tools import EDGEKIT, FORMATS, outcome_of

from edgekit.graph.isolated import open_prepared


def main() -> None:
    choice = choose(__doc__, MODEL_NAMES)
    result: dict[str, Any] = {}
    for name in choice.models:
        model = open_model(name)
        outcomes = [outcome_of(tool, model, tool in choice.again) for tool in choice.tools]
        forms = {form: {item.tool: bytes_of(item.file(form)) for item in outcomes} for form in FORMATS}
        result[name] = {
            "parameters": parameters_of(model.path),
            "float_onnx_bytes": model.path.stat().st_size,
            "bytes": forms,
            "ratio": {form: ratio(sizes) for form, sizes in forms.items()},
            "errors": {item.tool: item.error for item in outcomes if item.error},
        }
        print(name, result[name]["bytes"], result[name]["ratio"], flush=True)
    publish(__file__, choice, result)


def bytes_of(file: Path | None) -> int | None:
    return file.stat().st_size if file else None


def parameters_of(path: Path) -> int:
    """Weights and biases of a float ONNX file, batch normalisation folded."""
    graph = open_prepared(path).graph
    return sum(math.prod(array.dims) for array in graph.initializer if array.data_type == TensorProto.FLOAT)


def ratio(sizes: dict[str, int | None]) -> float | None:
    """EdgeKit's bytes over the smallest peer's; None if either is missing."""
    own = sizes.get(EDGEKIT)
    peers = [size for tool, size in sizes.items() if tool != EDGEKIT and size is not None]
    return round(own / min(peers), 4) if own and peers else None


if __name__ == "__main__":
    main()
