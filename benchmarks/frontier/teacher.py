"""A teacher of the catalog trained from scratch by its card: accuracy of the weights that it ships, and seconds.

    python benchmarks/frontier/teacher.py cifar10-cnn cifar10.npz runs/cifar10-cnn

What an earlier call with the same folder has trained is not trained again. The weights are shipped in half precision,
and these are measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import of_run, record
from safetensors.torch import load_file, save

from edgekit import catalog
from edgekit.data import open_data
from edgekit.files import sha256_file, write_bytes
from edgekit.training.loop import evaluate
from edgekit.training.teach import TeachOptions, teach
from edgekit.training.weights import load_weights
from edgekit.zoo import build


def main(name: str, source: str, folder: Path) -> None:
    """Train if that is not done, put the weights beside the card, and record."""
    trained = folder / "weights.safetensors"
    if not trained.exists():
        teach(TeachOptions(name, data=source, out=folder, resume=True))
    card = catalog.network_card("teachers", name)
    halves = {key: value.half() if value.is_floating_point() else value for key, value in load_file(trained).items()}
    write_bytes(card.weights, save(halves))
    network = load_weights(build(card.architecture, card.contract.shape, len(card.classes)), card.weights)
    data = open_data(source, card.contract)
    result = {
        "validation_accuracy": evaluate(network, card.contract, data.validation),
        "test_accuracy": evaluate(network, card.contract, data.test),
        "test_images": len(data.test),
        "bytes": card.weights.stat().st_size,
        "sha256": sha256_file(card.weights),
        **of_run(folder, "teach.json"),
    }
    record(__file__, result, f"{name} {Path(source).name} {folder.name}", name=name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
