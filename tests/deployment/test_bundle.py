import hashlib
import json
import os
import tarfile
from pathlib import Path

import pytest

from edgekit.deployment.bundle import Bundle
from edgekit.errors import StorageError, UsageError
from edgekit.service.site import read_site

SUM = "0" * 64
BUNDLE = Bundle({"app.py": b"print()", "page/index.html": b"<p>"}, frozenset({"app.py"}))


def test_a_bundle_is_its_files_and_a_manifest_of_their_sums(tmp_path: Path) -> None:
    BUNDLE.write(tmp_path / "new" / "app")
    folder = tmp_path / "new" / "app"
    assert (folder / "page" / "index.html").read_bytes() == b"<p>"
    sums = json.loads((folder / "manifest.json").read_text())["files"]
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in BUNDLE.files.items()}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["app"]


def test_programs_are_executable_and_other_files_are_not(tmp_path: Path) -> None:
    BUNDLE.write(tmp_path / "app")
    assert os.access(tmp_path / "app" / "app.py", os.X_OK)
    assert (tmp_path / "app" / "page" / "index.html").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "app").stat().st_mode & 0o777 == 0o755


def test_an_older_bundle_is_brought_up_to_date_and_other_files_there_are_left_alone(tmp_path: Path) -> None:
    BUNDLE.write(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    Bundle({"app.py": b"print(2)"}).write(tmp_path)
    assert (tmp_path / "app.py").read_bytes() == b"print(2)"
    assert not (tmp_path / "page" / "index.html").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_empty_folder_that_is_there_stays_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    before = folder.stat().st_ino
    BUNDLE.write(tmp_path / "link")
    assert folder.stat().st_ino == before
    assert sorted(path.name for path in folder.iterdir()) == ["app.py", "manifest.json", "page"]
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    BUNDLE.write(Path())
    assert sorted(path.name for path in Path().absolute().iterdir()) == ["app.py", "manifest.json", "page"]


def test_a_folder_of_other_files_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(UsageError, match="holds other files and no bundle"):
        BUNDLE.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"files": 3}',
        '{"files": ["thesis.txt"]}',
        '{"files": {"thesis.txt": "of another program"}}',
        f'{{"files": {{"../thesis.txt": "{SUM}"}}}}',
        f'{{"files": {{"/etc/passwd": "{SUM}"}}}}',
        f'{{"files": {{".": "{SUM}"}}}}',
        f'{{"files": {{"a\\u0000b": "{SUM}"}}}}',
        f'{{"files": {{"\\ud800": "{SUM}"}}}}',
    ],
)
def test_a_strangers_manifest_cannot_have_files_removed(manifest: str, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "manifest.json").write_text(manifest)
    for thesis in (tmp_path / "thesis.txt", folder / "thesis.txt"):
        thesis.write_text("three years")
    with pytest.raises(UsageError, match="no bundle"):
        BUNDLE.write(folder)
    assert (tmp_path / "thesis.txt").exists()
    assert (folder / "thesis.txt").exists()
    with pytest.raises(UsageError, match="edgekit deploy"):
        read_site(folder)


@pytest.mark.parametrize("name", ["../app.py", "/app.py", "a//b", "manifest.json", "./a"])
def test_names_that_lead_out_of_the_bundle_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        Bundle({name: b""})


def test_an_archive_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, second = tmp_path / "app.tar.gz", tmp_path / "again" / "app.tar.gz"
    BUNDLE.archive(first)
    BUNDLE.archive(second)
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as archive:
        names = {entry.name: entry.mode for entry in archive}
    assert names == {"app/app.py": 0o755, "app/page/index.html": 0o644, "app/manifest.json": 0o644}


def test_a_place_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="--out"):
        BUNDLE.write(tmp_path / "file" / "app")
