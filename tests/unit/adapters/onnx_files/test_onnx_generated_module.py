"""Generated ONNX models as files: the same bytes for a seed, the values that they were grown with, and well-formed."""

from __future__ import annotations

import onnx
import pytest

from tautomer.adapters.onnx_files.operators import OPERATORS, OPSET
from tautomer.synthesis import Growth, Request
from tautomer.synthesis.choosing import Weighted

pytestmark = pytest.mark.needs("onnxruntime")

DTYPES = {"float32": 0.5, "float64": 0.1, "int64": 0.1, "int32": 0.1, "int8": 0.05, "uint8": 0.05, "bool": 0.1}
SEEDS = range(24)


def grown(seed):
    from tautomer.adapters.onnx_files.operator_kernels import OnnxRuntimeKernels

    growth = Growth(OnnxRuntimeKernels(), Weighted(OPERATORS), Request(dynamic=0.4, dtypes=DTYPES), seed)
    return growth, growth.grow()


def written(program):
    from tautomer.adapters.onnx_files.generated_module import module_text

    return module_text(program)


def executed(text):
    names: dict = {}
    exec(compile(text, "generated", "exec"), names)
    return names


def has_halves(program):
    return any(type_.dtype == "float16" for node in program.nodes for type_ in node.types)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_gives_others():
    first, again, other = (written(grown(seed)[1]) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.slow
def test_a_written_model_computes_bit_for_bit_what_it_was_grown_with_at_both_sizes():
    import onnxruntime

    from tautomer.adapters.onnx_files.operator_kernels import session_options
    from tautomer.adapters.runtimes.ort_values import session_call

    compared = resized = 0
    for seed in SEEDS:
        growth, program = grown(seed)
        if program is None or has_halves(program):
            continue
        names = executed(written(program))
        model = names["model"]().SerializeToString()
        call = session_call(onnxruntime.InferenceSession(model, session_options(), providers=["CPUExecutionProvider"]))
        for run, inputs in enumerate([names["inputs"](), *names["run_inputs"]()]):
            seen = (0, 2, 3)[run]
            for name, array in zip(program.outputs, call(inputs), strict=True):
                expected = growth.value(name, seen)
                assert (array.dtype, array.shape) == (expected.dtype, expected.shape), (seed, run, name)
                assert array.tobytes() == expected.tobytes(), (seed, run, name)
                compared += 1
            resized += run == 2
    assert compared > 60
    assert resized > 3


def test_the_file_and_the_function_build_the_same_model_whose_nodes_are_called_as_the_table_says():
    from tautomer.adapters.onnx_files.generated_module import model_proto

    for seed in range(8):
        _, program = grown(seed)
        made = model_proto(program)
        assert made.SerializeToString(deterministic=True) == executed(written(program))["model"]().SerializeToString(
            deterministic=True
        )
        onnx.checker.check_model(made)
        assert [one.op_type for one in made.graph.node] == [node.graph_operator for node in program.nodes]
        assert [one.version for one in made.opset_import] == [OPSET]
