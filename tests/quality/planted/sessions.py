"""Puts a fault between the product and ONNX Runtime's sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def replace_sessions(make: Callable[..., Any]) -> None:
    """Let every session be made by `make(real class, model, optimized, options, **keywords)`."""
    import onnxruntime

    real = onnxruntime.InferenceSession

    def session(model: Any, options: Any, **keywords: Any) -> Any:
        optimized = options.graph_optimization_level != onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return make(real, model, optimized, options, **keywords)

    onnxruntime.InferenceSession = session


def rewrite_models(rewrite: Callable[[Any], None], *, only_optimized: bool) -> None:
    """Let the runtime execute `rewrite` of each model, as a pass or a kernel of its own would."""

    def make(real: Any, model: Any, optimized: bool, options: Any, **keywords: Any) -> Any:
        import onnx

        if only_optimized and not optimized:
            return real(model, options, **keywords)
        loaded = onnx.load(model)
        rewrite(loaded)
        return real(loaded.SerializeToString(), options, **keywords)

    replace_sessions(make)


def intercept_runs(during: Callable[[Callable[[], Any]], Any], *, only_optimized: bool) -> None:
    """Let each run of a session be `during(the real run)`."""

    def make(real: Any, model: Any, optimized: bool, options: Any, **keywords: Any) -> Any:
        session = real(model, options, **keywords)
        return session if only_optimized and not optimized else _Session(session, during)

    replace_sessions(make)


class _Session:
    """A session whose runs are intercepted."""

    def __init__(self, session: Any, during: Callable[[Callable[[], Any]], Any]) -> None:
        self._session = session
        self._during = during

    def get_inputs(self) -> Any:
        return self._session.get_inputs()

    def get_outputs(self) -> Any:
        return self._session.get_outputs()

    def run(self, *arguments: Any) -> Any:
        return self._during(lambda: self._session.run(*arguments))


def nodes(model: Any, op_type: str) -> list[Any]:
    """Nodes of a model by operator."""
    return [node for node in model.graph.node if node.op_type == op_type]
