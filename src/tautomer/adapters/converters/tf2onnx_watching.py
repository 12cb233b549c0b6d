"""tf2onnx watched step by step: every graph on its way is kept, and what it hides is told.

tf2onnx runs through its own public functions; what these call between their steps is wrapped. Facts about the steps:
tf2onnx 1.17, `convert.py`, `tf_loader.py`, `tfonnx.py` and `optimizer/__init__.py`. Its Python functions set
`continue_on_error`, so that it logs what a handler or a rewriter raises and writes a file all the same.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tautomer.adapters.converters.recording import Recorder, patched
from tautomer.adapters.converters.tf2onnx_levers import SKIP_PASSES, ConversionLevers
from tautomer.adapters.converters.tf2onnx_origins import Origin, Origins, UsersGraph
from tautomer.adapters.onnx_files.snapshot import SnapshotFolder
from tautomer.adapters.worker_api import Channel, message_of
from tautomer.model import ArtifactKind, Stage

LARGEST_KEPT_BYTES = 512 << 20
"""A graph of TensorFlow above this is not kept as a file: a fault of such a model is located without its arguments."""

HIDDEN_FAILURE = "hidden_failure"
"""The event for something that failed and was only logged: `what` failed (`operator`, `handler`, `rewriter`, `pass`),
its `stage`, the `step` by name, `node`, `operator` and `line` of the source where known, `error` (`type`, `message`),
whether it was raised on purpose (`refused`), and what was logged before (`said`)."""


class Watch:
    """One conversion through tf2onnx.

    Attributes:
        programs: the graph definitions of TensorFlow on its way, by checkpoint: `graph_def`, `inputs`, `outputs`.
        facts: what the ONNX checkpoints know: where the origins of their nodes lie, what feeds them.
    """

    def __init__(
        self,
        channel: Channel,
        recorder: Recorder,
        *,
        levers: ConversionLevers,
        paths: Sequence[str],
        users: UsersGraph,
    ) -> None:
        """Begin.

        Args:
            levers: what is to be left out.
            paths: of the source's inputs, in the order of the call.
            users: what the user wrote.
        """
        self.programs: dict[str, dict[str, Any]] = {}
        self.facts: dict[str, Any] = {}
        self._channel, self._recorder, self._levers = channel, recorder, levers
        self._paths, self._users = list(paths), users
        self._snapshots = SnapshotFolder(channel.folder / "snapshots")
        self._origins = Origins()
        self._told: dict[int, BaseException] = {}
        self._said: list[str] = []

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Wrap what tf2onnx calls between its steps; everything is put back at the end."""
        from tf2onnx import convert, graph, handler, optimizer, tf_loader, tfonnx

        with contextlib.ExitStack() as patches:
            for owner, name, wrapped in (
                (tf_loader, "tf_optimize", self._on_tf_optimize),
                (convert, "process_tf_graph", self._on_process),
                (tfonnx, "graphs_from_tf", self._on_read),
                (tfonnx, "run_rewriters", self._on_rewriters),
                (tfonnx, "tensorflow_onnx_mapping", self._on_mapping),
                (handler.tf_op, "create_mapping", self._on_create_mapping),
                (optimizer, "optimize_graph", self._on_optimize),
                (graph.Graph, "rename_tensors", self._on_rename),
            ):
                original = getattr(owner, name)
                patches.enter_context(patched(owner, name, functools.wraps(original)(self._bound(wrapped, original))))
            patches.enter_context(self._origins.followed())
            patches.enter_context(self._listening())
            yield

    @staticmethod
    def _bound(wrapper: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            return wrapper(original, *arguments, **keywords)

        return call

    def hide(
        self,
        what: str,
        stage: Stage,
        *,
        error: Mapping[str, str],
        origin: Origin | None = None,
        step: str = "",
        refused: bool = True,
    ) -> None:
        """Tell of a failure that tf2onnx only logs."""
        written = self._users.written_as(origin) if origin is not None else None
        self._channel.emit(
            HIDDEN_FAILURE,
            what=what,
            stage=str(stage),
            step=step,
            node=written.node if written is not None else None,
            operator=written.operator if written is not None else None,
            line=self._users.line(written.node) if written is not None else None,
            error=dict(error),
            refused=refused,
            said=list(self._said),
        )

    def _hide_exception(
        self, what: str, stage: Stage, error: BaseException, *, origin: Origin | None = None, step: str = ""
    ) -> None:
        if id(error) in self._told:
            return  # raised through a body graph: it has been told of where it was raised
        self._told[id(error)] = error  # the reference keeps the id from being used again
        described = {"type": type(error).__name__, "message": message_of(error)}
        self.hide(what, stage, error=described, origin=origin, step=step, refused=_raised_on_purpose(error))

    def _on_tf_optimize(
        self, original: Callable[..., Any], input_names: list[str], output_names: list[str], graph_def: Any
    ) -> Any:
        self._program("frozen", graph_def, input_names, output_names, parent=None)
        self._recorder.begin(Stage.LOAD_MODEL, "optimizing the TensorFlow graph")
        result = original(input_names, output_names, graph_def) if self._levers.grappler else graph_def
        self._program("grappler", result, input_names, output_names, parent="frozen")
        return result

    def _program(
        self, name: str, graph_def: Any, inputs: Sequence[str], outputs: Sequence[str], *, parent: str | None
    ) -> None:
        file: Path | None = None
        if graph_def.ByteSize() <= LARGEST_KEPT_BYTES:
            file = self._channel.folder / f"{name}.pb"
            file.write_bytes(graph_def.SerializeToString())
        self.programs[name] = {"graph_def": graph_def, "inputs": list(inputs), "outputs": list(outputs)}
        facts: dict[str, Any] = {
            "graph_def": str(file) if file is not None else None,
            "graph_inputs": list(inputs),
            "graph_outputs": list(outputs),
            "fixed": self._fixed(graph_def, inputs) if name == "frozen" else {},
        }
        self._recorder.checkpoint(name, Stage.LOAD_MODEL, kind=ArtifactKind.SAVED_MODEL, parent=parent, **facts)

    def _by_path(self, inputs: Sequence[str]) -> dict[str, str]:
        """The source's path of each input; empty where there are not as many."""
        return dict(zip(inputs, self._paths, strict=True)) if len(inputs) == len(self._paths) else {}

    def _fixed(self, graph_def: Any, inputs: Sequence[str]) -> dict[str, dict[str, int]]:
        """Sizes that the graph's placeholders state, by path and axis."""
        nodes = {node.name: node for node in graph_def.node}
        found: dict[str, dict[str, int]] = {}
        for name, path in self._by_path(inputs).items():
            node = nodes.get(name.partition(":")[0])
            if node is None or "shape" not in node.attr or node.attr["shape"].shape.unknown_rank:
                continue
            sizes = [dimension.size for dimension in node.attr["shape"].shape.dim]
            found[path] = {str(axis): size for axis, size in enumerate(sizes) if size >= 0}
        return found

    def _on_process(self, original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        self._recorder.begin(Stage.NODE_CONVERSION, "translating operators to ONNX")
        graph = original(*arguments, **keywords)
        names = list(keywords.get("input_names") or ())
        renamed = keywords.get("tensors_to_rename") or {}
        by_path = self._by_path(names)
        self.facts["inputs"] = by_path | {renamed[name]: path for name, path in by_path.items() if name in renamed}
        self.facts["unused_inputs"] = self._unused(by_path)
        self._snapshot(graph, "raw", Stage.NODE_CONVERSION, parent="grappler")
        return graph

    def _unused(self, by_path: Mapping[str, str]) -> list[str]:
        """Paths of inputs that no node of TensorFlow's graph takes."""
        program = self.programs.get("grappler")
        if program is None:
            return []
        used = {name.lstrip("^").partition(":")[0] for node in program["graph_def"].node for name in node.input}
        used |= {name.partition(":")[0] for name in program["outputs"]}
        return [path for name, path in by_path.items() if name.partition(":")[0] not in used]

    def _on_read(self, original: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        with self._origins.reading():
            return original(*arguments, **keywords)

    def _on_rename(self, original: Callable[..., Any], graph: Any, tensors_to_rename: Mapping[str, str]) -> Any:
        self._origins.renamed(tensors_to_rename)
        return original(graph, tensors_to_rename)

    def _on_rewriters(self, original: Callable[..., Any], graph: Any, funcs: Sequence[Any], *rest: Any) -> Any:
        return original(graph, [self._rewriter(one) for one in funcs], *rest)

    def _rewriter(self, rewriter: Any) -> Any:
        if getattr(rewriter, "watched", False):
            return rewriter

        @functools.wraps(rewriter)
        def rewrite(*arguments: Any) -> Any:
            with self._origins.rewriting():
                try:
                    return rewriter(*arguments)
                except Exception as error:
                    self._hide_exception("rewriter", Stage.NODE_CONVERSION, error, step=rewriter.__name__)
                    raise

        rewrite.watched = True  # type: ignore[attr-defined]
        return rewrite

    def _on_create_mapping(self, original: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        return {
            operator: (self._handler(operator, function), keywords)
            for operator, (function, keywords) in original(*arguments).items()
        }

    def _handler(self, operator: str, function: Any) -> Any:
        @functools.wraps(function)
        def handle(context: Any, node: Any, **keywords: Any) -> Any:
            with self._origins.handling(node, operator) as origin:
                self._said.clear()
                # Announced one by one: a process that dies or hangs in one of them cannot say which.
                self._channel.emit("translating", node=origin.node, operator=origin.operator)
                try:
                    return function(context, node, **keywords)
                except Exception as error:
                    self._hide_exception("handler", Stage.NODE_CONVERSION, error, origin=origin)
                    raise

        return handle

    def _on_mapping(
        self, original: Callable[..., Any], graph: Any, mapping: Mapping[str, Any], *rest: Any, **more: Any
    ) -> Any:
        self._said.clear()
        for node in graph.get_nodes():
            if not node.need_skip() and node.type not in mapping:
                self.hide(
                    "operator",
                    Stage.NODE_CONVERSION,
                    error={"type": "UnmappedOperator", "message": _no_handler(node.type, graph.opset)},
                    origin=self._origins.of(node.name) or Origin(node.name, node.type),
                )
        return original(graph, mapping, *rest, **more)

    def _on_optimize(
        self, original: Callable[..., Any], graph: Any, catch_errors: bool = True, optimizers: Any = None
    ) -> Any:
        from tf2onnx import optimizer

        self._recorder.begin(Stage.OPTIMIZATION, "optimizing the ONNX graph")
        registry = optimizer._get_optimizers() if optimizers is None else optimizers
        changed: list[str] = []
        kept = {
            name: self._pass(name, factory, changed)
            for name, factory in registry.items()
            if self._levers.optimize and name not in self._levers.skip_passes
        }
        result = original(graph, catch_errors, optimizers=kept)
        self._channel.emit("lever", lever=SKIP_PASSES.name, values=changed)
        self._snapshot(result, "optimized", Stage.OPTIMIZATION, parent="raw")
        self._recorder.begin(Stage.EXPORT, "writing the file")
        return result

    def _pass(self, name: str, factory: Any, changed: list[str]) -> Callable[[], Any]:
        watch = self

        class Watched:
            """One pass of the optimizer, run once."""

            def __init__(self) -> None:
                self._own = factory()

            @property
            def graph_been_opt(self) -> bool:
                return bool(self._own.graph_been_opt)

            def optimize(self, graph: Any, iteration: int) -> Any:
                watch._channel.emit("optimizing", step=name, iteration=iteration)
                try:
                    result = self._own.optimize(graph, iteration)
                except Exception as error:
                    watch._hide_exception("pass", Stage.OPTIMIZATION, error, step=name)
                    raise
                if self._own.graph_been_opt and name not in changed:
                    changed.append(name)
                return result

        return Watched

    def _snapshot(self, graph: Any, name: str, stage: Stage, *, parent: str) -> None:
        """Keep a graph as a file; making the model changes the graph, so that is done to a copy."""
        folder = self._channel.folder / name
        folder.mkdir(exist_ok=True)
        self.facts |= self._origins.write(folder, self._users)
        try:
            proto = copy.deepcopy(graph).make_model("snapshot")
        except Exception as error:  # a graph that cannot be written is what the checkpoint has to say
            said = f"{type(error).__name__}: {message_of(error)}"
            self._recorder.checkpoint(name, stage, kind=ArtifactKind.ONNX, parent=parent, unwritable=said, **self.facts)
            return
        path = self._written(proto, name)
        self._recorder.checkpoint(name, stage, kind=ArtifactKind.ONNX, path=path, parent=parent, **self.facts)

    def _written(self, proto: Any, name: str) -> Path:
        import onnx_ir as ir

        try:
            return self._snapshots.write(ir.serde.deserialize_model(proto), name)
        except Exception:  # what tf2onnx left unconverted need not be a graph that can be taken apart
            path = self._channel.folder / "snapshots" / f"{name}.onnx"
            path.write_bytes(proto.SerializeToString())
            return path

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Hear what handlers say before they give up, and what rewriters catch themselves."""
        listener = _Listener(self)
        logger = logging.getLogger("tf2onnx")
        level = logger.level
        logger.addHandler(listener)
        logger.setLevel(min(level, logging.WARNING) if level else logging.WARNING)
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.removeHandler(listener)

    def hear(self, record: logging.LogRecord) -> None:
        """Keep a warning; one of a rewriter that carries an exception is a failure that is hidden."""
        errors = [one for one in (record.args or ()) if isinstance(one, BaseException)]
        if record.name.startswith("tf2onnx.rewriter") and errors:
            self._hide_exception("rewriter", Stage.NODE_CONVERSION, errors[0], step=record.name.rpartition(".")[2])
        elif not record.name.startswith("tf2onnx.tfonnx"):  # which logs what is told of here already
            self._said.append(record.getMessage())


class _Listener(logging.Handler):
    """Hands warnings on."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.WARNING)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one on."""
        self._watch.hear(record)


def _raised_on_purpose(error: BaseException) -> bool:
    """Whether a `raise` raised it, or tf2onnx's `make_sure`: then what it was given is what it does not support."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and (frames[-1].line or "").startswith("raise")


def _no_handler(operator: str, opset: int) -> str:
    """That an operator is not converted at an opset, and from which one on it is."""
    from tf2onnx import handler

    by_opset = handler.tf_op.get_opsets().get("", [])
    later = next((number for number, known in enumerate(by_opset) if number > opset and operator in known), None)
    said = f"tf2onnx has no handler for '{operator}'"
    return said if later is None else f"{said} at opset {opset}; from opset {later} on it has one (--opset {later})"
