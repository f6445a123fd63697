import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgekit.data.folder import open_folder
from edgekit.data.reading import Reading
from edgekit.errors import DataError
from edgekit.files import user_cache
from edgekit.inputs.contract import InputContract

CONTRACT = InputContract(8, 8, 3)
DAY_S = 86_400


@pytest.fixture
def photos(flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The flowers of a minute ago, and an empty cache of shards of four photos."""
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("edgekit.data.photo_cache.SHARD_PHOTOS", 4)
    for path in flowers.rglob("*.png"):
        age(path, 60)
    return flowers


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def pixels_of(folder: Path, contract: InputContract = CONTRACT) -> np.ndarray:
    """Those of all three splits."""
    data = open_folder(folder, contract)
    return np.concatenate([split.images[:] for split in (data.train, data.validation, data.test)])


def shards() -> list[Path]:
    return sorted(user_cache().rglob("*.photos"))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the photos that are decoded, in order."""
    names: list[str] = []
    read = InputContract.read

    def noted(self: InputContract, data: bytes, name: str) -> np.ndarray:
        names.append(Path(name).name)
        return read(self, data, name)

    monkeypatch.setattr(InputContract, "read", noted)
    return names


def test_an_unchanged_folder_is_decoded_once(photos: Path, decoded: list[str]) -> None:
    first, sha256 = pixels_of(photos), open_folder(photos, CONTRACT).sha256
    assert len(decoded) == 24
    assert np.array_equal(pixels_of(photos), first)
    assert open_folder(photos, CONTRACT).sha256 == sha256
    assert len(decoded) == 24


def test_it_is_known_from_everywhere(photos: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pixels_of(photos)
    monkeypatch.chdir(photos)
    pixels_of(Path("."))
    assert len(decoded) == 24


def test_a_file_that_changes_is_decoded_again_and_nothing_else(photos: Path, decoded: list[str], save_image) -> None:
    data = open_folder(photos, CONTRACT)
    age(save_image(photos / "rose" / "3.png", seed=999), 30)
    age(save_image(photos / "rose" / "12.png", seed=1000), 30)
    (photos / "tulip" / "5.png").unlink()
    del decoded[:]
    changed = open_folder(photos, CONTRACT)
    assert sorted(decoded) == ["12.png", "3.png"]
    assert changed.sha256 != data.sha256


def test_a_file_that_is_just_being_changed_is_not_trusted(photos: Path, decoded: list[str], save_image) -> None:
    save_image(photos / "rose" / "3.png", seed=999)
    open_folder(photos, CONTRACT)
    del decoded[:]
    open_folder(photos, CONTRACT)
    assert decoded == ["3.png"]


def test_each_size_and_domain_has_pixels_of_its_own(photos: Path) -> None:
    assert pixels_of(photos).shape[1:] == (8, 8, 3)
    assert pixels_of(photos, InputContract(6, 8, 1)).shape[1:] == (6, 8, 1)
    assert pixels_of(photos).shape[1:] == (8, 8, 3)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def spoil_the_first_line(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"sha256", b"sha257"))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_pixels(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes(255 - value for value in data[-9:]))


@pytest.mark.parametrize("damage", [cut, spoil_the_first_line, empty, spoil_pixels])
def test_what_is_damaged_is_found_and_made_again(
    photos: Path, damage: Callable[[Path], None], decoded: list[str]
) -> None:
    right = pixels_of(photos)
    damage(shards()[2])
    assert np.array_equal(pixels_of(photos), right)
    del decoded[:]
    assert np.array_equal(pixels_of(photos), right)
    assert decoded == []


def test_a_killed_command_leaves_what_it_has_finished(photos: Path, decoded: list[str]) -> None:
    right = pixels_of(photos)
    for path in shards()[:4]:
        path.rename(path.with_suffix(".part"))
    del decoded[:]
    assert np.array_equal(pixels_of(photos), right)
    assert len(decoded) == 16


def test_what_two_commands_have_stored_twice_is_the_same(photos: Path, decoded: list[str], monkeypatch) -> None:
    right = pixels_of(photos)
    one = {path: path.read_bytes() for path in shards()}
    for path in one:
        path.unlink()
    monkeypatch.setattr("edgekit.data.photo_cache.SHARD_PHOTOS", 5)
    pixels_of(photos)
    for path, data in one.items():
        path.write_bytes(data)
    del decoded[:]
    assert np.array_equal(pixels_of(photos), right)
    assert decoded == []


def test_a_cache_may_be_removed_while_it_is_used(photos: Path) -> None:
    data = open_folder(photos, CONTRACT)
    before = data.train.images[:]
    for path in shards():
        path.unlink()
    assert np.array_equal(data.train.images[:], before)


def test_what_few_photos_need_is_removed_but_not_from_a_command_that_runs(photos: Path) -> None:
    pixels_of(photos)
    for path in (photos / "rose").iterdir():
        path.rename(path.with_stem(f"{path.stem}-new"))
    open_folder(photos, CONTRACT)
    assert len(shards()) == 9
    for path in shards():
        age(path, 2 * DAY_S)
    open_folder(photos, CONTRACT)
    assert len(shards()) == 6


@pytest.mark.parametrize(("spare", "left"), [(0, {"2 days", "0 days"}), (1 << 60, {"0 days"})])
def test_caches_that_nobody_opens_go_after_a_month_or_when_there_is_no_room(
    photos: Path, spare: int, left: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgekit.data.photo_cache.SPARE_BYTES", spare)
    for days in (31, 2, 0):
        folder = user_cache() / "photos" / f"{days} days"
        folder.mkdir(parents=True)
        age(folder, days * DAY_S)
    pixels_of(photos)
    assert {path.name for path in (user_cache() / "photos").glob("* days")} == left


def test_several_processes_make_what_one_does(photos: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    right = pixels_of(photos)
    for path in shards():
        path.unlink()
    monkeypatch.setattr("edgekit.data.decoding.PROCESSES", 2)
    for module in ("decoding", "photos"):
        monkeypatch.setattr(f"edgekit.data.{module}.WORTH_BYTES", 0)
    assert np.array_equal(pixels_of(photos), right)
    assert len(shards()) == 6
    assert "24 photos at 8x8: 0.00 GB in " in capsys.readouterr().err


def test_the_first_broken_photo_is_named_and_there_is_a_way_to_leave_it_out(photos: Path) -> None:
    for name in ("rose/7.png", "tulip/2.png"):
        (photos / name).write_bytes(b"text")
    with pytest.raises(DataError, match=r"rose/7\.png is not .*or leave such photos out with --skip-broken\."):
        open_folder(photos, CONTRACT)


@pytest.mark.parametrize("contract", [CONTRACT, None])
def test_broken_photos_are_left_out_and_listed(photos: Path, contract: InputContract | None, capsys) -> None:
    whole = open_folder(photos, contract)
    for name in ("rose/7.png", "tulip/2.png"):
        (photos / name).write_bytes(b"text")
    data = open_folder(photos, contract, Reading(skip_broken=True))
    said = capsys.readouterr().err
    assert said.count("rose/7.png is not an image") == said.count("tulip/2.png is not an image") == 1
    assert f"left out 2 of 24 photos of {photos.resolve()}" in said
    assert sum(len(split) for split in (data.train, data.validation, data.test)) == 22
    assert data.sha256 != whole.sha256
    (photos / "rose" / "7.png").unlink()
    (photos / "tulip" / "2.png").unlink()
    assert open_folder(photos, contract).sha256 == data.sha256


def test_a_class_of_broken_photos_alone_is_named(photos: Path) -> None:
    for path in (photos / "tulip").iterdir():
        path.write_bytes(b"text")
    with pytest.raises(DataError, match="train split: no photo of class 'tulip' can be read"):
        open_folder(photos, CONTRACT, Reading(skip_broken=True))


@pytest.mark.parametrize("contract", [CONTRACT, None])
def test_broken_photos_alone_are_refused(photos: Path, contract: InputContract | None) -> None:
    for path in photos.rglob("*.png"):
        path.write_bytes(b"text")
    with pytest.raises(DataError, match=r"none of the photos can be read; look at .*rose/0\.png"):
        open_folder(photos, contract, Reading(skip_broken=True))
