"""Test accuracy of the shipped teacher, and of mnist-classic trained here by its five epochs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from record import record

from edgekit import catalog
from edgekit.data import open_data
from edgekit.training.answers.ensemble import Ensemble, Member
from edgekit.training.teach import TeachOptions, teach
from edgekit.training.teachers import TeacherOptions, open_teacher


def main() -> None:
    data = open_data("mnist")
    card = catalog.network_card("teachers", "mnist-cnn")
    shipped = open_teacher(TeacherOptions("mnist-cnn"), card.contract)
    classic = catalog.network_card("teachers", "mnist-classic")
    with tempfile.TemporaryDirectory() as folder:
        trained = teach(TeachOptions("mnist-classic", out=Path(folder)))
    record(
        __file__,
        {
            "mnist-cnn": {
                "test_accuracy": Ensemble((Member(shipped, data),)).test_accuracy(),
                "weights_bytes": card.weights.stat().st_size,
                "sha256": shipped.sha256,
            },
            "mnist-classic": {
                "test_accuracy": trained.test_accuracy,
                "validation_accuracy": trained.validation_accuracy,
                "epochs": classic.recipe("full").epochs,
            },
        },
    )


if __name__ == "__main__":
    main()
