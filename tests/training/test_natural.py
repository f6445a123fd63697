"""What ``edgekit distill`` takes where little is named; what it then does is tested where it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgekit.data import open_data
from edgekit.data.reading import STRICT, Reading
from edgekit.errors import EdgekitError, UnknownNameError, UsageError
from edgekit.inputs.contract import InputContract
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.training import natural
from edgekit.training.distill import DistillOptions
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.shrinking.shrink import ShrinkOptions
from edgekit.training.teach import TeachOptions
from edgekit.training.teachers import TeacherDetails


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """The options of what is done, in order; nothing is."""
    calls: list[Any] = []
    monkeypatch.setattr(natural, "teach", calls.append)
    monkeypatch.setattr(natural, "shrink", calls.append)
    monkeypatch.setattr(natural.distilling, "distill", calls.append)
    monkeypatch.chdir(tmp_path)
    return calls


@pytest.fixture
def photos(tmp_path: Path) -> str:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        for number in range(4):
            path = tmp_path / "pets" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (20 + number, 24, 3), np.uint8)).save(path)
    return str(tmp_path / "pets")


OF_PHOTOS = InputContract(16, 16, 3)


def taught(folder: Path, photos: str, reading: Reading = STRICT) -> None:
    """A run of ``teach`` on the photos, as far as its record says it."""
    recorded(folder, OF_PHOTOS, open_data(photos, OF_PHOTOS, reading).sha256)


def recorded(folder: Path, contract: InputContract, sha256: str) -> None:
    folder.mkdir(parents=True)
    (folder / "teach.json").write_text(json.dumps({"contract": contract.to_dict(), "data_sha256": sha256}))


def test_photos_alone_get_a_teacher_and_a_student_of_its_channels(asked: list[Any], photos: str) -> None:
    natural.distill(DistillOptions(data=photos, seed=3))
    teaching, shrinking = asked
    assert isinstance(teaching, TeachOptions)
    assert (teaching.name, teaching.data, teaching.seed) == ("efficientnet-lite0", photos, 3)
    assert isinstance(shrinking, ShrinkOptions)
    assert (shrinking.teacher, shrinking.data, shrinking.to) == (str(teaching.out), photos, 1_000_000)
    assert shrinking.out != teaching.out


def test_every_option_that_shrink_has_too_goes_on_to_it(asked: list[Any], photos: str) -> None:
    given = {"qat": True, "resume": True, "extra": photos, "details": TeacherDetails(teacher_std=(0.5,))}
    given |= {"weights": WeightScheme(weight_bits=4), "ray": "auto"}
    natural.distill(DistillOptions(data=photos, teacher=("my.onnx",), **given))
    assert {name: getattr(asked[0], name) for name in given} == given


def test_the_newest_run_on_these_photos_is_taken(asked: list[Any], photos: str) -> None:
    taught(Path("runs/mine"), photos)
    Path("runs/broken").mkdir()
    Path("runs/broken/teach.json").write_text("{")
    natural.distill(DistillOptions(data=photos))
    assert [type(options) for options in asked] == [ShrinkOptions]
    assert asked[0].teacher == "runs/mine"


def test_broken_photos_are_left_out_of_the_teachers_data_too(asked: list[Any], photos: str) -> None:
    (Path(photos) / "cat" / "broken.png").write_bytes(b"no picture")
    reading = Reading(skip_broken=True)
    taught(Path("runs/others"), photos, reading)
    (Path(photos) / "cat" / "0.png").unlink()
    natural.distill(DistillOptions(data=photos, reading=reading))
    teaching, shrinking = asked
    assert teaching.reading == shrinking.reading == reading


def test_a_run_on_other_photos_is_not(asked: list[Any], photos: str) -> None:
    taught(Path("runs/mine"), photos)
    (Path(photos) / "cat" / "0.png").unlink()
    natural.distill(DistillOptions(data=photos))
    assert [type(options) for options in asked] == [TeachOptions, ShrinkOptions]


def test_a_run_of_what_these_photos_are_not_is_passed_over(asked: list[Any], photos: str) -> None:
    for picture in Path(photos).rglob("*.png"):
        Image.new("RGB", (24, 24), "blue").save(picture)
    taught(Path("runs/mine"), photos)
    recorded(Path("runs/digits"), InputContract(28, 28, 1, domain="digit"), "another")
    natural.distill(DistillOptions(data=photos))
    assert asked[0].teacher == "runs/mine"


def test_photos_are_opened_once_for_all_runs_that_take_them_alike(
    asked: list[Any], photos: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        recorded(Path(f"runs/{number}"), OF_PHOTOS, "another")
    opened: list[Any] = []

    def opening(*given: Any) -> Any:
        opened.append(given)
        return open_data(*given)

    monkeypatch.setattr(natural, "open_data", opening)
    natural.distill(DistillOptions(data=photos))
    assert len(opened) == 1


@pytest.mark.parametrize("student", ["photo-s", "runs/small"])
def test_a_named_student_learns_from_the_photos_teacher(asked: list[Any], photos: str, student: str) -> None:
    taught(Path("runs/mine"), photos)
    Path("runs/small").mkdir()
    natural.distill(DistillOptions(student, data=photos))
    (options,) = asked
    assert (options.student, options.teacher) == (student, ("runs/mine",))


def test_a_student_whose_card_names_a_teacher_keeps_it(asked: list[Any], photos: str) -> None:
    natural.distill(DistillOptions("mnist-tiny", data=photos))
    (options,) = asked
    assert (options.student, options.teacher) == ("mnist-tiny", ())


def test_nothing_named_is_digits(asked: list[Any]) -> None:
    natural.distill(DistillOptions())
    (options,) = asked
    assert (options.student, options.data) == ("mnist-tiny", "")


def test_what_nothing_suits_is_said(asked: list[Any], photos: str, tmp_path: Path) -> None:
    pixels = tmp_path / "pixels.npz"
    np.savez(pixels, train_images=np.zeros((9, 4, 4, 3), np.uint8), train_labels=np.arange(9) % 3)
    with pytest.raises(UsageError, match="name one with --student"):
        natural.distill(DistillOptions(data=str(pixels)))
    with pytest.raises(UsageError, match="out of one teacher"):
        natural.distill(DistillOptions(data=photos, teacher=("a", "b")))
    assert asked == []


def test_a_source_that_is_not_there_says_so(asked: list[Any]) -> None:
    with pytest.raises(UnknownNameError, match="elsewhere"):
        natural.distill(DistillOptions(data="elsewhere"))
    assert not asked


def test_texts_alone_get_a_teacher_of_texts_and_a_student_of_text(asked: list[Any], tmp_path: Path) -> None:
    (tmp_path / "opinions.csv").write_text("text,label\n" + "so good,1\nso bad,0\n" * 12)
    natural.distill(DistillOptions(data="opinions.csv"))
    teaching, distilling = asked
    assert (teaching.name, teaching.data) == ("minilm", "opinions.csv")
    assert (distilling.student, distilling.teacher) == ("text-m", (str(teaching.out),))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"recipe": DistillRecipeOptions(loss="foo")}, "No loss is called 'foo'"),
        ({"student": "photo-s", "recipe": DistillRecipeOptions(recipe="foo")}, "No recipe"),
        ({"student": "photo-s", "recipe": DistillRecipeOptions(learning_rate=-1.0)}, "learning_rate must be positive"),
        ({"student": "text-s"}, "text-s does not learn photos"),
        ({"extra": "nowhere"}, "nowhere"),
        ({"out": Path("file") / "out"}, "file"),
        ({"details": TeacherDetails(teacher_mean=(0.5,))}, "describe a --teacher; name it"),
    ],
)
def test_what_is_wrong_is_said_before_a_teacher_is_made(
    asked: list[Any], photos: str, changes: dict[str, Any], complaint: str
) -> None:
    Path("file").write_text("")
    with pytest.raises(EdgekitError, match=complaint):
        natural.distill(DistillOptions(data=photos, **changes))
    assert not asked
