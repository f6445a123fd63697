"""What a frozen backbone sees in photos or sentences, computed once and kept on disk.

The key names everything that a feature depends on: the backbone's weights, the data's bytes, the input's contract.
Features are stored as float16, and what a cold run uses is what was stored.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.console import progress
from edgekit.data.dataset import ImageArray
from edgekit.files import cache_folder, write_bytes
from edgekit.inputs.contracts import Contract
from edgekit.training.answers.cache import float16_of
from edgekit.training.inputs import Inputs, in_order
from edgekit.training.teacher import rows_at_once
from edgekit.training.weights import weights_sha256

if TYPE_CHECKING:
    from torch import nn

FORMAT = 1

Features = NDArray[np.float16]
"""[N, D], a row for each image."""


class FeatureCache:
    """The features that a backbone, real inputs [N, C, H, W] to [N, D], has of the images of one data set."""

    def __init__(self, backbone: nn.Module, contract: Contract, data_sha256: str) -> None:
        from edgekit.training.precision import has_bf16

        self.backbone, self.contract = backbone, contract
        key = {
            "format": FORMAT,
            "backbone": weights_sha256(backbone),
            "structure": repr(backbone),
            "in_bf16": has_bf16(),
            "contract": contract.describe(),
            "data": data_sha256,
        }
        self.folder = cache_folder("features", key)

    def __call__(self, part: str, images: ImageArray, mirrored: bool = False) -> Features:
        """The features of the images of a ``part`` of the data, or of their mirror images."""
        path = self.folder / f"{part}{'-mirrored' if mirrored else ''}.npy"
        try:
            with path.open("rb") as file:
                stored: Features = np.load(file, allow_pickle=False)
            if stored.dtype == np.float16 and stored.ndim == 2 and len(stored) == len(images):
                return stored
        except Exception:  # there is none, or it is damaged: numpy raises whatever the broken bytes lead to
            pass
        found = self._computed(f"features of {path.stem}", images, mirrored)
        stream = io.BytesIO()
        np.save(stream, found)
        write_bytes(path, stream.getvalue(), "EDGEKIT_CACHE")
        return found

    def _computed(self, label: str, images: ImageArray, mirrored: bool) -> Features:
        import torch

        from edgekit.training.precision import fast_precision

        def read(rows: NDArray[np.int64]) -> Any:
            return np.ascontiguousarray(images[rows][:, :, ::-1]) if mirrored else images[rows]

        inputs = Inputs(len(images), read, self.contract)
        blocks, found = list(inputs.blocks(rows_at_once(self.contract))), []
        network = self.backbone.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        with progress(label, len(images)) as bar:
            for rows in blocks:
                with torch.inference_mode(), fast_precision():
                    seen = network(torch.from_numpy(inputs[rows])).float().numpy()
                found.append(float16_of(seen))
                bar.update(sum(map(len, found)))
        return in_order(blocks, found)
