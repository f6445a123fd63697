"""What runs inside the sandbox for a served model: pictures or texts as they came over the network to guesses.

A worker has one model. What it is asked is decoded here too, so a picture that crashes a decoder ends this process
only. The functions are called through ``edgekit.sandbox``; their arguments and results are JSON values and ndarrays.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ModelError
from edgekit.inputs.contracts import Contract
from edgekit.inputs.described import read_contract
from edgekit.inputs.error import InputError
from edgekit.inputs.golden import Golden, make_inputs
from edgekit.inputs.tensors import to_probabilities
from edgekit.modelfiles.sandboxed import OpenFile

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Served:
    """The model of this process."""

    session: OpenFile
    contract: Contract
    layout: str
    labels: tuple[str, ...]
    gives_probabilities: bool

    def guesses(self, body: bytes, kind: str, top: int) -> list[list[Any]]:
        """The ``top`` likeliest [label, probability], likeliest first, for a body of a content type."""
        (output,) = self.session.outputs
        sample = self.contract.received(body, kind)
        tensor = self.contract.tensor(sample, f"The {self.contract.CALLED}", self.session.inputs[0], self.layout)
        stored = self.session.run([tensor])[0]
        scores = output.dequantize(stored.reshape(1, -1))
        if not np.isfinite(scores).all():
            raise ModelError("The model gives scores that are not finite numbers; train or export it again.")
        chances = to_probabilities(scores, self.gives_probabilities)[0]
        order = np.argsort(-chances, kind="stable")[:top]
        return [[self.labels[index], round(float(chances[index]), 4)] for index in order]


_served: list[Served] = []


def open_served(data: Bytes, student: Mapping[str, Any]) -> dict[str, Any]:
    """Open a model file of which ``student`` is the description in its card.

    The answer says this process's memory, and in ``complaint`` how the model answers its golden example differently.
    """
    session = OpenFile(data.tobytes(), student["runtime"])
    _served[:] = [
        Served(
            session=session,
            contract=read_contract(student["contract"]),
            layout=student["input"]["layout"],
            labels=tuple(student["labels"]),
            gives_probabilities=student["output"]["probabilities"],
        )
    ]
    return {"memory": resident_bytes(), "complaint": _complaint(session, student.get("golden"))}


def _complaint(session: OpenFile, golden: Mapping[str, Any] | None) -> str:
    if golden is None:
        return ""
    known = Golden.from_dict(golden)
    return known.complaint(session.run(make_inputs(session.inputs, known.seed))[0])


def predict(bodies: Sequence[Bytes], kinds: Sequence[str], tops: Sequence[int]) -> dict[str, Any]:
    """Each body's guesses, or the text of what is wrong with it."""
    (served,) = _served
    answers: list[Any] = []
    for body, kind, top in zip(bodies, kinds, tops, strict=True):
        try:
            answers.append(served.guesses(body.tobytes(), kind, top))
        except InputError as exc:
            answers.append(str(exc))
    return {"answers": answers, "memory": resident_bytes()}


def resident_bytes() -> int:
    """The memory that this process has now; at most so far on macOS, and 0 where the system does not say it."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return _peak_bytes()
    import resource

    return pages * resource.getpagesize()


def _peak_bytes() -> int:
    if sys.platform != "darwin":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
