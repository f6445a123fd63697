"""A Ray cluster as a place to train: what a training needs travels there, and what it made travels back.

A training there is a pure function of what it is sent, so it may be done again: Ray does so where a node dies, three
times. Pictures and a teacher's answers are sent once and then lie in the cluster's object store. The nodes need EdgeKit
with the extra ``train``, and no file. What travels is unpickled at the other end: a cluster is one's own.
"""

from __future__ import annotations

import logging
import socket
import tempfile
from collections.abc import Callable
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
from edgekit.extras import install
from edgekit.inputs.contracts import Contract
from edgekit.runtimes.refusal import first_line

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgekit.training.answers.cache import Answers
    from edgekit.training.answers.ensemble import CombinedAnswers
    from edgekit.training.loop import EpochMetrics, TrainRun

CONNECTING_S, ANSWERING_S = 5, 120
LOOK_S = 0.2
"""Between two looks at whether a training is over."""


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
        """Of all nodes together."""
        return int(self._ray.cluster_resources().get("CPU", 0))

    def train(
        self, model: nn.Module, contract: Contract, data: Dataset, run: TrainRun, answers: CombinedAnswers
    ) -> tuple[nn.Module, list[EpochMetrics]]:
        """As ``loop.train``, on a core of the cluster; the run's folder stays empty.

        Raises:
            TrainingError: as there, or its process ended each time that it was begun.
            DeviceError: the cluster is gone.
            KeyboardInterrupt: all were told to end.
        """
        from edgekit.training.views import view_of

        def answered(number: int) -> Answers:
            return answers(view_of(data.train, run.recipe.augmentation, run.seed, number))

        images = self._once((contract, data.sha256), partial(_as_arrays, data))
        numbers = range(run.recipe.distinct_views)
        views = [self._once((answers.key, number), partial(answered, number)) for number in numbers]
        weights, metrics = self._done(_trained, model, contract, images, run, *views)
        model.load_state_dict(weights)
        return model.eval(), metrics

    def interrupt(self) -> None:
        """End all trainings, each where it is waited for."""
        self._is_over = True

    def close(self) -> None:
        """End the connection, when nobody waits any more."""
        self._ray.shutdown()

    def _once(self, key: object, value: Callable[[], Any]) -> Any:
        """Where a value is in the object store; it is made and sent when it is first asked for."""
        with self._one:
            if key not in self._sent:
                self._sent[key] = self._ray.put(value())
            return self._sent[key]

    def _done(self, function: Callable[..., Any], *given: Any) -> Any:
        errors = self._ray.exceptions
        reference = self._ray.remote(function).remote(*given)
        try:
            while not self._is_over:
                if self._ray.wait([reference], timeout=LOOK_S)[0]:
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

    def _require_edgekit(self) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        def edgekit_here() -> str:
            """Travels as it is, also to where there is no EdgeKit."""
            from importlib.util import find_spec

            lacking = [name for name in ("edgekit", "torch") if find_spec(name) is None]
            if lacking:
                return f"no {' and no '.join(lacking)}"
            import edgekit

            return f"EdgeKit {edgekit.__version__}"

        nodes = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        if not nodes:
            raise DeviceError(f"--ray {self.address}: no node of the cluster has a core; start one with --num-cpus.")
        ask = self._ray.remote(num_cpus=0)(edgekit_here)
        asked = [
            ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote()
            for node in nodes
        ]
        try:
            answers = self._ray.get(asked, timeout=ANSWERING_S)
        except self._ray.exceptions.RayError as exc:
            raise DeviceError(f"--ray {self.address}: a node does not answer ({first_line(exc)}); look at it.") from exc
        for node, told in zip(nodes, answers, strict=True):
            if told != f"EdgeKit {__version__}":
                raise DeviceError(
                    f"--ray {self.address}: the node {node['NodeManagerAddress']} has {told}, and here is EdgeKit "
                    f"{__version__}; run there: {install('train,cluster')}."
                )


def _require_somebody(address: str) -> None:
    """Raise OSError if nobody listens at HOST:PORT, where Ray would try for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), CONNECTING_S).close()


def _as_arrays(data: Dataset) -> Dataset:
    """The data in memory, without the test images, which no training looks at."""
    train, validation = (
        Split(split.images[np.arange(len(split))], split.labels) for split in (data.train, data.validation)
    )
    nothing = train.view(np.arange(0))
    return replace(data, train=train, validation=validation, test=nothing)


def _trained(
    model: nn.Module, contract: Contract, data: Dataset, run: TrainRun, *views: Answers
) -> tuple[dict[str, Tensor], list[EpochMetrics]]:
    """What is done on a node: the weights of the trained network and a record for each epoch."""
    import torch

    from edgekit.training import loop

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, quiet():
        here = replace(run, folder=Path(folder), resume=False)
        kept, metrics = loop.train(model, contract, data, here, lambda view: views[view.number])
    return kept.state_dict(), metrics
