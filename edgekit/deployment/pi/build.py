"""The files of a Pi bundle: those in ``files/``, some with names filled in, what they use of EdgeKit, and the model."""

from __future__ import annotations

import ast
import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from string import Template

from edgekit import inputs
from edgekit.deployment.app_model import AppModel
from edgekit.deployment.bundle import Bundle, json_bytes
from edgekit.deployment.deploy import DeployOptions
from edgekit.modelfiles.golden import trail_of

FILES = Path(__file__).parent / "files"
TEMPLATES = ("README.md", "app.service")
PROGRAMS = frozenset({"app.py", "install.sh"})

OPENED_BY = {"litert": ("litert", "tflite_runtime"), "ort": ("ort",)}
"""Modules of ``edgekit.runtimes`` that an app may open its model with."""
RUNTIMES = tuple(OPENED_BY)
INPUTS = ("golden", "tensors", "trail")
"""Modules of ``edgekit.inputs`` that every app has, beside what reads its pictures or texts."""

TITLES = {"litert": "LiteRT", "ort": "ONNX Runtime"}
MODERN = """\
# aarch64 and x86_64, Python 3.9 or later
numpy>=1.23.2
"""
ARMV7L = """\
# armv7l, Python 3.9 to 3.11: the last tflite-runtime, which was built for NumPy 1. NumPy and Pillow are the system's
# (python3-numpy, python3-pil), or come from piwheels, which Raspberry Pi OS has set up for pip.
numpy<2
tflite-runtime==2.14.0
"""
NEEDS = {"image": "pillow>=9.1\n", "text": ""}
"""What more is installed, by what the model takes."""
WORDS = {
    "image": {
        "argument": "IMAGE",
        "example": "photo.jpg",
        "packages": "NumPy, Pillow",
        "more": "| `app.py camera` | what the camera sees, once a second (`--every`), as JSON lines; "
        "through picamera2, rpicam-still or v4l2-ctl |\n",
        "body": "--data-binary @photo.jpg",
        "pixels": " and 50 million pixels",
    },
    "text": {
        "argument": "TEXT",
        "example": "'What a fine film.'",
        "packages": "NumPy",
        "more": "",
        "body": """--json '{"text": "What a fine film."}'""",
        "pixels": "",
    },
}
"""What README.md says, by what the model takes."""


def build(model: AppModel, options: DeployOptions) -> Bundle:
    """The bundle of a model."""
    files = {name: path.read_bytes() for name, path in _sources(model).items()}
    files["edgekit/__init__.py"] = b'"""What this app carries of EdgeKit."""\n'
    takes, called = model.contract.INPUT, model.contract.CALLED
    words = {"name": model.name, "runtime": TITLES[model.runtime], "summary": _summary(model), "called": called}
    words |= {**WORDS[takes], "endings": ", ".join(model.contract.endings)}
    for name in TEMPLATES:
        files[name] = Template(files[name].decode()).substitute(words).encode()
    files[f"{model.name}.service"] = files.pop("app.service")
    files |= {name: text.encode() for name, text in requirements(model.runtime, NEEDS[takes]).items()}
    files["labels.txt"] = "".join(f"{' '.join(label.split())}\n" for label in model.labels).encode()
    about = {key: value for key, value in model.to_dict().items() if key != "labels"}  # labels.txt has them
    files["model.json"] = json_bytes(about)
    if model.golden is not None and model.runtime == "litert":
        trail = trail_of(model.data, model.runtime, model.golden.seed)
        files["operators.json"] = json.dumps(trail, separators=(",", ":")).encode()
    files[model.file] = model.data
    return Bundle(files, PROGRAMS)


def next_commands(folder: Path, name: str) -> tuple[str, ...]:
    """From this machine to a first prediction on the board; typed again, they bring the board up to date."""
    return (
        f"scp -r {shlex.quote(f'{folder}/.')} pi@raspberrypi.local:{name}",
        f"ssh pi@raspberrypi.local 'cd {name} && ./install.sh'",
    )


def requirements(runtime: str, needs: str) -> dict[str, str]:
    """What pip is to install, by file: pip itself finds the wheel for the board's architecture and Python version."""
    if runtime == "ort":
        return {"requirements.txt": f"{MODERN}{needs}onnxruntime>=1.19\n"}
    return {"requirements.txt": f"{MODERN}{needs}ai-edge-litert>=2.1\n", "requirements-32bit.txt": ARMV7L + needs}


def _sources(model: AppModel) -> dict[str, Path]:
    """Where each file that is carried as it is comes from, by its name in the bundle."""
    packages = Path(inputs.__path__[0]).parent
    kind = type(model.contract).__module__.rpartition(".")[2]
    reading = _with_imports(packages / "inputs", (kind, *INPUTS))
    opening = _with_imports(packages / "runtimes", OPENED_BY[model.runtime])
    carried = [*reading, packages / "inputs" / "described.py", *opening]
    found = {path.relative_to(FILES): path for path in FILES.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    found |= {"edgekit" / path.relative_to(packages): path for path in carried}
    return {name.as_posix(): path for name, path in sorted(found.items())}


def _with_imports(package: Path, modules: Iterable[str]) -> list[Path]:
    """The files of some modules of a package and of all that they import of it; of a folder there, all files."""
    found: set[Path] = set()
    pending = [package / name for name in ("__init__", *modules)]
    while pending:
        place = pending.pop()
        for path in place.glob("*.py") if place.is_dir() else (place.with_suffix(".py"),):
            if path not in found:
                found.add(path)
                tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                named = [node for node in tree if isinstance(node, ast.ImportFrom) and node.level and node.module]
                pending += [[path, *path.parents][node.level] / str(node.module) for node in named]
    return sorted(found)


def _summary(model: AppModel) -> str:
    size = f"The model ({model.file}, {len(model.data):,} bytes)"
    return f"{size} takes {model.contract.size} and knows {len(model.labels)} classes."
