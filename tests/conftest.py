"""Fixtures that several parts of the suite share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from tiny_models import Linear, fit_linear, float_onnx, int8_onnx, packed, quantized, tflite_model

from edgekit.data.dataset import Dataset
from edgekit.data.mnist import open_mnist
from edgekit.devices.cards import device_card
from edgekit.devices.emulated.setup import installation
from edgekit.errors import UsageError

USERS_CACHE = os.environ.get("EDGEKIT_CACHE") or str(
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgekit"
)

SMALL_NODE = {"object_store_memory": 80 << 20, "include_dashboard": False}

# A shell starts what it runs in the background deaf to Ctrl-C, and children inherit that: tests send it to some.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("patient", deadline=None)
# A gate that every change passes through answers for the change, not for what chance has drawn.
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "patient"))


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return open_mnist()


@pytest.fixture(scope="session")
def small_mnist(mnist: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,200 training, 300 validation and 300 test images of MNIST as one .npz file."""
    path = tmp_path_factory.mktemp("data") / "small.npz"
    arrays = {}
    for name, split, count in (("train", mnist.train, 1200), ("val", mnist.validation, 300), ("test", mnist.test, 300)):
        assert split.labels is not None
        arrays[f"x_{name}"] = split.images[np.arange(count)]
        arrays[f"y_{name}"] = split.labels[:count]
    np.savez_compressed(path, **arrays)
    return path


@pytest.fixture(scope="session")
def fresh_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty cache, but for the C libraries that a compiler has made for other machines, each in a minute."""
    cache, compiled = tmp_path_factory.getbasetemp() / "cache", Path(USERS_CACHE) / "zig"
    for folder in (cache, compiled):
        folder.mkdir(parents=True, exist_ok=True)
    (cache / "zig").symlink_to(compiled.resolve())
    return cache


@pytest.fixture(autouse=True)
def own_cache(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's cache of teacher answers."""
    monkeypatch.setenv("EDGEKIT_CACHE", str(fresh_cache))


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[Any]:
    """A cluster of Ray whose only node, that of the tests, has no core."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # No report to its makers, no change of a variable, and no wait for whatever else this machine does.
        for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "RAY_worker_niceness"):
            patch.setenv(name, "0")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **SMALL_NODE})
        yield cluster
        cluster.shutdown()


@pytest.fixture
def nodes(ray_cluster: Any) -> Any:
    """The cluster with two nodes more, of one core each."""
    while len(ray_cluster.worker_nodes) < 2:
        ray_cluster.add_node(num_cpus=1, **SMALL_NODE)
    return ray_cluster


@pytest.fixture
def emulator(own_cache: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator as it was set up in the user's own cache. Without it tests are skipped, but not in CI."""
    monkeypatch.setenv("EDGEKIT_CACHE", USERS_CACHE)
    try:
        installation(device_card("raspberry-pi-4b"))
    except UsageError as exc:
        if os.environ.get("EDGEKIT_REQUIRE_EMULATOR"):
            raise
        pytest.skip(f"no emulator here: {exc}")


@pytest.fixture(scope="session")
def linear(mnist: Dataset) -> Linear:
    """A fully-connected layer that reads about 83% of the digits right."""
    return fit_linear(mnist.train, 2000)


@pytest.fixture(scope="session")
def digit_files(linear: Linear, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The layer as files: ``onnx``, ``int8.onnx``, ``tflite``, ``int8.tflite``."""
    folder = tmp_path_factory.mktemp("digits")
    contents = {
        "onnx": float_onnx(linear).SerializeToString(),
        "int8.onnx": int8_onnx(quantized(linear)).SerializeToString(),
        "tflite": packed(tflite_model(linear)),
        "int8.tflite": packed(tflite_model(quantized(linear))),
    }
    for name, data in contents.items():
        (folder / f"digits.{name}").write_bytes(data)
    return {name: folder / f"digits.{name}" for name in contents}
