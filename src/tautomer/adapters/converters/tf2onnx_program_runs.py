"""Run the graphs of TensorFlow that tf2onnx makes on its way: as they are, lifted, with folded constants perturbed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tautomer.adapters.converters.recording import report_run
from tautomer.adapters.onnx_files.derived_constants import FOLDING_U, rounded_reciprocals
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor
from tautomer.numerics.formats import UNIT_ROUNDOFF

SAMPLES = 8


class ProgramRuns:
    """The frozen and the optimized graph of one conversion on all input sets of its source."""

    def __init__(self, channel: Channel, prepared: Any, output_paths: Sequence[str]) -> None:
        self._channel, self._prepared, self._paths = channel, prepared, list(output_paths)
        self._known_constants: set[tuple[str, bytes]] | None = None
        self._reciprocals: set[float] = set()
        self._lifted: dict[int, Mapping[str, Tensor]] = {}

    def run(self, name: str, program: Mapping[str, Any]) -> None:
        """Run one graph and report its values; where optimizing changed them, also how far rounding explains that.

        Args:
            program: `graph_def`, `inputs` and `outputs`.
        """
        derived = self._derived(program["graph_def"])
        for index in range(len(self._prepared.input_sets)):
            feeds = dict(zip(program["inputs"], self._prepared.values(index).values(), strict=True))
            run = _Run(program, feeds)

            def natively(run: _Run = run) -> dict[str, Tensor]:
                return self._by_path(run.natively())

            def exactly(run: _Run = run) -> dict[str, Tensor]:
                return self._by_path(run.exactly())

            report_run(self._channel, name, precision="declared", index=index, compute=natively)
            report_run(self._channel, name, precision="float64", index=index, compute=exactly)
            if run.exact is None:
                continue
            exact = self._by_path(run.exact)
            if derived and _moved(self._lifted.get(index, exact), exact):
                self._report_constants(name, index, run, exact, derived)
            self._lifted.setdefault(index, exact)

    def _by_path(self, values: Sequence[Tensor]) -> dict[str, Tensor]:
        return dict(zip(self._paths, values, strict=True))

    def _derived(self, graph_def: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Floating constants that the graph before this one does not hold, by name of their node."""
        from tensorflow.python.framework.tensor_util import MakeNdarray

        arrays = {node.name: MakeNdarray(node.attr["value"].tensor) for node in graph_def.node if node.op == "Const"}
        floats = {name: one for name, one in arrays.items() if one.dtype.name in UNIT_ROUNDOFF}
        known = {name: (f"{one.dtype}{one.shape}", one.tobytes()) for name, one in floats.items()}
        before, self._known_constants = self._known_constants, set(known.values())
        scalars = {float(one.reshape(-1)[0]) for one in floats.values() if one.size == 1}
        reciprocals, self._reciprocals = self._reciprocals, rounded_reciprocals(scalars)
        if before is None:
            return {}
        return {
            name: one
            for name, one in floats.items()
            if known[name] not in before or (one.size == 1 and float(one.reshape(-1)[0]) in reciprocals)
        }

    def _report_constants(
        self,
        name: str,
        index: int,
        run: _Run,
        exact: Mapping[str, Tensor],
        derived: Mapping[str, np.ndarray[Any, Any]],
    ) -> None:
        from tautomer.adapters.tensor_file import write_values

        generator = np.random.default_rng([self._prepared.seed, index])
        squares: dict[str, Any] = {path: 0.0 for path, one in exact.items() if one.is_floating}
        for _ in range(SAMPLES):
            perturbed = self._by_path(run.with_constants({key: _noisy(one, generator) for key, one in derived.items()}))
            for path, total in squares.items():
                if perturbed[path].shape == exact[path].shape:
                    squares[path] = total + np.square(_distance(exact[path], perturbed[path])) / SAMPLES
        files = [self._channel.folder / f"{name}-{kind}-{index}.safetensors" for kind in ("constants", "variance")]
        write_values(files[0], dict(exact))
        write_values(files[1], {path: Tensor.of(np.asarray(one)) for path, one in squares.items()})
        self._channel.emit(
            "constants", checkpoint=name, input=index, exact=str(files[0]), variance=str(files[1]), error=None
        )


class _Run:
    """One graph on one input set.

    Attributes:
        exact: its outputs in float64, once they were computed.
    """

    def __init__(self, program: Mapping[str, Any], feeds: Mapping[str, Any]) -> None:
        from tautomer.numerics.branches import Branches

        self._program, self._feeds = program, feeds
        self._branches = Branches()
        self.exact: list[Tensor] | None = None

    def natively(self) -> list[Tensor]:
        """What TensorFlow's own executor gives, without its graph optimizer: that has a checkpoint of its own."""
        import tensorflow as tf

        from tautomer.adapters.tf_programs.nested import to_tensor

        config = tf.compat.v1.ConfigProto()
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(self._program["graph_def"], name="")
            names = {one.name for operation in graph.get_operations() for one in operation.outputs}
            feeds = {name: value for name, value in self._feeds.items() if name in names}  # an unused one may be gone
            with tf.compat.v1.Session(graph=graph, config=config) as session:
                return [to_tensor(one) for one in session.run(self._program["outputs"], feed_dict=feeds)]

    def exactly(self) -> list[Tensor]:
        """The outputs in float64, on the branches that the declared types take."""
        from tautomer.adapters.tf_programs.interpreter import GraphDefRun

        graph_def, outputs = self._program["graph_def"], self._program["outputs"]
        GraphDefRun(graph_def, lift=False, branches=self._branches).run(self._feeds, outputs)
        self.exact = self.with_constants({})
        return self.exact

    def with_constants(self, values: Mapping[str, np.ndarray[Any, Any]]) -> list[Tensor]:
        """The outputs in float64 with other values in the places of constants."""
        import tensorflow as tf

        from tautomer.adapters.tf_programs.interpreter import GraphDefRun
        from tautomer.adapters.tf_programs.nested import to_tensor

        held = {name: [tf.constant(one)] for name, one in values.items()}
        run = GraphDefRun(self._program["graph_def"], lift=True, branches=self._branches.again(), decisions=held)
        return [to_tensor(one) for one in run.run(self._feeds, self._program["outputs"])]


def _moved(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> bool:
    return any(
        one.is_floating and after[path].shape == one.shape and bool(np.any(_distance(one, after[path])))
        for path, one in before.items()
    )


def _distance(one: Tensor, other: Tensor) -> Any:
    with np.errstate(all="ignore"):
        distance = np.abs(one.float64() - other.float64())
    return np.where(np.isfinite(distance), distance, 0.0)


def _noisy(array: np.ndarray[Any, Any], generator: np.random.Generator) -> np.ndarray[Any, Any]:
    """The constant in float64 (complex128), each element moved by up to `FOLDING_U` roundings of its own format."""
    wide = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    return np.asarray(wide * (1.0 + FOLDING_U * UNIT_ROUNDOFF[array.dtype.name] * generator.uniform(-1, 1, wide.shape)))
