"""Show by hand, without Tautomer, that torch.onnx fails on the architectures that the catalogue lists as defects."""

from __future__ import annotations

import logging

import torch
from catalog import DEFECTS


def main() -> None:
    """Export each one in this process and print what the exporter says."""
    logging.disable(logging.CRITICAL)
    for name, one in DEFECTS.items():
        torch.manual_seed(0)
        try:
            torch.onnx.export(one.build(), (), kwargs=one.inputs(2, 12), dynamo=True, verbose=False)
        except torch.onnx.errors.OnnxExporterError as error:
            print(f"{name}: {type(error.__cause__).__name__}: {str(error.__cause__).splitlines()[0]}")
        else:
            print(f"{name}: exported; the defect is gone")


if __name__ == "__main__":
    main()
