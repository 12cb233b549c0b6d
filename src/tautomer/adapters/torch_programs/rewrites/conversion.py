"""Convert a PyTorch source with some of its operators rewritten, by the converter `torch.onnx` and its settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tautomer.adapters.converters import torch_onnx
from tautomer.adapters.converters.recording import patched
from tautomer.adapters.torch_programs.rewrites.candidates import Target, choice
from tautomer.adapters.torch_programs.rewrites.splice import spliced
from tautomer.adapters.worker_api import Channel

OPTION = "rewrite"
"""Under which name the settings of the conversion carry what to rewrite: `method`, `operator`, `line`."""


class NothingToRewriteError(Exception):
    """No operator of the captured program is one that this rewrite applies to."""


def convert(
    channel: Channel, *, spec: dict[str, Any], settings: dict[str, Any], expected: dict[str, Any]
) -> dict[str, Any]:
    """As `tautomer.adapters.converters.torch_onnx:convert`, with the captured program rewritten before translation.

    Emits `rewritten` with `operators`, `nodes`, `operations`, `code`, `exactness`, `note` and `source` of what replaced
    what.

    Raises:
        NothingToRewriteError: the rewrite applies to no operator of the program.
        Exception: whatever the exporter raises.
    """
    from torch.onnx._internal.exporter import _core

    options = dict(settings.get("options", {}))
    target = Target(**options.pop(OPTION))
    core: Any = _core
    prepare = core._prepare_exported_program_for_export

    def rewriting(program: Any, **arguments: Any) -> Any:
        stages = (lambda: program, lambda: program.run_decompositions({}), lambda: prepare(program, **arguments))
        return prepare(_rewritten(channel, stages, target), **arguments)

    with patched(core, "_prepare_exported_program_for_export", rewriting):
        return torch_onnx.convert(channel, spec=spec, settings={**settings, "options": options}, expected=expected)


def _rewritten(channel: Channel, stages: Sequence[Callable[[], Any]], target: Target) -> Any:
    """The program with its target rewritten, in the first of its stages that has it.

    Args:
        stages: the program as captured, without operators that write in place, and decomposed.
    """
    for stage in stages:
        before = stage()
        chosen = choice(before, target)
        after, replaced = spliced(before, chosen.choose)
        if replaced:
            operators = sorted({one.operator for one in replaced})
            channel.emit(
                "rewritten",
                operators=operators,
                nodes=[one.name for one in replaced],
                operations=sum(one.operations for one in replaced),
                **chosen.describe(operators),
            )
            return after
    raise NothingToRewriteError(f"{target.method} applies to no {target.operator or 'operator'} of the program")
