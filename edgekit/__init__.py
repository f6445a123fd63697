"""EdgeKit: from a trained teacher to a verified int8 student file, and what it costs on a device.

What ``__all__`` names is the Python API; it is loaded when it is used. Everything else is private.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.api.model import Model, open
    from edgekit.api.network import from_sklearn
    from edgekit.api.verbs import (
        compare,
        deploy,
        distill,
        doctor,
        evaluate,
        export,
        inspect,
        profile,
        quantize,
        search,
        shrink,
        teach,
    )
    from edgekit.console import quiet
    from edgekit.errors import EdgekitError

__version__ = "0.1.0"

__all__ = [
    "EdgekitError",
    "Model",
    "compare",
    "deploy",
    "distill",
    "doctor",
    "evaluate",
    "export",
    "from_sklearn",
    "inspect",
    "open",
    "profile",
    "quantize",
    "quiet",
    "search",
    "shrink",
    "teach",
]
_HOMES = {
    "EdgekitError": "edgekit.errors",
    "Model": "edgekit.api.model",
    "from_sklearn": "edgekit.api.network",
    "open": "edgekit.api.model",
    "quiet": "edgekit.console",
}
"""Where what is not a verb is from."""


if not TYPE_CHECKING:  # whose names a type checker knows already

    def __getattr__(name: str) -> Any:
        """Load what is asked for (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module 'edgekit' has no attribute {name!r}")
        return getattr(import_module(_HOMES.get(name, "edgekit.api.verbs")), name)

    class _Package(ModuleType):
        """An import puts a package, as edgekit/search is, where the verb of its name is asked for; the verb stays."""

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in __all__ or not isinstance(value, ModuleType):
                super().__setattr__(name, value)

    sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return [*globals(), *__all__]
