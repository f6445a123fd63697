"""What teachers answer, and what is kept of it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgekit.data import open_data
from edgekit.data.dataset import Dataset
from edgekit.errors import StorageError, UsageError
from edgekit.inputs.contract import InputContract
from edgekit.recipe import Augmentation
from edgekit.training.answers import file
from edgekit.training.answers.cache import LARGEST, LIKELIEST, AnswerCache, AnswerForm, Answers
from edgekit.training.answers.ensemble import Ensemble, Member, combined
from edgekit.training.augment import View
from edgekit.training.teacher import Teacher
from edgekit.training.teachers import TeacherOptions, open_teacher

COUNT = 40
TURNED = Augmentation(rotate=3)
ROWS = np.arange(COUNT)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: None) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file, "BLOCK", 16)


@pytest.fixture
def few(mnist: Dataset) -> Dataset:
    return replace(mnist, train=mnist.train.take(ROWS), test=mnist.test.take(ROWS))


class Asked:
    """A teacher whose scores are sums over ten parts of a picture; it counts what it is asked."""

    def __init__(self, side: int = 28, channels: int = 1, size: float = 0.1) -> None:
        self.images, self.size = 0, size
        self.teacher = Teacher("asked", f"asked {side}", InputContract(side, side, channels), self._forward)

    def _forward(self, inputs: np.ndarray) -> np.ndarray:
        self.images += len(inputs)
        parts = np.array_split(inputs.reshape(len(inputs), -1), 10, axis=1)
        return self.size * np.stack([part.sum(1) for part in parts], 1)


def view_of(data: Dataset, augmentation: Augmentation = TURNED, number: int = 0) -> View:
    return View(data.train.images, data.train.labels, augmentation, 11, number)


def cache_of(asked: Asked, data: Dataset, augmentation: Augmentation = TURNED) -> AnswerCache:
    return AnswerCache(asked.teacher, data, augmentation, seed=11, side=28)


def file_of(cache: AnswerCache) -> Path:
    (found,) = cache.folder.glob("*.bin")
    return found


def test_answers_are_those_to_the_pictures_of_the_view(few: Dataset) -> None:
    asked = Asked()
    found = cache_of(asked, few)(view_of(few))
    expected = asked.teacher.answer(view_of(few).images(ROWS))
    np.testing.assert_allclose(found[ROWS], expected, rtol=1e-3)
    np.testing.assert_array_equal(found[ROWS[::-3]], found[ROWS][::-3])


def test_answers_are_asked_once(few: Dataset) -> None:
    asked = Asked()
    first = cache_of(asked, few)(view_of(few))[ROWS]
    np.testing.assert_array_equal(cache_of(asked, few)(view_of(few))[ROWS], first)
    assert asked.images == COUNT
    cache_of(asked, few)(view_of(few, number=1))
    assert asked.images == 2 * COUNT


@pytest.mark.parametrize("place", [0, 5, 200, -1])
def test_only_a_damaged_block_is_asked_again(few: Dataset, place: int) -> None:
    asked = Asked()
    first = cache_of(asked, few)(view_of(few))[ROWS]
    stored = file_of(cache_of(asked, few))
    whole = bytearray(stored.read_bytes())
    whole[place] ^= 1
    stored.write_bytes(whole)
    np.testing.assert_array_equal(cache_of(asked, few)(view_of(few))[ROWS], first)
    assert COUNT < asked.images <= COUNT + 16


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\0" * 10_000])
def test_a_file_of_another_length_is_made_anew(few: Dataset, content: bytes) -> None:
    asked = Asked()
    first = cache_of(asked, few)(view_of(few))[ROWS]
    file_of(cache_of(asked, few)).write_bytes(content)
    np.testing.assert_array_equal(cache_of(asked, few)(view_of(few))[ROWS], first)
    assert asked.images == 2 * COUNT


def test_a_run_that_was_killed_goes_on_with_the_block_in_work(few: Dataset) -> None:
    asked = Asked()

    def killed(inputs: np.ndarray) -> np.ndarray:
        if asked.images >= 32:
            raise KeyboardInterrupt
        return asked._forward(inputs)

    with pytest.raises(KeyboardInterrupt):
        AnswerCache(replace(asked.teacher, forward=killed), few, TURNED, 11, 28)(view_of(few))
    assert asked.images == 32
    np.testing.assert_array_equal(
        cache_of(asked, few)(view_of(few))[ROWS], cache_of(Asked(), replace(few, sha256="b"))(view_of(few))[ROWS]
    )
    assert asked.images == COUNT


def test_two_commands_that_ask_for_one_view_at_once_both_have_the_answers(few: Dataset, tmp_path: Path) -> None:
    path, row = tmp_path / "view.bin", np.dtype("<f2")
    first = file.AnswerFile(path, COUNT, row)
    path.unlink()  # the second has found nothing yet either, and its file takes the place of the first
    second = file.AnswerFile(path, COUNT, row)
    for one in (first, second):
        for rows in one.missing():
            one.write(rows, rows)
        assert np.array_equal(one.rows, ROWS)
        assert not list(one.missing())


def test_a_cache_that_cannot_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, row = tmp_path / "view.bin", np.dtype("<f2")
    whole = file.AnswerFile(path, COUNT, row)
    whole.write(ROWS[:16], ROWS[:16])
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    found = file.AnswerFile(path, COUNT, row)
    assert np.array_equal(found.rows[:16], ROWS[:16])
    with pytest.raises(StorageError, match=r"view\.bin"):
        found.write(ROWS[16:32], ROWS[16:32])


def test_a_full_disk_is_known_before_the_first_question(few: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    asked = Asked()
    with pytest.raises(StorageError, match="the disk is full; free some space or choose another EDGEKIT_CACHE"):
        cache_of(asked, few)(view_of(few))
    assert asked.images == 0
    assert not list(cache_of(asked, few).folder.iterdir())


def test_the_key_names_all_that_an_answer_depends_on(few: Dataset) -> None:
    teacher = Asked().teacher
    normalised = replace(teacher, contract=replace(teacher.contract, mean=(0.1,)))
    keys = {
        AnswerCache(who, data, augmentation, seed, side).key
        for who in (teacher, replace(teacher, sha256="other"), normalised)
        for data in (few, replace(few, sha256="other"))
        for augmentation in (TURNED, Augmentation(rotate=4), Augmentation(crop=2))
        for seed in (0, 1)
        for side in (28, 56)
    }
    relative, of_pixels = 2, 1
    assert len(keys) == 3 * 2 * 2 * (relative + 2 * of_pixels)


def test_a_new_kind_of_augmentation_leaves_what_was_stored(few: Dataset) -> None:
    @dataclass(frozen=True)
    class Later(Augmentation):
        new: float = 0.0

    teacher = Asked().teacher
    before, after = (AnswerCache(teacher, few, one, 0, 28).key for one in (TURNED, Later(rotate=3)))
    assert before == after != AnswerCache(teacher, few, Later(rotate=3, new=1), 0, 28).key


def test_what_answers_take_is_said_before(few: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    cache = cache_of(Asked(), few)
    cache.announce(20)
    assert f"answers: 20 views x 40 x 10 in fp16, 0.016 MB in {cache.folder}" in capsys.readouterr().err


def test_a_torch_network_answers_in_bfloat16_nearly_the_same(few: Dataset) -> None:
    teacher = open_teacher(TeacherOptions("mnist-cnn"), InputContract(*few.image_shape))
    found = AnswerCache(teacher, few, TURNED, 11, 28)(view_of(few))[ROWS]
    expected = teacher.answer(view_of(few).images(ROWS))
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


def test_answers_beyond_the_range_of_fp16_stay_finite(few: Dataset) -> None:
    found = cache_of(Asked(size=1e6), few)(view_of(few))[ROWS]
    assert np.isfinite(found).all()
    assert found.max() == LARGEST


scores = st.builds(
    lambda seed, classes, size: np.random.default_rng(seed).normal(0, size, (5, classes)).astype(np.float32),
    st.integers(0, 1000),
    st.sampled_from([257, 1000, 5000]),
    st.floats(0.1, 10),
)


@given(scores)
@settings(max_examples=30)
def test_of_many_classes_the_likeliest_are_kept_and_the_rest_in_sum(logits: np.ndarray) -> None:
    form = AnswerForm(logits.shape[1])
    found = np.exp(form.unpacked(form.packed(logits)))
    true = np.exp(logits - np.logaddexp.reduce(logits, 1, keepdims=True))
    assert form.row.itemsize < 400
    np.testing.assert_allclose(found.sum(1), 1, atol=2e-2)
    order = np.argsort(-true, 1)[:, : LIKELIEST - 1]
    kept, right = (np.take_along_axis(shares, order, 1) for shares in (found, true))
    np.testing.assert_allclose(kept, right, rtol=2e-2)
    taken = np.take_along_axis(true, found.argmax(1)[:, None], 1)[:, 0]
    np.testing.assert_allclose(taken, true.max(1), rtol=2e-2)  # the likeliest, or its equal in float16


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve photos of a class whose large rendition is not its small one scaled up."""
    noise = np.random.default_rng(0)
    for name in ("left", "right"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = noise.integers(0, 256, (64, 64, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def test_a_teacher_of_photos_sees_the_view_at_its_own_size(photos: Path) -> None:
    small = InputContract(32, 32, 3)
    data, seen = open_data(str(photos), small), open_data(str(photos), InputContract(64, 64, 3))
    large = Teacher(
        "large", "large", InputContract(64, 64, 3), lambda x: x[:, :2, ::8, ::8].reshape(len(x), 2, -1)[..., 0]
    )
    member = Member.of(large, data, small, str(photos))
    assert member.data.image_shape == (64, 64, 3)
    np.testing.assert_array_equal(member.data.train.labels, data.train.labels)
    mixing = Augmentation(resized_crop=0.5, flip=0.5, cutmix=1.0)
    rows = np.arange(len(data.train))
    view = View(data.train.images, data.train.labels, mixing, 3, 0)
    found = Ensemble((member,)).answers(mixing, 3, 32)(view)[rows]
    expected = large.answer(View(seen.train.images, seen.train.labels, mixing, 3, 0).images(rows))
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_arrays_of_pixels_are_resized_for_a_teacher(few: Dataset) -> None:
    large = Asked(side=56)
    member = Member.of(large.teacher, few, InputContract(28, 28, 1), few)
    assert member.data is few
    assert Ensemble((member,)).answers(TURNED, 11, 28)(view_of(few))[ROWS].shape == (COUNT, 10)


def several(*shapes: int) -> list[np.ndarray]:
    return [np.random.default_rng(seed).normal(0, 3, (6, 10)).astype(np.float32) for seed in range(*shapes)]


def test_one_answer_of_one_is_itself() -> None:
    (answer,) = several(1)
    assert combined([answer], "confidence") is answer


@pytest.mark.parametrize("way", ["mean", "confidence"])
def test_teachers_of_one_mind_answer_as_one_of_them(way: str) -> None:
    (answer,) = several(1)
    found = combined([answer, answer + 5], way)
    np.testing.assert_allclose(found, answer - np.logaddexp.reduce(answer, 1, keepdims=True), atol=1e-4)


def test_the_mean_is_that_of_probabilities() -> None:
    answers = several(3)
    expected = np.mean([np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in answers], 0)
    np.testing.assert_allclose(np.exp(combined(answers, "mean")), expected, rtol=1e-3)


def test_a_teacher_that_only_guesses_has_no_say_by_confidence() -> None:
    (answer,) = several(1)
    found = combined([np.zeros_like(answer), answer], "confidence")
    np.testing.assert_allclose(np.exp(found), np.exp(combined([answer, answer], "mean")), atol=1e-4)


def test_an_ensemble_keeps_the_answers_of_each_for_itself(few: Dataset) -> None:
    one, other = Asked(), Asked(side=14)
    members = tuple(Member.of(who.teacher, few, InputContract(28, 28, 1), few) for who in (one, other))
    before = one.images
    Ensemble(members[:1]).answers(TURNED, 11, 28)(view_of(few))
    both = Ensemble(members).answers(TURNED, 11, 28)(view_of(few))
    assert one.images == before + COUNT
    parts = [AnswerCache(who.teacher, few, TURNED, 11, 28)(view_of(few))[ROWS] for who in (one, other)]
    np.testing.assert_array_equal(both[ROWS], combined(parts, "mean"))


def test_a_teacher_of_other_classes_is_refused(few: Dataset) -> None:
    two = Teacher("two", "two", InputContract(28, 28, 1), lambda x: x.reshape(len(x), -1)[:, :2])
    with pytest.raises(UsageError, match="The teacher two knows 2 classes and mnist has 10"):
        Member.of(two, few, InputContract(28, 28, 1), few)


def test_stored_answers_are_read_from_any_rows(few: Dataset) -> None:
    found: Answers = cache_of(Asked(), few)(view_of(few))
    assert found[np.array([3, 3, 1])].dtype == np.float32
