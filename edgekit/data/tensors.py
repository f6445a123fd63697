"""Samples for models of any inputs: arrays by the inputs' names, from a file, a folder or a program.

The first axis of each array counts samples. ``labels`` (or ``y``, ``targets``) are beside them: integers number the
classes, anything else is what the outputs ought to be. Splits are named as in ``NAME_train``, ``NAME_test``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.console import say
from edgekit.data.arrays import (
    ARRAYS,
    CLASS_WORDS,
    IMAGE_WORDS,
    LABEL_WORDS,
    are_pixels,
    holds_images,
    named_classes,
    read_npy,
    read_npz,
)
from edgekit.data.dataset import HELD_OUT, Dataset, Split, content_sha256, divide, number_classes
from edgekit.data.intake import Array, Tensors, as_input, kind_of, sample_shape, shaped
from edgekit.data.splits import ALIASES, may_be_divided
from edgekit.errors import DataError, EdgekitError, naming

MOST_SAMPLES = 20_000
"""That are taken of an iterable, which may be endless."""
FEWEST_HELD_OUT = 12
"""Samples of which some are held out; fewer serve as all splits."""
LARGEST = 1e15
"""Of the size of a value: the sum of the squares of a hundred million such is less than float32's largest number."""
CHUNK = 256
WAYS = "a .npz with an array for each input, an .npy of the only one, a folder of .npy files, or module:factory"


@dataclass(frozen=True)
class TensorArray:
    """Samples of all inputs: an array [N, ...] for each by name. As an ImageArray it gives dicts of such arrays."""

    arrays: Mapping[str, Array]

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, values of a sample]."""
        return (len(self), sum(math.prod(array.shape[1:]) for array in self.arrays.values()))

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, indices: Any) -> Any:
        return {name: array[indices] for name, array in self.arrays.items()}


def holds_tensors(source: Any, names: Sequence[str]) -> bool:
    """True if a source has arrays for inputs of these ``names``.

    An .npz file has, unless its arrays are called images and may be such: bytes, or floats in [0, 1]. An .npy file,
    whose array has no name, has unless it holds bytes.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir():
            return next(path.rglob("*.npy"), None) is not None
        if path.suffix == ".npy" and path.is_file():
            return read_npy(path).dtype != np.uint8
        if path.suffix != ".npz" or not path.is_file():
            return False
        held = read_npz(path)
        affixes = ("", *(affix for words in ALIASES.values() for affix in words))
        found = [held[key] for affix in affixes for key in _found(held, names, affix).values()]
        return not (holds_images(held) and all(map(are_pixels, found)))
    if isinstance(source, Mapping):
        return not set(source) <= set(ALIASES)
    return not isinstance(source, Dataset) and (hasattr(source, "__next__") or callable(source))


def open_tensors(source: str | Path | Dataset, intake: Tensors) -> Dataset:
    """Samples of a model with the inputs of ``intake``; see ``tensors_of`` for what a program may give.

    Raises:
        DataError: the source is broken, or has not one array of fitting shape and type for each input.
    """
    if isinstance(source, Dataset):
        return source
    path = Path(source)
    if path.is_dir():
        return _dataset(str(path), _read_folder(path, intake), intake)
    if path.suffix in ARRAYS:
        return _dataset(str(path), _read_file(path, intake), intake)
    taken = ", ".join(f"'{spec.name}' {list(spec.shape)}" for spec in intake.inputs)
    raise DataError(f"{source} is no data for the input {taken}; give --data {WAYS}.")


def read_samples(path: Path, intake: Tensors) -> TensorArray:
    """The samples of an .npz file, or of an .npy file for a model of one input; a lone one needs no first axis.

    Raises:
        DataError: see ``open_tensors``.
    """
    held = _read_file(path, intake)
    found = _found(held, [spec.name for spec in intake.inputs])
    for spec in intake.inputs:
        if key := found.get(spec.name):
            held[key] = _counted(held[key], sample_shape(spec))
    samples = _samples(str(path), held, intake, "")
    if not samples:
        raise _nothing_for(str(path), held, intake)
    return TensorArray({name: np.asarray(array) for name, array in samples.items()})


def tensors_of(value: Any, name: str, intake: Tensors) -> Dataset:
    """A Dataset of what a program has in hand.

    That is a mapping of names to arrays, as in an .npz file; an array, for a model of one input; a pair of such and
    labels; an iterable of samples (also a function that gives one), each an array, a mapping, or a tuple with an
    array for each input and perhaps a label; or a mapping of ``train``, ``validation`` and ``test`` to such.

    Raises:
        DataError: see ``open_tensors``.
    """
    if isinstance(value, Mapping) and set(value) <= set(ALIASES):
        parts = {split: _arrays_of(part, f"{name}, {split} split", intake) for split, part in value.items()}
        held = {f"{split}/{key}": array for split, arrays in parts.items() for key, array in arrays.items()}
        return _dataset(name, held, intake)
    return _dataset(name, _arrays_of(value, name, intake), intake)


def _arrays_of(value: Any, name: str, intake: Tensors) -> dict[str, Array]:
    first = intake.inputs[0].name
    if callable(value) and not hasattr(value, "__array__"):
        value = value()
    if isinstance(value, Mapping):
        return {str(key): np.asarray(array) for key, array in value.items()}
    is_pair = isinstance(value, tuple) and len(value) == 2 and np.ndim(value[1]) in (1, 2)
    if is_pair and (isinstance(value[0], Mapping) or (len(intake.inputs) == 1 and np.ndim(value[0]) > 1)):
        return {**_arrays_of(value[0], name, intake), LABEL_WORDS[0]: np.asarray(value[1])}
    if hasattr(value, "__array__"):
        return {first: np.asarray(value)}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return _stacked(value, name, intake)
    raise DataError(f"{name}: a {type(value).__name__} is no samples; give a mapping of input names to arrays.")


def check_calibration(split: Split, name: str) -> None:
    """Raise DataError if the samples cannot say in which ranges a model computes.

    Raises:
        DataError: there is one alone, all are the same, or a value is too large.
    """
    rows: Any = split.images
    if split.kind != "samples":
        if len(split) > 1 and _constant(split):
            raise DataError(f"{name}: all {split.kind} are the same; calibrate on what the model will see.")
        return
    held = _listed(rows[:1])
    if len(split) == 1:
        raise DataError(f"{name}: one sample of {held} says too little to calibrate on; give some hundreds.")
    constant = _constant(split)
    if len(constant) == len(rows[:1]):
        raise DataError(f"{name}: all samples of {held} are the same; calibrate on what the model will see.")
    for item, array in rows[:].items():
        largest = max(float(array.max()), -float(array.min()))
        if largest > LARGEST:
            raise DataError(
                f"{name}: '{item}' holds values as large as {largest:.3g}, whose squares float32 cannot add up; take "
                "out what stands for missing values, or scale them."
            )
    for item in constant:
        say(f"{name}: all samples of '{item}' are the same, so its range is that one value's")


def _constant(split: Split) -> list[str]:
    """The inputs for which all samples are the same; read until each was seen to differ."""
    first = _by_name(split.images[:1])
    names = list(first)
    for rows, _ in split.batches(CHUNK):
        names = [name for name in names if (_by_name(rows)[name] == first[name]).all()]
        if not names:
            break
    return names


def _by_name(rows: Any) -> Mapping[str, Array]:
    """Rows of a split as arrays [n, ...] by name: pictures and texts are those of an input without one."""
    return rows if isinstance(rows, Mapping) else {"": rows}


def _stacked(samples: Iterable[Any], name: str, intake: Tensors) -> dict[str, Array]:
    """One sample after the other as arrays by name."""
    names = [*(spec.name for spec in intake.inputs), LABEL_WORDS[0]]
    columns: dict[str, list[Array]] = {}
    try:
        for sample in islice(samples, MOST_SAMPLES):
            if not isinstance(sample, Mapping):
                parts = sample if isinstance(sample, tuple | list) else (sample,)
                sample = dict(zip(names[: max(len(parts), len(intake.inputs))], parts, strict=True))
            for key, value in sample.items():
                columns.setdefault(str(key), []).append(np.asarray(value))
    except EdgekitError:
        raise
    except Exception as exc:  # the user's own code raises what it likes
        raise DataError(
            f"{name}: sample {len(next(iter(columns.values()), []))} cannot be had ({type(exc).__name__}: {exc}); give "
            f"an array for each of {_listed(names[:-1])}."
        ) from exc
    for key, rows in columns.items():
        if len({row.shape for row in rows}) > 1:
            raise DataError(f"{name}: samples of '{key}' differ in shape; a model of fixed inputs takes one alone.")
    # What calibrates other tools has a batch of 1 in each sample.
    batched = {spec.name for spec in intake.inputs if spec.shape[:1] == (1,)}
    return {
        key: np.concatenate(rows) if key in batched and rows[0].shape[:1] == (1,) else np.stack(rows)
        for key, rows in columns.items()
    }


def _read_file(path: Path, intake: Tensors) -> dict[str, Array]:
    """The arrays of an .npz file by name, or that of an .npy file, which is the only input's."""
    if path.suffix == ".npz":
        return read_npz(path)
    return {intake.inputs[0].name if len(intake.inputs) == 1 else path.stem: read_npy(path)}


def _read_folder(path: Path, intake: Tensors) -> dict[str, Array]:
    """The files of a folder, memory-mapped: one for each input, or for a model of one input one for each sample."""
    files = sorted(path.rglob("*.npy"))
    arrays = {file.relative_to(path).with_suffix("").as_posix(): read_npy(file) for file in files}
    if not arrays:
        raise DataError(f"{path} holds no .npy files; give --data {WAYS}.")
    if len(intake.inputs) > 1 or _found(arrays, [intake.inputs[0].name]) or len(arrays) == 1:
        return arrays
    with naming(path):
        for name, array in arrays.items():
            as_input(array[None], intake.inputs[0], f"{name}.npy")
    return {intake.inputs[0].name: np.stack(list(arrays.values()))}


def _dataset(source: str, held: Mapping[str, Array], intake: Tensors) -> Dataset:
    parts = {}
    for split, affixes in ALIASES.items():
        for affix in (*affixes, "") if split == "train" else affixes:
            if samples := _samples(source, held, intake, affix):
                parts[split] = Split(TensorArray(samples), _labels(source, held, affix, samples))
                break
    if not may_be_divided(parts):
        raise _nothing_for(source, held, intake)
    classes: tuple[str, ...] = ()
    numbers = [part.labels for part in parts.values() if part.labels is not None and part.labels.dtype.kind == "i"]
    if numbers:
        counted = number_classes(np.concatenate(numbers), source)
        classes = named_classes({_plain(key): array for key, array in held.items()}, source) or counted
    digest = content_sha256(*(held[name] for name in sorted(held)))
    return Dataset(source, classes, **_divided(source, parts, classes), sha256=digest)


def _nothing_for(source: str, held: Mapping[str, Array], intake: Tensors) -> DataError:
    taken = ", ".join(f"'{spec.name}' {list(spec.shape)}" for spec in intake.inputs)
    hint = ", or pictures 'images'" if len(intake.inputs) == 1 and len(intake.inputs[0].shape) == 4 else ""
    return DataError(
        f"{source} holds {_listed(held)}, and the model takes {taken}; name an array for each input{hint}."
    )


def _counted(array: Array, wanted: tuple[int, ...]) -> Array:
    """An array whose first axis counts samples of the shape ``wanted``, that of a lone one."""
    is_lone = array.ndim == 0 or (shaped(array, wanted) is None and shaped(array[None], wanted) is not None)
    return array[None] if is_lone else array


def _divided(source: str, parts: dict[str, Split], classes: tuple[str, ...]) -> dict[str, Split]:
    """By classes where there are some; otherwise at random, with the same shares."""
    train, complete = parts.get("train"), dict(parts)
    if train is None or (train.labels is not None and train.labels.dtype.kind == "i"):
        return divide(source, parts, classes)
    for split, share, seed in HELD_OUT:
        if split in parts:
            continue
        if len(train) < FEWEST_HELD_OUT:
            complete[split] = train if split == "test" else train.view(np.arange(0))
            continue
        order = np.random.default_rng(seed).permutation(len(train))
        held = round(len(train) * share)
        complete[split], train = train.view(np.sort(order[:held])), train.view(np.sort(order[held:]))
    return {**complete, "train": train}


def _samples(source: str, held: Mapping[str, Array], intake: Tensors, affix: str) -> dict[str, Array]:
    """The checked arrays of one split, by the inputs' names; empty if it has none."""
    found = _found(held, [spec.name for spec in intake.inputs], affix)
    if not found:
        return {}
    missing = [spec.name for spec in intake.inputs if spec.name not in found]
    if missing:
        raise DataError(f"{source} holds {_listed(held)}, but no {_listed(missing)}; name an array for each input.")
    samples = {}
    for spec in intake.inputs:
        key = found[spec.name]
        array = samples[spec.name] = held[key]
        if array.ndim == 0 or len(array) == 0:
            raise DataError(f"{source}: '{key}' holds no samples; its first axis counts them.")
        if array.dtype.kind == "f":
            _check_finite(array, f"{source}: '{key}'")
        with naming(source):
            as_input(array[:1], spec, key)
    counts = {found[name]: len(array) for name, array in samples.items()}
    if len(set(counts.values())) > 1:
        texts = ", ".join(f"'{key}' has {count:,}" for key, count in counts.items())
        raise DataError(f"{source}: {texts} samples; give each input as many.")
    return samples


def _check_finite(array: Array, where: str) -> None:
    for start in range(0, len(array), CHUNK):
        part = array[start : start + CHUNK]
        wrong = ~(np.abs(part) <= np.finfo(np.float32).max).reshape(len(part), -1).all(axis=1)
        if wrong.any():
            place = int(wrong.argmax())
            fault = "is too large for float32" if np.isfinite(part[place]).all() else "is not a finite number"
            raise DataError(f"{where} has a value that {fault} in sample {start + place}; leave it out.")


def _found(held: Iterable[str], names: Sequence[str], affix: str = "") -> dict[str, str]:
    """What the arrays for the inputs ``names`` are called, in the split of that affix."""
    plain = {_plain(key): key for key in held}
    words = {name: (name, *(IMAGE_WORDS if len(names) == 1 else ())) for name in names}
    found = {}
    for name, candidates in words.items():
        keys = (key for word in candidates for key in (_plain(word) + affix, affix + _plain(word)) if key in plain)
        if (key := next(keys, None)) is not None:
            found[name] = plain[key]
    others = [key for word, key in plain.items() if word not in (*LABEL_WORDS, *CLASS_WORDS)]
    if not found and not affix and len(names) == len(others) == 1:
        found[names[0]] = others[0]
    return found


def _labels(source: str, held: Mapping[str, Array], affix: str, samples: Mapping[str, Array]) -> Any:
    """int64 [N] that number classes, float32 [N, ...] of anything else, or None."""
    plain = {_plain(key): key for key in held if _plain(key) not in map(_plain, samples)}
    keys = (plain[key] for word in LABEL_WORDS for key in (word + affix, affix + word) if key in plain)
    if (key := next(keys, None)) is None:
        return None
    labels, count = held[key], len(next(iter(samples.values())))
    if labels.dtype.kind not in "fiub" or labels.ndim == 0 or len(labels) != count:
        given = f"{kind_of(labels)} {list(labels.shape)}"
        raise DataError(f"{source}: '{key}' is {given}, not a number or more for each of the {count:,} samples.")
    if labels.dtype.kind != "f" and labels.size == count and labels.min() >= 0:
        return labels.reshape(-1).astype(np.int64)
    _check_finite(labels, f"{source}: '{key}'")
    return labels.astype(np.float32)


def _plain(name: str) -> str:
    """A name without what people write differently."""
    return name.lower().replace("_", "").replace("/", "")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "no arrays"
