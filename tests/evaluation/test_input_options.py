"""Third-party files that say nothing of their input: the user says it, and every verb feeds them right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_models import Linear, packed, quantized, tflite_model

from edgekit.artifact import TensorSpec
from edgekit.errors import DataError, UsageError
from edgekit.evaluation.classifier import Classifier
from edgekit.evaluation.compare import CompareOptions, compare_samples
from edgekit.evaluation.evaluate import EvaluateOptions, evaluate
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.predict import PredictOptions, predict
from edgekit.inputs.contract import InputContract
from edgekit.tasks.classification import probabilities

CONTRACT = InputContract(28, 28, 3, mean=(0.5,), std=(0.25,))


@pytest.fixture
def their_file(linear: Linear, tmp_path: Path) -> Path:
    """A float file without any description that takes pixels of -1 to 1: (byte - 127.5) / 127.5."""
    halves = Linear(linear.weights / 2, linear.bias + linear.weights.sum(axis=0) / 2)
    model = tflite_model(halves)
    model.metadata = None
    path = tmp_path / "theirs.tflite"
    path.write_bytes(packed(model))
    return path


def test_options_replace_what_the_file_says() -> None:
    assert InputOptions().contract(CONTRACT) == CONTRACT
    assert InputOptions(domain="digit").contract(CONTRACT).mean == (0.5,)
    assert InputOptions(mean=(0.1, 0.2, 0.3)).contract(CONTRACT).std == (1.0,)
    bytes_wanted = InputOptions(pixels=255).contract(CONTRACT)
    white = np.full((1, 28, 28, 3), 255, np.uint8)
    assert bytes_wanted.real(white) == pytest.approx(255)
    centred = InputOptions((127.5,), (127.5,), pixels=255).contract(CONTRACT)
    assert centred.real(np.stack([white[0], 0 * white[0]])).reshape(2, -1)[:, 0] == pytest.approx([1, -1])


@pytest.mark.parametrize(
    "options", [InputOptions(mean=(1.0, 2.0)), InputOptions(std=(0.0,)), InputOptions(mean=(float("nan"),))]
)
def test_numbers_that_do_not_fit_the_channels_are_refused(options: InputOptions) -> None:
    with pytest.raises(UsageError, match="--mean and --std do not fit the model's 3 channels"):
        options.contract(CONTRACT)


def test_another_white_than_1_or_255_is_refused() -> None:
    with pytest.raises(UsageError, match="--pixels is 1 or 255"):
        InputOptions(pixels=128)


@pytest.mark.parametrize("options", [InputOptions((0.5,), (0.5,)), InputOptions((127.5,), (127.5,), pixels=255)])
def test_a_third_party_file_is_evaluated_as_it_was_trained(
    their_file: Path, digit_files: dict[str, Path], small_mnist: Path, options: InputOptions
) -> None:
    (theirs,) = evaluate(EvaluateOptions((str(their_file),), str(small_mnist), input=options)).evaluations
    (ours,) = evaluate(EvaluateOptions((str(digit_files["tflite"]),), str(small_mnist))).evaluations
    assert theirs.figures == ours.figures


def test_a_guess_about_the_input_is_said_aloud(
    their_file: Path, digit_files: dict[str, Path], small_mnist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(EvaluateOptions((str(their_file),), str(small_mnist)))
    assert "does not say how pixels become its input: it gets pixel / 255" in capsys.readouterr().err
    evaluate(EvaluateOptions((str(their_file),), str(small_mnist), input=InputOptions((0.5,), (0.5,))))
    evaluate(EvaluateOptions((str(digit_files["tflite"]),), str(small_mnist)))
    assert "does not say" not in capsys.readouterr().err


def test_an_8_bit_file_needs_no_options(linear: Linear, tmp_path: Path, small_mnist: Path) -> None:
    model = tflite_model(quantized(linear))
    model.metadata = None
    path = tmp_path / "int8.tflite"
    path.write_bytes(packed(model))
    (evaluation,) = evaluate(EvaluateOptions((str(path),), str(small_mnist))).evaluations
    assert evaluation.figures.accuracy > 0.75


def test_compare_feeds_both_sides_alike(their_file: Path, small_mnist: Path) -> None:
    options = InputOptions((0.5,), (0.5,))
    result = compare_samples(
        CompareOptions(str(their_file), f"{their_file}@litert-reference", str(small_mnist), 50, input=options)
    )
    assert result.agreement == 1.0


def test_predict_takes_the_users_names_and_kind_of_picture(their_file: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"digit {index}" for index in range(10)))
    picture = tmp_path / "one.png"
    ink = np.full((40, 40), 255, np.uint8)
    ink[8:32, 18:22] = 0
    Image.fromarray(ink).save(picture)
    options = InputOptions((0.5,), (0.5,), domain="digit", labels=names)
    (prediction,) = predict(PredictOptions(str(their_file), [picture], input=options)).predictions
    assert prediction.guesses[0].label == "digit 1"


def test_a_label_file_must_fit_the_scores(their_file: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("one\ntwo\n")
    with pytest.raises(UsageError, match="has 2 lines, but the model gives 10 scores"):
        Classifier(their_file, options=InputOptions(labels=names))
    with pytest.raises(UsageError, match="--labels"):
        Classifier(their_file, options=InputOptions(labels=tmp_path / "none.txt"))


def test_labels_that_are_not_the_datas_are_an_error(their_file: Path, small_mnist: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nten\n")
    result = evaluate(
        EvaluateOptions((str(their_file),), str(small_mnist), input=InputOptions((0.5,), (0.5,), labels=names))
    )
    assert result.evaluations[0].figures.classes[9] == "ten"
    with pytest.raises(DataError):
        evaluate(EvaluateOptions((str(their_file),), str(tmp_path / "no such data")))


def test_softmax_in_8_bits_is_not_put_through_softmax_again() -> None:
    """Most of 1,001 small probabilities round to 0, so that the sum of a row is far below 1."""
    scores = np.zeros((1, 1001), np.float32)
    scores[0, :2] = 0.5, 0.125
    assert probabilities(scores)[0, 0] < 0.01
    for dtype, zero_point in (("int8", -128), ("uint8", 0)):
        spec = TensorSpec("scores", (1, 1001), dtype, 1 / 256, zero_point)
        np.testing.assert_array_equal(probabilities(scores, spec), scores)
    other = TensorSpec("scores", (1, 1001), "int8", 1 / 256, 0)
    assert probabilities(scores, other)[0, 0] < 0.01
