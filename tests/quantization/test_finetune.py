from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx.helper import make_node
from small_graphs import graph_of, noise, static_plan

from edgekit.catalog import resolve_model
from edgekit.data.dataset import Dataset, Split
from edgekit.data.intake import Pictures
from edgekit.errors import DataError, TrainingError, UnsupportedError, UsageError
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.calibrate import RealInputs, calibrate, open_session
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.rungs import finetune as module
from edgekit.quantization.rungs.fake_quantized import QuantizedModule
from edgekit.quantization.rungs.finetune import Finetuned, FinetuneOptions, finetune
from edgekit.quantization.tensor_groups import affines, tie_groups

CONTRACT = InputContract(28, 28, 1, domain="digit")
FAST = FinetuneOptions(epochs=3, batch_size=16, learning_rate=2e-3, scale_rate=5e-3, held_out=0.25)


@pytest.fixture(scope="module")
def tiny() -> onnx.ModelProto:
    return prepare(onnx.load(resolve_model("mnist-tiny", "model.onnx")))


@pytest.fixture(scope="module")
def broken(tiny: onnx.ModelProto, mnist: Dataset) -> Plan:
    """4-bit weights, one scale for each tensor of them."""
    groups = tie_groups(tiny, Pictures(CONTRACT))
    tensors = [name for group in groups for name in group.tensors]
    seen = calibrate(tiny, tensors, digits(mnist, 32))
    ranges = [group.range("minmax", seen) for group in groups]
    return Plan(affines(groups, ranges), scheme=WeightScheme(per_tensor=True, weight_bits=4))


@pytest.fixture(scope="module")
def tuned(tiny: onnx.ModelProto, broken: Plan, mnist: Dataset) -> Finetuned:
    return finetune(tiny, broken, digits(mnist, 192), FAST)


def digits(data: Dataset, count: int, first: int = 0) -> RealInputs:
    return RealInputs(data.train, np.arange(first, first + count), Pictures(CONTRACT))


def answers(model: onnx.ModelProto, inputs: RealInputs) -> np.ndarray:
    opened = open_session(model, optimize=False)
    name = opened.get_inputs()[0].name
    return np.concatenate([opened.run(None, {name: image})[0] for (image,) in inputs])


def small(output: str = "Gemm") -> tuple[onnx.ModelProto, Plan, RealInputs]:
    """One layer, an 8-bit plan of it, and 24 images."""
    nodes = [make_node("Conv", ["image", "w"], ["a"]), make_node("Relu", ["a"], ["b"])]
    if output == "Gemm":
        nodes += [make_node("Flatten", ["b"], ["c"]), make_node("Gemm", ["c", "v"], ["out"], transB=1)]
    else:
        nodes.append(make_node(output, ["b"], ["out"]))
    constants = {"w": noise(2, 1, 3, 3) / 3, "v": noise(3, 32) / 4}
    used = {name: value for name, value in constants.items() if name == "w" or output == "Gemm"}
    model = prepare(graph_of(nodes, {"image": (1, 1, 6, 6)}, used))
    pixels = np.random.default_rng(0).integers(0, 256, (24, 6, 6, 1), np.uint8)
    return model, static_plan(model), RealInputs(Split(pixels), np.arange(24), Pictures(InputContract(6, 6, 1)))


def test_a_broken_start_is_mended(tiny: onnx.ModelProto, broken: Plan, tuned: Finetuned, mnist: Dataset) -> None:
    unseen = digits(mnist, 200, first=1000)
    wanted = answers(tiny, unseen).argmax(1)
    before = np.mean(answers(insert_qdq(tiny, broken, "float32"), unseen).argmax(1) == wanted)
    after = np.mean(answers(insert_qdq(tuned.model, tuned.plan, "float32"), unseen).argmax(1) == wanted)
    assert before < 0.5
    assert after > before + 0.2
    assert tuned.kept > 0


def test_the_written_file_answers_as_in_training(tuned: Finetuned, mnist: Dataset) -> None:
    unseen = digits(mnist, 200, first=1000)
    written = answers(insert_qdq(tuned.model, tuned.plan, "float32"), unseen)
    with torch.no_grad():
        trained = (
            QuantizedModule(tuned.model, tuned.plan)
            .eval()(torch.from_numpy(np.concatenate([image for (image,) in unseen])))[0]
            .numpy()
        )
    assert np.mean(written.argmax(1) == trained.argmax(1)) > 0.99
    assert np.abs(written - trained).mean() < tuned.plan.affines["logits"].scale / 10


def test_the_plan_keeps_its_bits_and_its_scheme(broken: Plan, tuned: Finetuned) -> None:
    assert tuned.plan.scheme == WeightScheme(per_tensor=True, weight_bits=4)
    assert {name: affine.zero_point for name, affine in tuned.plan.affines.items()} == {
        name: affine.zero_point for name, affine in broken.affines.items()
    }
    weights = tuned.plan.weights.values()
    assert all(item.quantization.axis is None and np.abs(item.stored).max() <= 7 for item in weights)


def test_the_record_of_the_epochs_starts_with_the_start(tuned: Finetuned) -> None:
    record = tuned.to_dict()
    assert [epoch["epoch"] for epoch in record["epochs"]] == [0, 1, 2, 3]
    assert record["epochs"][0]["loss"] is None
    assert record["images"] == 144
    best = min(record["epochs"], key=lambda epoch: epoch["held_out_loss"])
    assert record["kept"] == best["epoch"]


def test_training_that_only_does_harm_is_not_kept() -> None:
    model, plan, inputs = small()
    result = finetune(model, plan, inputs, replace(FAST, learning_rate=0.9, epochs=1))
    assert result.kept == 0
    np.testing.assert_array_equal(
        answers(insert_qdq(result.model, result.plan, "float32"), inputs),
        answers(insert_qdq(model, plan, "float32"), inputs),
    )


def test_the_same_seed_gives_the_same_weights() -> None:
    model, plan, inputs = small()
    one, same, other = (finetune(model, plan, inputs, replace(FAST, seed=seed)).epochs for seed in (0, 0, 1))
    assert one == same
    assert one != other


def test_a_batch_that_memory_does_not_hold_is_learned_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model, plan, inputs = small()
    whole = finetune(model, plan, inputs, FAST)
    monkeypatch.setattr(module, "MEMORY", 1)
    parted = finetune(model, plan, inputs, FAST)
    for one, other in zip(whole.epochs, parted.epochs, strict=True):
        assert other.held_out_loss == pytest.approx(one.held_out_loss, rel=1e-2)


def test_scales_can_be_left_alone() -> None:
    model, plan, inputs = small()
    result = finetune(model, replace(plan, scheme=WeightScheme(weight_bits=3)), inputs, replace(FAST, scale_rate=0.0))
    assert result.plan.affines == plan.affines


def test_an_output_that_is_no_list_of_scores_is_learned_by_its_values() -> None:
    model, plan, inputs = small("Sigmoid")
    start = replace(plan, scheme=WeightScheme(weight_bits=2))
    result = finetune(model, start, inputs, replace(FAST, epochs=6, learning_rate=0.02))
    assert result.epochs[0].agreement is None
    assert result.epochs[result.kept].held_out_loss < result.epochs[0].held_out_loss


def test_a_teachers_scores_can_take_the_place_of_the_models_own() -> None:
    model, plan, inputs = small()
    wanted = np.float32([[4, 0, 0]]).repeat(24, axis=0)
    options = replace(FAST, epochs=12, learning_rate=0.05, scale_rate=0.02)
    result = finetune(model, plan, inputs, options, wanted)
    assert result.epochs[result.kept].agreement == 1.0


def test_a_teacher_of_other_classes_is_refused() -> None:
    model, plan, inputs = small()
    with pytest.raises(DataError, match=r"\[24, 5\] and the model's \[24, 3\]"):
        finetune(model, plan, inputs, FAST, noise(24, 5))


def test_a_single_image_is_not_enough() -> None:
    model, plan, inputs = small()
    with pytest.raises(DataError, match="There is 1 image"):
        finetune(model, plan, inputs.first(1), FAST)


def test_a_loss_that_is_no_number_ends_it() -> None:
    model, plan, inputs = small()
    with pytest.raises(TrainingError, match="diverged"):
        finetune(model, plan, inputs, FAST, np.full((24, 3), np.nan, np.float32))


def test_what_cannot_be_trained_is_named_before_any_work() -> None:
    model = prepare(graph_of([make_node("Softsign", ["image"], ["out"], name="odd")], {"image": (1, 4)}))
    model.graph.node[0].op_type = "Unheard"
    with pytest.raises(UnsupportedError, match="'odd' is a Unheard"):
        finetune(model, Plan({}), small()[2], FAST)


def test_a_model_of_two_inputs_is_refused() -> None:
    model = prepare(graph_of([make_node("Add", ["x", "y"], ["out"])], {"x": (1, 4), "y": (1, 4)}))
    with pytest.raises(UnsupportedError, match="one input, not of x, y"):
        finetune(model, static_plan(model), small()[2], FAST)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"scale_rate": 1.0},
        {"temperature": 0.0},
        {"held_out": 0.0},
    ],
)
def test_options_out_of_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        FinetuneOptions(**wrong)


def test_a_loss_of_ones_own_is_made_smaller(tiny: onnx.ModelProto, broken: Plan, mnist: Dataset) -> None:
    """The lesson is another one than to answer as the float model does: its classes in reverse."""
    inputs = digits(mnist, 192)
    float_answers = finetune(tiny, broken, inputs, replace(FAST, epochs=1)).epochs[0].agreement
    assert float_answers is not None
    labels = torch.from_numpy(9 - inputs.split.labels[inputs.indices])
    asked = []

    def reversed_labels(answers: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
        asked.append(rows)
        return torch.nn.functional.cross_entropy(answers, labels[rows])

    found = finetune(tiny, broken, inputs, replace(FAST, learning_rate=1e-2), loss=reversed_labels)
    assert found.epochs[found.kept].held_out_loss < found.epochs[0].held_out_loss
    assert found.epochs[-1].agreement < float_answers
    assert set(np.concatenate(asked)) == set(range(192))
