import numpy as np
import pytest

from edgekit.inputs.error import InputError
from edgekit.inputs.ink import find_ink


def stroke_on(paper: np.ndarray, pen: float) -> tuple[np.ndarray, np.ndarray]:
    """A cross drawn on paper: the picture, and where the cross is."""
    cross = np.zeros(paper.shape, bool)
    cross[20:60, 38:43] = cross[38:43, 20:60] = True
    return np.where(cross, pen, paper).astype(np.float32), cross


@pytest.mark.parametrize(("paper", "pen"), [(200, 40), (40, 200)])
def test_ink_is_one_on_the_strokes_and_zero_beside_them(paper: float, pen: float) -> None:
    picture, cross = stroke_on(np.full((80, 80), paper), pen)
    ink = find_ink(picture)
    assert ink.dtype == np.float32
    assert np.array_equal(ink > 0.5, cross)
    assert ink[~cross].max() == 0


def test_uneven_light_is_no_ink() -> None:
    y, x = np.mgrid[-1:1:80j, -1:1:80j]
    picture, cross = stroke_on(170 + 50 * x - 20 * y - 15 * x * x, 30)
    assert np.array_equal(find_ink(picture) > 0.5, cross)


def test_a_broad_shadow_is_no_ink() -> None:
    paper = np.full((80, 80), 200.0)
    paper[:, 50:] = 160
    picture, cross = stroke_on(paper, 30)
    assert np.array_equal(find_ink(picture) > 0.5, cross)


def test_what_touches_the_rim_and_small_spots_are_no_ink() -> None:
    paper = np.full((80, 80), 200.0)
    paper[:, :6] = 50
    paper[70:73, 70:73] = 30
    picture, cross = stroke_on(paper, 30)
    assert np.array_equal(find_ink(picture) > 0.5, cross)


def test_a_stroke_across_the_whole_picture_is_ink_where_there_is_no_other() -> None:
    picture = np.full((60, 40), 210, np.float32)
    picture[:, 18:22] = 20
    assert find_ink(picture)[30, 20] == 1


def test_contrast_within_the_noise_is_refused() -> None:
    rng = np.random.default_rng(0)
    picture, _ = stroke_on(rng.normal(150, 10, (80, 80)), 140)
    with pytest.raises(InputError, match="no digit stands out"):
        find_ink(picture)
