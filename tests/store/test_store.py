"""A store keeps what it was given, whoever else writes to it and whenever a process is killed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import ModelError, StorageError, UnknownNameError, UsageError
from edgekit.files import sha256_bytes
from edgekit.store import store as store_module
from edgekit.store.store import Store, default_store

CARD: dict[str, Any] = {"file": "a.tflite", "bytes": 3, "student": None}
WRITER = """
import os, sys
from pathlib import Path
from edgekit.store.store import Store
who, count = sys.argv[2], int(sys.argv[3])
for index in range(count):
    with Store(Path(sys.argv[1])) as store:
        store.add(f"{who}-{index}", os.urandom(20_000), {"who": who})
    print(f"{who}-{index}", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def change(path: Path, statement: str, *values: Any) -> None:
    """Change the file behind the store's back."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement, values)
    connection.close()


def test_what_is_added_is_found_by_name_and_by_hash(path: Path) -> None:
    with Store(path) as store:
        added = store.add("a", b"one", CARD)
        assert added.sha256 == sha256_bytes(b"one")
        assert store.find("a") == store.find(added.sha256[:6]) == store.find(added.sha256) == added
        assert store.read(added.sha256) == b"one"
    with Store(path) as store:
        assert store.entries() == (added,)


def test_the_same_bytes_are_kept_once_under_two_names(path: Path) -> None:
    with Store(path) as store:
        store.add("a", bytes(500_000), CARD)
        store.add("b", bytes(500_000), {**CARD, "file": "b.tflite"})
        assert [entry.card["file"] for entry in store.entries()] == ["b.tflite", "b.tflite"]
    assert path.stat().st_size < 600_000


def test_a_name_does_not_change_its_meaning_unasked(path: Path) -> None:
    with Store(path) as store:
        first = store.add("a", b"one", CARD)
        with pytest.raises(UsageError, match=f"'a' is another model in .* \\({first.sha256[:12]}\\)"):
            store.add("a", b"two", CARD)
        assert store.find("a") == first
        assert store.add("a", b"two", CARD, replace=True).sha256 == store.find("a").sha256 == sha256_bytes(b"two")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "a\n", "a" * 65, "ä", "-rf"])
def test_a_name_is_plain(path: Path, name: str) -> None:
    with Store(path) as store, pytest.raises(UsageError, match="cannot name a model"):
        store.add(name, b"one", CARD)


def test_an_unknown_name_gets_the_nearest(path: Path) -> None:
    with Store(path) as store:
        store.add("flowers", b"one", CARD)
        for name in ("flower", "'; DROP TABLE names; --", "flowers' OR '1'='1", "*", ""):
            with pytest.raises(UnknownNameError):
                store.find(name)
        with pytest.raises(UnknownNameError, match="did you mean 'flowers'"):
            store.find("flower")


def test_removed_names_are_gone_and_the_bytes_after_collecting(path: Path) -> None:
    with Store(path) as store:
        for index in range(3):
            store.add(f"m{index}", bytes([index]) * 300_000, CARD)
        with pytest.raises(UnknownNameError):
            store.remove(("m0", "none"))
        assert len(store.entries()) == 3
        removed = store.remove(("m0", "m1"))
        assert [entry.name for entry in store.entries()] == ["m2"]
        assert store.read(removed[0].sha256)
        collected = store.collect()
        assert set(collected.removed) == {entry.sha256 for entry in removed}
        assert collected.freed_bytes == 600_000
        with pytest.raises(ModelError, match="no longer in"):
            store.read(removed[0].sha256)
    assert path.stat().st_size < 400_000


def test_damaged_bytes_are_found_and_mended_by_adding_again(path: Path) -> None:
    with Store(path) as store:
        good, bad = store.add("good", b"one", CARD), store.add("bad", b"two", CARD)
        change(path, "UPDATE artifacts SET data = ? WHERE sha256 = ?", b"twO", bad.sha256)
        with pytest.raises(ModelError, match=r"has been damaged; add its file again"):
            store.read(bad.sha256)
        assert [entry.name for entry in store.collect().damaged] == ["bad"]
        assert store.read(good.sha256) == b"one"
        store.add("bad", b"two", CARD)
        assert store.collect().damaged == ()


def test_a_damaged_card_is_said(path: Path) -> None:
    with Store(path) as store:
        store.add("a", b"one", CARD)
        change(path, "UPDATE artifacts SET card = '{'")
        with pytest.raises(StorageError, match="card of 'a'"):
            store.find("a")


def test_changes_of_others_are_seen(path: Path) -> None:
    with Store(path) as store, Store(path) as other:
        before = store.changes()
        assert store.changes() == before
        other.add("a", b"one", CARD)
        assert store.changes() != before
        assert store.find("a").name == "a"


def test_a_model_beyond_all_measure_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_MODEL_BYTES", 10)
    with Store(path) as store, pytest.raises(ModelError, match="11 bytes"):
        store.add("a", bytes(11), CARD)


def test_other_files_are_no_stores(tmp_path: Path) -> None:
    text, database, later = tmp_path / "text", tmp_path / "other.db", tmp_path / "later.db"
    text.write_text("no database\n" * 100)
    change(database, "CREATE TABLE things (name TEXT)")
    Store(later).close()
    change(later, "PRAGMA user_version = 99")
    for path, message in ((text, "not a store"), (database, "of another program"), (later, "of version 99")):
        before = path.read_bytes()
        with pytest.raises(StorageError, match=message):
            Store(path)
        assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="choose another --store"):
        Store(tmp_path / "file" / "store.db")
    with pytest.raises(StorageError, match="cannot be opened"):
        Store(tmp_path)


def test_the_users_store_is_where_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEKIT_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_store() == tmp_path / "edgekit" / "store.db"
    monkeypatch.setenv("EDGEKIT_STORE", str(tmp_path / "own.db"))
    assert default_store() == tmp_path / "own.db"


def test_several_processes_add_at_once_and_nothing_is_lost(path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"w{index}", "10"]) for index in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    with Store(path) as store:
        assert {entry.name for entry in store.entries()} == {f"w{w}-{i}" for w in range(4) for i in range(10)}
        assert store.collect().damaged == ()


@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_process_killed_in_the_middle_loses_nothing_that_it_had_added(path: Path, after: int) -> None:
    command = [sys.executable, "-c", WRITER, str(path), "w", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline().strip() for _ in range(after)]
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.read().split()
    with Store(path) as store:
        names = {entry.name for entry in store.entries()}
        assert set(said) <= names
        assert len(names) <= len(said) + 1
        assert store.collect().damaged == ()
        store.add("next", b"one", CARD)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
