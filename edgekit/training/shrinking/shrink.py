"""``edgekit shrink``: a teacher with channels taken out and distilled back, until its int8 file has a given size."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit import catalog
from edgekit.artifact import Metadata
from edgekit.catalog import SHRINK, NetworkCard, run_folder
from edgekit.console import Part, Remark, say
from edgekit.data import Source, open_data
from edgekit.data.dataset import Dataset
from edgekit.data.intake import require_pictures
from edgekit.data.reading import Reading
from edgekit.errors import UsageError
from edgekit.files import write_json
from edgekit.inputs.contract import InputContract
from edgekit.inputs.contracts import Contract
from edgekit.operators.weight_scheme import EIGHT_BITS, WeightScheme
from edgekit.options import ANY_SEED, LARGEST_SEED, RAY, SOURCES, Options, argument, byte_size, group, option
from edgekit.recipe import Augmentation, TrainRecipe
from edgekit.runtimes.refusal import first_line
from edgekit.training.distill import DistillOptions, DistillResult, distill, require_files
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.runs import record_of
from edgekit.training.student import data_of, name_of
from edgekit.training.teacher import Teacher
from edgekit.training.teachers import TeacherDetails, open_teacher

if TYPE_CHECKING:
    from torch import Tensor, nn

PHOTOS = TrainRecipe(
    epochs=20,
    batch_size=64,
    learning_rate=5e-3,
    ema=0.99,
    views=8,
    augmentation=Augmentation(resized_crop=0.4, flip=0.5),
)
"""The recipe where the teacher has no card that says one."""
SHORT = 4
"""A cut that is not the last is followed by this part of the recipe's epochs."""
JUDGING_IMAGES = 128
"""Training images that channels are judged by."""
TRIES = 8


@dataclass(frozen=True)
class ShrinkOptions(Options):
    """What to shrink, and how far. ``teacher`` may be a torch module, ``data`` whatever ``open_data`` takes."""

    teacher: str | Any = argument("A card's name, a run folder or module:factory.", metavar="TEACHER")
    to: int | str = option(
        "Largest size of the int8 file: 300KB or 0.3MB (of 1,000), 290KiB, 300000.", metavar="SIZE", read=byte_size
    )
    data: Source = option(SOURCES, "", metavar="SRC", unset="the card's")
    size: int | None = option("Side of the student's pictures, in pixels.", None, unset="the teacher's", least=8)
    steps: int = option("Cuts, each followed by distilling back.", 1, least=1, most=16)
    details: TeacherDetails = group(TeacherDetails)
    out: Path | None = option("Folder for the results.", None, metavar="DIR", unset="runs/NAME-shrunk")
    reading: Reading = group(Reading)
    recipe: DistillRecipeOptions = group(DistillRecipeOptions)
    extra: Source = option("More images, without labels: the teacher's answers are learned.", "", metavar="SRC")
    qat: bool = option("End under the quantizer: int8 files too, fine-tuned with the teacher.", False)
    weights: WeightScheme = group(WeightScheme)
    seed: int = option(ANY_SEED, 0, least=0, most=LARGEST_SEED)
    resume: bool = option("Go on from the last checkpoint in --out.", False)
    ray: str = option(RAY, "", metavar="ADDRESS")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_files(self.weights, self.qat)


@dataclass(frozen=True, kw_only=True)
class ShrinkResult(DistillResult):
    """What distilling back ended with; bytes of int8 files; how many channels each layer is left with."""

    int8_bytes: int
    teacher_int8_bytes: int
    channels: Mapping[str, int]

    def parts(self) -> Iterator[Part]:
        """The accuracies, the sizes, and what to type next."""
        *tables, last = super().parts()
        yield from tables
        yield Remark(
            f"the int8 file will have {self.int8_bytes:,} bytes; the teacher's would have {self.teacher_int8_bytes:,}"
        )
        yield last


def shrink(options: ShrinkOptions) -> ShrinkResult:
    """Take channels out of a teacher in steps, each followed by distilling the whole teacher into what is left.

    The steps divide the way to the size evenly by ratio. The result is a run folder as of ``distill`` with shrink.json
    in it; what was distilled after earlier cuts lies in its folders step-1, step-2 and so on. Two runs with the same
    options end with the same files, also if one was killed and resumed.

    Raises:
        UsageError: the teacher is no torch network, or none whose channels can be followed; the size is larger than the
            teacher's own file or smaller than can be reached.
        TrainingError: training diverged.
    """
    from edgekit.training import loop

    assert isinstance(options.to, int)
    teacher, source, recipe = _opened(options)
    cut = looks_once(teacher)  # known before any data are read
    contract = require_pictures(teacher.contract, f"The teacher {teacher.name}")
    contract = replace(contract, height=options.size or contract.height, width=options.size or contract.width)
    data = open_data(source, contract, options.reading)
    loop.require_labels(data)
    block = _block(cut, contract, data, options.to, options.seed, options.weights)
    network, whole, int8_bytes = block.network, block.int8_bytes, block.int8_bytes
    folder = run_folder(options.out, f"{_name_of(teacher)}-shrunk")
    for step in range(1, options.steps + 1):
        is_last = step == options.steps
        size = round(whole * (options.to / whole) ** (step / options.steps))
        network, int8_bytes = _cut(replace(block, network=network, int8_bytes=int8_bytes), size, options.seed)
        say(f"cut {step} of {options.steps}: an int8 file of {int8_bytes:,} bytes")
        epochs = recipe.epochs if is_last else max(1, recipe.epochs // SHORT)
        own = {
            "student": network,
            "data": source,
            "out": folder if is_last else folder / f"step-{step}",
            "recipe": replace(options.recipe, recipe=recipe, epochs=epochs),
            "qat": options.qat and is_last,
            "weights": options.weights if is_last else EIGHT_BITS,
            "contract": contract,
            "structure": cut.structure,
        }
        distilled = distill(DistillOptions(**options.shared_with(DistillOptions) | own))
    result = ShrinkResult(
        **vars(distilled), int8_bytes=int8_bytes, teacher_int8_bytes=whole, channels=_channels(network)
    )
    record = {"to": options.to, "steps": options.steps, "seed": options.seed}
    write_json(folder / SHRINK, {**result.to_dict(), "model": result.model.name, **record})
    return result


def looks_once(teacher: Teacher) -> Teacher:
    """The teacher as a student begins: if it looks at a picture and at its mirror image, at the picture alone.

    Raises:
        UsageError: it has no network that torch computes.
    """
    network, structure = _network_of(teacher), teacher.structure
    if structure is None or not getattr(network, "mirrored", False):
        return teacher
    once: Any = copy.deepcopy(network)
    once.mirrored = False
    arguments = {**structure.architecture.arguments, "mirrored": False}
    structure = replace(structure, architecture=replace(structure.architecture, arguments=arguments))
    return replace(teacher, network=once, structure=structure)


def cut_teacher(
    teacher: Teacher, contract: Contract, data: Dataset, to: int, seed: int, weights: WeightScheme
) -> nn.Module:
    """A copy of a teacher's network, for pictures of ``contract``, cut once until its int8 file has ``to`` bytes.

    ``weights`` says how that file stores them. What it knew is not distilled back yet.

    Raises:
        UsageError: see ``shrink``.
    """
    return _cut(_block(teacher, contract, data, to, seed, weights), to, seed)[0]


@dataclass(frozen=True)
class _Block:
    """A network to be cut, the bytes of its int8 file, what describes that, and images to judge channels by."""

    network: nn.Module
    int8_bytes: int
    metadata: Metadata
    images: Tensor
    weights: WeightScheme


def _block(teacher: Teacher, contract: Contract, data: Dataset, to: int, seed: int, weights: WeightScheme) -> _Block:
    """A copy of a teacher's network; raise UsageError if there is nothing to be cut to the size ``to``."""
    import torch

    from edgekit.training.inputs import Inputs
    from edgekit.training.order import in_rows

    network, metadata = copy.deepcopy(_network_of(teacher)), Metadata(contract, data.classes)
    chosen = np.sort(data.train.sample(JUDGING_IMAGES, seed))
    images = in_rows(torch.from_numpy(Inputs(len(data.train), data.train.images.__getitem__, contract)[chosen]))
    _require_fit(network, images[:1], teacher.name)
    whole = _int8_bytes(network, metadata, weights)
    if to >= whole:
        raise UsageError(f"The int8 file of {teacher.name} has {whole:,} bytes already; quantize it, or ask for less.")
    return _Block(network, whole, metadata, images, weights)


def _opened(options: ShrinkOptions) -> tuple[Teacher, Source, TrainRecipe]:
    """The teacher, the data's source, and the recipe for distilling back."""
    named = options.teacher
    is_card = isinstance(named, str) and named in catalog.names("teachers")
    card = catalog.network_card("teachers", named) if is_card else _card_for(named)
    source = data_of(f"teacher {card.name}", card.data, options.data)
    contract = card.contract if options.size is None else InputContract(options.size, options.size, 3)
    if options.size is None and (not isinstance(named, str) or ":" in named):
        contract = InputContract(*open_data(source, reading=options.reading).image_shape)
    (chosen,) = options.details.of([named])
    return open_teacher(chosen, contract), source, options.recipe.of(card)


def _card_for(teacher: str | nn.Module) -> NetworkCard:
    """What stands in for the card of a teacher that has none; a run brings its augmentation along."""
    name, recipe = (teacher if isinstance(teacher, str) else name_of(teacher)), PHOTOS
    if isinstance(teacher, str) and (found := record_of(Path(teacher))) is not None:
        path, record = found
        trained = TrainRecipe.from_dict(record.get("recipe", {}), str(path))
        recipe = PHOTOS.override(augmentation=trained.augmentation)
    return NetworkCard.made_up(name, name, InputContract(224, 224, 3), recipe)


def _name_of(teacher: Teacher) -> str:
    """For a folder; that of a run may have dots, as v1.0, and a factory's is that of its file."""
    return Path(teacher.name.partition(".py:")[0]).name


def _network_of(teacher: Teacher) -> nn.Module:
    """A teacher's network; raise UsageError if it has none that torch computes."""
    if teacher.network is None:
        raise UsageError(
            f"The teacher {teacher.name} is no torch network that channels can be taken from; distill it into a "
            "student, or give a card's name, a run folder of its own or module:factory."
        )
    return teacher.network


def _require_fit(network: nn.Module, image: Tensor, teacher: str) -> None:
    """Raise UsageError if a teacher's network fails on an ``image`` [1, C, H, W]."""
    try:
        network.eval()(image)
    except Exception as exc:  # the user's own code raises what it likes
        height, width = image.shape[2:]
        raise UsageError(
            f"The teacher {teacher} fails on pictures of {height}x{width} ({first_line(exc)}); name a --size that it "
            "takes."
        ) from exc


def _cut(block: _Block, to: int, seed: int) -> tuple[nn.Module, int]:
    """A copy of a network with one whose int8 file has at most ``to`` bytes; and how many it has."""
    from edgekit.training.shrinking.channels import Channels

    network, images = block.network, block.images
    whole = Channels(network, images[:1], block.weights.bytes_each)
    worth = whole.worth(images, seed)
    besides = block.int8_bytes - float(whole.bytes(whole.counts))
    for _ in range(TRIES):
        counts = whole.kept(worth, to - besides)
        smaller = copy.deepcopy(network)
        Channels(smaller, images[:1]).cut(worth, counts)
        size = _int8_bytes(smaller, block.metadata, block.weights)
        if size <= to:
            return smaller, size
        if (counts == whole.least).all():
            break
        besides = size - float(whole.bytes(counts))
    raise UsageError(
        f"{to:,} bytes are too few: {type(network).__name__} cannot have fewer than {size:,}; ask for more."
    )


def _int8_bytes(network: nn.Module, metadata: Metadata, weights: WeightScheme) -> int:
    """Bytes that a network's int8 file has at most."""
    from edgekit.quantization.untrained import untrained_int8

    assert metadata.pictures is not None
    return len(untrained_int8(network, metadata.pictures, metadata.labels, weights))


def _channels(network: nn.Module) -> dict[str, int]:
    """How many outputs each convolution and fully-connected layer has, by its name."""
    from torch import nn

    layers = ((name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear))
    return {name: len(layer.weight) for name, layer in layers}
