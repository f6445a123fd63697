from __future__ import annotations

import pytest

from edgekit.errors import UsageError
from edgekit.recipe import Augmentation, TrainRecipe


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "adam"}, "did you mean 'adamw'"),
        ({"precision": "bf16"}, "key of the card"),
        ({"augmentation": {"flipp": 0.5}}, "did you mean 'flip'"),
        ({"augmentation": {"flip": 1.5}}, "flip must be in"),
        ({"augmentation": {"cutout": 1.0}}, "cutout must be in"),
        ({"augmentation": {"mixup": -1.0}}, "mixup must be finite and not negative"),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TrainRecipe.from_dict(values, "the card")


def test_only_what_moves_pixels_by_fractions_samples() -> None:
    assert not Augmentation(flip=0.5, crop=4, cutout=0.3, mixup=0.2).samples
    assert Augmentation(resized_crop=0.5).samples
