"""Files of npm packages at pinned versions, fetched once with the user's own npm and checked against pinned hashes."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.console import say
from edgekit.errors import DeviceError
from edgekit.files import user_cache, write_bytes

FETCH_SECONDS = 600
MAX_UNPACKED = 64 << 20


@dataclass(frozen=True)
class Package:
    """An npm package of which a page carries some files.

    Attributes:
        title: what people call it.
        package: its name in the registry; ``version`` and ``integrity`` (``sha512-`` and base64) pin its archive.
        licence: SPDX identifier; ``holder`` is the copyright line.
        files: path in the package by name in the bundle.
    """

    title: str
    package: str
    version: str
    integrity: str
    licence: str
    holder: str
    files: Mapping[str, str]

    @property
    def archive(self) -> Path:
        """Where its archive is kept."""
        return user_cache() / "npm" / f"{self.package.replace('@', '').replace('/', '-')}-{self.version}.tgz"

    def read(self) -> dict[str, bytes]:
        """Its files by their names in the bundle; fetched with npm if they are not in the cache.

        Raises:
            DeviceError: npm is missing or fails, or what it fetched is not what was pinned.
        """
        data = self.archive.read_bytes() if self.archive.is_file() else b""
        if not self.is_intact(data):
            data = self._fetch()
            write_bytes(self.archive, data, option="$EDGEKIT_CACHE")
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            return {name: self._member(archive, path) for name, path in self.files.items()}

    def source(self) -> str:
        """Where its files would come from now: the cache, or npm.

        Raises:
            DeviceError: neither is here.
        """
        return "in the cache" if self.archive.is_file() else f"{self._npm()} fetches it when it is needed"

    def is_intact(self, data: bytes) -> bool:
        """True if these are the bytes of the pinned archive."""
        digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
        return self.integrity == f"sha512-{digest}"

    def _fetch(self) -> bytes:
        wanted, by_hand, npm = self._wanted, self._by_hand, self._npm()
        say(f"fetching {wanted} with npm, once")
        with tempfile.TemporaryDirectory() as folder:
            command = [npm, "pack", wanted, "--json", "--ignore-scripts", "--pack-destination", folder]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, errors="replace", timeout=FETCH_SECONDS, cwd=folder
                )
            except subprocess.TimeoutExpired:
                raise DeviceError(
                    f"npm needed more than {FETCH_SECONDS} s for {wanted}; try again, {by_hand}."
                ) from None
            except OSError as exc:
                raise DeviceError(f"{npm} cannot be started ({exc.strerror}); install Node.js, {by_hand}.") from exc
            archives = list(Path(folder).glob("*.tgz"))
            if done.returncode or len(archives) != 1:
                raise DeviceError(f"npm cannot fetch {wanted} ({_reason(done)}); look at its configuration, {by_hand}.")
            data = archives[0].read_bytes()
        if not self.is_intact(data):
            raise DeviceError(f"What npm fetched as {wanted} has not the pinned hash; look at its registry, {by_hand}.")
        return data

    @property
    def _wanted(self) -> str:
        return f"{self.package}@{self.version}"

    @property
    def _by_hand(self) -> str:
        return f"or run `npm pack {self._wanted}` elsewhere and put its .tgz file at {self.archive}"

    def _npm(self) -> str:
        npm = shutil.which("npm")
        if npm is None:
            raise DeviceError(f"{self.title} comes with npm, which is not installed; install Node.js, {self._by_hand}.")
        return npm

    def _member(self, archive: tarfile.TarFile, path: str) -> bytes:
        stream = archive.extractfile(f"package/{path}")
        if stream is None:
            raise DeviceError(f"{self.package}@{self.version} has no file {path}.")
        return stream.read(MAX_UNPACKED)


def find_package(runtime: str) -> Package:
    """The package of a runtime, ``litert`` or ``ort``."""
    document = tomllib.loads((Path(__file__).parent / "packages.toml").read_text(encoding="utf-8"))
    return Package(**document[runtime])


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    try:
        error = json.loads(done.stdout)["error"]
        return str(error.get("summary") or error["code"]).strip().splitlines()[0].rstrip(".")
    except (ValueError, KeyError, TypeError, IndexError):
        lines = done.stderr.strip().splitlines()
        return lines[-1].rstrip(".") if lines else f"exit status {done.returncode}"
