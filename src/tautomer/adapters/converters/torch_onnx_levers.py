"""Settings of a PyTorch export that its public function lacks: passes left out, decompositions, capture, shapes.

They are given with `--set` beside the exporter's own. Facts: torch 2.13, `torch/onnx/_internal/exporter/`, and
onnxscript 0.7, `onnxscript/optimizer/_optimizer.py` and `onnxscript/rewriter/_rewrite_rule.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tautomer.adapters.converters.recording import patched
from tautomer.adapters.protocols import Lever
from tautomer.adapters.worker_api import Channel
from tautomer.errors import MisuseError
from tautomer.model import Stage

SHAPES = Lever(
    name="shapes",
    about="which dimensions stay symbolic",
    values=("static", "dynamic"),
    default="declared",
    acts_at=(Stage.LOAD_MODEL,),
)
"""`static` keeps every dimension as it is in the first input set, `dynamic` keeps none."""

SKIP_PASSES = Lever(
    name="skip_passes",
    about="passes of the optimizer left out",
    takes_list=True,
    screened_by=("optimize", False),
    acts_at=(Stage.OPTIMIZATION,),
)
SKIP_RULES = Lever(
    name="skip_rules",
    about="rewrite rules of the optimizer left out",
    takes_list=True,
    screened_by=("optimize", False),
    acts_at=(Stage.OPTIMIZATION,),
)
DECOMPOSITIONS = Lever(
    name="decompositions",
    about="which operators are decomposed before the translation",
    values=("core", "none"),
    default="untranslatable",
    acts_at=(Stage.NODE_CONVERSION,),
)
"""`core` decomposes whatever is not of the core ATen operators, even where there is a translation; `none` nothing."""

DECOMPOSE = Lever(
    name="decompose",
    about="operators that are decomposed although there is a translation for them",
    takes_list=True,
    acts_at=(Stage.NODE_CONVERSION,),
)
CAPTURE = Lever(
    name="capture",
    about="how torch.export captures the program",
    values=("strict", "draft"),
    default="any",
    acts_at=(Stage.LOAD_MODEL,),
)

OWN = ("shapes", "skip_passes", "skip_rules", "decompositions", "decompose", "capture")
"""Names of these settings."""

_STRATEGIES = {
    "strict": "TorchExportStrictStrategy",
    "non_strict": "TorchExportNonStrictStrategy",
    "draft": "TorchExportDraftExportStrategy",
}
_CHOICES = {
    "shapes": ("declared", "static", "dynamic"),
    "decompositions": ("untranslatable", "core", "none"),
    "capture": ("any", *_STRATEGIES),
}


@dataclass(frozen=True, slots=True)
class ExportLevers:
    """How the levers of one export stand.

    Attributes:
        shapes: `declared`, `static` or `dynamic`.
        skip_passes: class names of optimizer passes that are left out.
        skip_rules: names of rewrite rules that are left out.
        decompositions: `untranslatable`, `core` or `none`.
        decompose: operators (`aten.xlogy.Tensor`) that are decomposed although they have a translation.
        capture: `any`, `strict`, `non_strict` or `draft`.
    """

    shapes: str = "declared"
    skip_passes: tuple[str, ...] = ()
    skip_rules: tuple[str, ...] = ()
    decompositions: str = "untranslatable"
    decompose: tuple[str, ...] = ()
    capture: str = "any"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> ExportLevers:
        """The levers among the options of an export; the others are left to the exporter.

        Raises:
            MisuseError: TA101 a lever has no such position.
        """
        given: dict[str, Any] = {}
        for name in OWN:
            if name not in options:
                continue
            value = options[name]
            if name not in _CHOICES:
                given[name] = listed(name, value)
            elif value in _CHOICES[name]:
                given[name] = value
            else:
                raise MisuseError("TA101", f"--set {name}: {value!r} is none.", f"Known: {', '.join(_CHOICES[name])}.")
        return cls(**given)


def without_levers(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are the exporter's own."""
    return {name: value for name, value in options.items() if name not in OWN}


def listed(name: str, value: Any, *, flag: str = "--set") -> tuple[str, ...]:
    """The elements of a list that was given as JSON or as text with commas.

    Raises:
        MisuseError: TA101 it is neither.
    """
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise MisuseError("TA101", f"{flag} {name}: {value!r} is no list of names.", f"Write {flag} {name}=A,B.")


@dataclass(slots=True)
class Optimizing:
    """Follows one run of the optimizer, and leaves out what was asked for.

    Attributes:
        passes: class names of passes that changed the model, in order.
        rules: names of rewrite rules that were applied, in order.
    """

    levers: ExportLevers
    passes: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Wrap the passes and the rules while the optimizer runs."""
        from onnx_ir import passes as infrastructure
        from onnxscript.rewriter import RewriteRule

        base: Any = infrastructure.PassBase
        call, rewrite = base.__call__, RewriteRule.try_rewrite
        containers = (infrastructure.Sequential, infrastructure.PassManager)

        def on_pass(one: Any, model_or_result: Any, /) -> Any:
            name = type(one).__name__
            if isinstance(one, containers):
                return call(one, model_or_result)
            if name in self.levers.skip_passes:
                model = getattr(model_or_result, "model", model_or_result)
                return infrastructure.PassResult(model, modified=False)
            result = call(one, model_or_result)
            if result.modified and name not in self.passes:
                self.passes.append(name)
            return result

        def on_rule(rule: Any, *arguments: Any, **keywords: Any) -> Any:
            name = rule_name(rule)
            if name in self.levers.skip_rules:
                return None
            result = rewrite(rule, *arguments, **keywords)
            if result is not None and name not in self.rules:
                self.rules.append(name)
            return result

        with patched(base, "__call__", on_pass), patched(RewriteRule, "try_rewrite", on_rule):
            yield

    def report(self, channel: Channel) -> None:
        """Say what was done, so that it can be left out the next time."""
        channel.emit("lever", lever=SKIP_PASSES.name, values=self.passes)
        channel.emit("lever", lever=SKIP_RULES.name, values=self.rules)


def rule_name(rule: Any) -> str:
    """The name of a rewrite rule; where its author gave none, that of the function which makes the replacement."""
    if rule.name:
        return str(rule.name)
    function: Any = getattr(getattr(rule, "_replacement_pattern", None), "_function", None)
    nodes: Any = getattr(getattr(rule, "_target_pattern", None), "_nodes", ())
    operators = "+".join(str(getattr(node, "op_type", "any")) for node in nodes)
    return f"{operators}:{getattr(function, '__name__', 'replacement')}"


@contextlib.contextmanager
def pulled(levers: ExportLevers) -> Iterator[None]:
    """Make the exporter decompose and capture as the levers say; everything is put back at the end."""
    import torch
    from torch.onnx._internal.exporter import _capture_strategies, _decomp

    decomp: Any = _decomp
    table = decomp.create_onnx_friendly_decomposition_table
    strategies: Any = _capture_strategies

    def decomposition_table(registered: Any) -> Any:
        if levers.decompositions == "none":
            return {}
        if levers.decompositions == "core":
            return torch.export.default_decompositions()
        return table({one for one in registered if str(one) not in levers.decompose})

    with contextlib.ExitStack() as patches:
        if levers.decompositions != "untranslatable" or levers.decompose:
            name = "create_onnx_friendly_decomposition_table"
            patches.enter_context(patched(decomp, name, decomposition_table))
        if levers.capture != "any":
            chosen = getattr(strategies, _STRATEGIES[levers.capture])
            patches.enter_context(patched(strategies, "CAPTURE_STRATEGIES", (chosen,)))
        yield


def report_decomposable(channel: Channel, captured: Any, registry: Any) -> None:
    """Say which operators of a captured program are translated as they are although PyTorch could decompose them."""
    from torch.onnx._internal.exporter import _decomp

    registered = set(_decomp.get_onnx_implemented_overloads(registry))
    used = {
        node.target
        for module in captured.graph_module.modules()
        if hasattr(module, "graph")
        for node in module.graph.nodes
        if node.op == "call_function" and node.target in registered
    }
    if not used:
        return
    decomposable = _decomp.create_onnx_friendly_decomposition_table(registered - used)
    channel.emit("lever", lever=DECOMPOSE.name, values=sorted(str(one) for one in used if one in decomposable))


def all_dynamic(arguments: Sequence[Any], keywords: Mapping[str, Any], names: Sequence[str]) -> Any:
    """What torch.export takes for `dynamic_shapes` where every dimension of every input may vary.

    Args:
        names: of the positional arguments; used where there are keywords too.

    Source: `torch.export.dynamic_shapes.Dim.AUTO`: such a dimension becomes static where the program needs it to be.
    """
    import torch
    from torch.utils import _pytree as pytree

    def shape_of(leaf: Any) -> Any:
        return dict.fromkeys(range(leaf.dim()), torch.export.Dim.AUTO) if isinstance(leaf, torch.Tensor) else None

    positional = tuple(pytree.tree_map(shape_of, one) for one in arguments)
    if not keywords:
        return positional
    named = dict(zip(names, positional, strict=True))
    return named | {name: pytree.tree_map(shape_of, one) for name, one in keywords.items()}
