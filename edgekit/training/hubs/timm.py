"""Image classifiers of timm, as its repositories and ``timm.models.save_for_hf`` store them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.inputs.contract import InputContract
from edgekit.training.weights import load_weights


def repository(name: str) -> str:
    """The hub's own name of a model; that of timm's authors where no organisation is named."""
    return name if "/" in name else f"timm/{name}"


def contract(folder: Path) -> InputContract:
    """Size, mean and standard deviation that it was trained with."""
    trained = _config(folder)["pretrained_cfg"]
    channels, height, width = trained["input_size"]
    return InputContract(height, width, channels, tuple(trained["mean"]), tuple(trained["std"]))


def labels(folder: Path) -> tuple[str, ...]:
    """The names of its classes, if it says them."""
    config = _config(folder)
    return tuple(config.get("label_names") or config["pretrained_cfg"].get("label_names") or ())


def network(folder: Path) -> tuple[Any, list[str]]:
    """The network; all its parameters have weights."""
    import timm

    config = _config(folder)
    arguments = {"num_classes": config["num_classes"], **config.get("model_args", {})}
    model = timm.create_model(config["architecture"], pretrained=False, **arguments)
    return load_weights(model, folder / "model.safetensors"), []


def _config(folder: Path) -> Any:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))
