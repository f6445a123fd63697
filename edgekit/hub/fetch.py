"""Files of a repository on the hub, through the hub's own cache: never code, never pickled weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgekit.console import say
from edgekit.errors import EdgekitError, ModelError
from edgekit.extras import install
from edgekit.runtimes.refusal import first_line

CONNECTION_SECONDS = 5.0
PACKAGES = ("transformers", "huggingface_hub")


def cached(repository: str, revision: str | None, patterns: Sequence[str]) -> Path | None:
    """The folder of a repository in the cache, at a branch or commit; None if it is not there.

    It holds what was fetched before, perhaps not all that ``patterns`` say.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=True, allow_patterns=patterns))
    except LocalEntryNotFoundError:
        return None


def fetched(
    repository: str, revision: str | None, patterns: Sequence[str], check: Callable[[list[str]], None], name: str
) -> Path:
    """The folder of a repository with all files of these patterns, at the commit that ``revision`` stands for now.

    ``check`` raises if the names of its files are not what is wanted, before any is fetched.
    """
    from huggingface_hub import HfApi, snapshot_download

    # One request tells quickly whether there is a hub at all; downloads try again and again.
    found = HfApi().model_info(repository, revision=revision, timeout=CONNECTION_SECONDS)
    check([file.rfilename for file in found.siblings or ()])
    say(f"fetching {name}, revision {found.sha}")
    # By its branch, not by the commit: so the cache knows later which commit the branch stood for.
    return Path(snapshot_download(repository, revision=revision, allow_patterns=patterns))


@contextmanager
def of_hub(name: str) -> Iterator[None]:
    """What the hub's libraries raise inside, as a ModelError about the model ``name``."""
    try:
        yield
    except EdgekitError:
        raise
    except ModuleNotFoundError as exc:
        command = install("hub") if exc.name in PACKAGES else f"pip install {exc.name}"
        raise ModelError(f"{name} needs {exc.name}, which is not installed; run: {command}") from exc
    except Exception as exc:  # the hub's libraries raise what they like
        way = "check the name and the connection to the hub, or name a folder that save_pretrained wrote"
        if "torchvision" in str(exc):
            way = "torchvision is built for another torch: install the build that goes with it, or none"
        raise ModelError(f"{name} cannot be opened ({first_line(exc)}); {way}.") from exc
