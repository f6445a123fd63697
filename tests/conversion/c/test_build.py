"""What is compiled of a program answers as its file does, and what keeps a compiler from it is said."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from playwright._impl._driver import compute_driver_executable

from edgekit.conversion.c import build as building
from edgekit.conversion.c.build import build
from edgekit.conversion.c.library import open_session
from edgekit.conversion.c.program import Program
from edgekit.conversion.export import ExportOptions, ExportResult, export
from edgekit.conversion.tflite.writer import write_model
from edgekit.errors import EdgekitError, UnknownNameError, UsageError
from edgekit.operators.lowered import ModelRecord, OperatorRecord, Options, TensorRecord
from edgekit.runtimes import RUNTIMES
from edgekit.scales import Quantization

NODE, _ = compute_driver_executable()
MODULE = """
const module = new WebAssembly.Module(require("fs").readFileSync(process.argv[1]))
const { memory, mnist_linear_run, mnist_linear_self_test, input_image, output_logits } =
    new WebAssembly.Instance(module).exports
const view = (place, size) => new Int8Array(memory.buffer, place.value, size)
const wrong = mnist_linear_self_test(input_image.value, output_logits.value)
view(input_image, 784).set(JSON.parse(process.argv[2]))
mnist_linear_run(input_image.value, output_logits.value)
console.log(JSON.stringify([WebAssembly.Module.imports(module).length, wrong, ...view(output_logits, 10)]))
"""
IMAGES = np.random.default_rng(3).integers(-128, 128, (2, 1, 28, 28, 1), np.int8)


def exported(target: str, folder: Path) -> ExportResult:
    return export(ExportOptions("mnist-linear", "c", build=target, out=folder))


def answers(source: Path) -> list[np.ndarray]:
    session = RUNTIMES["tflm"].open(str(source))
    return [session.run([image])[0].ravel() for image in IMAGES]


def said(command: list[str | Path], data: bytes = b"") -> bytes:
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def assert_program(command: list[str | Path], source: Path) -> None:
    said([*command, "--self-test"])
    found = np.frombuffer(said(command, IMAGES.tobytes()), np.int8).reshape(2, 10)
    assert np.array_equal(found, answers(source))


@pytest.mark.parametrize("compiler", ["cc", "zig"])
def test_a_program_for_this_machine(compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if compiler == "zig":
        monkeypatch.setattr(building.shutil, "which", lambda _: None)
    result = exported("native", tmp_path)
    assert result.built is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model.c", "model.h"]
    assert_program([result.built.path], result.source)


def test_a_program_whose_input_is_real(tmp_path: Path) -> None:
    tensors = [
        TensorRecord((1, 70), "float32", None, None, "x"),
        TensorRecord((1, 70), "int8", None, Quantization.per_tensor(0.05, 3), "y"),
    ]
    operator = OperatorRecord("QUANTIZE", (0,), (1,), Options("QuantizeOptions"), 2, "here")
    path = tmp_path / "steps.tflite"
    path.write_bytes(write_model(ModelRecord(tensors, [operator], [0], [1])))
    result = export(ExportOptions(str(path), "c", build="native", out=tmp_path / "out"))
    assert result.built is not None
    values = np.linspace(-8, 8, 70, dtype=np.float32)[None]
    found = np.frombuffer(said([result.built.path], values.tobytes()), np.int8)
    with open_session(path, "c") as session:
        assert np.array_equal(session.run([values])[0].ravel(), found)
    assert np.array_equal(RUNTIMES["tflm"].open(str(path)).run([values])[0].ravel(), found)


@pytest.mark.parametrize(("target", "emulator"), [("aarch64", "qemu-aarch64"), ("armv7", "qemu-arm")])
def test_static_programs_for_boards(target: str, emulator: str, tmp_path: Path) -> None:
    result = exported(target, tmp_path)
    assert result.built is not None
    assert result.built.path == tmp_path / f"model-{target}"
    assert_program([emulator, result.built.path], result.source)


def test_a_module_for_browsers(tmp_path: Path) -> None:
    result = exported("wasm", tmp_path)
    assert result.built is not None
    imports, wrong, *logits = json.loads(
        said([NODE, "-e", MODULE, result.built.path, json.dumps(IMAGES[0].ravel().tolist())])
    )
    assert (imports, wrong) == (0, 0)
    assert logits == answers(result.source)[0].tolist()


def test_an_object_says_what_it_takes_on_a_board(tmp_path: Path) -> None:
    result = export(ExportOptions("mnist-tiny", "c", build="cortex-m4", out=tmp_path))
    assert result.built is not None
    sizes = result.built.sizes
    assert sizes is not None
    assert 10_000 < sizes.flash < 16 << 10
    assert sizes.ram == result.arena_bytes == 9408
    (table, *_) = result.parts()
    assert not isinstance(table, str)
    assert table.rows[1] == (
        str(tmp_path / "model-cortex-m4.o"), f"{result.built.file_bytes:,}", f"{sizes.flash:,}", "9,408"
    )  # fmt: skip


BROKEN = Program("net", "int net(void) { return }\n", "\n", 0, {}, {}, False)


def test_what_a_compiler_refuses_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(EdgekitError, match=r"cc does not compile model\.c \(model\.c:1:\d+: error: .*another compiler"):
        build(BROKEN, "native", tmp_path / "out")
    with pytest.raises(EdgekitError, match=r"zig does not compile model\.c \(model\.c:1:\d+: error: "):
        build(BROKEN, "cortex-m4", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "installed", lambda _: "")
    with pytest.raises(
        UsageError, match=r"no C compiler for wasm32-freestanding here; pip install .*\[c\]'? brings one\.$"
    ):
        exported("wasm", tmp_path / "out")
    monkeypatch.setattr(building.shutil, "which", lambda _: None)
    with pytest.raises(UsageError, match=r"no C compiler here; pip install .*\[c\]'? brings one, and so does .*gcc"):
        exported("native", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_compiler_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "LIMIT_S", 0.001)
    with pytest.raises(EdgekitError, match=r"needed more than 0.001 s to compile model\.c"):
        build(BROKEN, "wasm", tmp_path)


def test_what_is_compiled_is_known_and_c(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"No value of --build is called 'cortex-m'; did you mean 'cortex-m4'\?"):
        ExportOptions("mnist-tiny", "c", build="cortex-m")
    with pytest.raises(UnknownNameError, match=r"No target is called 'was'; did you mean 'wasm'\?"):
        build(BROKEN, "was", tmp_path)
    with pytest.raises(UsageError, match="--build is for '--to c'"):
        export(ExportOptions("mnist-tiny", build="native", out=tmp_path))


def test_a_few_bytes_are_no_call_where_there_is_no_c_library(tmp_path: Path) -> None:
    export(ExportOptions("mnist-linear", "c", out=tmp_path))
    command: list[str | Path] = ["cc", "-std=c99", "-O2", "-ffreestanding", "-S", "-o-", tmp_path / "model.c"]
    assert b"memcpy" not in said(command)
