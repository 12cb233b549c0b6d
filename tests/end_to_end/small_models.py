"""Model modules as text, and what several end-to-end tests ask of a run."""

from __future__ import annotations

import sys

HEAD = "import torch\n\n"
"""The beginning of every module here."""

LINEAR = """
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 3)

        def forward(self, x):
            return torch.relu(self.linear(x))

    def inputs():
        return (torch.randn(2, 4),)
"""
"""A sound model; about a second a check."""


def command_line(*arguments):
    """The command `tautomer` of this interpreter, whatever PATH says."""
    main = "import sys; from tautomer.cli import main; sys.exit(main())"
    return [sys.executable, "-c", main, *map(str, arguments)]


def left_in(folder):
    """Names of what lies in a folder of runs besides its own bookkeeping."""
    if not folder.exists():
        return []
    return sorted(one.name for one in folder.iterdir() if one.name not in (".gitignore", ".lock"))
