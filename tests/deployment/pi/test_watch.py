import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgekit.deployment.pi.files.classify import watch as watching
from edgekit.deployment.pi.files.classify.model import AppError, Model
from edgekit.deployment.pi.files.classify.watch import classify_file, look, watch
from edgekit.inputs.decode import READABLE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def answers(model: Model, folder: Path, take_all: bool = False) -> Iterator[dict[str, Any]]:
    return watch(model, folder, 0.01, take_all)


def test_every_new_picture_is_classified_once(model: Model, folder: Path, digits: list[Path]) -> None:
    found = answers(model, folder, take_all=True)
    shutil.copy(digits[0], folder / "first.png")
    first = next(found)
    assert (first["image"], first["guesses"][0]["label"]) == ("first.png", "7")
    shutil.copy(digits[1], folder / "second.PNG")
    assert next(found)["image"] == "second.PNG"


def test_what_is_there_already_is_left_out_unless_it_is_asked_for(
    model: Model, folder: Path, digits: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def add_one(_: float) -> None:
        if not (folder / "new.png").exists():
            shutil.copy(digits[1], folder / "new.png")

    shutil.copy(digits[0], folder / "old.png")
    monkeypatch.setattr(watching.time, "sleep", add_one)
    assert next(answers(model, folder))["image"] == "new.png"
    everything = answers(model, folder, take_all=True)
    assert [next(everything)["image"], next(everything)["image"]] == ["new.png", "old.png"]


def test_a_picture_that_is_still_being_written_is_waited_for(
    model: Model, folder: Path, digits: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = digits[1].read_bytes()
    sizes = iter(range(1, len(data) + 1, len(data) // 5))

    def write_more(_: float) -> None:
        size = next(sizes, len(data))
        if (folder / "slow.png").stat().st_size < len(data):
            (folder / "slow.png").write_bytes(data[: size if size < len(data) else len(data)])

    (folder / "slow.png").write_bytes(b"")
    monkeypatch.setattr(watching.time, "sleep", write_more)
    assert next(answers(model, folder, take_all=True))["guesses"][0]["label"] == "2"


def test_a_picture_that_is_replaced_is_new(model: Model, folder: Path, digits: list[Path]) -> None:
    found = answers(model, folder, take_all=True)
    shutil.copy(digits[0], folder / "a.png")
    assert next(found)["guesses"][0]["label"] == "7"
    shutil.copy(digits[1], folder / "a.png")
    assert next(found)["guesses"][0]["label"] == "2"


def test_links_pipes_hidden_files_and_other_names_are_left_out(
    folder: Path, tmp_path: Path, digits: list[Path]
) -> None:
    (folder / "link.png").symlink_to(digits[0])
    (folder / "folder.png").mkdir()
    (folder / "notes.txt").write_text("")
    shutil.copy(digits[0], folder / ".hidden.png")
    os.mkfifo(folder / "pipe.png")
    shutil.copy(digits[0], folder / "\n\x1b[2J.png")
    assert set(look(folder, READABLE)) == {"\n\x1b[2J.png"}


def test_a_file_that_becomes_a_link_or_a_pipe_at_the_last_moment_is_not_followed(
    model: Model, folder: Path, digits: list[Path]
) -> None:
    (folder / "link.png").symlink_to(digits[0])
    os.mkfifo(folder / "pipe.png")
    assert "guesses" not in classify_file(model, folder, "link.png")
    assert "is no file" in classify_file(model, folder, "pipe.png")["error"]


def test_broken_and_huge_pictures_are_answered_with_the_reason(
    model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.setattr(watching, "MAX_FILE_BYTES", 4)
    assert "at most 4 bytes" in classify_file(model, folder, "broken.png")["error"]
    monkeypatch.undo()
    assert "broken.png" in classify_file(model, folder, "broken.png")["error"]


def test_a_folder_that_is_missing_or_removed_is_said_so(model: Model, folder: Path) -> None:
    found = answers(model, folder, take_all=True)
    folder.rmdir()
    with pytest.raises(AppError, match="cannot be watched"):
        next(found)
