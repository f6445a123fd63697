"""LiteRT (ai-edge-litert), the maintained TFLite runtime."""

from __future__ import annotations

from edgekit.runtimes.interpreter import InterpreterSession
from edgekit.runtimes.session import Session, cannot_open


def load(data: bytes, source: str, threads: int, kernels: str = "xnnpack") -> Session:
    """Open a .tflite model; ``kernels`` is ``xnnpack`` (LiteRT's default), ``builtin`` or ``reference``.

    Raises:
        ModelError: LiteRT refuses it.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = {
        "xnnpack": OpResolverType.AUTO,
        "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": OpResolverType.BUILTIN_REF,
    }[kernels]
    try:
        interpreter = Interpreter(model_content=data, num_threads=threads, experimental_op_resolver_type=resolver)
        return InterpreterSession(interpreter)
    except (ValueError, RuntimeError, MemoryError) as exc:
        raise cannot_open(source, "LiteRT", exc) from exc
