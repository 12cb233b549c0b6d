"""Reports as a check would make them: every outcome, several pairs, and text that tries to break the pages."""

from __future__ import annotations

from typing import Any

from tautomer.model import (
    Cause,
    CauseCategory,
    CheckpointReport,
    CheckReport,
    Finding,
    InputReport,
    Kind,
    Location,
    Outcome,
    Power,
    Report,
    SmallestPassing,
    Stage,
    Symptom,
    Workaround,
)

RUN_ID = "20260727T101502-9f3a1c"
MODELS = {"torch.onnx": f"runs/{RUN_ID}/convert-torch.onnx/model/model.onnx"}
"""Where the converted models are."""


def check(*reports: Report, **changes: Any) -> CheckReport:
    """A check of these reports in an ordinary environment."""
    fields: dict[str, Any] = {
        "run_id": RUN_ID,
        "tautomer_version": "0.1.0",
        "environment": {
            "python": "3.11.9",
            "platform": "Linux-6.8-x86_64",
            "packages": {"torch": "2.13.0", "onnx": "1.23.2", "onnxruntime": "1.32.0", "onnxscript": "0.7.2"},
        },
        "settings": {
            "model": "/models/minilm.py",
            "via": ["torch.onnx"],
            "to": ["onnxruntime"],
            "opset": None,
            "options": {},
            "limits": {"timeout_s": 600.0, "memory_bytes": 17179869184},
            "keep": "failures",
        },
        "seed": 0,
        "reports": list(reports),
    }
    return CheckReport(**(fields | changes))


def checkpoint(name: str, stage: Stage, outcome: Outcome = Outcome.EQUIVALENT, **fields: Any) -> CheckpointReport:
    """One checkpoint."""
    return CheckpointReport(name=name, stage=stage, outcome=outcome, **fields)


def inputs() -> list[InputReport]:
    """Two input sets, the second further from the source than the first."""
    tensors = [{"path": "x", "dtype": "float32", "shape": [2, 16], "digest": "b2:0f3c9a17"}]
    larger = [{"path": "x", "dtype": "float32", "shape": [5, 16], "digest": "b2:77aa01de"}]
    return [
        InputReport(name="inputs()", role="convert", origin="inputs()", tensors=tensors, max_abs_difference=4.1e-8),
        InputReport(
            name="run_inputs()[0]", role="compare", origin="run_inputs()", tensors=larger, max_abs_difference=0.3712
        ),
    ]


def equivalent_report() -> Report:
    """A clean conversion with every measure."""
    clean = {"semantic_residual_u": 1.2e-8, "rounding_ratio": 0.31, "stability_rho": 1.1}
    return Report(
        model="minilm.py",
        converter="torch.onnx",
        runtime="onnxruntime",
        links=["torch.onnx"],
        outcome=Outcome.EQUIVALENT,
        checkpoints=[
            checkpoint("captured", Stage.LOAD_MODEL, seconds=2.4, peak_memory_bytes=612_000_000, detail="strict=False"),
            checkpoint("decomposed", Stage.NODE_CONVERSION, seconds=0.42, peak_memory_bytes=640_000_000, **clean),
            checkpoint("translated", Stage.NODE_CONVERSION, seconds=1.9, peak_memory_bytes=655_000_000, **clean),
            checkpoint("optimized", Stage.OPTIMIZATION, seconds=1.1, peak_memory_bytes=700_000_000, **clean),
            checkpoint("saved", Stage.EXPORT, seconds=0.2, peak_memory_bytes=700_000_000),
            checkpoint("checked", Stage.VALIDATION, seconds=0.0008, peak_memory_bytes=700_000_000),
            checkpoint(
                "onnxruntime", Stage.RUNTIME_EXECUTION, seconds=0.08, peak_memory_bytes=512_000_000, rounding_ratio=0.44
            ),
        ],
        inputs=inputs()[:1],
        worst_input=0,
        smallest_passing=SmallestPassing(atol=4.1e-8, rtol=3.3e-6),
        not_exercised=["clip bounds of 'clamp'"],
        power=Power(mutants=120, killed=117),
    )


def divergent_finding() -> Finding:
    """A semantic fault of node conversion."""
    return Finding(
        outcome=Outcome.DIVERGENT,
        symptom=Symptom.WRONG_MODEL,
        stage=Stage.NODE_CONVERSION,
        symptom_stage=Stage.RUNTIME_EXECUTION,
        cause=Cause(
            category=CauseCategory.ALGORITHMIC_ERROR,
            kind=Kind.SEMANTIC,
            evidence="the fragment of 'scatter_reduce' differs by 7.8e5 u with source values forced at its boundary",
        ),
        location=Location(
            nodes=["node_ScatterElements_12"],
            op_types=["ScatterElements"],
            source_node="scatter_reduce",
            source_line="model.py:14",
        ),
        message=(
            "'scatter_reduce' (model.py:14) became ScatterElements(reduction=\"none\"); "
            "output 'y' is off by 0.37 where rounding explains 4.8e-08."
        ),
        code="TA301",
        workaround=Workaround(description="Export with the TorchScript exporter.", setting="dynamo=False"),
    )


def divergent_report() -> Report:
    """A wrong model with a located cause and a second finding."""
    finding = divergent_finding()
    second = Finding(
        outcome=Outcome.DIVERGENT,
        symptom=Symptom.WRONG_MODEL,
        stage=Stage.OPTIMIZATION,
        symptom_stage=Stage.OPTIMIZATION,
        cause=Cause(category=CauseCategory.SHAPE_PROBLEM, kind=Kind.INTERFACE, evidence="dimension 'n' became 2"),
        message="input 'x' accepts only the size it was converted with: dimension 0 is 2, expected 'n'.",
        code="TA305",
    )
    off = {"semantic_residual_u": 7.8e5, "rounding_ratio": 7.7e6, "stability_rho": None}
    return Report(
        model="model.py",
        converter="torch.onnx",
        runtime="onnxruntime",
        links=["torch.onnx"],
        outcome=finding.outcome,
        symptom=finding.symptom,
        stage=finding.stage,
        symptom_stage=finding.symptom_stage,
        cause=finding.cause,
        location=finding.location,
        findings=[finding, second],
        warnings=["inputs() and run_inputs() have the same size: the dynamic dimension 'n' was not exercised."],
        checkpoints=[
            checkpoint(
                "captured",
                Stage.LOAD_MODEL,
                seconds=1.24,
                peak_memory_bytes=412_000_000,
                detail="non-strict capture, 14 nodes",
                rounding_ratio=0.0,
            ),
            checkpoint(
                "decomposed",
                Stage.LOAD_MODEL,
                seconds=0.31,
                peak_memory_bytes=415_000_000,
                semantic_residual_u=0.0,
                rounding_ratio=0.12,
                stability_rho=1.0,
            ),
            checkpoint(
                "translated",
                Stage.NODE_CONVERSION,
                Outcome.DIVERGENT,
                seconds=0.9,
                peak_memory_bytes=431_000_000,
                detail="first checkpoint that differs: output 'y', 31 of 32 elements",
                **off,
            ),
            checkpoint("version_converted", Stage.NODE_CONVERSION, Outcome.DIVERGENT, seconds=0.1, **off),
            checkpoint("optimized", Stage.OPTIMIZATION, Outcome.DIVERGENT, seconds=0.4, **off),
            checkpoint("saved", Stage.EXPORT, Outcome.DIVERGENT, seconds=0.02, **off),
            checkpoint("checked", Stage.VALIDATION, seconds=0.004, detail="full_check=True"),
            checkpoint("session", Stage.RUNTIME_LOAD, seconds=0.05, peak_memory_bytes=1_250_000_000),
            checkpoint(
                "onnxruntime-optimized",
                Stage.RUNTIME_OPTIMIZATION,
                Outcome.INCONCLUSIVE,
                seconds=0.06,
                detail="fused nodes have no counterpart; judged by the source's envelope",
            ),
            checkpoint("onnxruntime", Stage.RUNTIME_EXECUTION, Outcome.DIVERGENT, seconds=125.2, **off),
        ],
        inputs=inputs(),
        worst_input=1,
        smallest_passing=SmallestPassing(atol=0.37121, rtol=0.8),
        undecided=[{"value": "topk.indices", "share": 0.021}],
        power=Power(mutants=120, killed=120),
        log=f"runs/{RUN_ID}/logs/export.log",
    )


def failed_report() -> Report:
    """A converter that crashed."""
    finding = Finding(
        outcome=Outcome.FAILED,
        symptom=Symptom.CRASH,
        stage=Stage.OPTIMIZATION,
        symptom_stage=Stage.OPTIMIZATION,
        cause=Cause(category=CauseCategory.UNKNOWN, kind=Kind.CRASH, evidence="SIGSEGV in optimize_graph"),
        message="worker died: SIGSEGV in tf2onnx.optimizer.optimize_graph after 12.4 s; nothing was compared.",
        code="TA204",
    )
    return Report(
        model="keras_net.py",
        converter="tf2onnx",
        runtime="onnxruntime",
        outcome=finding.outcome,
        symptom=finding.symptom,
        stage=finding.stage,
        symptom_stage=finding.symptom_stage,
        cause=finding.cause,
        location=finding.location,
        findings=[finding],
        checkpoints=[
            checkpoint("frozen", Stage.LOAD_MODEL, seconds=3.2, peak_memory_bytes=890_000_000),
            checkpoint("raw", Stage.NODE_CONVERSION, seconds=0.7, peak_memory_bytes=910_000_000),
            checkpoint("optimized", Stage.OPTIMIZATION, Outcome.FAILED, seconds=12.4, detail="SIGSEGV"),
        ],
        log=f"runs/{RUN_ID}/logs/optimized.log",
    )


def inconclusive_report() -> Report:
    """A model whose outputs exercise nothing."""
    return Report(
        model="random_init.py",
        converter="torch.onnx",
        runtime="onnxruntime",
        outcome=Outcome.INCONCLUSIVE,
        reason="the source is not accurate here: S32 - S64 of output 'y' is 4.1e5 times its own bound.",
        checkpoints=[
            checkpoint("captured", Stage.LOAD_MODEL, seconds=1.0),
            checkpoint(
                "onnxruntime",
                Stage.RUNTIME_EXECUTION,
                Outcome.INCONCLUSIVE,
                seconds=0.2,
                semantic_residual_u=float("nan"),
                rounding_ratio=float("inf"),
            ),
        ],
        inputs=inputs()[:1],
        worst_input=0,
        smallest_passing=SmallestPassing(atol=None, rtol=None),
    )


def not_run_report() -> Report:
    """A runtime that is not installed."""
    return Report(
        model="model.py",
        converter="torch.onnx",
        runtime="openvino",
        outcome=Outcome.NOT_RUN,
        reason="TA102 runtime 'openvino' is not installed (not_run). Install: pip install 'tautomer[openvino]'",
    )


def hostile_report() -> Report:
    """Names that try to be HTML, terminal control sequences, or wider than any page."""
    long_name = "encoder.layers.0.self_attention.projection." * 6 + "weight_quantized_dequantized_transposed"
    script = "<script>alert(1)</script>"
    finding = Finding(
        outcome=Outcome.DIVERGENT,
        symptom=Symptom.WRONG_MODEL,
        stage=Stage.RUNTIME_OPTIMIZATION,
        symptom_stage=Stage.RUNTIME_EXECUTION,
        cause=Cause(category=CauseCategory.UNKNOWN, kind=Kind.KERNEL, evidence=f"{script} & \"quotes\" 'single'"),
        location=Location(nodes=[long_name, script, "c", "d", "e", "f"], op_types=["MatMul"], source_line=script),
        message=f"{script} \x1b[31mred\x1b[0m \u202egnirts\u202c [bold]markup[/bold] :smile: {long_name}",
        code="TA302",
    )
    return Report(
        model='"><img src=x onerror=alert(1)>.py',
        converter="torch.onnx",
        runtime=long_name,
        links=["tf2onnx", "onnx2torch"],
        outcome=finding.outcome,
        symptom=finding.symptom,
        stage=finding.stage,
        symptom_stage=finding.symptom_stage,
        cause=finding.cause,
        location=finding.location,
        findings=[finding],
        warnings=[f"{script} {{{{ 7 * 7 }}}}"],
        checkpoints=[
            checkpoint(long_name, Stage.RUNTIME_OPTIMIZATION, Outcome.DIVERGENT, detail=f"{script} {long_name}"),
            checkpoint("模型检查点_日本語_한국어", Stage.EXPORT, detail="line one\nline two\nline three\nline four"),
        ],
        inputs=[InputReport(name=script, role=script, origin=script, tensors=[{"path": script, "shape": [1]}])],
        worst_input=0,
        undecided=[{"value": script}],
        not_exercised=[script],
        log=script,
    )


def by_name() -> dict[str, CheckReport]:
    """Every sample check by what it shows."""
    return {
        "equivalent": check(equivalent_report()),
        "divergent": check(divergent_report()),
        "failed": check(failed_report()),
        "inconclusive": check(inconclusive_report()),
        "not_run": check(not_run_report()),
        "several": check(
            divergent_report(), equivalent_report(), not_run_report(), inconclusive_report(), failed_report()
        ),
        "hostile": check(hostile_report(), equivalent_report(), environment={"<b>": {"n": "</td>"}}, settings={}),
    }
