"""``edgekit distill``: a teacher's answers into a student, ending in a float ONNX file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.artifact import Metadata
from edgekit.catalog import DISTILL, RUNS, run_folder
from edgekit.console import Part, Remark, Table, counted, say
from edgekit.data import Source, is_unset
from edgekit.data.reading import Reading
from edgekit.errors import UsageError
from edgekit.files import sha256_bytes, sha256_file, write_json
from edgekit.inputs.contracts import Contract
from edgekit.operators.weight_scheme import EIGHT_BITS, WeightScheme
from edgekit.options import ANY_SEED, LARGEST_SEED, RAY, SOURCES, Options, group, option
from edgekit.result import Result
from edgekit.training.answers.ensemble import WAYS, Ensemble, Member
from edgekit.training.answers.extra import with_extra
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.runs import Structure, open_run, store_model
from edgekit.training.student import data_of, is_run, network_of, open_student, teacher_of
from edgekit.training.teachers import TeacherDetails, open_teacher
from edgekit.training.weights import weights_sha256

if TYPE_CHECKING:
    from edgekit.quantization.quantize import QuantizeResult


@dataclass(frozen=True)
class DistillOptions(Options):
    """Everything that decides a distillation run.

    ``student`` and ``teacher`` may be torch modules, ``teacher`` also several teachers, and ``data`` whatever
    ``open_data`` takes. ``contract`` is how rows become the input of a module that is the student; None takes raw
    pixels of the data's size. ``structure`` is what such a module was built as: only with it can its run be opened
    again as a network. The recipe's loss may be a function, see ``edgekit.training.losses``.
    """

    student: str | Any = option(
        "A student of the catalog, or a run folder to go on from.", "", metavar="NAME", unset="by the data"
    )
    teacher: str | Any = option(
        "A card's name, FILE.onnx, FILE.pt2, a run folder or module:factory; several answer together.",
        (),
        unset="the card's",
        many=True,
    )
    ensemble: str = option("How several answers become one: all alike, or by confidence.", "mean", choices=WAYS)
    details: TeacherDetails = group(TeacherDetails)
    data: Source = option(SOURCES, "", metavar="SRC", unset="the card's")
    out: Path | None = option("Folder for the results.", None, metavar="DIR", unset="runs/NAME")
    reading: Reading = group(Reading)
    extra: Source = option("More images, without labels: the teacher's answers are learned.", "", metavar="SRC")
    recipe: DistillRecipeOptions = group(DistillRecipeOptions)
    seed: int | None = option(ANY_SEED, None, unset="the card's", least=0, most=LARGEST_SEED)
    qat: bool = option("End under the quantizer: int8 files too, fine-tuned with the teacher.", False)
    weights: WeightScheme = group(WeightScheme)
    resume: bool = option("Go on from the last checkpoint in --out.", False)
    ray: str = option(RAY, "", metavar="ADDRESS")
    contract: Contract | None = None
    structure: Structure | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.teacher, tuple):
            several = self.teacher if isinstance(self.teacher, list) else [self.teacher]
            object.__setattr__(self, "teacher", tuple(one for one in several if not is_unset(one)))
        self.details.of(self.teacher)
        require_files(self.weights, self.qat)


def require_files(weights: WeightScheme, qat: bool) -> None:
    """Raise UsageError if something is said of how int8 files store weights, and none are made."""
    if not qat and weights != EIGHT_BITS:
        raise UsageError("--per-tensor and --weight-bits are of the files that --qat makes; add it, or leave them.")


@dataclass(frozen=True)
class DistillResult(Result):
    """A distilled student. Accuracies in [0, 1]; those of the teacher are on the same test images.

    ``int8`` says what became of its int8 files, where they were made; ``data`` is the source that was named, if any.
    """

    student: str
    teacher: str
    model: Path
    sha256: str
    parameters: int
    validation_accuracy: float
    test_accuracy: float
    teacher_test_accuracy: float
    int8: QuantizeResult | None = None
    data: str = ""

    def parts(self) -> Iterator[Part]:
        """The accuracies, and what to type next."""
        own = (f"{self.validation_accuracy:.2%}", f"{self.test_accuracy:.2%}", f"{self.parameters:,}")
        rows = [(self.teacher, "", f"{self.teacher_test_accuracy:.2%}", ""), (self.student, *own)]
        yield Table("", ("network", "validation", "test", "parameters"), rows)
        if self.int8 is not None:
            yield from self.int8.parts()
            return
        named = f" --data {shlex.quote(self.data)}" if self.data else ""
        yield Remark(f"wrote {self.model}; next: edgekit quantize --int8 {self.model.parent}{named}")


def distill(options: DistillOptions) -> DistillResult:
    """Train a student on the labels and the teacher's answers; store model.onnx and distill.json in the run folder.

    The weights are those after the last epoch (averaged if the recipe has an EMA), and a module that is the student
    ends with them; the test split is looked at once, for the figure. Two runs with the same options end with the same
    files, also if one was killed and resumed.

    Raises:
        UsageError: there is no teacher or no data, or they have different classes.
        TrainingError: training diverged.
    """
    import torch

    from edgekit.conversion.torch_onnx import example_of
    from edgekit.training import loop
    from edgekit.training.answers.hints import Hinted, with_features
    from edgekit.training.losses import needs_features
    from edgekit.training.together import training_at

    options = _with_network(options)
    named = options.teacher or (teacher_of(options.student),)
    card, data = open_student(options.student, options.data, options.contract, options.reading)
    seed = card.seed if options.seed is None else options.seed
    loop.require_labels(data)
    folder = run_folder(options.out, card.name)
    teachers = [open_teacher(one, card.contract) for one in options.details.of(named)]
    source = data_of(f"student {card.name}", card.data, options.data)
    members = (Member.of(teacher, data, card.contract, source, options.reading) for teacher in teachers)
    ensemble = Ensemble(tuple(members), options.ensemble)
    if not is_unset(options.extra):
        data, ensemble = with_extra(data, ensemble, card.contract, options.extra, options.reading)
    recipe = options.recipe.of(card, len(data.train))
    torch.manual_seed(seed)
    model = trained = network_of(options.student, card, len(data.classes))
    asked = ensemble
    if options.recipe.own_loss is None and needs_features(recipe.loss):
        asked = with_features(ensemble)
        trained = Hinted(model, example_of(card.contract), asked.members[0].teacher.features)
    answers = asked.answers(recipe.augmentation, seed, side=card.contract.shape[0])
    say(f"distilling {ensemble.name} into {card.name} on {data.name}: {counted(recipe.epochs, 'epochs')}")
    answers.announce(recipe.distinct_views)
    takes = sha256_bytes(repr(card.contract).encode())
    origin = {"network": str(card.architecture), "teacher": answers.key, "input": takes}
    if not isinstance(options.student, str):
        origin["starting point"] = weights_sha256(model)
    run = loop.TrainRun(recipe, seed, folder, origin, options.resume, options.recipe.own_loss)
    with training_at(options.ray) as train:
        kept, metrics = train(trained, card.contract, data, run, answers)
    model = kept.student if isinstance(kept, Hinted) else kept
    accuracy = loop.evaluate(model, card.contract, data.test)
    metadata = Metadata(
        contract=card.contract,
        labels=data.classes,
        recipe="distilled",
        quality={"test_accuracy": round(accuracy, 6)},
        parents={"teacher": ensemble.sha256, "data": data.sha256},
    )
    if not isinstance(options.student, str):
        options.student.load_state_dict(model.state_dict())
    path = store_model(model, card.contract, metadata, folder)
    int8 = None
    if options.qat:
        from edgekit.training.qat import quantize_with_teacher

        int8 = quantize_with_teacher(run, data, answers, options.weights)
    result = DistillResult(
        student=card.name,
        teacher=ensemble.name,
        model=path,
        sha256=sha256_file(path),
        parameters=sum(weight.numel() for weight in model.parameters()),
        validation_accuracy=loop.kept_epoch(recipe, metrics).validation_accuracy,
        test_accuracy=accuracy,
        teacher_test_accuracy=ensemble.test_accuracy(),
        int8=int8,
        data=str(options.data) if isinstance(options.data, str | Path) else "",
    )
    is_card = isinstance(options.student, str)
    structure = Structure(card.architecture, card.contract.shape) if is_card else options.structure
    record = {
        "recipe": recipe.to_dict(),
        "seed": seed,
        "parents": dict(metadata.parents),
        "contract": card.contract.describe(),
        "classes": data.classes,
        **({} if structure is None else asdict(structure)),
    }
    write_json(folder / DISTILL, {**result.to_dict(), "model": path.name, **record})
    return result


def _with_network(options: DistillOptions) -> DistillOptions:
    """The options with the network of a run in place of its folder, which is trained on as it was trained."""
    if not is_run(options.student):
        return options
    folder = Path(options.student).resolve()
    run = open_run(folder)
    if run is None:
        raise UsageError(
            f"{options.student} is no run of teach, distill or shrink with a network of the zoo; name a student."
        )
    recipe = options.recipe if options.recipe.recipe != "full" else replace(options.recipe, recipe=run.recipe)
    return replace(
        options,
        student=run.network,
        out=options.out or RUNS / f"{folder.name}-distilled",
        recipe=recipe,
        contract=run.contract,
        structure=run.structure,
    )
