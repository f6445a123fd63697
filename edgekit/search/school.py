"""Where candidates are taught: data at each size of picture, and the teacher's answers, which all of them share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from edgekit.console import quiet
from edgekit.data import Source, open_data
from edgekit.data.dataset import Dataset
from edgekit.data.reading import Reading
from edgekit.files import sha256_bytes
from edgekit.inputs.contracts import Contract
from edgekit.recipe import TrainRecipe
from edgekit.training.answers.ensemble import Ensemble, Member
from edgekit.training.losses import Loss
from edgekit.training.teacher import Teacher

if TYPE_CHECKING:
    from torch import nn

    from edgekit.training.loop import Train


@dataclass
class School:
    """``teachers`` answer together as ``way`` says; views and order are those of ``seed``.

    ``loss`` stands in for that of a recipe, and ``train`` for the training loop.
    """

    teachers: tuple[Teacher, ...]
    way: str
    source: Source
    reading: Reading
    seed: int
    loss: Loss | None = None
    train: Train | None = None
    _opened: dict[Contract, Dataset] = field(default_factory=dict)
    _asked: dict[Contract, Ensemble] = field(default_factory=dict)
    _door: Lock = field(default_factory=Lock)

    def data(self, contract: Contract) -> Dataset:
        """The data as a network of this contract takes them."""
        with self._door:
            if contract not in self._opened:
                from edgekit.training import loop

                data = open_data(self.source, contract, self.reading)
                loop.require_labels(data)
                self._opened[contract] = data
            return self._opened[contract]

    def ask(self, contract: Contract, recipe: TrainRecipe) -> None:
        """Have the teachers answer the views of a recipe, as far as they are not answered yet and a loss asks."""
        from edgekit.training.losses import needs_answers
        from edgekit.training.views import view_of

        if self.loss is None and not needs_answers(recipe.loss):
            return
        data = self.data(contract)
        answers = self._ensemble(contract).answers(recipe.augmentation, self.seed, side=contract.shape[0])
        for number in range(recipe.distinct_views):
            answers(view_of(data.train, recipe.augmentation, self.seed, number))

    def teach(self, network: nn.Module, contract: Contract, recipe: TrainRecipe, folder: Path) -> tuple[float, float]:
        """Train a network in place; its cross-entropy and accuracy on the validation images.

        It goes on where a killed run has stopped, if that was of the same network and had as many threads.

        Raises:
            TrainingError: training diverged.
        """
        import torch
        from torch.nn.functional import cross_entropy

        from edgekit.training import checkpoint, loop

        data = self.data(contract)
        answers = self._ensemble(contract).answers(recipe.augmentation, self.seed, side=contract.shape[0])
        origin = {"network": sha256_bytes(repr(network).encode()), "teacher": answers.key}
        run = loop.TrainRun(recipe, self.seed, folder, origin, loss=self.loss)
        run = replace(run, resume=not checkpoint.differing(checkpoint.run_of(folder), run.identity(data)))
        with quiet():
            kept, _ = (self.train or loop.train)(network, contract, data, run, answers)
        network.load_state_dict(kept.state_dict())
        logits, labels = loop.logits_of(network, contract, data.validation), data.validation.labels
        loss = cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels)).item()
        return loss, float(np.mean(logits.argmax(1) == labels))

    def _ensemble(self, contract: Contract) -> Ensemble:
        data = self.data(contract)
        with self._door:
            if contract not in self._asked:
                members = (Member.of(teacher, data, contract, self.source, self.reading) for teacher in self.teachers)
                self._asked[contract] = Ensemble(tuple(members), self.way)
            return self._asked[contract]
