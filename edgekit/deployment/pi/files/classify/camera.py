"""Pictures of whichever camera there is: picamera2, the programs of libcamera, or V4L2."""

from __future__ import annotations

import io
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgekit.inputs.error import InputError

from .model import AppError, Model

SIZE = (640, 480)
LIMIT_S = 20
NONE_FOUND = (
    "there is no camera here: install python3-picamera2 or rpicam-apps for one on the ribbon cable, or v4l-utils for a "
    "USB one (sudo apt install), and check that it is plugged in."
)

Camera = Callable[[], bytes]
"""Takes a picture: the bytes of a JPEG file."""


def watch_camera(model: Model, every: float, count: int) -> Iterator[dict[str, Any]]:
    """The answer for a picture every so many seconds, ``count`` times or (0) forever.

    Raises:
        AppError: there is no camera, or it gives no picture.
    """
    take = open_camera()
    taken = 0
    while not count or taken < count:
        start = time.monotonic()
        try:
            answer = model.answer(take(), "the camera's picture")
        except InputError as exc:
            answer = {"error": str(exc)}
        yield {"time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"), **answer}
        taken += 1
        time.sleep(max(0.0, every - (time.monotonic() - start)) if taken != count else 0)


def open_camera() -> Camera:
    """The first camera that there is.

    Raises:
        AppError: there is none.
    """
    for opener in (open_picamera2, open_libcamera, open_v4l2):
        camera = opener()
        if camera is not None:
            return camera
    raise AppError(NONE_FOUND)


def open_picamera2() -> Camera | None:
    """A camera of the Raspberry Pi through its Python package, which keeps it open."""
    try:
        from picamera2 import Picamera2
    except ImportError:
        return None
    try:
        camera = Picamera2()
        camera.configure(camera.create_still_configuration(main={"size": SIZE}))
        camera.start()
    except (IndexError, RuntimeError):  # what it raises where no camera is plugged in
        return None

    def take() -> bytes:
        stream = io.BytesIO()
        camera.capture_file(stream, format="jpeg")
        return stream.getvalue()

    return take


def open_libcamera() -> Camera | None:
    """The program rpicam-still, which was libcamera-still before Debian 12."""
    program = shutil.which("rpicam-still") or shutil.which("libcamera-still")
    if program is None:
        return None
    width, height = map(str, SIZE)
    command = [program, "--nopreview", "--timeout", "500", "--width", width, "--height", height]
    return _program([*command, "--encoding", "jpg", "--output", "-"])


def open_v4l2() -> Camera | None:
    """The first USB camera, through v4l2-ctl; the first frames are dropped, which are dark as a rule."""
    program = shutil.which("v4l2-ctl")
    device = next(iter(sorted(Path("/dev").glob("video*"))), None)
    if program is None or device is None:
        return None
    form = f"--set-fmt-video=width={SIZE[0]},height={SIZE[1]},pixelformat=MJPG"
    stream = ["--stream-mmap", "--stream-skip=5", "--stream-count=1", "--stream-to=-"]
    return _program([program, "--device", str(device), form, *stream])


def _program(command: list[str]) -> Camera:
    def take() -> bytes:
        try:
            done = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise AppError(f"{command[0]} gave no picture ({exc}); check the camera.") from exc
        if done.returncode != 0 or not done.stdout:
            words = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            raise AppError(f"{command[0]} gave no picture ({words[-1][:200]}); check the camera.")
        return done.stdout

    return take
