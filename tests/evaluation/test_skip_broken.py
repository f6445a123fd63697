from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.data.dataset import Dataset
from edgekit.errors import DataError
from edgekit.evaluation.evaluate import EvaluateOptions, evaluate
from edgekit.options import build


@pytest.fixture
def digits(mnist: Dataset, tmp_path: Path) -> Path:
    """Class folders of four digits each, and one file that is no picture."""
    assert mnist.test.labels is not None
    for label in range(10):
        for row in np.flatnonzero(mnist.test.labels == label)[:4]:
            path = tmp_path / "digits" / str(label) / f"{row}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mnist.test.images[row][..., 0]).save(path)
    (tmp_path / "digits" / "3" / "broken.png").write_bytes(b"text")
    return tmp_path / "digits"


def test_a_broken_picture_is_an_error_unless_it_is_left_out(digits: Path, digit_files: dict[str, Path], capsys) -> None:
    given = {"models": (str(digit_files["tflite"]),), "data": str(digits)}
    with pytest.raises(DataError, match=r"3/broken\.png is not an image"):
        evaluate(build(EvaluateOptions, given))
    (evaluated,) = evaluate(build(EvaluateOptions, {**given, "skip_broken": True})).evaluations
    assert 10 <= evaluated.figures.images < 20  # one of each class at least, a sixth of 40 by chance
    assert "left out 1 of 41 photos" in capsys.readouterr().err
