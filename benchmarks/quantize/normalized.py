"""Networks of attention and of normalisations that no convolution absorbs: their int8 files beside the float ones.

    python benchmarks/quantize/normalized.py cifar10.npz runs/normalized [NAME ...]

ViT-tiny, ConvNeXt-tiny and MobileViT, as transformers builds them for 32 pixels, learn CIFAR-10 for as long as a
processor may take; what is asked is not what they know but what int8 costs of it. MobileViT, which learns next to
nothing of labels alone in that time, is distilled from cifar10-cnn. The U-Net with GroupNorm takes noise out of
pictures; it has no classes and is judged by its signal to noise. Latencies are of one thread, in turns. What an earlier
call with the same folder has trained is not trained again.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import record

import edgekit
from edgekit.catalog import network_card

SIDE, CLASSES = 32, 10
STEPS, BATCH, RATE, NOISE = 1000, 64, 1e-3, 25.0
DISTILLED = {"mobilevit-xxs": 8}
"""Epochs of what learns from a teacher."""
LABELLED = {"train": 200, "validation": 1_000, "test": 10_000}
LAYER_SCALE = 0.1


def vit() -> nn.Module:
    """Touvron et al. 2021 (DeiT-Ti): 12 layers of width 192, three heads; 64 patches of 4 pixels."""
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}
    return ViTForImageClassification(ViTConfig(**sizes, image_size=SIDE, patch_size=4, num_labels=CLASSES))


def convnext() -> nn.Module:
    """Liu et al. 2022: 3, 3, 9 and 3 blocks of widths 96 to 768; its first patches are of 2 pixels.

    Blocks begin with a tenth of what they compute, as in a network that has learned, and not with the millionth with
    which training begins: XNNPACK adds no two values whose scales differ by so much.
    """
    from transformers import ConvNextConfig, ConvNextForImageClassification

    options = {"layer_scale_init_value": LAYER_SCALE, "num_labels": CLASSES}
    return ConvNextForImageClassification(ConvNextConfig(image_size=SIDE, patch_size=2, **options))


def mobilevit() -> nn.Module:
    """Mehta and Rastegari 2022, MobileViT-XXS, with an eighth of the picture's side at its end."""
    from transformers import MobileViTConfig, MobileViTForImageClassification

    widths = {"hidden_sizes": [64, 80, 96], "neck_hidden_sizes": [16, 16, 24, 48, 64, 80, 320]}
    options = {"image_size": SIDE, "output_stride": 8, "expand_ratio": 2.0, "num_labels": CLASSES}
    return MobileViTForImageClassification(MobileViTConfig(**widths, **options))


CLASSIFIERS: dict[str, Callable[[], nn.Module]] = {
    "vit-tiny": vit,
    "convnext-tiny": convnext,
    "mobilevit-xxs": mobilevit,
}


class UNet(nn.Module):
    """Ronneberger et al. 2015 with padding, GroupNorm of eight groups and SiLU: 0.5M parameters."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__()
        pairs = list(zip((3, *widths), widths, strict=False))
        self.down = nn.ModuleList(_twice(*pair) for pair in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose2d(wide, narrow, 2, 2) for narrow, wide in pairs[:0:-1])
        self.merge = nn.ModuleList(_twice(2 * narrow, narrow) for narrow, _ in pairs[:0:-1])
        self.head = nn.Conv2d(widths[0], 3, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] without noise, of noisy ones; H and W are multiples of 8."""
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            image = block(nn.functional.max_pool2d(image, 2) if level else image)
            kept.append(image)
        for up, merge, beside in zip(self.up, self.merge, kept[-2::-1], strict=True):
            image = merge(torch.cat([up(image), beside], 1))
        return self.head(image)


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.GroupNorm(8, outputs), nn.SiLU()]
    return nn.Sequential(*layers)


class Classifier(nn.Module):
    """Logits alone of what transformers builds."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Logits [N, CLASSES] of pictures [N, 3, H, W] in [0, 1]."""
        logits: Tensor = self.network(pixel_values=image).logits
        return logits


def classifier(name: str, data: str, held: Mapping[str, NDArray[Any]], folder: Path) -> edgekit.QuantizeResult:
    """Train a classifier if that is not done, and quantize it."""
    torch.manual_seed(0)
    network: nn.Module | str = Classifier(CLASSIFIERS[name]())
    if name in DISTILLED:
        network = distilled(network, data, folder, DISTILLED[name])
    else:
        network = trained(network, held, folder, _answers_wrong)
    pictures = folder / "pictures.npz"
    parts = {f"{axis}_{split}": held[f"{axis}_{split}"][:count] for axis in "xy" for split, count in LABELLED.items()}
    np.savez(pictures, **parts, classes=held["classes"])
    return edgekit.quantize(network, data=pictures, out=folder, int8=True, calibration=LABELLED["train"])


def denoiser(held: Mapping[str, NDArray[Any]], folder: Path) -> edgekit.QuantizeResult:
    """Train the U-Net on noisy pictures if that is not done, and quantize it."""
    network = trained(UNet(), held, folder, _noise_left)
    samples = folder / "samples.npz"
    splits = {split: held[f"x_{split}"][: LABELLED[split]] for split in ("train", "test")}
    np.savez(samples, **{f"image_{split}": _noisy(pictures, 1)[0].numpy() for split, pictures in splits.items()})
    example = {"image": (1, 3, SIDE, SIDE)}
    return edgekit.quantize(network, data=samples, example=example, out=folder, int8=True)


def distilled(network: nn.Module, data: str, folder: Path, epochs: int) -> str:
    """The network's float file, distilled by the recipe of cifar-s."""
    recipe = replace(network_card("students", "cifar-s").recipe("full"), epochs=epochs, warmup_epochs=1.0)
    run = {"student": network, "teacher": "cifar10-cnn", "data": data, "out": folder / "distilled", "recipe": recipe}
    made = edgekit.distill(**run, resume=True, seed=0)
    return shutil.copy(made.model, folder)


LossOf = Callable[[nn.Module, NDArray[np.uint8], NDArray[np.int64], int], Tensor]


def trained(network: nn.Module, held: Mapping[str, NDArray[Any]], folder: Path, loss_of: LossOf) -> nn.Module:
    """The network in evaluation mode, with the weights in the folder, or trained by its loss of a batch and a step."""
    weights = folder / "weights.pt"
    if weights.exists():
        network.load_state_dict(torch.load(weights, weights_only=True))
        return network.eval()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS)
    choice = np.random.default_rng(0)
    pictures, labels = held["x_train"], held["y_train"]
    for step in range(STEPS):
        batch = choice.integers(0, len(pictures), BATCH)
        loss = loss_of(network, pictures[batch], labels[batch], step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f"{folder.name}: step {step}/{STEPS}, loss {loss.item():.5f}", flush=True)
    torch.save(network.state_dict(), weights)
    return network.eval()


def _answers_wrong(network: nn.Module, pictures: NDArray[np.uint8], labels: NDArray[np.int64], step: int) -> Tensor:
    image = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return nn.functional.cross_entropy(network(image.flip(3) if step % 2 else image), torch.from_numpy(labels))


def _noise_left(network: nn.Module, pictures: NDArray[np.uint8], labels: NDArray[np.int64], step: int) -> Tensor:
    noisy, clean = _noisy(pictures, step)
    return nn.functional.mse_loss(network(noisy), clean)


def _noisy(pictures: NDArray[np.uint8], seed: int) -> tuple[Tensor, Tensor]:
    clean = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    return clean + NOISE / 255 * noise, clean


def run(name: str, data: str, folder: Path) -> dict[str, Any]:
    """Train, quantize, and time a network."""
    folder.mkdir(parents=True, exist_ok=True)
    held = np.load(data)
    done = denoiser(held, folder) if name == "unet" else classifier(name, data, held, folder)
    files = [edgekit.export(folder, out=folder).path, *(folder / file.file for file in (done.tflite, done.onnx))]
    profiled = edgekit.profile([*files, folder / "model.onnx"], threads=1)
    (device,) = profiled.devices
    return {
        "drop": done.drop,
        "quality": {file.file: file.quality.to_dict() for file in (done.original, done.onnx, done.tflite)},
        "left_in_float": done.floats,
        "not_delegated": [str(operator) for operator in done.undelegated],
        "bytes": {file.name: file.stat().st_size for file in files},
        "p50_ns": {Path(model.file).name: model.timing.latency.p50_ns for model in device.models},
        "ratios_to_float_tflite": {
            Path(ratio.file).name: [ratio.ratio, ratio.low, ratio.high] for ratio in device.ratios
        },
    }


def main(data: str, folder: Path, names: list[str]) -> None:
    """Run networks and record each as soon as it is measured; rows of others stay, each with its day."""
    file = Path(__file__).with_suffix(".json")
    results = json.loads(file.read_text(encoding="utf-8"))["result"]["models"] if file.exists() else {}
    for name in names:
        results[name] = {"date": datetime.now(UTC).date().isoformat(), **run(name, data, folder / name)}
        record(__file__, {"models": results}, f"{Path(data).name} DIR")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:] or [*CLASSIFIERS, "unet"])
