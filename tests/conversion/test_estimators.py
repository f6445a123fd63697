"""Estimators of scikit-learn become float ONNX that decides as they do, and int8 files that stay close."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Perceptron, Ridge, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC
from skops import io as skops_io

import edgekit
from edgekit.conversion.estimators import estimator_onnx, open_skops
from edgekit.conversion.export import ExportOptions, export
from edgekit.errors import ModelError, UnsupportedError, UsageError
from edgekit.graph.metadata import read_metadata
from edgekit.modelfiles.contents import read_contents

Pair = tuple[np.ndarray, np.ndarray]
DIGITS: Pair = load_digits(return_X_y=True)
WINE: Pair = load_wine(return_X_y=True)
TWO: Pair = (WINE[0][WINE[1] < 2], WINE[1][WINE[1] < 2])
DIABETES: Pair = load_diabetes(return_X_y=True)


def mlp(*widths: int, activation: str = "relu") -> MLPClassifier:
    return MLPClassifier(hidden_layer_sizes=widths, activation=activation, max_iter=20, random_state=0)


CLASSIFIERS = {
    "LinearSVC": (LinearSVC(random_state=0), DIGITS),
    "logistic": (LogisticRegression(max_iter=50), DIGITS),
    "ridge": (RidgeClassifier(), DIGITS),
    "sgd, two classes": (make_pipeline(RobustScaler(), SGDClassifier(random_state=0)), TWO),
    "perceptron": (Perceptron(random_state=0), DIGITS),
    "discriminant": (make_pipeline(PCA(20, whiten=True), LinearDiscriminantAnalysis()), DIGITS),
    "scaled": (make_pipeline(StandardScaler(), LinearSVC(random_state=0)), WINE),
    "not centred": (make_pipeline(StandardScaler(with_mean=False), MaxAbsScaler(), RidgeClassifier()), WINE),
    "selected": (make_pipeline(SelectKBest(k=9), MinMaxScaler(), LogisticRegression()), WINE),
    "decomposed": (make_pipeline("passthrough", TruncatedSVD(20), LinearSVC(random_state=0)), DIGITS),
    "mlp": (mlp(16), DIGITS),
    "mlp, two classes": (
        make_pipeline(StandardScaler(), MLPClassifier(hidden_layer_sizes=(8, 8), activation="tanh", max_iter=20)),
        TWO,
    ),
    "searched": (GridSearchCV(RidgeClassifier(), {"alpha": [0.1, 1.0]}, cv=2), DIGITS),
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def answers(model: ModelProto, rows: np.ndarray) -> np.ndarray:
    session = ReferenceEvaluator(model)
    return np.concatenate([session.run(None, {"features": row[None].astype(np.float32)})[0] for row in rows])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_decides_as_scikit_learn_does(name: str) -> None:
    estimator, (rows, classes) = CLASSIFIERS[name]
    estimator.fit(rows, classes)
    model = estimator_onnx(estimator)
    found = np.asarray(estimator.classes_)[answers(model, rows[::7]).argmax(1)]
    assert found.tolist() == estimator.predict(rows[::7]).tolist()
    assert read_metadata(model, "").labels == tuple(str(label) for label in estimator.classes_)


def test_the_softmax_of_two_classes_is_the_probability_of_a_logistic_regression() -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(*TWO)
    logits = answers(estimator_onnx(estimator), TWO[0]).astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(shares, estimator.predict_proba(TWO[0]), atol=1e-5)


@pytest.mark.parametrize(
    "regressor",
    [
        Ridge(),
        MLPRegressor(
            hidden_layer_sizes=(8,), activation="logistic", random_state=0, max_iter=50, learning_rate_init=0.1
        ),
    ],
)
def test_a_regression_gives_the_same_numbers(regressor: Any) -> None:
    regressor.fit(*DIABETES)
    found = answers(estimator_onnx(regressor), DIABETES[0])
    np.testing.assert_allclose(found[:, 0], regressor.predict(DIABETES[0]), rtol=1e-4)


def test_what_is_linear_is_one_matrix() -> None:
    steps = (StandardScaler(), MaxAbsScaler(), PCA(30), SelectKBest(k=20), LinearSVC(random_state=0))
    nodes = estimator_onnx(make_pipeline(*steps).fit(*DIGITS)).graph.node
    assert [node.op_type for node in nodes] == ["Gemm"]


@pytest.mark.parametrize("estimator", [make_pipeline(StandardScaler(), LogisticRegression()), RidgeClassifier()])
def test_features_of_all_sizes_survive_eight_bits(estimator: Any, tmp_path: Path) -> None:
    estimator = estimator.fit(*WINE)
    data = {"features": WINE[0].astype(np.float32), "labels": WINE[1]}
    result = edgekit.quantize(estimator, data=data, out=tmp_path)
    assert result.tflite.quality.drop <= 3
    assert result.io == "float32, int8", "the file scales the features before it rounds them"


def test_a_skops_file_is_exported_as_the_estimator_is(tmp_path: Path) -> None:
    estimator = make_pipeline(StandardScaler(), mlp(8)).fit(*DIGITS)
    skops_io.dump(estimator, tmp_path / "own.skops")
    assert open_skops(tmp_path / "own.skops").SerializeToString() == estimator_onnx(estimator).SerializeToString()
    for form in ("onnx", "tflite"):
        made = export(ExportOptions(str(tmp_path / "own.skops"), form, out=tmp_path / "run"))
        assert read_contents(made.path).metadata("").labels == tuple("0123456789")


def test_from_sklearn_writes_the_file_that_verbs_take(tmp_path: Path) -> None:
    path = edgekit.from_sklearn(LinearSVC(random_state=0).fit(*DIGITS), tmp_path / "run")
    assert path == tmp_path / "run" / "model.onnx"
    data = {"features": DIGITS[0].astype(np.float32), "labels": DIGITS[1]}
    assert edgekit.evaluate(path, data=data).to_dict()["evaluations"][0]["accuracy"] > 0.9
    with pytest.raises(UsageError, match="A dict is no scikit-learn estimator"):
        edgekit.from_sklearn({})


def test_what_cannot_be_said_in_matrices_is_refused_by_its_name(tmp_path: Path) -> None:
    rows, classes = DIGITS
    with pytest.raises(ModelError, match=r"StandardScaler is not fitted; call its fit first\."):
        estimator_onnx(make_pipeline(StandardScaler(), LinearSVC()))
    with pytest.raises(ModelError, match="GridSearchCV has no best estimator"):
        estimator_onnx(GridSearchCV(RidgeClassifier(), {}))
    for unknown in (KNeighborsClassifier(), SVC(), make_pipeline(FunctionTransformer(np.sqrt), LinearSVC())):
        with pytest.raises(UnsupportedError, match=r"(KNeighbors\w+|SVC|FunctionTransformer) is not known here"):
            estimator_onnx(unknown.fit(rows, classes))
    with pytest.raises(UnsupportedError, match="Pipeline has no step that computes anything"):
        estimator_onnx(make_pipeline("passthrough").fit(rows, classes))
    several = np.stack([classes == 1, classes == 2], 1).astype(int)
    with pytest.raises(UnsupportedError, match="gives several labels at once"):
        estimator_onnx(RidgeClassifier().fit(rows, several))
    with pytest.raises(UnsupportedError, match="MultiOutputClassifier is not known here"):
        estimator_onnx(MultiOutputClassifier(LinearSVC()).fit(rows, several))


def test_a_file_that_could_run_code_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "own.pkl").write_bytes(pickle.dumps(LinearSVC()))
    with pytest.raises(ModelError, match=r"is a pickle, .* skops\.io\.dump\(estimator, 'own\.skops'\)"):
        export(ExportOptions(str(tmp_path / "own.pkl"), out=tmp_path))
    (tmp_path / "own.skops").write_bytes(pickle.dumps(LinearSVC()))
    with pytest.raises(ModelError, match=r"own\.skops is no \.skops file that can be read"):
        open_skops(tmp_path / "own.skops")
    skops_io.dump(FunctionTransformer(eval), tmp_path / "own.skops")
    with pytest.raises(ModelError, match=r"own\.skops holds builtins\.eval, which is not scikit-learn's"):
        open_skops(tmp_path / "own.skops")
    with pytest.raises(ModelError, match=r"gone\.skops does not exist"):
        open_skops(tmp_path / "gone.skops")
