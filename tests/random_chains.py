"""Networks of one chain of layers that property tests draw."""

from __future__ import annotations

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper
from small_graphs import graph_of, noise


class Chain:
    """A network over one image, layer by layer, whose shapes the tests draw."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.start = self.shape = shape
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.last = "image"

    def add(self, operator: str, *constants: np.ndarray, inputs: tuple[str, ...] = (), **attributes: object) -> None:
        number = len(self.nodes)
        names = [f"c{number}_{position}" for position in range(len(constants))]
        self.constants |= dict(zip(names, constants, strict=True))
        self.nodes.append(helper.make_node(operator, [*(inputs or (self.last,)), *names], [f"t{number}"], **attributes))
        self.last = f"t{number}"

    def graph(self) -> onnx.ModelProto:
        """The float network; its last layer's output is called ``out``."""
        self.nodes[-1].output[0] = "out"
        return graph_of(self.nodes, {"image": (1, *self.start)}, self.constants)


def convolution(chain: Chain, data: st.DataObject) -> None:
    channels, height, width = chain.shape
    kernel = [data.draw(st.integers(1, min(4, size))) for size in (height, width)]
    dilation = data.draw(st.sampled_from([1, 1, 2])) if max(kernel) * 2 - 1 <= min(height, width) else 1
    reach = [(taps - 1) * dilation + 1 for taps in kernel]
    strides = [data.draw(st.integers(1, 3)) for _ in range(2)]
    pads = [0, 0, 0, 0]
    if data.draw(st.booleans()):
        steps = [-(-size // stride) for size, stride in zip((height, width), strides, strict=True)]
        total = [
            max((step - 1) * stride + span - size, 0)
            for step, stride, span, size in zip(steps, strides, reach, (height, width), strict=True)
        ]
        pads = [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]
    depthwise = data.draw(st.booleans()) and channels > 1
    outputs = channels * data.draw(st.integers(1, 2)) if depthwise else data.draw(st.sampled_from([1, 3, 8, 37, 40]))
    shape = (outputs, 1 if depthwise else channels, *kernel)
    chain.add(
        "Conv",
        noise(*shape, seed=outputs) * np.exp(noise(outputs, 1, 1, 1, seed=1)),
        noise(outputs),
        kernel_shape=kernel,
        strides=strides,
        pads=pads,
        dilations=[dilation, dilation],
        group=channels if depthwise else 1,
    )
    spans = (height + pads[0] + pads[2] - reach[0], width + pads[1] + pads[3] - reach[1])
    chain.shape = (outputs, spans[0] // strides[0] + 1, spans[1] // strides[1] + 1)


def clip(chain: Chain, data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        chain.add("Relu")
    else:
        chain.add("Clip", np.array(0, np.float32), np.array(6, np.float32))


def pool(chain: Chain, data: st.DataObject) -> None:
    channels, height, width = chain.shape
    kernel = [data.draw(st.integers(1, min(3, size))) for size in (height, width)]
    stride = data.draw(st.integers(1, 2))
    chain.add(data.draw(st.sampled_from(["MaxPool", "AveragePool"])), kernel_shape=kernel, strides=[stride, stride])
    chain.shape = (channels, (height - kernel[0]) // stride + 1, (width - kernel[1]) // stride + 1)


def addition(chain: Chain, data: st.DataObject) -> None:
    channels, _, _ = chain.shape
    before = chain.last
    if data.draw(st.booleans()):
        chain.add("Add", noise(1, channels, 1, 1))
    else:
        chain.add("Conv", noise(channels, channels, 1, 1), kernel_shape=[1, 1])
        chain.add("Add", inputs=(before, chain.last))


def gate(chain: Chain, data: st.DataObject) -> None:
    before = chain.last
    chain.add(data.draw(st.sampled_from(["Sigmoid", "Tanh"])))
    chain.add("Mul", inputs=(before, chain.last))


def widening(chain: Chain, data: st.DataObject) -> None:
    channels, height, width = chain.shape
    before, after = (data.draw(st.integers(0, 2)) for _ in range(2))
    chain.add("Pad", np.array([0, 0, before, 1, 0, 0, after, 0]))
    chain.shape = (channels, height + before + after, width + 1)


def branches(chain: Chain, data: st.DataObject) -> None:
    channels, height, width = chain.shape
    before = chain.last
    chain.add("Conv", noise(3, channels, 1, 1), kernel_shape=[1, 1])
    chain.add("Concat", inputs=(before, chain.last), axis=1)
    chain.shape = (channels + 3, height, width)


def part(chain: Chain, data: st.DataObject) -> None:
    """Every place, or every second one, of a box."""
    starts = [data.draw(st.integers(0, size - 1)) for size in chain.shape]
    ends = [data.draw(st.integers(start + 1, size)) for start, size in zip(starts, chain.shape, strict=True)]
    steps = [data.draw(st.integers(1, 2)) for _ in starts]
    chain.add("Slice", *map(np.array, (starts, ends, [1, 2, 3], steps)))
    first, second, third = (len(range(*box)) for box in zip(starts, ends, steps, strict=True))
    chain.shape = (first, second, third)


def turn(chain: Chain, data: st.DataObject) -> None:
    order = data.draw(st.permutations([1, 2, 3]))
    chain.add("Transpose", perm=[0, *order])
    first, second, third = (chain.shape[axis - 1] for axis in order)
    chain.shape = (first, second, third)


def resizing(chain: Chain, data: st.DataObject) -> None:
    channels, height, width = chain.shape
    sizes = [data.draw(st.integers(size, 2 * size)) for size in (height, width)]
    mode, places, nearest = data.draw(
        st.sampled_from([("nearest", "asymmetric", "floor"), ("linear", "half_pixel", "round_prefer_floor")])
    )
    nothing = np.zeros(0, np.float32)
    sized = (nothing, nothing, np.array([1, channels, *sizes]))
    chain.add("Resize", *sized, mode=mode, coordinate_transformation_mode=places, nearest_mode=nearest)
    chain.shape = (channels, sizes[0], sizes[1])


def end(chain: Chain, data: st.DataObject) -> None:
    channels, height, width = chain.shape
    pooled = data.draw(st.sampled_from(["", "GlobalAveragePool", "GlobalMaxPool"]))
    if pooled:
        chain.add(pooled)
        height = width = 1
    chain.add("Flatten")
    chain.add("Gemm", noise(5, channels * height * width), noise(5), transB=1)
    if data.draw(st.booleans()):
        chain.add("Softmax", axis=-1)


LAYERS = [convolution, clip, pool, addition, gate, widening, branches, part, turn, resizing]


def random_chain(data: st.DataObject) -> Chain:
    """One to five layers of any kinds over a small image."""
    chain = Chain(data.draw(st.tuples(st.sampled_from([1, 3, 8]), st.integers(3, 9), st.integers(3, 9))))
    for layer in data.draw(st.lists(st.sampled_from(LAYERS), min_size=1, max_size=5)):
        layer(chain, data)
    return chain
