import stat
import sys
import types
from pathlib import Path

import pytest

from edgekit.deployment.pi.files.classify import camera
from edgekit.deployment.pi.files.classify.camera import open_camera, watch_camera
from edgekit.deployment.pi.files.classify.model import AppError, Model


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def make_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_without_a_camera_it_says_what_to_install(programs: Path) -> None:
    with pytest.raises(AppError, match="no camera here: install python3-picamera2"):
        open_camera()


@pytest.mark.parametrize("name", ["rpicam-still", "libcamera-still"])
def test_pictures_come_from_libcameras_program(
    name: str, programs: Path, model: Model, digits: list[Path], tmp_path: Path
) -> None:
    make_program(programs / name, f'echo "$@" > {tmp_path}/words; exec /bin/cat {digits[2]}')
    answers = list(watch_camera(model, every=0.01, count=2))
    assert [answer["guesses"][0]["label"] for answer in answers] == ["1", "1"]
    assert answers[0]["time"] < answers[1]["time"]
    assert "--output -" in (tmp_path / "words").read_text()


def test_pictures_come_from_picamera2_where_it_is_installed(
    model: Model, digits: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Camera:
        def create_still_configuration(self, main: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
            return main

        def configure(self, configuration: object) -> None:
            assert configuration == {"size": (640, 480)}

        def start(self) -> None: ...

        def capture_file(self, stream: object, format: str) -> None:
            assert format == "jpeg"
            stream.write(digits[2].read_bytes())

    module = types.ModuleType("picamera2")
    module.Picamera2 = Camera
    monkeypatch.setitem(sys.modules, "picamera2", module)
    (answer,) = watch_camera(model, every=1, count=1)
    assert answer["guesses"][0]["label"] == "1"


def test_a_camera_that_fails_is_named_with_its_last_words(programs: Path) -> None:
    make_program(programs / "rpicam-still", 'echo "ERROR: *** no cameras available ***" >&2; exit 255')
    with pytest.raises(AppError, match="no cameras available"):
        open_camera()()


def test_a_camera_that_hangs_is_given_up(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "LIMIT_S", 0.2)
    make_program(programs / "rpicam-still", "exec /bin/sleep 5")
    with pytest.raises(AppError, match="gave no picture"):
        open_camera()()


def test_a_picture_without_a_digit_is_an_answer_too(programs: Path, model: Model, tmp_path: Path) -> None:
    make_program(programs / "rpicam-still", "echo garbage")
    (answer,) = watch_camera(model, every=1, count=1)
    assert "not an image" in answer["error"]
