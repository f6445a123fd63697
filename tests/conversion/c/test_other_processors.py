"""Compiled for other processors, C programs answer with the integers of TFLite Micro, whatever the sums are made of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from compiled_c import answers_of_micro, build_for, random_inputs
from onnx import helper
from playwright._impl._driver import compute_driver_executable
from small_graphs import graph_of, noise, quantized

from edgekit.conversion.c import program_of
from edgekit.conversion.c.build import TARGETS, Target, build
from edgekit.conversion.tflite.lower_model import lowered_record
from edgekit.graph.prepare import prepare
from edgekit.operators.lowered import ModelRecord

make = helper.make_node
NODE, _ = compute_driver_executable()
BOARDS = {
    "cortex-a53": ("aarch64-linux-musl", "qemu-aarch64", "-cpu", "cortex-a53"),
    "cortex-a76": ("aarch64-linux-musl", "qemu-aarch64", "-cpu", "max"),
    "cortex-a7": ("arm-linux-musleabihf", "qemu-arm"),
}
"""The machine of a processor's programs, and what runs them here: dot products are in the largest of QEMU's."""
PAGE = """
const fs = require("fs");
WebAssembly.instantiate(fs.readFileSync(process.argv[2])).then(({instance: {exports}}) => {
  const place = (name) => Object.entries(exports).find(([key]) => name.test(key))[1];
  const [run, input, output] = [place(/_run$/), place(/^input_/).value, place(/^output_/).value];
  const [size, results] = process.argv.slice(3).map(Number), data = fs.readFileSync(0);
  for (let at = 0; at < data.length; at += size) {
    new Uint8Array(exports.memory.buffer, input, size).set(data.subarray(at, at + size));
    run(input, output);
    process.stdout.write(Buffer.from(exports.memory.buffer.slice(output, output + results)));
  }
});
"""


def model(channels: int) -> ModelRecord:
    """Weighted layers of widths that are no multiples of what is added side by side, a sum, pools and softmax."""
    nodes = [
        make("Conv", ["x", "a"], ["t"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        make("Relu", ["t"], ["u"]),
        make("Conv", ["u", "d"], ["v"], kernel_shape=[3, 5], pads=[1, 2, 1, 2], group=channels),
        make("Conv", ["v", "p"], ["w"], kernel_shape=[1, 1]),
        make("Add", ["w", "u"], ["s"]),
        make("MaxPool", ["s"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        make("GlobalAveragePool", ["m"], ["g"]),
        make("Flatten", ["g"], ["f"]),
        make("Gemm", ["f", "e"], ["l"], transB=1),
        make("Softmax", ["l"], ["out"], axis=-1),
    ]
    constants = {
        "a": noise(channels, 3, 3, 3),
        "d": noise(channels, 1, 3, 5),
        "p": noise(channels, channels, 1, 1),
        "e": noise(7, channels),
    }
    return lowered_record(quantized(prepare(graph_of(nodes, {"x": (1, 3, 7, 9)}, constants))))[1]


@pytest.mark.parametrize("channels", [5, 16, 42])
@pytest.mark.parametrize("board", [*BOARDS, "browser"])
def test_the_same_integers(board: str, channels: int, tmp_path: Path) -> None:
    network = model(channels)
    program = program_of(network, "net")
    if board == "browser":
        (tmp_path / "run.js").write_text(PAGE)
        command = [NODE, "run.js", build(program, TARGETS["wasm"], tmp_path).path, str(3 * 7 * 9), "7"]
    else:
        triple, *tool = BOARDS[board]
        target = Target("model.o", "object", triple, ("-O3", f"-mcpu={board.replace('-', '_')}"))
        command = [*tool, build_for(target, program, network, tmp_path)]
    tensors = random_inputs(network, 30)
    data = b"".join(tensor.tobytes() for inputs in tensors for tensor in inputs)
    done = subprocess.run(command, input=data, capture_output=True, cwd=tmp_path, check=True)
    assert done.stdout == answers_of_micro(network, tensors)
