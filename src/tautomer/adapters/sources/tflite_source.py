"""The source `tflite`: what a .tflite file computes in LiteRT's reference kernels, which is all that specifies it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tautomer.adapters.onnx_files.evaluation import to_array
from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.adapters.runtimes.litert_interface import Ports, open_reference, run_interpreter
from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.adapters.sources.onnx_source import SIZES, read_sample, seeded_set
from tautomer.adapters.worker_api import Channel
from tautomer.errors import UserCodeError
from tautomer.model import ArtifactKind, Tensor, TensorSpec

ADAPTER = Adapter(
    name="tflite",
    kind=AdapterKind.SOURCE,
    task="tautomer.adapters.sources.tflite_source:reference",
    host=ONNX_HOST,
    requires=("ai_edge_litert",),
    extra="litert",
    accepts=(ArtifactKind.TFLITE,),
)

NO_FLOAT64 = (
    "LiteRT computes a .tflite file in its own types alone: nothing says how large a difference rounding explains"
)


def reference(channel: Channel, *, spec: dict[str, Any], samples: int = 8) -> dict[str, Any]:
    """Run a .tflite file on its input sets in the reference kernels; files, facts and errors as the ONNX source's.

    Args:
        channel: to report through.
        spec: `path`, `seed`, and `inputs`: files of samples by input name.
        samples: unused; there is no arithmetic in which an envelope could be sampled.

    Raises:
        ModelFileError: the file cannot be read.
        InputsError: a sample is not what the model takes.
        UserCodeError: TA126 the interpreter does not run the model.
    """
    from tautomer.adapters.tensor_file import write_values

    channel.emit("stage", stage="load_model", doing="loading the model")
    interpreter = open_reference(spec["path"])
    ports = Ports.of(interpreter)
    declared = [TensorSpec(one.name, one.dtype, one.shape) for one in ports.inputs]
    files = [Path(file) for file in spec.get("inputs") or ()]
    free = [(one.name, axis) for one in ports.inputs for axis, size in enumerate(one.shape) if size is None]
    notes = []
    if files:
        sets = [(file.name, read_sample(file, declared), str(file)) for file in files]
    else:
        sizes = SIZES[0] if free else (1,)
        sets = [seeded_set(declared, index, size, int(spec["seed"])) for index, size in enumerate(sizes)]
        notes = ["no inputs were given: they were drawn from a seeded generator; pass real samples with --inputs"]
    entries = []
    for index, (name, arrays, origin) in enumerate(sets):
        values = {path: Tensor.of(to_array(array)) for path, array in arrays.items()}
        channel.emit("stage", stage="load_model", doing=f"running the model on {name}")
        with channel.measure("step", step="declared", stage="load_model", input=index):
            try:
                answers = run_interpreter(interpreter, ports, arrays)
            except (RuntimeError, ValueError) as error:
                said = next(iter(str(error).splitlines()), "no message")
                raise UserCodeError(
                    "TA126",
                    f"the model itself, on {name}, raised {type(error).__name__} in LiteRT: {said}",
                    "Pass samples that it takes with --inputs.",
                ) from error
        outputs = {port.name: Tensor.of(one) for port, one in zip(ports.outputs, answers, strict=True)}
        write_values(channel.folder / f"s32-{index}.safetensors", outputs)
        entries.append(
            {
                "name": name,
                "origin": origin,
                "inputs": f"inputs-{index}.safetensors",
                "inputs_digest": write_values(channel.folder / f"inputs-{index}.safetensors", values),
                "s32": f"s32-{index}.safetensors",
                "float64": None,
                "reason": NO_FLOAT64,
            }
        )
    return {
        "sets": entries,
        "notes": notes,
        "parameters_digest": None,
        "dynamic": [
            {"path": path, "axis": axis, "symbol": None, "size": sets[0][1][path].shape[axis]} for path, axis in free
        ],
        "training_operators": [],
        "nondeterministic": [],
        "scalars": [],
        "constants": [],
        "unused_inputs": [],
    }
