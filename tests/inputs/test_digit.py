import numpy as np
import pytest
from PIL import Image

from edgekit.data.dataset import Dataset, Images
from edgekit.inputs.domains.digit import to_digit
from edgekit.inputs.error import InputError

COUNT = 24


@pytest.fixture(scope="module")
def digits(mnist: Dataset) -> Images:
    return mnist.validation.images[np.arange(COUNT)]


def page(
    digit: Images, size: tuple[int, int], paper: float, pen: float, share: float = 0.7, noise: float = 5, seed: int = 0
) -> Images:
    """A photo uint8 [height, width, 1] of a digit somewhere on paper that is lit from one side."""
    rng = np.random.default_rng(seed)
    height, width = size
    side = int(min(size) * share)
    ink = np.zeros(size)
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    large = Image.fromarray(digit[..., 0]).resize((side, side), Image.Resampling.BICUBIC)
    ink[top : top + side, left : left + side] = np.asarray(large) / 255
    light = 1 + 0.25 * np.linspace(-1, 1, width) + 0.1 * np.linspace(-1, 1, height)[:, None]
    picture = (paper + (pen - paper) * ink) * light + rng.normal(0, noise, size)
    return np.clip(picture, 0, 255).astype(np.uint8)[..., None]


def likeness(one: Images, other: Images) -> float:
    """The cosine of the angle between two images."""
    a, b = one.astype(float).ravel(), other.astype(float).ravel()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def median_likeness(digits: Images, **options: object) -> float:
    sizes = np.random.default_rng(1).integers(60, 400, (len(digits), 2))
    return float(
        np.median(
            [
                likeness(digit, to_digit(page(digit, (int(height), int(width)), seed=index, **options)))
                for index, (digit, (height, width)) in enumerate(zip(digits, sizes, strict=True))
            ]
        )
    )


def test_an_image_of_mnist_comes_back_unchanged(digits: Images) -> None:
    for digit in digits:
        assert np.array_equal(to_digit(digit), digit)
        assert np.array_equal(to_digit(np.repeat(digit, 3, axis=2)), digit)


def test_an_inverted_image_of_mnist_is_turned_back(digits: Images) -> None:
    assert np.median([likeness(digit, to_digit(255 - digit)) for digit in digits]) > 0.99


def test_dark_ink_on_unevenly_lit_paper_becomes_mnists_form(digits: Images) -> None:
    assert median_likeness(digits, paper=190, pen=40) > 0.9


def test_light_ink_on_a_dark_board_becomes_mnists_form(digits: Images) -> None:
    assert median_likeness(digits, paper=60, pen=190) > 0.9


def test_a_small_digit_on_a_large_page_is_found(digits: Images) -> None:
    found = [likeness(digit, to_digit(page(digit, (600, 450), 190, 40, share=0.15))) for digit in digits]
    assert np.median(found) > 0.85


def test_noise_and_faint_ink_are_borne(digits: Images) -> None:
    assert median_likeness(digits, paper=180, pen=60, noise=12) > 0.85
    assert median_likeness(digits, paper=150, pen=110, noise=3) > 0.85


def test_dirt_and_the_tables_edge_are_left_out(digits: Images) -> None:
    clean = page(digits[0], (240, 200), 190, 40)
    dirty = clean.copy()
    dirty[5:9, 5:9] = dirty[230:233, 150:154] = 30
    dirty[:, :12] = 50
    assert likeness(to_digit(clean), to_digit(dirty)) > 0.95


def test_the_digit_fits_a_box_of_20_pixels_and_its_mass_is_centred(digits: Images) -> None:
    for digit in digits:
        result = to_digit(page(digit, (200, 317), 200, 40))[..., 0].astype(float)
        rows, columns = np.nonzero(result)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        mass = result.sum()
        assert abs(result.sum(1) @ np.arange(28) / mass - 14) <= 0.5
        assert abs(result.sum(0) @ np.arange(28) / mass - 14) <= 0.5


def test_the_colour_of_ink_and_paper_does_not_matter(digits: Images) -> None:
    share = page(digits[0], (150, 120), 255, 0, noise=0) / 255
    paper, pen = np.array([240, 235, 190]), np.array([30, 60, 160])
    assert likeness(digits[0], to_digit((pen + (paper - pen) * share).astype(np.uint8))) > 0.9


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_blank_page_shows_no_digit(shade: int) -> None:
    with pytest.raises(InputError, match="no digit stands out"):
        to_digit(np.full((90, 70, 1), shade, np.uint8))


def test_noise_alone_shows_no_digit() -> None:
    noise = np.clip(np.random.default_rng(0).normal(128, 6, (90, 70, 1)), 0, 255)
    with pytest.raises(InputError, match="no digit stands out"):
        to_digit(noise.astype(np.uint8))


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (7, 7)])
def test_a_tiny_picture_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="too small to show a digit"):
        to_digit(np.zeros((*size, 1), np.uint8))


@pytest.mark.parametrize("size", [(8, 8), (9, 2000), (2000, 9), (28, 28)])
def test_any_pattern_of_any_size_is_a_digit_or_a_clear_error(size: tuple[int, int]) -> None:
    for seed in range(5):
        pattern = np.random.default_rng(seed).integers(0, 2, (*size, 1), np.uint8) * 255
        try:
            shape = to_digit(pattern).shape
        except InputError:
            continue
        assert shape == (28, 28, 1)
