"""LiteRT (ai-edge-litert), the maintained TFLite runtime, with each of its sets of kernels."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .interpreter import InterpreterRuntime
from .refusal import Refusal
from .runtime import Profiler, Shapes


@dataclass(frozen=True)
class LiteRt(InterpreterRuntime):
    """LiteRT with the kernels that it calls ``resolver`` in its Interpreter and ``mode`` in its CompiledModel."""

    resolver: str = "AUTO"
    mode: str = ""

    def options(self, module: Any) -> dict[str, Any]:
        """The choice of kernels."""
        return {"experimental_op_resolver_type": module.OpResolverType[self.resolver]}

    def profiler(self, model: str, threads: int, shapes: Shapes) -> Profiler:
        """See ``Runtime.profiler``."""
        if shapes:
            raise Refusal("model", "LiteRT's profiler takes a file as it is, without --shape")
        # By its name, so that an app, which carries what is imported here, does not carry it.
        profiler: Profiler = import_module(".litert_profiler", __package__).ProfiledModel(model, threads, self.mode)
        return profiler


def _litert(name: str, title: str, resolver: str, mode: str) -> LiteRt:
    package, module, kernels = "ai-edge-litert", "ai_edge_litert.interpreter", f"tflite-{mode or 'xnnpack'}"
    return LiteRt(name, title, ".tflite", package, module, kernels=kernels, resolver=resolver, mode=mode)


RUNTIMES = (
    _litert("litert", "LiteRT", "AUTO", ""),
    _litert("litert-builtin", "LiteRT without XNNPACK", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "builtin"),
    _litert("litert-reference", "LiteRT reference kernels", "BUILTIN_REF", "reference"),
)
