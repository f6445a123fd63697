"""LiteRT (ai-edge-litert), the maintained TFLite runtime, with each of its sets of kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .interpreter import InterpreterRuntime
from .litert_profiler import ProfiledModel
from .refusal import Refusal
from .runtime import Shapes


@dataclass(frozen=True)
class LiteRt(InterpreterRuntime):
    """LiteRT with the kernels that it calls ``resolver`` in its Interpreter and ``mode`` in its CompiledModel."""

    resolver: str = "AUTO"
    mode: str = ""

    def options(self, module: Any) -> dict[str, Any]:
        """The choice of kernels."""
        return {"experimental_op_resolver_type": module.OpResolverType[self.resolver]}

    def profiler(self, model: str, threads: int, shapes: Shapes) -> ProfiledModel:
        """See ``Runtime.profiler``."""
        if shapes:
            raise Refusal("model", "LiteRT's profiler takes a file as it is, without --shape")
        return ProfiledModel(model, threads, self.mode)


def _litert(name: str, title: str, resolver: str, mode: str) -> LiteRt:
    package, module, kernels = "ai-edge-litert", "ai_edge_litert.interpreter", f"tflite-{mode or 'xnnpack'}"
    return LiteRt(name, title, ".tflite", package, module, kernels=kernels, resolver=resolver, mode=mode)


RUNTIMES = (
    _litert("litert", "LiteRT", "AUTO", ""),
    _litert("litert-builtin", "LiteRT without XNNPACK", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "builtin"),
    _litert("litert-reference", "LiteRT reference kernels", "BUILTIN_REF", "reference"),
)
