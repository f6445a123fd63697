"""Estimators of scikit-learn on its digits, as int8 files: bytes, accuracy, answers that differ from its own, latency.

    python benchmarks/linear.py DIR

A quarter of the digits is held out; how many of their answers differ from scikit-learn's is counted for the float and
the int8 files alike.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from record import record
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import edgekit

ESTIMATORS = {
    "LinearSVC": LinearSVC(random_state=0),
    "StandardScaler, PCA(40), LinearSVC": make_pipeline(StandardScaler(), PCA(40), LinearSVC(random_state=0)),
    "StandardScaler, MLPClassifier(32)": make_pipeline(
        StandardScaler(), MLPClassifier(hidden_layer_sizes=(32,), max_iter=400, random_state=0)
    ),
}


def main(folder: Path) -> None:
    rows, digits = load_digits(return_X_y=True)
    parts = train_test_split(rows.astype(np.float32), digits, random_state=0, stratify=digits)
    names = ("train", "test")
    data = {name: {"features": parts[i], "labels": parts[2 + i]} for i, name in enumerate(names)}
    result = {
        name: of(estimator, data, folder / str(place)) for place, (name, estimator) in enumerate(ESTIMATORS.items())
    }
    print(result)
    record(__file__, result, "DIR")


def of(estimator: Any, data: dict[str, dict[str, Any]], out: Path) -> dict[str, Any]:
    """What an estimator's files cost, and how often they answer otherwise."""
    train, test = data["train"], data["test"]
    estimator.fit(train["features"], train["labels"])
    wanted = estimator.predict(test["features"])
    made = edgekit.quantize(estimator, data=data, out=out)
    files = {}
    for file, measured in (
        ("model.onnx", made.original),
        ("model.int8.onnx", made.onnx),
        ("model.int8.tflite", made.tflite),
    ):
        with edgekit.open(out / file) as model:
            given, taken = model.inputs[0], model.outputs[0]
            rows = given.quantize(test["features"]).astype(given.dtype)
            found = np.array([model.run({given.name: row[None]})[taken.name].argmax() for row in rows])
        files[measured.file] = {
            "bytes": measured.file_bytes,
            "test_accuracy": float((found == test["labels"]).mean()),
            "answers_that_differ": int((found != wanted).sum()),
        }
    return {
        "test_samples": len(wanted),
        "test_accuracy_of_scikit_learn": float((wanted == test["labels"]).mean()),
        "files": files,
        "one_thread": made.to_dict()["speed"],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
