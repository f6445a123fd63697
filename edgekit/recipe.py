"""The recipe of a training run: every number that decides its outcome, in one validated record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from edgekit.errors import UnknownNameError, UsageError

OF_TEXTS = ("phrase", "splice", "swap", "drop")
"""Fields of Augmentation; the others are of images."""


@dataclass(frozen=True)
class Augmentation:
    """Random views of an image or a text.

    Of an image, where nothing else is said, a field is the half-width of a uniform distribution.

    ``rotate`` and ``shear`` in degrees, ``scale`` and ``shift`` as shares of the image's side, ``flip`` the probability
    of a mirror image, ``elastic`` the amplitude in pixels of a smooth random displacement (Simard et al. 2003).
    ``resized_crop`` is the least share of the area that a crop keeps, which is then enlarged to the whole (Szegedy et
    al. 2015; 0: no crop). ``crop`` shifts by whole pixels, with a mirrored border; ``cutout`` is the side of a square
    that is left grey, as a share of the image's (DeVries and Taylor 2017). ``trivial`` is the probability of one random
    operation of random strength (TrivialAugment, Müller and Hutter 2021). ``mixup`` (Zhang et al. 2018) and ``cutmix``
    (Yun et al. 2019) are the parameters of Beta distributions; with both, each is drawn for half of the images.

    Of a text all fields are probabilities (Tang et al. 2019, Wei and Zou 2019). ``phrase``: only some of its words that
    follow each other are left; ``splice``: some are replaced by such of another text, which only a teacher can answer;
    ``swap`` of each word: it changes places with the next; ``drop`` of each word: it is left out.
    """

    rotate: float = 0.0
    shear: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    flip: float = 0.0
    elastic: float = 0.0
    resized_crop: float = 0.0
    crop: int = 0
    cutout: float = 0.0
    trivial: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    phrase: float = 0.0
    splice: float = 0.0
    swap: float = 0.0
    drop: float = 0.0

    def __post_init__(self) -> None:
        for name in ("scale", "shift", "resized_crop", "cutout"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"augmentation: {name} must be in [0, 1).")
        for name in ("flip", "trivial", *OF_TEXTS):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"augmentation: {name} must be in [0, 1].")
        for name in ("rotate", "shear", "elastic", "crop", "mixup", "cutmix"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"augmentation: {name} must be finite and not negative.")

    def require(self, kind: str) -> None:
        """Raise UsageError if there is something here that rows of a kind, ``images`` or ``texts``, have not."""
        for item in fields(self):
            if getattr(self, item.name) and (item.name in OF_TEXTS) != (kind == "texts"):
                raise UsageError(f"augmentation: {item.name} says nothing of {kind}; leave it out.")

    @property
    def samples(self) -> bool:
        """True if pixels are interpolated between those of the image."""
        return any((self.rotate, self.shear, self.scale, self.shift, self.elastic, self.resized_crop))


OPTIMIZERS = ("adamw", "muon", "sgd")
SCHEDULES = ("cosine", "linear")
KEPT = ("last", "best")


@dataclass(frozen=True)
class TrainRecipe:
    """How a network is trained, with or without a teacher.

    AdamW, Muon, or SGD with Nesterov's momentum of 0.9, with linear warm-up and then a ``schedule`` to zero; the EMA of
    the weights is what is kept when ``ema`` > 0.
    ``loss`` is a sum of files of ``edgekit.training.losses``, which see the teacher's answers at ``temperature``;
    where there is no teacher, the labels' cross-entropy is learned alone.
    ``views`` is the number of distinct augmented views of the training set; epoch e sees view e mod views, so
    that the teacher answers each view once. ``views = 0`` means a new view in every epoch. Where views flip, one that
    comes again is flipped anew, with the same answers.
    ``keep`` is the epoch whose weights are kept: the last, or the best by validation. Where a pretrained network is
    fine-tuned, each layer learns at ``layer_decay`` times the rate of the layer above it.
    """

    epochs: int = 20
    batch_size: int = 128
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup_epochs: float = 1.0
    schedule: str = "cosine"
    label_smoothing: float = 0.0
    ema: float = 0.0
    loss: str = "0.1*cross_entropy + 0.9*kd"
    temperature: float = 4.0
    views: int = 0
    keep: str = "last"
    layer_decay: float = 1.0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("keep", KEPT)):
            if getattr(self, name) not in known:
                raise UnknownNameError(name, getattr(self, name), known)
        checks = {
            "epochs must be at least 1": self.epochs >= 1,
            "batch_size must be at least 2": self.batch_size >= 2,
            "learning_rate must be positive and finite": 0 < self.learning_rate < math.inf,
            "weight_decay must not be negative": self.weight_decay >= 0,
            "warmup_epochs must not be negative": self.warmup_epochs >= 0,
            "label_smoothing must be in [0, 1)": 0 <= self.label_smoothing < 1,
            "ema must be in [0, 1)": 0 <= self.ema < 1,
            "temperature must be positive and finite": 0 < self.temperature < math.inf,
            "views must not be negative": self.views >= 0,
            "layer_decay must be in (0, 1]": 0 < self.layer_decay <= 1,
        }
        for message, holds in checks.items():
            if not holds:
                raise UsageError(f"recipe: {message}.")

    @property
    def distinct_views(self) -> int:
        """How many augmented views the run looks at."""
        return min(self.views or self.epochs, self.epochs)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and cards."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str) -> TrainRecipe:
        """Read a recipe table of a card; an unknown key fails with the nearest valid one."""
        values = dict(values)
        augmentation = Augmentation(**known_keys(Augmentation, values.pop("augmentation", {}), source))
        return cls(augmentation=augmentation, **known_keys(cls, values, source))

    def override(self, **changes: Any) -> TrainRecipe:
        """A copy with the given fields changed; None means unchanged."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})


def known_keys(record: type, values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return ``values`` if every key is a field of ``record``."""
    names = {item.name for item in fields(record)}
    for key in values:
        if key not in names:
            raise UnknownNameError(f"key of {source}", key, names)
    return dict(values)
