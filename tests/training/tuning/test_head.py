"""Features of a frozen backbone, and the head that is found on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgekit.inputs.contract import InputContract
from edgekit.training.tuning.features import FeatureCache
from edgekit.training.tuning.head import Head, find_head

CONTRACT = InputContract(8, 8, 3)


class Backbone(nn.Sequential):
    """Eight features of an image; says how many images it was asked for."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        super().__init__(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.asked: list[int] = []
        self.register_forward_pre_hook(lambda _, inputs: self.asked.append(len(inputs[0])))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), dtype=np.uint8)


def test_features_are_computed_once_and_survive_damage(images: np.ndarray) -> None:
    backbone = Backbone()
    cache = FeatureCache(backbone, CONTRACT, "data")
    first = cache("train", images)
    assert first.dtype == np.float16
    assert first.shape == (70, 8)
    np.testing.assert_array_equal(cache("train", images), first)
    assert sum(backbone.asked) == 70
    stored = cache.folder / "train.npy"
    whole = stored.read_bytes()
    for damaged in (whole[:100], b"PK\x03\x04", whole.replace(b"fortran_order", b"fortran(order")):
        stored.write_bytes(damaged)
        np.testing.assert_array_equal(cache("train", images), first)
        assert stored.read_bytes() == whole


def test_mirrored_features_are_those_of_mirrored_images(images: np.ndarray) -> None:
    cache = FeatureCache(Backbone(), CONTRACT, "mirrors")
    mirrored = cache("train", images, mirrored=True)
    np.testing.assert_array_equal(mirrored, cache("other", np.ascontiguousarray(images[:, :, ::-1])))
    assert not np.array_equal(mirrored, cache("train", images))


def test_the_cache_is_keyed_by_weights_data_and_contract(images: np.ndarray) -> None:
    changed = Backbone()
    with torch.no_grad():
        changed[0].bias += 1
    folders = {
        FeatureCache(backbone, contract, data).folder
        for backbone in (Backbone(), changed)
        for contract in (CONTRACT, InputContract(8, 8, 3, mean=(0.5,)))
        for data in ("a", "b")
    }
    assert len(folders) == 8


def clouds(count: int, seed: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Three classes around three points; one feature is far larger than the others and one is constant."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    centres = np.eye(3, 6)[labels]
    features = centres + rng.normal(0, spread, (count, 6))
    features[:, 1] *= 100
    features[:, 5] = 0.25
    return features.astype(np.float16), labels


def head_of(spread: float, weights: tuple[float, ...] = (1, 1, 1)) -> Head:
    return find_head(clouds(300, 0, spread), clouds(90, 1, spread), np.array(weights, np.float32))


def test_the_head_is_the_minimum_of_the_penalized_loss() -> None:
    features, labels = clouds(300, 0, 0.8)
    head, weights = head_of(0.8, (1, 2, 0.5)), torch.tensor([1, 2, 0.5])
    inputs, deviation = torch.from_numpy(features).float(), torch.from_numpy(features).float().std(0).clamp_min(1e-3)
    layer = nn.Linear(6, 3)
    head.fill(layer)
    loss = F.cross_entropy(layer(inputs), torch.from_numpy(labels), weights)
    loss = loss + head.strength / 2 * (layer.weight * deviation).square().sum()
    loss.backward()
    assert float((layer.weight.grad / deviation)[:, :5].abs().max()) < 2e-3
    assert float(layer.bias.grad.abs().max()) < 2e-3


def test_it_says_how_good_it_is_on_the_validation_images() -> None:
    features, labels = clouds(90, 1, 0.8)
    head = head_of(0.8)
    scores = features.astype(np.float32) @ head.weight.T + head.bias
    assert head.validation_accuracy == pytest.approx((scores.argmax(1) == labels).mean())
    assert head_of(0.1).validation_accuracy == 1


def test_noisier_features_want_a_stronger_penalty() -> None:
    assert head_of(2.0).strength > head_of(0.1).strength


def test_a_class_that_counts_more_is_named_more_often() -> None:
    features, _ = clouds(300, 0, 1.5)
    named = [
        ((features.astype(np.float32) @ head.weight.T + head.bias).argmax(1) == 0).sum()
        for head in (head_of(1.5), head_of(1.5, (5, 1, 1)))
    ]
    assert named[1] > named[0] + 30
