"""A training that all cores of a cluster share, each its part of every batch: Ray Train over torch's gloo.

After each epoch the first process leaves the run's files at a desk beside whoever waits, who stores them. From there
all go on after a node has died. They stay as many as they were, several on a core where cores are missing, so a
training that lost a node, or was cut off and resumed, ends as one that was not.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.console import counted, say
from edgekit.data.dataset import Dataset
from edgekit.errors import EdgekitError, TrainingError
from edgekit.files import write_bytes
from edgekit.inputs.contracts import Contract
from edgekit.runtimes.refusal import first_line
from edgekit.training import checkpoint
from edgekit.training.checkpoint import CHECKPOINT, METRICS
from edgekit.training.cluster import RETRIES, Cluster, taken_over, trained
from edgekit.training.team import Team

if TYPE_CHECKING:
    from torch import nn

    from edgekit.training.answers.ensemble import CombinedAnswers
    from edgekit.training.loop import EpochMetrics, Train, TrainRun

PART = 16
"""Images of a batch for a core, at least: normalisation over fewer says little."""
PROCESSES = "number of processes"
"""What a checkpoint calls how many train together."""
Files = dict[str, bytes]


@contextmanager
def training_at(address: str) -> Iterator[Train]:
    """The training loop here, or on all cores of the cluster at an address that is not empty.

    Raises:
        DeviceError: see ``Cluster``.
    """
    if not address:
        from edgekit.training import loop

        yield loop.train
        return
    with Cluster(address) as cluster:
        yield partial(train_together, cluster)


def train_together(
    cluster: Cluster, model: nn.Module, contract: Contract, data: Dataset, run: TrainRun, answers: CombinedAnswers
) -> tuple[nn.Module, list[EpochMetrics]]:
    """As ``loop.train``, on all cores of a cluster.

    Raises:
        TrainingError: as there, or processes ended each time that they were begun.
        DeviceError: the cluster is gone, or has no core left.
    """
    cores = cluster.cores
    count = _processes(run, cores)
    run = replace(run, origin={**run.origin, PROCESSES: str(count)})
    if run.resume:  # whoever trains has one thread
        checkpoint.load(run.folder, {**run.identity(data), "threads": 1})
    desk = cluster.near(_Desk, _files(run.folder) if run.resume else {})
    sent, seen, left = cluster.sent(contract, data, run, answers), 0, RETRIES

    def take() -> None:
        nonlocal seen
        if (newer := cluster.got(desk.after.remote(seen))) is not None:
            seen, files = newer
            _put(files, run.folder)
            last = json.loads(files[METRICS].splitlines()[-1])
            say(f"epoch {last['epoch']}/{run.recipe.epochs}: validation {last['validation_accuracy']:.2%}")

    while True:
        say(f"training in {counted(count, 'processes')} on {counted(cores, 'cores')} of {cluster.address}")
        team = cluster.near(_fitted, desk, count, 1 / math.ceil(count / cores), (model, contract, run), sent)
        try:
            return taken_over(model, cluster.done(team, take))
        except _Lost as exc:
            if not left:
                raise TrainingError(f"Its processes on the cluster ended each time: {exc}; --resume goes on.") from exc
            say(f"a process ended ({exc}); all go on from the last epoch")
            left, cores = left - 1, cluster.cores


def _processes(run: TrainRun, cores: int) -> int:
    """How many train: as many as before, where a run is resumed."""
    known = checkpoint.run_of(run.folder).get(PROCESSES) if run.resume else None
    return int(known or max(1, min(cores, run.recipe.batch_size // PART)))


class _Lost(Exception):
    """A process of the training ended, and not by an error of the training."""


class _Desk:
    """Keeps the files of a run's folder for those who train and whoever waits."""

    def __init__(self, files: Files) -> None:
        self.files, self.number = files, 0

    def keep(self, files: Files) -> None:
        self.files, self.number = files, self.number + 1

    def newest(self) -> Files:
        return self.files

    def after(self, number: int) -> tuple[int, Files] | None:
        """What is newer than the files of a number, with its own."""
        return None if self.number == number else (self.number, self.files)


def _files(folder: Path) -> Files:
    return {name: (folder / name).read_bytes() for name in (CHECKPOINT, METRICS) if (folder / name).is_file()}


def _put(files: Files, folder: Path) -> None:
    for name, content in files.items():
        write_bytes(folder / name, content)


def _fitted(desk: Any, count: int, share: float, given: tuple[Any, ...], sent: list[Any]) -> Any:
    """What the first of ``count`` processes gives back, each with this share of a core."""
    from ray.train import ControllerError, FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchConfig, TorchTrainer

    # Ray Train would go on with as many whole cores as before, and wait for them.
    no_retry = FailureConfig(max_failures=0, max_preemption_failures=0, controller_failure_limit=0)
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = TorchTrainer(
                _part,
                train_loop_config={"desk": desk, "given": given, "sent": sent},
                torch_config=TorchConfig(backend="gloo"),
                scaling_config=ScalingConfig(num_workers=count, resources_per_worker={"CPU": share}),
                run_config=RunConfig(storage_path=folder, failure_config=no_retry),
            ).fit()
    except TrainingFailedError as exc:
        own = exc.controller_failure if isinstance(exc, ControllerError) else exc
        failures = getattr(own, "worker_failures", {0: own})
        raise _Lost(first_line(next(iter(failures.values())))) from None
    if isinstance(result.return_value, EdgekitError):
        raise result.return_value
    return result.return_value


def _part(config: dict[str, Any]) -> Any:
    """What one of these processes does. An error of the training is the same in all, at the same step."""
    import ray
    from ray.train import get_context

    desk, (model, contract, run) = config["desk"], config["given"]
    context = get_context()

    def keep(folder: Path) -> None:
        if context.get_world_rank() == 0:
            ray.get(desk.keep.remote(_files(folder)))

    with tempfile.TemporaryDirectory() as name:
        _put(ray.get(desk.newest.remote()), Path(name))
        team = Team(context.get_world_rank(), context.get_world_size(), keep)
        here = replace(run, folder=Path(name), resume=True, team=team)
        try:
            return trained(model, contract, here, *ray.get(config["sent"]))
        except EdgekitError as exc:
            return exc
