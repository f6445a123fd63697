"""The teacher's answers on disk, computed once per augmented view.

The key names everything that an answer depends on: the teacher's bytes, the data's bytes, the augmentation, its seed
and the preprocessing. Answers are stored as float16, and what a cold run uses is what was stored.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.console import say
from edgekit.files import sha256_bytes, user_cache, write_bytes
from edgekit.recipe import Augmentation
from edgekit.training.augment import View
from edgekit.training.teacher import Teacher

FORMAT = 2
AT_ONCE = 1024
LARGEST = float(np.finfo(np.float16).max)


class AnswerCache:
    """The answers of one teacher to the augmented views of one data set."""

    def __init__(self, teacher: Teacher, data_sha256: str, augmentation: Augmentation, seed: int) -> None:
        self.teacher = teacher
        key = {
            "format": FORMAT,
            "teacher": teacher.sha256,
            "contract": asdict(teacher.contract),
            "data": data_sha256,
            "augmentation": asdict(augmentation),
            "seed": seed,
        }
        self.key = sha256_bytes(json.dumps(key, sort_keys=True).encode())[:32]
        self.folder = user_cache() / "answers" / self.key

    def __call__(self, view: View) -> NDArray[np.float16]:
        """Logits float16 [N, classes] for the pictures of a view: from disk, or asked and stored."""
        path = self.folder / f"view-{view.number:04d}.npy"
        stored = _read(path, len(view))
        if stored is None:
            say(f"{self.teacher.name} answers view {view.number + 1}: {len(view):,} images")
            parts = (np.arange(start, min(start + AT_ONCE, len(view))) for start in range(0, len(view), AT_ONCE))
            answers = np.concatenate([self.teacher.answer(view.images(rows)) for rows in parts])
            stored = answers.clip(-LARGEST, LARGEST).astype(np.float16)
            stream = io.BytesIO()
            np.save(stream, stored)
            write_bytes(path, stream.getvalue(), "EDGEKIT_CACHE")
        return stored


def _read(path: Path, count: int) -> NDArray[np.float16] | None:
    """The stored answers, or None if there are none or the file is damaged."""
    try:
        with path.open("rb") as stream:
            stored = np.load(stream, allow_pickle=False)
    except Exception:  # numpy raises whatever the broken bytes lead to
        return None
    whole = stored.dtype == np.float16 and stored.ndim == 2 and len(stored) == count
    return stored if whole else None
