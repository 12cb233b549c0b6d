"""The ONNX source: what a graph computes by the specification, in its own types and in exact arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.evaluation import as_value, kernel_table, load_as, to_array
from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.adapters.worker_api import Channel
from tautomer.errors import InputsError, ModelFileError
from tautomer.model import ArtifactKind, Tensor, TensorSpec
from tautomer.numerics.branches import Branches

ADAPTER = Adapter(
    name="onnx",
    kind=AdapterKind.SOURCE,
    task="tautomer.adapters.sources.onnx_source:reference",
    host=ONNX_HOST,
    requires=("onnx",),
    extra="onnxruntime",
    accepts=(ArtifactKind.ONNX,),
    float64=True,
    architecture_task="tautomer.adapters.onnx_files.architecture:architecture",
    generated_by="tautomer.adapters.onnx_files.generating",
    mutates=True,
)

DECIDING = frozenset({"Ceil", "DynamicQuantizeLinear", "Floor", "QuantizeLinear", "Round"})
"""Operators after which what a perturbed run changes comes in whole steps."""

SIZES = ((2, 3), (4, 6), (8, 12), (16, 24), (32, 48), (64, 96), (224, 256))
"""Sizes of symbolic dimensions in the first and the second seeded input set; larger ones where the graph needs them."""


def reference(channel: Channel, *, spec: dict[str, Any], samples: int = 8) -> dict[str, Any]:
    """Evaluate an ONNX file on its input sets; files, facts and errors are those of the PyTorch source.

    A set whose answer cannot be computed (an operator Tautomer does not know) has `s32` None and a reason.
    """
    from tautomer.adapters.tensor_file import write_values
    from tautomer.numerics.onnx_evaluator import Evaluator, InvalidModel

    channel.emit("stage", stage="load_model", doing="loading the model")
    try:
        loaded = load_as(spec["path"], None)
        declared = Evaluator(loaded, lift=False).inputs
    except InvalidModel as error:
        name = Path(spec["path"]).name
        raise ModelFileError("TA115", f"{name} is not a sound ONNX model: {error.message}.") from error
    kernels = kernel_table()
    sets, notes = input_sets(declared, spec, loaded, kernels)
    dynamic = [
        {"path": one.name, "axis": axis, "symbol": str(size), "size": sets[0][1][one.name].shape[axis]}
        for one in declared
        for axis, size in enumerate(one.shape or ())
        if not isinstance(size, int) and one.name in sets[0][1]
    ]
    entries = []
    for index, (name, arrays, origin) in enumerate(sets):
        values = {path: Tensor.of(array) for path, array in arrays.items()}
        entry: dict[str, Any] = {
            "name": name,
            "origin": origin,
            "inputs": f"inputs-{index}.safetensors",
            "inputs_digest": write_values(channel.folder / f"inputs-{index}.safetensors", values),
            "s32": None,
            "float64": None,
            "reason": None,
        }
        channel.emit("stage", stage="load_model", doing=f"evaluating the model on {name}")
        with channel.measure("step", step="float64", stage="load_model", input=index):
            entry |= _evaluated(
                channel, loaded, arrays, kernels=kernels, index=index, samples=samples, seed=int(spec["seed"])
            )
        entries.append(entry)
    return {
        "sets": entries,
        "notes": notes,
        "parameters_digest": None,
        "dynamic": dynamic,
        "training_operators": [],
        "nondeterministic": [],
        "scalars": [],
        "constants": [],
        "unused_inputs": [],
        "decides": any(node.op_type in DECIDING for node in loaded.proto.graph.node),
    }


def _evaluated(
    channel: Channel,
    loaded: Any,
    arrays: Mapping[str, Any],
    *,
    kernels: Mapping[tuple[str, str], Any],
    index: int,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """Files of the answers, or the reason why there are none."""
    from tautomer.adapters.tensor_file import write_values
    from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError, RoundingNoise

    files: dict[str, Any] = {}
    try:
        branches = Branches()
        outputs = Evaluator(loaded, lift=False, kernels=kernels, branches=branches).run(arrays)
        write_values(
            channel.folder / f"s32-{index}.safetensors", {name: as_value(one) for name, one in outputs.items()}
        )
        files["s32"] = f"s32-{index}.safetensors"
        exact = Evaluator(loaded, lift=True, kernels=kernels, branches=branches.again()).run(arrays)
        squares: dict[str, Any] = {}
        flips: dict[str, Any] = {}
        for sample in range(samples):
            noise = RoundingNoise(seed * 1_000_003 + index * 1009 + sample)
            evaluator = Evaluator(loaded, lift=True, kernels=kernels, noise=noise, branches=branches.again())
            perturbed = evaluator.run(arrays)
            for name, base in exact.items():
                value = perturbed[name]
                if not isinstance(base, np.ndarray) or np.shape(value) != base.shape:
                    continue
                if base.dtype.kind in "fc":
                    deviation = np.abs(value - base)
                    squares[name] = squares.get(name, 0.0) + np.square(np.where(np.isfinite(deviation), deviation, 0.0))
                elif base.dtype.kind in "iub":
                    flips[name] = flips.get(name, False) | (value != base)
    except EvaluatorError as error:
        return {**files, "reason": f"the specification's answer cannot be computed: {error}"}
    for stem, values in (
        ("s64", {name: as_value(one) for name, one in exact.items()}),
        ("variance", {name: Tensor.of(np.asarray(total / max(samples, 1))) for name, total in squares.items()}),
        ("flips", {name: Tensor.of(np.asarray(changed)) for name, changed in flips.items()}),
    ):
        write_values(channel.folder / f"{stem}-{index}.safetensors", values)
        files["float64" if stem == "s64" else stem] = f"{stem}-{index}.safetensors"
    return files


InputSets = list[tuple[str, dict[str, Any], str]]


def input_sets(
    declared: list[TensorSpec], spec: Mapping[str, Any], loaded: Any, kernels: Mapping[tuple[str, str], Any]
) -> tuple[InputSets, list[str]]:
    """The sets in the files that a spec names, else seeded ones of sizes that the graph takes; and notes."""
    files = [Path(file) for file in spec.get("inputs") or ()]
    if files:
        return [(file.name, read_sample(file, declared), str(file)) for file in files], []
    notes = ["no inputs were given: they were drawn from a seeded generator; pass real samples with --inputs"]
    symbolic = any(not isinstance(size, int) for one in declared for size in one.shape or ())
    if not symbolic:
        return [seeded_set(declared, 0, 1, int(spec["seed"]))], notes
    for sizes in SIZES:
        sets = [seeded_set(declared, index, size, int(spec["seed"])) for index, size in enumerate(sizes)]
        if all(_accepts(loaded, kernels, arrays) for _, arrays, _ in sets):
            return sets, notes
    return [seeded_set(declared, index, size, int(spec["seed"])) for index, size in enumerate(SIZES[0])], notes


def _accepts(loaded: Any, kernels: Mapping[tuple[str, str], Any], arrays: Mapping[str, Any]) -> bool:
    """Whether the graph can be evaluated at these sizes, or fails for another reason than its sizes."""
    from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError, NodeExecutionError

    try:
        Evaluator(loaded, lift=False, kernels=kernels).run(arrays)
    except NodeExecutionError:
        return False
    except EvaluatorError:
        return True
    return True


def seeded_set(declared: list[TensorSpec], index: int, size: int, seed: int) -> tuple[str, dict[str, Any], str]:
    """An input set drawn from a seeded generator: its name, its arrays by input name, and its origin."""
    generator = np.random.default_rng([seed, index])
    return f"seeded {index}", {one.name: _seeded(one, size, generator) for one in declared}, "seeded"


def _seeded(one: TensorSpec, size: int, generator: np.random.Generator) -> Any:
    shape = tuple(dimension if isinstance(dimension, int) else size for dimension in one.shape or ())
    dtype = one.dtype or "float32"
    if dtype == "bool":
        return generator.integers(0, 2, shape).astype(bool)
    if dtype.startswith(("int", "uint")):
        return generator.integers(0, 2, shape).astype(dtype)
    if dtype == "string":
        return np.full(shape, "a", dtype=object)
    values = generator.standard_normal(shape)
    if dtype in ("float16", "float32", "float64"):
        return values.astype(dtype)
    import ml_dtypes

    return values.astype(getattr(ml_dtypes, dtype))


def read_sample(path: Path, declared: list[TensorSpec]) -> dict[str, Any]:
    """Arrays by graph input name, from an .npz, .npy or .safetensors file.

    Raises:
        InputsError: unreadable, or not the inputs the graph asks for.
    """
    from tautomer.adapters.tensor_file import read_values

    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                named = {name: archive[name] for name in archive.files}
        elif path.suffix == ".npy":
            named = {"arr_0": np.load(path, allow_pickle=False)}
        elif path.suffix == ".safetensors":
            read = read_values(path)
            named = {name: to_array(value) for name, value in read.items()} if isinstance(read, Mapping) else {}
        else:
            raise InputsError(
                "TA133", f"the sample {path} is of an unknown kind.", "Known for ONNX: .npz, .npy, .safetensors."
            )
    except (OSError, ValueError) as error:
        raise InputsError("TA132", f"the sample {path} cannot be read: {error}") from error
    if set(named) == {f"arr_{index}" for index in range(len(declared))}:
        named = {one.name: named[f"arr_{index}"] for index, one in enumerate(declared)}
    if set(named) != {one.name for one in declared}:
        raise InputsError(
            "TA135",
            f"the sample {path.name} holds {sorted(named)}; the graph asks for {sorted(one.name for one in declared)}.",
        )
    return named
