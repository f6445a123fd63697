"""The example for a microcontroller answers as TFLite Micro does here."""

from __future__ import annotations

import shutil
from pathlib import Path

import cortex_m4
import numpy as np
from compiled_c import answers_of_micro
from required import skip_unless_required

from edgekit.catalog import resolve_model
from edgekit.conversion.c import c_program
from edgekit.conversion.tflite.reader import read_record
from edgekit.data.dataset import Dataset

IMAGES = 100


def test_a_hundred_digits_have_the_same_logits(mnist: Dataset, tmp_path: Path) -> None:
    if shutil.which("qemu-system-arm") is None:
        skip_unless_required("no qemu-system-arm here", "EMULATOR")
    path, folder = resolve_model("mnist-tiny", ".int8.tflite"), cortex_m4.example(tmp_path)
    program = c_program(path, None, "mnist-tiny")
    (folder / "model.c").write_text(program.source)
    (folder / "model.h").write_text(program.header)
    images = (mnist.test.images[np.arange(IMAGES)] ^ 0x80).view(np.int8)
    ran = cortex_m4.run(folder, images.tobytes())
    assert ran.answers == answers_of_micro(read_record(path), [[image[None]] for image in images])
