"""A model over 2 GB through every step: `python benchmarks/large_model.py`. Needs 14 GB of memory, 12 GB of disk."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tautomer.checking import run_check
from tautomer.model import CheckSettings, Keep, Limits

MODULE = '''"""2.3 GB of weights in three layers."""

import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        wide = 14000
        self.layers = torch.nn.Sequential(*[torch.nn.Linear(wide, wide) for _ in range(3)])

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x


def inputs():
    return (torch.randn(2, 14000),)
'''


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.py"
        path.write_text(MODULE)
        settings = CheckSettings(run_dir=Path(folder) / "runs", keep=Keep.NONE, limits=Limits(1800.0, 20 << 30))
        report = run_check(path, settings).report.reports[0]
        print(report.outcome, report.reason or "")
        for one in report.checkpoints:
            print(
                f"{one.name:26s} {one.outcome:12s} {one.seconds:7.1f} s"
                f" {one.peak_memory_bytes / 2**30:5.1f} GiB  {one.detail}"
            )
    return 0 if report.outcome == "equivalent" else 1


if __name__ == "__main__":
    sys.exit(main())
