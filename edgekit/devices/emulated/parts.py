"""The three parts of the emulator, each made in a folder of its own: a Debian system, the runtimes, the plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zipfile import ZipFile

from edgekit.devices.emulated.tools import KEYRING, run_tool
from edgekit.errors import UsageError
from edgekit.files import sha256_file

SUITE = "bookworm"
PYTHON = "3.11"
DEBIAN_PACKAGES = (
    "libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libssl3 libffi8 libbz2-1.0 liblzma5 libuuid1 libsqlite3-0 libcrypt1 "
    f"libgomp1 python{PYTHON}-minimal libpython{PYTHON}-minimal libpython{PYTHON}-stdlib"
).split()
RUNTIMES = ("numpy", "pillow", "ai-edge-litert", "onnxruntime")
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
SOURCE = Path(__file__).parent / "count_instructions.c"

Checksums = dict[str, str]


def make_system(folder: Path, scratch: Path) -> Checksums:
    """Unpack the packages of a small Debian for arm64 into ``folder``; apt checks Debian's signatures on them.

    apt gets folders of its own below ``scratch``, so neither root nor a foreign architecture of this system is needed.
    The packages come from the mirror that this system installs from, or from $EDGEKIT_DEBIAN_MIRROR.
    """
    for name in ("state/lists/partial", "cache/archives/partial", "debs", "empty"):
        (scratch / name).mkdir(parents=True)
    (scratch / "status").touch()
    mirror = os.environ.get("EDGEKIT_DEBIAN_MIRROR") or _own_mirror()
    signed = f" signed-by={KEYRING}" if Path(KEYRING).is_file() else ""
    (scratch / "sources.list").write_text(f"deb [arch=arm64{signed}] {mirror} {SUITE} main\n")
    settings = {
        "Dir::State": scratch / "state",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc::sourcelist": scratch / "sources.list",
        "Dir::Etc::sourceparts": scratch / "empty",
        "APT::Architecture": "arm64",
        "APT::Architectures::": "arm64",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
    }
    apt = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in settings.items())]
    run_tool([*apt, "update"], f"read the list of packages of {mirror}")
    run_tool([*apt, "download", *DEBIAN_PACKAGES], f"download the arm64 packages from {mirror}", str(scratch / "debs"))
    packages = sorted((scratch / "debs").glob("*.deb"))
    for package in packages:
        run_tool(["dpkg-deb", "-x", str(package), str(folder)], f"unpack {package.name}")
    _compile_python(folder / "usr" / "lib" / f"python{PYTHON}")
    return {package.name: sha256_file(package) for package in packages}


def _own_mirror() -> str:
    """Where this system's packages come from, if it is a Debian that has those of SUITE."""
    command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"]
    for line in run_tool(command, "read which mirror this system installs from").splitlines():
        suite, _, mirror = line.partition(" ")
        if suite == SUITE and mirror:
            return mirror
    raise UsageError(
        f"This system does not install from Debian {SUITE}; name a mirror of it that has arm64 in "
        "EDGEKIT_DEBIAN_MIRROR."
    )


def make_runtimes(folder: Path, scratch: Path) -> Checksums:
    """Unpack the aarch64 wheels of the runtimes, at the versions in use here, into ``folder``."""
    scratch.mkdir(parents=True)
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    options = [
        "--python-version",
        PYTHON,
        "--implementation",
        "cp",
        "--only-binary=:all:",
        "--no-cache-dir",
        *platforms,
    ]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run_tool([*pip, "download", "-q", "-d", str(scratch), *options, *requirements()], "download the aarch64 wheels")
    wheels = sorted(scratch.glob("*.whl"))
    for wheel in wheels:
        with ZipFile(wheel) as archive:
            archive.extractall(folder)
    _compile_python(folder)
    return {wheel.name: sha256_file(wheel) for wheel in wheels}


def _compile_python(folder: Path) -> None:
    """Bytecode for the board's Python, which is this machine's too, so that it need not compile in every process.

    Without it a process starts a few seconds later. Files that do not compile are no module of ours.
    """
    if f"{sys.version_info.major}.{sys.version_info.minor}" == PYTHON:
        options = ["-q", "-q", "-s", str(folder), "-p", "/"]
        subprocess.run([sys.executable, "-m", "compileall", *options, str(folder)], check=False)


def requirements() -> list[str]:
    """The runtimes as they are installed here, as in ``numpy==2.4.6``."""
    try:
        return [f"{name}=={version(name)}" for name in RUNTIMES]
    except PackageNotFoundError as exc:
        raise UsageError(f"{exc.name} is not installed here; run: pip install {exc.name}") from exc


def make_plugin(folder: Path, scratch: Path) -> Checksums:
    """Compile the plugin that counts."""
    target = folder / "count_instructions.so"
    run_tool(["cc", "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE)], "compile the counting plugin")
    return {SOURCE.name: sha256_file(SOURCE), target.name: sha256_file(target)}
