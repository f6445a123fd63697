"""Channels come out of a teacher until its int8 file has the size that was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgekit.catalog import Architecture
from edgekit.errors import UsageError
from edgekit.inputs.contract import InputContract
from edgekit.options import byte_size
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import quantize
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.runs import Structure
from edgekit.training.shrinking.channels import BLOCK, Channels
from edgekit.training.shrinking.shrink import ShrinkOptions, looks_once, shrink
from edgekit.training.teacher import Teacher, torch_forward
from edgekit.zoo import build

ONE_EPOCH = DistillRecipeOptions(epochs=1, batch_size=64)


class Small(nn.Module):
    """A teacher that has learned nothing yet, of 27 KB."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        wide = (nn.Conv2d(32, 64, 3), nn.BatchNorm2d(64), nn.ReLU())
        self.layers = nn.Sequential(nn.Conv2d(1, 32, 5, stride=2), nn.BatchNorm2d(32), nn.ReLU(), *wide)
        self.head = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.layers(images).mean((2, 3)))
        return logits


def test_the_int8_file_of_what_is_left_has_the_size(arrays, tmp_path: Path) -> None:
    options = ShrinkOptions(Small(), to="12KB", data=arrays, steps=1, out=tmp_path, recipe=ONE_EPOCH)
    result = shrink(options)
    quantize(QuantizeOptions(str(tmp_path), data=arrays, rungs=1, calibration=50))
    file_bytes = (tmp_path / "model.int8.tflite").stat().st_size
    assert 10_000 < file_bytes <= result.int8_bytes <= 12_000 < result.teacher_int8_bytes
    assert all(count % BLOCK == 0 for name, count in result.channels.items() if name != "head")
    assert result.channels["head"] == 10
    record = json.loads((tmp_path / "shrink.json").read_text())
    assert (record["to"], record["steps"]) == (12_000, 1)


def test_a_run_that_was_stopped_ends_with_the_same_files(arrays, tmp_path: Path) -> None:
    def run(folder: str, resume: bool = False) -> bytes:
        options = ShrinkOptions(
            Small(), to=12_000, data=arrays, steps=2, out=tmp_path / folder, recipe=ONE_EPOCH, resume=resume
        )
        return shrink(options).model.read_bytes()

    whole = run("whole")
    for name in ("model.onnx", "checkpoint.pt"):
        (tmp_path / "whole" / name).unlink()  # as if killed during the last training
    assert run("whole", resume=True) == whole


def test_what_is_cut_looks_at_a_picture_once_where_the_teacher_looks_at_its_mirror_image_too() -> None:
    shape, architecture = (32, 32, 3), Architecture("cifar_cnn", {"widths": [8, 8, 8], "stem": 4})
    network = build(architecture, shape, 10).eval()
    forward, structure = torch_forward(network, "both"), Structure(architecture, shape)
    cut = looks_once(Teacher("both", "0", InputContract(*shape), forward, network=network, structure=structure))
    image = torch.rand(1, 3, 32, 32)
    assert cut.network is not None
    assert cut.structure is not None
    torch.testing.assert_close(network(image), (cut.network(image) + cut.network(image.flip(3))) / 2)
    again = build(cut.structure.architecture, shape, 10).eval()
    again.load_state_dict(network.state_dict())
    torch.testing.assert_close(again(image), cut.network(image))


def test_the_same_images_give_the_same_cut() -> None:
    shapes = []
    for _ in range(2):
        torch.manual_seed(0)
        network, images = build("resnet8", (32, 32, 3), 10), torch.rand(8, 3, 32, 32)
        channels = Channels(network, images[:1])
        worth = channels.worth(images, seed=1)
        channels.cut(worth, channels.kept(worth, 0.5 * float(channels.bytes(channels.counts))))
        shapes.append({name: value.clone() for name, value in network.state_dict().items()})
    assert shapes[0].keys() == shapes[1].keys()
    assert all(torch.equal(shapes[0][name], value) for name, value in shapes[1].items())


class Wired(nn.Module):
    """The first channels of its convolution are read with zeros."""

    def __init__(self, dead: int) -> None:
        super().__init__()
        self.make, self.read, self.head = nn.Conv2d(3, 32, 3), nn.Conv2d(32, 16, 3), nn.Linear(16, 4)
        with torch.no_grad():
            self.read.weight[:, :dead] = 0

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.read(torch.relu(self.make(images))).mean((2, 3)))
        return logits


def test_channels_that_nobody_hears_go_first_and_nothing_changes() -> None:
    torch.manual_seed(0)
    network, images = Wired(dead=16), torch.rand(6, 3, 12, 12)
    expected = network(images).detach()
    channels = Channels(network, images[:1])
    worth = channels.worth(images, seed=0)
    place = [int(count) for count in channels.counts].index(32)
    counts = channels.counts.copy()
    counts[place] = 16
    channels.cut(worth, counts)
    assert network.make.out_channels == network.read.in_channels == 16
    torch.testing.assert_close(network(images), expected)


@pytest.mark.parametrize(("architecture", "shape"), [("mnist_classic", (28, 28, 1)), ("mnist_tiny", (28, 28, 1))])
def test_bytes_of_a_cut_network_are_known_before_the_cut(architecture: str, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    network, images = build(architecture, shape, 10), torch.rand(4, shape[2], *shape[:2])
    channels = Channels(network, images[:1])
    worth = channels.worth(images, seed=0)
    counts = channels.kept(worth, 0.5 * float(channels.bytes(channels.counts)))
    channels.cut(worth, counts)
    assert network(images).shape == (4, 10)
    left = Channels(network, images[:1])
    assert left.counts.tolist() == counts.tolist()
    assert float(left.bytes(left.counts)) == float(channels.bytes(counts))


class Folding(nn.Module):
    """Makes channels of places, which no tracing of channels can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 16, 28), nn.Conv2d(1, 8, 4)
        self.head = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.second(self.first(images).reshape(-1, 1, 4, 4)).flatten(1))
        return logits


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"to": "much"}, "--to takes a number of bytes as in 300000"),
        ({"to": "2KB"}, "cannot have fewer than"),
        ({"to": "1MB"}, "bytes already; quantize it"),
        ({"to": "12KB", "size": 56}, "28x28"),
        ({"teacher": Folding(), "to": "5KB"}, "cannot be followed"),
    ],
)
def test_what_cannot_be_is_one_sentence(arrays, tmp_path: Path, changes: dict, complaint: str) -> None:
    given = {"teacher": Small(), "data": arrays, "out": tmp_path / "out", "recipe": ONE_EPOCH, **changes}
    with pytest.raises(Exception, match=complaint) as caught:
        shrink(ShrinkOptions(**given))
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("300000", 300_000), ("300KB", 300_000), ("0.3 MB", 300_000), ("1KiB", 1024), ("2m", 2_000_000), ("12 b", 12)],
)
def test_sizes_are_read_as_people_write_them(text: str, expected: int) -> None:
    assert byte_size(text) == expected


@pytest.mark.parametrize("text", ["", "KB", "-1", "1e6", "3 GB", "1,000"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a number of bytes"):
        byte_size(text)


def test_a_file_of_another_runtime_has_no_channels_to_take_whatever_the_data(arrays, tmp_path: Path) -> None:
    for data in (arrays, str(tmp_path / "missing.npz")):
        with pytest.raises(UsageError, match="no torch network"):
            shrink(ShrinkOptions("students/mnist-tiny/model.onnx", to="5KB", data=data, out=tmp_path))
