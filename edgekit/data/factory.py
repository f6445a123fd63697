"""``module:factory``: the user's own Python code as a data source."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from edgekit.errors import DataError, EdgekitError, UnknownNameError
from edgekit.files import sha256_bytes

FACTORY = re.compile(r"[\w./\\-]+:[A-Za-z_]\w*")


def is_factory(source: Any) -> bool:
    """True for ``module:factory``, unless a file has that name."""
    return isinstance(source, str) and FACTORY.fullmatch(source) is not None and not Path(source).exists()


def call_factory(source: str) -> Any:
    """What ``module:factory`` returns.

    Raises:
        DataError: the code fails.
    """
    factory = load_factory(source, DataError)
    try:
        return factory()
    except EdgekitError:
        raise
    except Exception as exc:
        raise DataError(f"{source} failed with {type(exc).__name__}: {exc}; correct that function.") from exc


def load_factory(source: str, error: type[EdgekitError]) -> Callable[..., Any]:
    """The function that ``module:function`` names; the module is a dotted name or the path of a .py file.

    It is the user's own code: imported from the current folder or the installed packages, and run.

    Raises:
        EdgekitError: of class ``error`` if the module cannot be imported or has no such function.
    """
    module_name, _, attribute = source.rpartition(":")
    try:
        module = _import_file(Path(module_name)) if module_name.endswith(".py") else _import_name(module_name)
    except Exception as exc:  # whatever the user's module raises
        raise error(f"{source}: importing {module_name} failed with {type(exc).__name__}: {exc}; correct it.") from exc
    functions: dict[str, Callable[..., Any]] = {key: value for key, value in vars(module).items() if callable(value)}
    if attribute not in functions:
        raise UnknownNameError(f"function of {module_name}", attribute, functions)
    return functions[attribute]


def code_of(function: Callable[..., Any]) -> str:
    """What tells whether a user's function, or object that is called, or anything in its file has changed."""
    named = inspect.unwrap(function) if inspect.isroutine(function) or inspect.isclass(function) else type(function)
    file, code = inspect.getsourcefile(named), getattr(named, "__code__", None)
    # Several lambdas may stand in a file, and none need: they may have been typed.
    own = "" if code is None else repr((code.co_firstlineno, code.co_code, code.co_names))
    return sha256_bytes(own.encode() + (Path(file).read_bytes() if file and Path(file).is_file() else b""))


def _import_name(name: str) -> ModuleType:
    _look_in(Path.cwd())
    importlib.invalidate_caches()
    return importlib.import_module(name)


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    _look_in(path.resolve().parent)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look there for what annotations name. Afterwards nothing is there: what travels to other machines is
    # sent whole only where its module cannot be imported.
    before = sys.modules.get(spec.name)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        sys.modules.pop(spec.name)
        if before is not None:
            sys.modules[spec.name] = before
    return module


def _look_in(folder: Path) -> None:
    """Find modules of this folder, as Python does of the folder of a script."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
