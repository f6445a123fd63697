"""A Ray cluster as a place to train: what a training needs travels there, and what it made travels back.

A training there is a pure function of what it is sent, so Ray may do it again where a node dies. Pictures and a
teacher's answers are sent once and then lie in the cluster's object store. The nodes need EdgeKit with the extra
``train``, and no file. What travels is unpickled at the other end: a cluster is one's own.
"""

from __future__ import annotations

import logging
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit import __version__
from edgekit.closing import Closing
from edgekit.console import quiet
from edgekit.data.dataset import Dataset, Split
from edgekit.errors import DeviceError, TrainingError
from edgekit.inputs.contracts import Contract
from edgekit.runtimes.refusal import first_line

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from edgekit.training.answers.cache import Answers
    from edgekit.training.answers.ensemble import CombinedAnswers
    from edgekit.training.loop import EpochMetrics, TrainRun

    Outcome = tuple[dict[str, NDArray[Any]], list[EpochMetrics]]
    """Weights by their names, and a record for each epoch."""

CONNECTING_S, ANSWERING_S = 5, 120
LOOK_S = 0.2
"""Between two looks at whether a training is over."""
RETRIES = 3
"""Of what a node was at that died."""


class Cluster(Closing):
    """The cluster at ``address``: HOST:PORT of one that this machine is in, ``auto``, or ``ray://HOST:PORT``.

    Several threads may train there at once, each training on a core.

    Raises:
        DeviceError: no cluster is there, or one of its nodes has not this EdgeKit.
    """

    def __init__(self, address: str) -> None:
        import ray

        self.address, self._ray = address, ray
        self._sent: dict[object, Any] = {}
        self._one, self._is_over = Lock(), False
        try:
            _require_somebody(address)
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError) as exc:
            raise DeviceError(
                f"--ray {address}: no cluster answers ({first_line(exc)}); start one with 'ray start --head', or name "
                "one's HOST:PORT."
            ) from exc
        try:
            self._require_edgekit()
        except BaseException:
            ray.shutdown()
            raise

    @property
    def cores(self) -> int:
        """Of all nodes together that answer.

        Raises:
            DeviceError: there is none.
        """
        cores = sum(
            int(node["Resources"]["CPU"]) for node, told in self._told_by_nodes(lambda: "here") if told == "here"
        )
        if not cores:
            raise self._no_core()
        return cores

    def train(
        self, model: nn.Module, contract: Contract, data: Dataset, run: TrainRun, answers: CombinedAnswers
    ) -> tuple[nn.Module, list[EpochMetrics]]:
        """As ``loop.train``, on a core of the cluster; the run's folder stays empty.

        Raises:
            TrainingError: as there, or its process ended each time that it was begun.
            DeviceError: the cluster is gone.
            KeyboardInterrupt: all were told to end.
        """
        sent = self.sent(contract, data, run, answers)
        task = self._ray.remote(max_retries=RETRIES)(_trained_alone)
        return taken_over(model, self.done(task.remote(model, contract, run, *sent)))

    def interrupt(self) -> None:
        """End all trainings, each where it is waited for."""
        self._is_over = True

    def close(self) -> None:
        """End the connection, when nobody waits any more."""
        self._ray.shutdown()

    def sent(self, contract: Contract, data: Dataset, run: TrainRun, answers: CombinedAnswers) -> list[Any]:
        """Where in the object store the data of a run and the answers to each of its views are."""
        from edgekit.training.views import view_of

        def answered(number: int) -> Answers:
            return answers(view_of(data.train, run.recipe.augmentation, run.seed, number))

        numbers = range(run.recipe.distinct_views)
        views = [self._once((answers.key, number), partial(answered, number)) for number in numbers]
        return [self._once((contract, data.sha256), partial(_as_arrays, data)), *views]

    def near(self, what: Any, *given: Any) -> Any:
        """A function called, or a class made, in a process beside this one, which takes no core."""
        own = self._ray.get_runtime_context().get_node_id()
        return self._ray.remote(num_cpus=0, scheduling_strategy=_on(own))(what).remote(*given)

    def got(self, reference: Any) -> Any:
        """What lies or will lie in the object store."""
        return self._ray.get(reference)

    def done(self, reference: Any, meanwhile: Callable[[], None] = lambda: None) -> Any:
        """What a task gives, waited for; see ``train``. ``meanwhile`` is called now and then, and in the end."""
        errors = self._ray.exceptions
        try:
            while not self._is_over:
                is_done = self._ray.wait([reference], timeout=LOOK_S)[0]
                meanwhile()
                if is_done:
                    return self._ray.get(reference)
            raise KeyboardInterrupt
        except errors.RayTaskError as exc:
            raise exc.cause from exc
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError) as exc:
            raise TrainingError(f"The process that trained it on the cluster ended: {first_line(exc)}.") from exc
        except errors.RayError as exc:
            raise DeviceError(f"--ray {self.address}: {first_line(exc)}; the same command goes on.") from exc
        except KeyboardInterrupt:
            self._ray.cancel(reference)
            raise

    def _once(self, key: object, value: Callable[[], Any]) -> Any:
        """Where a value is in the object store; it is made and sent when it is first asked for."""
        with self._one:
            if key not in self._sent:
                self._sent[key] = self._ray.put(value())
            return self._sent[key]

    def _require_edgekit(self) -> None:
        def edgekit_here() -> str:
            """Travels as it is, also to where there is no EdgeKit."""
            from importlib.util import find_spec

            lacking = [name for name in ("edgekit", "torch") if find_spec(name) is None]
            if lacking:
                return f"no {' and no '.join(lacking)}"
            import edgekit

            return f"EdgeKit {edgekit.__version__}"

        for node, told in self._told_by_nodes(edgekit_here):
            if isinstance(told, Exception):
                raise DeviceError(f"--ray {self.address}: a node does not answer ({first_line(told)}); look at it.")
            if told != f"EdgeKit {__version__}":
                raise DeviceError(
                    f"--ray {self.address}: the node {node['NodeManagerAddress']} has {told}, and here is EdgeKit "
                    f"{__version__}; install the same there, with the extras train and cluster."
                )

    def _told_by_nodes(self, what: Callable[[], str]) -> Iterator[tuple[dict[str, Any], str | Exception]]:
        """What a function says on each node with cores; of one that died, once that is known, the error instead."""
        nodes = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        if not nodes:
            raise self._no_core()
        ask = self._ray.remote(num_cpus=0)(what)
        asked = [ask.options(scheduling_strategy=_on(node["NodeID"])).remote() for node in nodes]
        for node, reference in zip(nodes, asked, strict=True):
            try:
                yield node, self._ray.get(reference, timeout=ANSWERING_S)
            except self._ray.exceptions.RayError as exc:
                yield node, exc

    def _no_core(self) -> DeviceError:
        return DeviceError(f"--ray {self.address}: no node of the cluster has a core; start one with --num-cpus.")


def _require_somebody(address: str) -> None:
    """Raise OSError if nobody listens at HOST:PORT, where Ray would try for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), CONNECTING_S).close()


def _on(node: str) -> Any:
    """Where a task runs: on this node and nowhere else."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def _as_arrays(data: Dataset) -> Dataset:
    """The data in memory, without the test images, which no training looks at."""
    train, validation = (
        Split(split.images[np.arange(len(split))], split.labels) for split in (data.train, data.validation)
    )
    nothing = train.view(np.arange(0))
    return replace(data, train=train, validation=validation, test=nothing)


def trained(model: nn.Module, contract: Contract, run: TrainRun, data: Dataset, *views: Answers) -> Outcome:
    """What is done on a node."""
    import torch

    from edgekit.training import loop

    torch.set_num_threads(1)
    with quiet():
        kept, metrics = loop.train(model, contract, data, run, lambda view: views[view.number])
    return {name: value.numpy() for name, value in kept.state_dict().items()}, metrics


def taken_over(model: nn.Module, outcome: Outcome) -> tuple[nn.Module, list[EpochMetrics]]:
    """The network here as it became there, in evaluation mode."""
    import torch

    weights, metrics = outcome
    model.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    return model.eval(), metrics


def _trained_alone(model: nn.Module, contract: Contract, run: TrainRun, *sent: Any) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return trained(model, contract, replace(run, folder=Path(folder), resume=False), *sent)
