"""The files of a Pi bundle: those in ``files/``, some with names filled in, what they use of EdgeKit, and the model."""

from __future__ import annotations

import ast
import json
import shlex
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from string import Template

from edgekit import inputs
from edgekit.console import say
from edgekit.conversion.c import untested_program
from edgekit.conversion.c.build import build as build_program
from edgekit.conversion.c.build import library_sources
from edgekit.conversion.c.library import MACHINES, target_of
from edgekit.deployment.app_door import AppDoor
from edgekit.deployment.app_model import AppModel
from edgekit.deployment.bundle import Bundle, json_bytes
from edgekit.deployment.deploy import DeployOptions
from edgekit.extras import install, installed
from edgekit.inputs import door as doors
from edgekit.modelfiles.golden import trail_of
from edgekit.modelfiles.model_ref import parted

FILES = Path(__file__).parent / "files"
TEMPLATES = ("README.md", "app.service")
PROGRAMS = frozenset({"app.py", "install.sh"})

OPENED_BY = {"litert": ("litert", "tflite_runtime"), "ort": ("ort",), "c": ("c",)}
"""Modules of ``edgekit.runtimes`` that an app may open its model with."""
RUNTIMES = tuple(OPENED_BY)
INPUTS = ("golden", "tensors", "trail")
"""Modules of ``edgekit.inputs`` that every app has, beside what reads its pictures or texts."""

PACKAGES = {"litert": "ai-edge-litert>=2.1\n", "ort": "onnxruntime>=1.19\n"}
TITLES = {"litert": "LiteRT", "ort": "ONNX Runtime"}
MODERN = """\
# aarch64 and x86_64, Python 3.9 or later
numpy>=1.23.2
"""
OF_C = """\
# Python 3.9 or later. Where there are no wheels, they are the system's (python3-numpy, python3-pil).
numpy>=1.21
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
        "pixels": " and 20 million pixels",
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
WORDS["image or text"] = {
    **WORDS["image"],
    "argument": "IMAGE-OR-TEXT",
    "example": "photo.jpg 'What a fine film.'",
}
"""What README.md says, by what the model takes."""
PROGRAM = """\
**The model is C**, `c/model.c`, and needs no runtime. It is compiled for {machines}; on any other processor
`./install.sh` compiles it, which takes a C compiler. NumPy and Pillow for a 32-bit system come from piwheels, which
Raspberry Pi OS has set up for pip, or are the system's: `sudo apt install python3-numpy python3-pil` (Alpine:
`apk add py3-numpy py3-pillow`).

"""


def settled(model: AppModel, options: DeployOptions) -> AppModel:
    """The model, as C where that was asked for."""
    _, named = parted(options.model, options.runtime)
    return replace(model, runtime="c", file="c/model.c") if named == "c" else model


def build(model: AppModel, options: DeployOptions) -> Bundle:
    """The bundle of a model."""
    files = _program(model) if model.runtime == "c" else {model.file: model.data}
    size = f"The model ({model.file}, {len(files[model.file]):,} bytes)"
    return _bundle([model], files, f"{size} takes {model.contract.size} and knows {len(model.labels)} classes.")


def build_door(door: AppDoor) -> Bundle:
    """The bundle of a gate, with the models behind it in ``experts/NAME/``."""
    files = {doors.FILE: json_bytes(door.about), door.gate.file: door.gate.data}
    for name, model in door.experts.items():
        found = {**_about(model), model.file: model.data}
        files |= {f"{doors.EXPERTS}/{name}/{file}": data for file, data in found.items()}
    summary = (
        f"A gate ({door.gate.file}, {len(door.gate.data):,} bytes) chooses who answers: {', '.join(door.experts)}."
    )
    return _bundle([door.gate, *door.experts.values()], files, summary, ("door",))


def _bundle(models: Sequence[AppModel], more: Mapping[str, bytes], summary: str, modules: Sequence[str] = ()) -> Bundle:
    """The app of the first model, with all that any of them needs."""
    app = models[0]
    files = {name: path.read_bytes() for name, path in _sources(models, modules).items()}
    files["edgekit/__init__.py"] = b'"""What this app carries of EdgeKit."""\n'
    kinds = {model.contract.INPUT: model.contract.CALLED for model in models}
    takes, called = " or ".join(kinds), " or ".join(kinds.values())
    runtimes = list(dict.fromkeys(model.runtime for model in models))
    endings = ", ".join(dict.fromkeys(end for model in models for end in model.contract.endings))
    words = {"name": app.name, "summary": summary, "called": called, "endings": endings}
    words |= {**WORDS[takes], "plural": " and ".join(f"{word}s" for word in kinds.values())}
    words["packages"] = ", ".join((words["packages"], *(TITLES[name] for name in runtimes if name in TITLES)))
    words["program"] = _of_program(more) if app.runtime == "c" else ""
    for name in TEMPLATES:
        files[name] = Template(files[name].decode()).substitute(words).encode()
    files[f"{app.name}.service"] = files.pop("app.service")
    needs = "".join(NEEDS[kind] for kind in kinds)
    files |= {name: text.encode() for name, text in requirements(runtimes, needs).items()}
    return Bundle({**files, **_about(app, takes), **more}, PROGRAMS)


def _program(model: AppModel) -> dict[str, bytes]:
    """A model's C program, and libraries of it for boards where zig is here to make them."""
    program, folder = untested_program(model.path, model.name), Path(model.file).parent
    files = {f"{folder}/{name}": text.encode() for name, text in library_sources(program).items()}
    if not installed("ziglang"):
        say(f"The board itself will compile the model, by a C compiler of its own; {install('c')} here spares it that.")
        return files
    with tempfile.TemporaryDirectory() as scratch:
        for machine in (name for name in MACHINES if " " not in name):  # whatever its features
            made = build_program(program, target_of(machine), Path(scratch) / machine)
            files[f"{folder}/{machine}.so"] = made.path.read_bytes()
    return files


def _of_program(files: Iterable[str]) -> str:
    """What README.md says of a model in C."""
    machines = sorted(Path(name).stem for name in files if name.endswith(".so"))
    return PROGRAM.format(machines=", ".join(machines) or "no processor yet")


def _about(model: AppModel, takes: str = "") -> dict[str, bytes]:
    """What a bundle says of a model; ``takes`` is what the whole app does, if it is more."""
    about = {key: value for key, value in model.to_dict().items() if key != "labels"}  # labels.txt has them
    files = {
        "labels.txt": "".join(f"{' '.join(label.split())}\n" for label in model.labels).encode(),
        "model.json": json_bytes({**about, "takes": takes or about["takes"]}),
    }
    if model.golden is not None and model.runtime == "litert":
        trail = trail_of(model.data, model.runtime, model.golden.seed)
        files["operators.json"] = json.dumps(trail, separators=(",", ":")).encode()
    return files


def next_commands(folder: Path, name: str) -> tuple[str, ...]:
    """From this machine to a first prediction on the board; typed again, they bring the board up to date."""
    return (
        f"scp -r {shlex.quote(f'{folder}/.')} pi@raspberrypi.local:{name}",
        f"ssh pi@raspberrypi.local 'cd {name} && ./install.sh'",
    )


def requirements(runtimes: Sequence[str], needs: str) -> dict[str, str]:
    """What pip is to install, by file: pip itself finds the wheel for the board's architecture and Python version."""
    if "c" in runtimes:
        return {"requirements.txt": OF_C + needs}
    found = {"requirements.txt": f"{MODERN}{needs}{''.join(PACKAGES[runtime] for runtime in runtimes)}"}
    return found if "ort" in runtimes else {**found, "requirements-32bit.txt": ARMV7L + needs}


def _sources(models: Sequence[AppModel], modules: Sequence[str]) -> dict[str, Path]:
    """Where each file that is carried as it is comes from, by its name in the bundle."""
    packages = Path(inputs.__path__[0]).parent
    kinds = [type(model.contract).__module__.rpartition(".")[2] for model in models]
    runtimes = [name for model in models for name in OPENED_BY[model.runtime]]
    reading = _with_imports(packages / "inputs", (*kinds, *INPUTS, *modules))
    opening = _with_imports(packages / "runtimes", runtimes)
    carried = [*reading, packages / "inputs" / "described.py", *opening]
    found = {path.relative_to(FILES): path for path in FILES.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    for name, is_used in (("door", bool(modules)), ("library", "c" in runtimes)):
        if not is_used:
            del found[Path(f"classify/{name}.py")]
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
