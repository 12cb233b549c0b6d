"""The warm process that every PyTorch task is forked from: what it imports and how it is primed."""

from __future__ import annotations

from tautomer.adapters.protocols import WarmHost

TORCH_HOST = WarmHost(
    "torch",
    (
        "numpy",
        "numpy.ma",  # numpy imports it in the first median, which would be in each child anew
        "onnx",
        "onnx_ir",
        "torch",
        "torch.onnx",
        "torch.export",
        "onnxscript",
        "tautomer.adapters.torch_host",
    ),
    prime="tautomer.adapters.torch_host:prime",
)


def prime() -> None:
    """Export one fixed trivial model through each exporter, and import what the tasks use."""
    import tqdm

    import tautomer.adapters.onnx_files.comparison_alignment
    import tautomer.adapters.onnx_files.evaluation
    import tautomer.adapters.onnx_files.fragments
    import tautomer.adapters.onnx_files.mutants.proving_ground
    import tautomer.adapters.onnx_files.named_values
    import tautomer.adapters.onnx_files.power
    import tautomer.adapters.sources.torch_source
    import tautomer.adapters.torch_programs.comparison_alignment
    import tautomer.adapters.torch_programs.comparison_inputs
    import tautomer.adapters.torch_programs.conversion_replay
    import tautomer.adapters.torch_programs.preparation
    import tautomer.adapters.torch_programs.sampling
    import tautomer.numerics.onnx_evaluator  # noqa: F401
    from tautomer.adapters.converters import torch_onnx, torch_onnx_legacy

    tqdm.tqdm.monitor_interval = 0  # its monitor is a thread
    torch_onnx.prime()
    torch_onnx_legacy.prime()
