"""scikit-learn → float ONNX: ``features`` [1, N] to the ``logits`` of classes, or to the ``output`` of anything else.

Whatever is linear (scaling, selection, PCA, the decision function) is one matrix until something bends: a pipeline of
StandardScaler, PCA and LinearSVC is one Gemm. So it goes to int8, TFLite and boards as every network does.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import Metadata
from edgekit.errors import ModelError, UnsupportedError, UsageError, naming
from edgekit.extras import install
from edgekit.files import require_file
from edgekit.graph.draft import IR_VERSION
from edgekit.graph.messages import make_node
from edgekit.graph.metadata import write_metadata
from edgekit.graph.prepare import OLDEST
from edgekit.sandbox import Sandbox

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    Matrix = NDArray[np.float64]

SUFFIX = ".skops"
BENT = {"relu": "Relu", "logistic": "Sigmoid", "tanh": "Tanh"}
"""ONNX operators by the activations of an MLP."""
KNOWN = (
    "linear and logistic classifiers and regressions, LinearSVC, LinearDiscriminantAnalysis, MLPs, and pipelines of "
    "them with scalers, selectors of features, PCA and TruncatedSVD"
)


def is_estimator(value: Any) -> bool:
    """True of what follows scikit-learn's protocol."""
    return hasattr(value, "get_params") and hasattr(value, "fit")


def estimator_onnx(estimator: Any) -> ModelProto:
    """A fitted estimator as ONNX; its classes are the labels.

    The logits of two classes are minus and plus half of the decision function, so that their softmax is the
    probability of a logistic regression.

    Raises:
        ModelError: it is not fitted.
        UnsupportedError: it, or a step of its pipeline, is none of those that are known, or no step is left.
    """
    from onnx import TensorProto, helper, numpy_helper
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    if not (found := _steps(estimator)):
        raise UnsupportedError(f"{_name(estimator)} has no step that computes anything; give it one.")
    *steps, last = found
    for step in (*steps, last):
        try:
            check_is_fitted(step)
        except NotFittedError as exc:
            raise ModelError(f"{_name(step)} is not fitted; call its fit first.") from exc
    chain = _Chain()
    for step in steps:
        _transform(chain, step)
    labels = _decide(chain, last)
    output = "logits" if labels else "output"
    inputs, outputs = chain.finish(output)
    values = (("features", inputs), (output, outputs))
    described = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for name, size in values]
    weights = [numpy_helper.from_array(array, name) for name, array in chain.weights.items()]
    graph = helper.make_graph(chain.nodes, _name(last), described[:1], described[1:], weights)
    model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OLDEST)])
    return write_metadata(model, Metadata(labels=labels))


def open_skops(path: Path) -> ModelProto:
    """The estimator in a .skops file as ONNX; the file is opened in a worker process, and nothing is unpickled.

    Raises:
        ModelError, UnsupportedError: the file is broken, holds more than scikit-learn's own types, or see
            ``estimator_onnx``.
        UsageError: skops is not installed.
    """
    import onnx

    require_file(path)
    with Sandbox(str(path)) as sandbox:
        data = sandbox.call("edgekit.conversion.estimators:skops_bytes", path=str(path))
    return onnx.load_model_from_string(data.tobytes())


def skops_bytes(path: str) -> NDArray[np.uint8]:
    """What ``open_skops`` does inside its worker: the serialized model."""
    try:
        from skops import io
    except ImportError as exc:
        raise UsageError(f"{path} needs skops to be read; run: {install('sklearn')}") from exc
    try:
        foreign = [name for name in io.get_untrusted_types(file=path) if not name.startswith("sklearn.")]
        if foreign:
            raise ModelError(f"{path} holds {foreign[0]}, which is not scikit-learn's; save the estimator without it.")
        estimator = io.load(path, trusted=io.get_untrusted_types(file=path))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, ImportError, OSError) as exc:
        raise ModelError(f"{path} is no .skops file that can be read ({exc}); write it by skops.io.dump.") from exc
    with naming(path):
        return np.frombuffer(estimator_onnx(estimator).SerializeToString(deterministic=True), np.uint8)


@dataclass
class _Chain:
    """Nodes so far; ``weight`` [outputs, inputs] and ``bias`` are what is linear since the last of them."""

    nodes: list[NodeProto] = field(default_factory=list)
    weights: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    weight: Matrix | None = None
    bias: Matrix | None = None

    def linear(self, weight: Any, bias: Any = 0.0) -> None:
        """Values x become ``weight`` · x + ``bias``; a ``weight`` of one axis scales each."""
        matrix = np.asarray(weight, np.float64)
        offset = np.broadcast_to(np.asarray(bias, np.float64), len(matrix))
        matrix = np.diag(matrix) if matrix.ndim == 1 else matrix
        if self.weight is None or self.bias is None:
            self.weight, self.bias = matrix, offset
        else:
            self.weight, self.bias = matrix @ self.weight, matrix @ self.bias + offset

    def bend(self, operator: str) -> None:
        """Values go through an activation."""
        self._multiply(f"linear{len(self.nodes)}")
        name = f"bent{len(self.nodes)}"
        self.nodes.append(make_node(operator, [self.nodes[-1].output[0]], [name], name))

    @property
    def size(self) -> int:
        """How many values there are now."""
        assert self.bias is not None
        return len(self.bias)

    def finish(self, output: str) -> tuple[int, int]:
        """Write what is still to be multiplied, to the value ``output``; the sizes of input and output."""
        self._multiply(output)
        shapes = [array.shape for array in self.weights.values() if array.ndim == 2]
        return shapes[0][1], shapes[-1][0]

    def _multiply(self, output: str) -> None:
        assert self.weight is not None
        assert self.bias is not None
        source = self.nodes[-1].output[0] if self.nodes else "features"
        names = (f"{output}.weight", f"{output}.bias")
        for name, array in zip(names, (self.weight, self.bias), strict=True):
            self.weights[name] = array.astype(np.float32)
        self.nodes.append(make_node("Gemm", [source, *names], [output], output, transB=1))
        self.weight = self.bias = None


def _steps(estimator: Any) -> list[Any]:
    """The estimators in a pipeline, in their order; a search stands for the best that it found."""
    from sklearn.model_selection._search import BaseSearchCV
    from sklearn.pipeline import Pipeline

    if isinstance(estimator, BaseSearchCV):
        if not hasattr(estimator, "best_estimator_"):
            raise ModelError(f"{_name(estimator)} has no best estimator; call its fit first, with refit.")
        return _steps(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        named = [step for _, step in estimator.steps if step is not None and not isinstance(step, str)]
        return [inner for step in named for inner in _steps(step)]
    return [estimator]


def _transform(chain: _Chain, step: Any) -> None:
    """A step before the last."""
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.feature_selection import SelectorMixin
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

    match step:
        case StandardScaler() | RobustScaler():
            center = getattr(step, "mean_" if isinstance(step, StandardScaler) else "center_")
            scale = np.ones(step.n_features_in_) if step.scale_ is None else 1 / step.scale_
            centred = step.with_mean if isinstance(step, StandardScaler) else step.with_centering
            chain.linear(scale, -center * scale if centred else 0.0)
        case MinMaxScaler(clip=False):
            chain.linear(step.scale_, step.min_)
        case MaxAbsScaler():
            chain.linear(1 / step.scale_)
        case PCA():
            scale = 1 / np.sqrt(step.explained_variance_) if step.whiten else np.ones(len(step.components_))
            matrix = scale[:, None] * step.components_
            chain.linear(matrix, -matrix @ step.mean_)
        case TruncatedSVD():
            chain.linear(step.components_)
        case SelectorMixin():
            chain.linear(np.eye(step.n_features_in_)[step.get_support()])
        case _:
            raise _unknown(step)


def _decide(chain: _Chain, last: Any) -> tuple[str, ...]:
    """The last step; the names of its classes, none of what decides nothing."""
    from sklearn.linear_model._base import LinearClassifierMixin, LinearModel
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    if isinstance(last, MLPClassifier | MLPRegressor):
        for weight, bias in zip(last.coefs_[:-1], last.intercepts_[:-1], strict=True):
            chain.linear(weight.T, bias)
            if last.activation != "identity":
                chain.bend(BENT[last.activation])
        chain.linear(last.coefs_[-1].T, last.intercepts_[-1])
    elif isinstance(last, LinearClassifierMixin | LinearModel) and hasattr(last, "coef_"):
        coefficients = last.coef_.toarray() if hasattr(last.coef_, "toarray") else last.coef_
        chain.linear(np.atleast_2d(coefficients), last.intercept_)
    else:
        _transform(chain, last)
    if not hasattr(last, "classes_"):
        return ()
    labels = tuple(str(label) for label in last.classes_)
    if chain.size != (len(labels) if len(labels) > 2 else 1):
        raise UnsupportedError(f"{_name(last)} gives several labels at once, where one is wanted.")
    if chain.size == 1:
        chain.linear([[-0.5], [0.5]])
    return labels


def _unknown(step: Any) -> UnsupportedError:
    return UnsupportedError(f"{_name(step)} is not known here; known are {KNOWN}.")


def _name(step: Any) -> str:
    return type(step).__name__
