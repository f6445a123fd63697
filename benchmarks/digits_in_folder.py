"""Whether ``evaluate`` on a folder of photographed digits gives every picture the answer of ``predict``.

300 of MNIST's test digits are drawn as dark ink somewhere on grey or white paper of other sizes, with noise.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from record import FOLDER, record

from edgekit.catalog import resolve_models
from edgekit.data.mnist import open_mnist
from edgekit.evaluation.evaluate import EvaluateOptions, evaluate
from edgekit.evaluation.predict import PredictOptions, predict

sys.path.insert(0, str(FOLDER.parent / "tests" / "evaluation"))
from test_digits_on_paper import on_paper

COUNT, SEED = 300, 7


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder, rng, mnist = Path(place), np.random.default_rng(SEED), open_mnist()
        for name, split, count in (("train", mnist.train, 100), ("test", mnist.test, COUNT)):
            for index in range(count):
                assert split.labels is not None
                path = folder / name / str(split.labels[index]) / f"{index:04d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                on_paper(split.images[index, :, :, 0], rng).save(path)
        record(__file__, {"pictures": COUNT, "files": {path.name: _row(path, folder) for path in _files()}})


def _files() -> tuple[Path, ...]:
    return resolve_models("mnist-tiny")


def _row(model: Path, folder: Path) -> dict[str, float]:
    pictures = sorted((folder / "test").rglob("*.png"))
    confusion = np.zeros((10, 10), int)
    for picture, answer in zip(pictures, predict(PredictOptions(str(model), pictures, top=1)).predictions, strict=True):
        confusion[int(picture.parent.name), int(answer.guesses[0].label)] += 1
    (evaluated,) = evaluate(EvaluateOptions([str(model)], data=str(folder))).evaluations
    row = {
        "evaluate": evaluated.to_dict()["accuracy"],
        "predict": float(np.trace(confusion) / confusion.sum()),
        "answers_that_differ": int(np.abs(np.array(evaluated.to_dict()["confusion"]) - confusion).sum() // 2),
    }
    print(model.name, row)
    return row


if __name__ == "__main__":
    main()
