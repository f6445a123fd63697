"""What every runtime gives: a model opened to answer, to be timed, or under the runtime's own profiler."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple, Protocol, Union

import numpy as np

from .refusal import Refusal, first_line

Array = np.ndarray[Any, Any]
Shapes = Mapping[str, Sequence[int]]
"""Sizes of inputs, by name, in place of those that a file leaves open."""
Model = Union[str, bytes]
"""The path of a file, or what is in it."""
OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "allocate memory")


class Tensor(NamedTuple):
    """An input or output; the fields are those of ``edgekit.artifact.TensorSpec``."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int = 0


class Session(Protocol):
    """An opened model. Runs the caller's thread; one call at a time."""

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What it takes; a size that is still open is -1."""

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What it gives."""

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        """One inference: arrays of the inputs' shapes and dtypes to fresh arrays of the outputs'."""

    def prepared(self, tensors: Sequence[Array]) -> Callable[[], object]:
        """One inference per call on these inputs, with nothing but the runtime's own work inside the call."""


class Profiler(Protocol):
    """A model that runs on random inputs under its runtime's own profiler. A context manager."""

    def __enter__(self) -> Profiler: ...

    def __exit__(self, *error: object) -> None: ...

    def run(self) -> object:
        """One inference."""

    def events(self) -> list[list[tuple[str, str, float]]]:
        """End the profile: (name, type, nanoseconds) of each operator of each run."""


@dataclass(frozen=True)
class Runtime:
    """A runtime, installed or not; a subclass says how it opens a model.

    ``package`` is its distribution and ``module`` what is imported of it. ``python_variable`` is the environment
    variable that names the Python interpreter it lives in where that may be another than ours. ``is_timed``: its times
    say something of a device. ``kernels``: what latency tables call its kernels where other runtimes have them too.
    """

    name: str
    title: str
    suffix: str
    package: str
    module: str
    python_variable: str = ""
    is_timed: bool = True
    kernels: str = ""

    def version(self) -> str:
        """The version of its package; empty if it is not installed."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(self.package)
        except PackageNotFoundError:
            return ""

    def load(self) -> Any:
        """Import its module.

        Raises:
            Refusal: it is not installed, or does not load on this machine.
        """
        try:
            return import_module(self.module)
        except ImportError as exc:
            text = f"{self.package} does not load ({first_line(exc)}); pip install {self.package}"
            raise Refusal("runtime", text) from exc

    def open(self, model: Model, threads: int = 1, shapes: Shapes | None = None) -> Session:
        """Open a model whose tensors are all inside it.

        Raises:
            Refusal: the runtime is missing or refuses the model, or ``shapes`` do not fit it.
            MemoryError: it asks for more memory than there is.
        """
        with refusing():
            return self._open(model, threads, shapes or {})

    def start(self, model: str, threads: int, shapes: Shapes) -> Callable[[], object]:
        """Open a file with random inputs in place: each call is one inference. Raises as ``open``."""
        session = self.open(model, threads, shapes)
        with refusing():
            return session.prepared(random_inputs(session.inputs, model))

    def profiler(self, model: str, threads: int, shapes: Shapes) -> Profiler:
        """Open a file under the runtime's own profiler.

        Raises:
            Exception: whatever the profiler stumbles over; Refusal if there is none.
        """
        raise Refusal("runtime", f"{self.title} has no profiler that Python can reach")

    def _open(self, model: Model, threads: int, shapes: Shapes) -> Session:
        raise NotImplementedError


def random_inputs(inputs: Sequence[Tensor], model: str) -> list[Array]:
    """A random tensor for each input; an open batch is 1.

    Raises:
        Refusal: another size is open.
    """
    return [random_tensor(fixed_sizes(tensor.name, tensor.shape, model), np.dtype(tensor.dtype)) for tensor in inputs]


def fixed_sizes(name: str, shape: Sequence[int], model: str) -> tuple[int, ...]:
    """The shape of an input of a model file, its batch 1 if it is open.

    Raises:
        Refusal: another size is open.
    """
    sizes = (*(max(size, 1) for size in shape[:1]), *shape[1:])
    if -1 in sizes:
        raise Refusal(
            "option",
            f"The input '{name}' of {os.path.basename(model)} leaves dimension {sizes.index(-1)} open; "
            f"say its size with --shape {name}={sizes_text(sizes)}",
        )
    return sizes


def sizes_text(sizes: Sequence[int]) -> str:
    """As in 1x?x?x3, where what is below 0 is open."""
    return "x".join("?" if size < 0 else str(size) for size in sizes)


def random_tensor(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Reproducible values: floats in [0, 1), bytes over their whole range, zeros for wider integers, often indices."""
    rng = np.random.default_rng(0)
    if dtype.kind == "f":
        return rng.random(shape).astype(dtype)
    if dtype.itemsize == 1 and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return np.zeros(shape, dtype)


def given_sizes(inputs: Mapping[str, Sequence[int]], shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """The ``shapes`` that are those of ``inputs``, whose open sizes are -1; others are for another file.

    Raises:
        Refusal: one contradicts what is not open.
    """
    found = {name: tuple(shapes[name]) for name in inputs if name in shapes}
    for name, sizes in found.items():
        own = inputs[name]
        if len(own) != len(sizes) or any(size not in (-1, want) for size, want in zip(own, sizes)):
            raise Refusal(
                "option", f"--shape {name}={sizes_text(sizes)} does not fit the input's own {sizes_text(own)}"
            )
    return found


@contextmanager
def refusing(what: str = "") -> Iterator[None]:
    """Whatever a runtime complains of, as a MemoryError or a Refusal, whose text begins with ``what``."""
    try:
        yield
    except (Refusal, MemoryError):
        raise
    except Exception as exc:  # each runtime has its own tree of exceptions, some of them native
        reason = first_line(exc)
        if any(word in reason for word in OUT_OF_MEMORY):
            raise MemoryError(reason) from exc
        raise Refusal("model", what + reason) from exc
