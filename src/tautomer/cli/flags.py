"""Flags that several commands take, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Samples = Annotated[
    Path | None,
    typer.Option(metavar="FILE|DIR", help="Samples to compare on (.npy, .npz, .safetensors, .pt)."),
]
HtmlReport = Annotated[Path | None, typer.Option(metavar="OUT.html", help="Write the report as one HTML page.")]
JsonReport = Annotated[str | None, typer.Option(metavar="OUT.json|-", help="Write the report as JSON; - for stdout.")]
Timeout = Annotated[float | None, typer.Option(metavar="S", help="Seconds each attempt may take. Default: 600.")]
Memory = Annotated[float | None, typer.Option(metavar="GIB", help="Memory each attempt may use, in GiB. Default: 16.")]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Seed of every random generator. Default: 0.")]
SearchInputs = Annotated[
    bool, typer.Option("--search-inputs", help="Search for inputs that exercise more, and compare on them too.")
]
TrustPickle = Annotated[bool, typer.Option("--trust-pickle", help="Open pickled files, which can run any code.")]
RunDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where runs are kept. Default: $TAUTOMER_HOME/runs or ./.tautomer/runs."),
]
KeepRuns = Annotated[
    str | None,
    typer.Option(metavar="none|failures|all", help="Which runs keep models and tensors. Default: failures."),
]
FindLinks = Annotated[Path | None, typer.Option(metavar="DIR", help="A folder of wheels that pip looks into, too.")]

STDOUT = "-"
"""What `--json` takes for stdout."""
