"""``edgekit distill``: a teacher's answers into a student of the catalog, ending in a float ONNX file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit import catalog
from edgekit.artifact import Metadata
from edgekit.console import print_table, say
from edgekit.data import open_data
from edgekit.data.dataset import Dataset
from edgekit.errors import UsageError
from edgekit.files import require_writable, sha256_file, write_bytes, write_json
from edgekit.recipe import TrainRecipe
from edgekit.training import loop
from edgekit.training.answer_cache import AnswerCache
from edgekit.training.teacher import Teacher, TeacherOptions, open_teacher
from edgekit.training.weights import save_weights
from edgekit.zoo import build


@dataclass(frozen=True)
class DistillOptions:
    """Everything that decides a distillation run; ``source`` is the card's data where it is empty."""

    student: str
    teacher: TeacherOptions
    recipe: TrainRecipe
    folder: Path
    source: str = ""
    seed: int = 0
    resume: bool = False


@dataclass(frozen=True)
class DistillResult:
    """A distilled student. Accuracies in [0, 1]; those of the teacher are on the same test images."""

    student: str
    teacher: str
    model: Path
    sha256: str
    parameters: int
    validation_accuracy: float
    test_accuracy: float
    teacher_test_accuracy: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "model": str(self.model)}


def distill(options: DistillOptions) -> DistillResult:
    """Train a student on the labels and the teacher's answers; store model.onnx and distill.json in the run folder.

    The weights are those after the last epoch (averaged if the recipe has an EMA); the test split is looked at once,
    for the figure. Two runs with the same options end with the same files, also if one was killed and resumed.

    Raises:
        UsageError: teacher and data have different classes.
        TrainingError: training diverged.
    """
    import torch

    from edgekit.conversion.torch_onnx import to_onnx

    card = catalog.network_card("students", options.student)
    data = open_data(options.source or card.data, card.contract)
    loop.require_labels(data)
    require_writable(options.folder)
    teacher = open_teacher(options.teacher, card.contract.shape)
    check_teacher(teacher, data)
    answers = AnswerCache(teacher, data.sha256, options.recipe.augmentation, options.seed)
    torch.manual_seed(options.seed)
    model = build(card.architecture, card.contract.shape, len(data.classes))
    say(f"distilling {teacher.name} into {card.name} on {data.name}: {options.recipe.epochs} epochs")
    origin = {"network": card.architecture, "teacher": answers.key}
    run = loop.TrainRun(options.recipe, options.seed, options.folder, origin, options.resume)
    model, metrics = loop.train(model, card.contract, data, run, answers)
    accuracy = loop.evaluate(model, card.contract, data.test)
    metadata = Metadata(
        contract=card.contract,
        labels=data.classes,
        recipe="distilled",
        quality={"test_accuracy": round(accuracy, 6)},
        parents={"teacher": teacher.sha256, "data": data.sha256},
    )
    save_weights(model, options.folder / "weights.safetensors")
    path = options.folder / "model.onnx"
    write_bytes(path, to_onnx(model, card.contract, metadata).SerializeToString(deterministic=True))
    result = DistillResult(
        student=card.name,
        teacher=teacher.name,
        model=path,
        sha256=sha256_file(path),
        parameters=sum(weight.numel() for weight in model.parameters()),
        validation_accuracy=metrics[-1].validation_accuracy,
        test_accuracy=accuracy,
        teacher_test_accuracy=teacher_accuracy(teacher, data),
    )
    record = {"recipe": options.recipe.to_dict(), "seed": options.seed, "parents": dict(metadata.parents)}
    write_json(options.folder / "distill.json", {**result.to_dict(), "model": path.name, **record})
    return result


def teacher_accuracy(teacher: Teacher, data: Dataset) -> float:
    """Top-1 accuracy in [0, 1] of the teacher on the test split."""
    correct = 0
    for images, labels in data.test.batches(500):
        correct += int((teacher.answer(images).argmax(1) == labels).sum())
    return correct / len(data.test)


def show(result: DistillResult) -> None:
    """Print the result as a table."""
    rows = [
        (result.teacher, "", f"{result.teacher_test_accuracy:.2%}", ""),
        (result.student, f"{result.validation_accuracy:.2%}", f"{result.test_accuracy:.2%}", f"{result.parameters:,}"),
    ]
    print_table("", ("network", "validation", "test", "parameters"), rows)
    say(f"wrote {result.model}; next: edgekit quantize --int8 {result.model.parent}")


def check_teacher(teacher: Teacher, data: Dataset) -> None:
    """Fail before the training begins if the teacher cannot answer about these classes."""
    classes = teacher.answer(data.train.images[:1]).shape[1]
    if classes != len(data.classes):
        raise UsageError(
            f"The teacher {teacher.name} knows {classes} classes and {data.name} has {len(data.classes)}; "
            "use a teacher trained on these classes."
        )
    numbers = tuple(map(str, range(classes)))
    named = len(teacher.labels) == classes and numbers not in (teacher.labels, data.classes)
    if named and teacher.labels != data.classes:
        place = next(index for index in range(classes) if teacher.labels[index] != data.classes[index])
        raise UsageError(
            f"Class {place} of the teacher {teacher.name} is '{teacher.labels[place]}', and of {data.name} it is "
            f"'{data.classes[place]}'; use a teacher trained on these classes, in this order."
        )
