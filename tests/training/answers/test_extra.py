"""Pictures without labels that a student learns as its teacher answers them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.console import quiet
from edgekit.data import open_data
from edgekit.data.dataset import Dataset, Joined
from edgekit.data.reading import STRICT
from edgekit.errors import DataError
from edgekit.inputs.contract import InputContract
from edgekit.training.answers.ensemble import Ensemble, Member
from edgekit.training.answers.extra import with_extra
from edgekit.training.distill import DistillOptions, distill
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.teacher import Teacher

SMALL, LARGE = InputContract(16, 16, 3), InputContract(48, 48, 3)


def save(folder: Path, shades: list[int]) -> Path:
    """A photo of noise for each shade that it has on average."""
    folder.mkdir(parents=True)
    for number, shade in enumerate(shades):
        noise = np.random.default_rng(number).integers(-10, 11, (64, 64, 3))
        Image.fromarray((shade + noise).astype(np.uint8)).save(folder / f"{number:02}.png")
    return folder


def test_the_teachers_likeliest_class_stands_for_the_label(tmp_path: Path) -> None:
    for name, shade in (("dark", 40), ("light", 200)):
        save(tmp_path / "photos" / name, [shade] * 8)
    shades = [30, 220, 35, 210]
    extra = save(tmp_path / "extra", shades)
    data = open_data(str(tmp_path / "photos"), SMALL)
    sizes = []

    def forward(inputs: np.ndarray) -> np.ndarray:
        sizes.append(inputs.shape[2])
        light = inputs.mean((1, 2, 3))
        return np.stack([0.5 - light, light - 0.5], 1)

    member = Member.of(Teacher("eye", "eye", LARGE, forward), data, SMALL, str(tmp_path / "photos"))
    more, ensemble = with_extra(data, Ensemble((member,)), SMALL, str(extra), STRICT)
    assert set(sizes) == {48}  # extra photos too are seen at the teacher's own size
    seen = ensemble.members[0].data
    assert (more.image_shape, seen.image_shape) == (SMALL.shape, LARGE.shape)
    for found, before in ((more, data), (seen, member.data)):
        assert found.train.labels is not None
        np.testing.assert_array_equal(found.train.labels, [*before.train.labels, 0, 1, 0, 1])
        means = found.train.images[np.arange(len(before.train), len(found.train))].mean((1, 2, 3))
        np.testing.assert_allclose(means, shades, atol=5)
        assert found.sha256 != before.sha256
        assert found.test is before.test
        assert found.validation is before.validation


def test_a_student_learns_them_beside_its_own(small_mnist: Path, mnist: Dataset, tmp_path: Path) -> None:
    np.savez(tmp_path / "more.npz", images=mnist.train.images[np.arange(1200, 1500)])
    recipe = DistillRecipeOptions(epochs=1, batch_size=1500)  # one step, of both together
    options = DistillOptions(
        "mnist-linear", data=str(small_mnist), extra=str(tmp_path / "more.npz"), out=tmp_path, recipe=recipe
    )
    with quiet():
        distill(options)
    with pytest.raises(DataError):
        distill(DistillOptions("mnist-linear", data=str(small_mnist), extra=str(tmp_path), out=tmp_path / "b"))


def test_joined_images_are_indexed_as_one_array() -> None:
    first, second = (
        np.random.default_rng(seed).integers(0, 256, (n, 2, 3, 1), np.uint8) for seed, n in ((0, 4), (1, 3))
    )
    joined, whole = Joined(first, second), np.concatenate([first, second])
    assert joined.shape == whole.shape
    for rows in (slice(None), np.array([6, 0, 3, 4, 6]), np.arange(0), np.arange(7) % 2 == 0):
        np.testing.assert_array_equal(joined[rows], whole[rows])


def test_what_students_are_judged_by_is_not_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, shade in (("dark", 40), ("light", 200)):
        save(tmp_path / "photos" / name, [shade] * 20)
    data = open_data(str(tmp_path / "photos"), SMALL)
    member = Member.of(Teacher("eye", "eye", SMALL, lambda inputs: inputs.mean((2, 3))[:, :2]), data, SMALL, "")
    judging = len(data.validation) + len(data.test)
    assert judging
    more, _ = with_extra(data, Ensemble((member,)), SMALL, str(tmp_path / "photos"), STRICT)
    assert len(more.train) == len(data.train) + 40 - judging
    assert f"{judging} images of photos left out" in capsys.readouterr().err
    rows = {row.tobytes() for row in more.train.images[:]}
    assert not rows & {row.tobytes() for row in (*data.validation.images[:], *data.test.images[:])}
