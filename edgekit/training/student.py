"""Who is taught: a student of the catalog, or a torch module of the user's own."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit import catalog
from edgekit.catalog import NetworkCard
from edgekit.conversion.torch_onnx import example_of, sketch_onnx
from edgekit.data import Source, is_unset, open_data
from edgekit.data.dataset import Dataset
from edgekit.data.reading import STRICT, Reading
from edgekit.errors import UsageError
from edgekit.files import sha256_bytes
from edgekit.inputs.contract import InputContract
from edgekit.inputs.contracts import Contract
from edgekit.recipe import TrainRecipe
from edgekit.runtimes.refusal import first_line
from edgekit.zoo import build

if TYPE_CHECKING:
    from torch import nn


def is_run(student: Any) -> bool:
    """True for the name of a folder, unless the catalog has a student of that name."""
    return isinstance(student, str) and student not in ("", *catalog.names("students")) and Path(student).is_dir()


def name_of(student: str | nn.Module) -> str:
    """A student's name, or that of the module's class."""
    return student if isinstance(student, str) else type(student).__name__.lower()


def teacher_of(student: str | nn.Module) -> str:
    """The name of a student's own teacher.

    Raises:
        UnknownNameError: the catalog has no such student.
        UsageError: it has none.
    """
    own = catalog.network_card("students", student).teacher if isinstance(student, str) else ""
    if not own:
        raise UsageError(f"The student {name_of(student)} has no teacher of its own; name one with --teacher.")
    return own


def data_of(who: str, own: str, given: Source) -> Source:
    """The data given, else the ``own`` of the card of ``who`` (``student photo-s``); raise UsageError if neither is."""
    if is_unset(given) and not own:
        raise UsageError(f"The {who} has no data of its own; name a source with --data.")
    return own if is_unset(given) else given


def open_student(
    student: str | nn.Module, source: Source, contract: Contract | None, reading: Reading = STRICT
) -> tuple[NetworkCard, Dataset]:
    """A student's card and data; a module gets a card made up for it.

    ``contract`` is how rows become the module's input; None takes raw pixels of the data's size.

    Raises:
        UnknownNameError: the catalog has no such student.
        UsageError: nothing says which data.
        DataError: see ``open_data``.
    """
    name, own = name_of(student), ""
    if isinstance(student, str):
        card = catalog.network_card("students", student)
        own, contract = card.data, card.contract
    data = open_data(data_of(f"student {name}", own, source), contract, reading)
    if not isinstance(student, str):
        # What a module prints as tells its structure, and so whether a checkpoint is one of it.
        structure = f"{name} {sha256_bytes(repr(student).encode())}"
        eats = contract or InputContract(*data.image_shape)
        card = replace(NetworkCard.made_up(name, structure, eats, TrainRecipe()), classes=data.classes)
    return card, data


def network_of(student: str | nn.Module, card: NetworkCard, classes: int) -> nn.Module:
    """The network to train: a fresh one of the card's architecture, or a copy of the module.

    Raises:
        UsageError: the module does not turn one sample into a score for each class.
    """
    import torch

    if isinstance(student, str):
        return build(card.architecture, card.contract.shape, classes)
    network = copy.deepcopy(student)
    given = example_of(card.contract)
    what = f"the {card.contract.INPUT} {list(given.shape)}"
    try:
        with torch.inference_mode():
            scores = list(network.eval()(given).shape)
    except Exception as exc:  # the user's own code raises what it likes
        raise UsageError(f"The student {card.name} fails on {what}: {first_line(exc)}.") from exc
    if scores != [1, classes]:
        raise UsageError(f"The student {card.name} gives {scores} for {what}; give a network of {classes} scores.")
    sketch_onnx(network, card.contract)  # what cannot be exported is better known before it has learned
    return network
