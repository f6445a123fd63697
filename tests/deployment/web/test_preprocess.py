"""The page's JavaScript makes of a picture what EdgeKit's Python makes of it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page
from static_site import Site

from edgekit.artifact import TensorSpec
from edgekit.data.dataset import Dataset
from edgekit.inputs.contract import InputContract
from edgekit.inputs.domains.digit import to_digit
from edgekit.inputs.domains.photo import fit as to_photo
from edgekit.inputs.error import InputError
from edgekit.inputs.golden import Golden, make_inputs
from edgekit.inputs.tensors import to_probabilities

Pixels = NDArray[np.uint8]


@pytest.fixture
def script(phone: Page, serve: Callable[[Path], Site], digits_bundle: Path) -> Callable[..., Any]:
    """Calls an exported function of one of the page's modules."""
    phone.goto(f"{serve(digits_bundle).url}NOTICE.txt")

    def call(module: str, body: str, argument: Any) -> Any:
        return phone.evaluate(f"async (given) => {{ const module = await import('./{module}'); {body} }}", argument)

    return call


def as_image(pixels: Pixels) -> dict[str, Any]:
    height, width, channels = pixels.shape
    return {"width": width, "height": height, "channels": channels, "data": base64.b64encode(pixels.tobytes()).decode()}


PREPARE = """
    const image = ({data, ...sizes}) => ({...sizes, data: Uint8Array.from(atob(data), (c) => c.charCodeAt(0))});
    return given.map(([picture, contract]) => {
        try {
            return Array.from(module.prepare(image(picture), contract).data);
        } catch (error) {
            return error.message;
        }
    });
"""


def test_a_photo_of_any_size_becomes_the_same_pixels_as_in_python(script: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    sizes = [(150, 100), (17, 133), (32, 32), (5, 7), (100, 31)]
    shapes = [(48, 48, 3), (28, 28, 1), (31, 47, 3), (64, 48, 1)]
    cases = [(rng.integers(0, 256, (*size, c), np.uint8), shape) for size in sizes for c in (1, 3) for shape in shapes]
    given = [
        (as_image(picture), {"height": h, "width": w, "channels": c, "domain": "photo"}) for picture, (h, w, c) in cases
    ]
    for (picture, shape), seen in zip(cases, script("preprocess.js", PREPARE, given), strict=True):
        pixels = np.array(seen, np.uint8).reshape(shape)
        np.testing.assert_array_equal(pixels, to_photo(picture, shape))


def test_a_digit_on_any_paper_becomes_the_same_pixels_as_in_python(script: Callable[..., Any], mnist: Dataset) -> None:
    pictures = [on_paper(mnist.test.images[np.arange(i, i + 1)][0, ..., 0], seed=i) for i in range(10)]
    contract = {"height": 28, "width": 28, "channels": 1, "domain": "digit"}
    seen = script("preprocess.js", PREPARE, [(as_image(picture), contract) for picture in pictures])
    for picture, pixels in zip(pictures, seen, strict=True):
        difference = np.array(pixels).reshape(28, 28, 1) - to_digit(picture).astype(int)
        assert np.abs(difference).max() <= 1  # sums are rounded in another order than numpy's


def on_paper(digit: Pixels, seed: int) -> Pixels:
    """A digit in ink on unevenly lit, noisy paper, grey or coloured."""
    rng = np.random.default_rng(seed)
    side = int(rng.integers(60, 200))
    ink = np.array(Image.fromarray(255 - digit).resize((side, side)), np.float32) / 255
    height, width = side + rng.integers(10, 80, 2)
    y, x = np.mgrid[0:height, 0:width]
    paper = 180 + 40 * x / width - 30 * y / height + rng.normal(0, rng.uniform(0, 5), (height, width))
    top, left = (height - side) // 2, (width - side) // 2
    paper[top : top + side, left : left + side] *= 0.3 + 0.7 * ink
    grey = np.clip(paper, 0, 255).astype(np.uint8)[..., None]
    return np.repeat(grey, 3, axis=2) if seed % 2 else grey


@pytest.mark.parametrize(
    "picture", [np.full((90, 90, 1), 200, np.uint8), np.zeros((5, 5, 3), np.uint8)], ids=["empty", "tiny"]
)
def test_a_picture_without_a_digit_is_refused_as_in_python(script: Callable[..., Any], picture: Pixels) -> None:
    contract = {"height": 28, "width": 28, "channels": 1, "domain": "digit"}
    (message,) = script("preprocess.js", PREPARE, [(as_image(picture), contract)])
    assert isinstance(message, str)
    with pytest.raises(InputError):
        to_digit(picture)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize(
    "spec",
    [
        TensorSpec("x", (1, 4, 5, 3), "int8", 1 / 255, -128),
        TensorSpec("x", (1, 4, 5, 3), "uint8", 0.0157, 117),
        TensorSpec("x", (1, 4, 5, 3), "int8", 0.031, 3),
        TensorSpec("x", (1, 4, 5, 3), "float32"),
    ],
    ids=["raw", "uint8", "saturated", "float"],
)
def test_pixels_become_the_same_input_as_in_python(script: Callable[..., Any], spec: TensorSpec, layout: str) -> None:
    contract = InputContract(16, 16, 3, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    tensor = {"dtype": spec.dtype, "scale": spec.scale, "zero_point": spec.zero_point, "layout": layout}
    sizes = {"height": 16, "width": 16, "channels": 3, "mean": contract.mean, "std": contract.std}
    body = "return Array.from(module.encoder(given)({data: Uint8Array.from(given.pixels)}));"
    given = {"contract": sizes, "input": tensor, "pixels": pixels.ravel().tolist()}
    seen = script("preprocess.js", body, given)
    np.testing.assert_array_equal(np.array(seen, np.float32), contract.encode(pixels[None], spec, layout).ravel())


@pytest.mark.parametrize(
    ("values", "scale", "given"),
    [
        ([10, -3, 127, 0], 0.11, False),
        ([-128, -128, 100, -100], 1 / 256, True),
        ([0.1, 0.7, 0.2], None, False),
        ([5.5, -80.0, 5.4], None, False),
    ],
    ids=["logits", "softmax", "probabilities", "float logits"],
)
def test_scores_become_the_same_probabilities_as_in_python(
    script: Callable[..., Any], values: list[float], scale: float | None, given: bool
) -> None:
    spec = TensorSpec("y", (1, len(values)), "float32" if scale is None else "int8", scale, -128 if given else 0)
    output = {"scale": scale, "zero_point": spec.zero_point, "probabilities": given}
    seen = script("scores.js", "return module.probabilities(given[0], given[1]);", [values, output])
    expected = to_probabilities(spec.dequantize(np.array([values], spec.dtype)), given)
    np.testing.assert_allclose(seen, expected[0], atol=1e-7)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32", "int32"])
def test_the_golden_input_is_the_same_as_in_python(script: Callable[..., Any], dtype: str) -> None:
    spec = TensorSpec("image", (1, 20, 30, 1), dtype)
    body = "return Array.from(module.goldenInput(given, 3));"
    made = script("golden.js", body, {"shape": spec.shape, "dtype": dtype})
    np.testing.assert_array_equal(np.array(made, dtype), make_inputs([spec], 3)[0].reshape(-1))


def test_a_golden_output_is_complained_of_as_in_python(script: Callable[..., Any]) -> None:
    golden = Golden(0, (5, 4), 3, (2, 0))
    body = "return given.outputs.map((output) => module.complaintOf(given.golden, output));"
    outputs = [[4, 0, 5], [1, 0, 8], [4, 0, 9]]
    found = script("golden.js", body, {"golden": golden.to_dict(), "outputs": outputs})
    assert found == [golden.complaint(np.array(output)) for output in outputs]
    assert [bool(text) for text in found] == [False, False, True]
