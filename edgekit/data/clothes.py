"""Photos of clothes, carried by the package: 80, 12 and 12 of each of ten classes for training, validation and test.

They are JPEG files of 96×96 pixels in class folders, as a user's own are, chosen from clothing-dataset-small (CC0).
"""

from __future__ import annotations

from pathlib import Path

from edgekit.data.dataset import Dataset
from edgekit.data.folder import open_folder
from edgekit.inputs.contract import InputContract

FOLDER = Path(__file__).parent / "embedded" / "clothes"


def open_clothes(contract: InputContract | None = None) -> Dataset:
    """800 training, 120 validation and 120 test photos."""
    return open_folder(FOLDER, contract)
