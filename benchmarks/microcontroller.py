"""mnist-tiny in examples/cortex-m4: flash, RAM, instructions of an inference and answers, beside another writer's C.

    python benchmarks/microcontroller.py

100 test images are answered in QEMU. Flash is the whole program's, with weights, main and start; RAM is its variables,
the picture among them, and the stack that was used. The other writer, emx-onnx-cgen, gets the same int8 model as QDQ
ONNX, and the float one, whose answers are rounded as the int8 model's are; it lives in an environment of its own below
.venvs/. Its buffers are put on the stack, and it is given a nearbyintf of two additions and memory without limit.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

import cortex_m4
from compiled_c import answers_of_micro
from record import record

from edgekit.catalog import resolve_model
from edgekit.conversion.c import c_program
from edgekit.conversion.c.sections import sizes_of
from edgekit.conversion.tflite.reader import read_record
from edgekit.data.mnist import open_mnist

IMAGES = 100
ENVIRONMENT = Path(".venvs/emx-onnx-cgen")
EMX = "emx-onnx-cgen==1.4.0"
ONNX2C = "not measured: it is published as C++ sources only, in no package registry"
MATH_H = """
float fminf(float, float);
float fmaxf(float, float);
static inline float nearbyintf(float x) { return (x + 12582912.0f) - 12582912.0f; }
"""
INT8 = "emx((const void *)pixels, (void *)logits);"
FLOAT = """
    static float image[MNIST_TINY_INPUT_IMAGE_SIZE];
    float real[MNIST_TINY_OUTPUT_LOGITS_SIZE];
    for (int i = 0; i < MNIST_TINY_INPUT_IMAGE_SIZE; ++i) image[i] = (float)(pixels[i] + 128) / 255.0f;
    emx((const void *)image, (void *)real);
    for (int i = 0; i < MNIST_TINY_OUTPUT_LOGITS_SIZE; ++i) {
        const float steps = nearbyintf(real[i] / (float)MNIST_TINY_OUTPUT_LOGITS_SCALE);
        logits[i] = (int8_t)fminf(fmaxf(steps + MNIST_TINY_OUTPUT_LOGITS_ZERO_POINT, -128.0f), 127.0f);
    }
"""
ADAPTER = """
#include "model.h"
#include "emx.c"
void mnist_tiny_run(const int8_t *pixels, int8_t *logits) {{ {call} }}
int mnist_tiny_self_test(int8_t *pixels, int8_t *logits) {{ (void)pixels; (void)logits; return 0; }}
"""


def main() -> None:
    path = resolve_model("mnist-tiny", ".int8.tflite")
    program = c_program(path, None, "mnist-tiny")
    images = (open_mnist().test.images[np.arange(IMAGES)] ^ 0x80).view(np.int8)
    answers = answers_of_micro(read_record(path), [[image[None]] for image in images])
    expected = np.frombuffer(answers, np.int8).reshape(IMAGES, -1)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for flag, memory in (("-Os", "16K"), ("-O2", "4M")):
            folder = example(Path(scratch) / f"edgekit{flag}", program.header, program.source, memory)
            result[f"edgekit {flag}"] = of(folder, images, expected, flag)
        for kind, ending, call in (("int8", ".int8.onnx", INT8), ("float", "model.onnx", FLOAT)):
            folder = example(Path(scratch) / kind, program.header, ADAPTER.format(call=call), "4M")
            written_by_emx(resolve_model("mnist-tiny", ending), folder)
            for flag in ("-Os", "-O2"):
                result[f"emx-onnx-cgen, {kind} {flag}"] = of(folder, images, expected, flag)
    result["onnx2c"] = ONNX2C
    for name, found in result.items():
        print(name, found)
    record(__file__, result)


def example(folder: Path, header: str, source: str, memory: str) -> Path:
    """A copy of the example with a model, and so much memory of both kinds."""
    place = cortex_m4.example(folder)
    (place / "model.h").write_text(header)
    (place / "model.c").write_text(source)
    layout = place / "memory.ld"
    layout.write_text(layout.read_text().replace("LENGTH = 16K", f"LENGTH = {memory}"))
    return place


def written_by_emx(model: Path, folder: Path) -> None:
    """Its C for a model, and the declarations that it wants of a C library."""
    program = ENVIRONMENT.resolve() / "bin" / "emx-onnx-cgen"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([program.with_name("python"), "-m", "pip", "install", "--quiet", EMX], check=True)
    options = ["--large-temp-threshold", "0", "--model-name", "emx"]
    subprocess.run([program, "compile", *options, model, folder / "emx.c"], check=True, capture_output=True)
    (folder / "include" / "math.h").write_text(MATH_H)
    (folder / "include" / "stdlib.h").write_text("")


def of(folder: Path, images: NDArray[np.int8], expected: NDArray[np.int8], flag: str) -> dict[str, Any]:
    """Build with a flag, and run."""
    cortex_m4.make(folder, "--always-make", f"CFLAGS={flag}")
    ran, sizes = cortex_m4.run(folder, images.tobytes()), sizes_of((folder / "digits.elf").read_bytes())
    answers = np.frombuffer(ran.answers, np.int8).reshape(expected.shape)
    return {
        "flash_bytes": sizes.flash,
        "ram_bytes": sizes.ram + ran.stack,
        "stack_bytes": ran.stack,
        "instructions": ran.instructions,
        "same_logits": int((answers == expected).all(axis=1).sum()),
        "same_classes": int((answers.argmax(axis=1) == expected.argmax(axis=1)).sum()),
        "images": IMAGES,
    }


if __name__ == "__main__":
    main()
