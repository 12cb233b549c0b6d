"""Why an operator became something else: the category of the cause and the sentence that says it, by evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tautomer.checking.causes.arguments import Comparison, compare
from tautomer.checking.causes.calls import Deviation, SourceCall
from tautomer.checking.causes.counterfactuals import Misreading, Supposition
from tautomer.checking.causes.responsible_sets import ResponsibleSet
from tautomer.checking.causes.target_nodes import TargetNode
from tautomer.checking.results import SourceResult
from tautomer.checking.verdicts import values_of
from tautomer.model import CauseCategory, Tensor

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

Explained = tuple[CauseCategory, str]
"""A category and its evidence."""


def of_deviation(found: Deviation) -> Explained:
    """The cause where decomposing an operator changed the function."""
    became = f"{found.call.text()} was decomposed into {', '.join(found.nodes)}"
    if found.sound_at_that_size:
        return (
            CauseCategory.SHAPE_PROBLEM,
            f"{became}, which is right only at the sizes it was captured with: captured at the other sizes the same"
            f" decomposition is right, so a dynamic size was frozen in it ({found.said})",
        )
    return CauseCategory.ALGORITHMIC_ERROR, f"{became}, which is another function: {found.said}"


def of_set(found: ResponsibleSet, varying: Mapping[int, Sequence[int]], *, seen: bool = True) -> Explained:
    """The cause of one faulty set of nodes.

    Args:
        found: the set.
        varying: for each input set whose sizes differ from those of the first, the sizes of the first that it changes.
        seen: whether the conversion was seen. Else that a formula or a stored tensor is another may be what was wanted.
    """
    call, nodes = found.call, found.nodes
    name = call.text() if call is not None else (found.operator or "the source's operator")
    if found.taken_away:
        return CauseCategory.ALGORITHMIC_ERROR, f"{name} was taken away, and {_types(nodes)} is wrong: {found.said}"
    frozen = _frozen_size(found, varying)
    if frozen is not None:
        return (
            CauseCategory.SHAPE_PROBLEM,
            f"{name} became {_types(nodes)} with {frozen}, the size it was converted with: it is right at that size"
            f" and wrong at another ({found.said})",
        )
    if found.exact and " is " in found.said and _is_type(found.said):
        return CauseCategory.TYPE_PROBLEM, f"{name} became {_types(nodes)}: {found.said}"
    counterpart = _counterpart(found)
    parameterised = counterpart is not None and call is not None and bool(compare(call, counterpart).differing)
    if call is not None and found.supposition is not None and not parameterised:
        return _of_supposition(call, found.supposition, found)
    if found.exact and "has shape" in found.said and not parameterised:
        return CauseCategory.SHAPE_PROBLEM, f"{name} became {_types(nodes)}: {found.said}"
    if counterpart is None or call is None or not (seen or parameterised):
        category = CauseCategory.ALGORITHMIC_ERROR if seen else CauseCategory.UNKNOWN
        return category, f"{name} became {_formula(nodes)}: {found.said}"
    return _of_counterpart(call, counterpart, found)


def of_semantics(call: SourceCall, node: TargetNode, said: str) -> Explained | None:
    """The cause where one parameterised operator stands for another; None where none takes the arguments."""
    comparison = compare(call, node)
    if not (comparison.differing or comparison.missing or comparison.agreeing):
        return None
    return _of_comparison(call, node, comparison, said)


def _of_supposition(call: SourceCall, supposed: Supposition, found: ResponsibleSet) -> Explained:
    """The cause where the operator, called with its arguments misread, gives what the target computes."""
    names = supposed.arguments
    became = f"{call.text(*names)} became {_formula(found.nodes)}"
    if supposed.how is Misreading.EXCHANGED:
        return (
            CauseCategory.ALGORITHMIC_ERROR,
            f"{became}, which computes {call.short_name} with {' and '.join(names)} exchanged: {found.said}",
        )
    by_default = ", ".join(f"{one.name}={one.default!r}" for one in call.arguments if one.name in names)
    return (
        CauseCategory.INCOMPATIBILITY,
        f"{became}, which ignores {' and '.join(names)}: it computes {call.short_name}({by_default}), the default"
        f" ({found.said})",
    )


def _of_counterpart(call: SourceCall, node: TargetNode, found: ResponsibleSet) -> Explained:
    return _of_comparison(call, node, compare(call, node), found.said)


def _of_comparison(call: SourceCall, node: TargetNode, comparison: Comparison, said: str) -> Explained:
    if comparison.differing:
        names = [argument.name for argument, _ in comparison.differing]
        attributes = [name for _, name in comparison.differing]
        return (
            CauseCategory.ALGORITHMIC_ERROR,
            f"{call.text(*names)} became {node.text(*attributes)}: {said}",
        )
    if comparison.missing:
        ignored = ", ".join(one.text() for one in comparison.missing)
        return (
            CauseCategory.INCOMPATIBILITY,
            f"{call.text(*(one.name for one in comparison.missing))} became {node.op_type}, which has no counterpart of"
            f" {ignored}: {said}",
        )
    agreeing = ", ".join(f"{argument.text()} as {name}" for argument, name in comparison.agreeing)
    kept = f" although it takes {agreeing}" if agreeing else ""
    return (
        # tf2onnx has a formula of its own for each operator: what it chose is at fault where it ignores no argument.
        CauseCategory.ALGORITHMIC_ERROR if call.is_tensorflow else CauseCategory.INCOMPATIBILITY,
        f"{call.text()} became {node.text()}, whose semantics differ{kept}: {said}",
    )


def _counterpart(found: ResponsibleSet) -> TargetNode | None:
    """The node that stands for the operator as a whole: the only kind of node that computes, and a namesake of the
    operator or parameterised as it is. None where the nodes spell out a formula.
    """
    types = {one.op_type for one in found.nodes}
    if len(types) != 1 or found.call is None:
        return None
    # Of several places with the same fault, the one that the call was made at.
    own = [one for one in found.nodes if one.source_name == found.call.name]
    node = (own or found.nodes)[-1]
    if is_namesake(found.call, node):
        return node
    comparison = compare(found.call, node)
    return node if comparison.differing or comparison.agreeing else None


def is_namesake(call: SourceCall, node: TargetNode) -> bool:
    """Whether the operators' names share a word that is more than an abbreviation: `avg_pool2d` and `AveragePool`."""
    source = "".join(re.findall(r"[a-z]+", call.short_name.lower()))
    if source == node.op_type.lower():
        return True
    words = {word.lower() for word in _WORDS.findall(node.op_type)}
    own = {word for word in re.split(r"[_\d]+", call.short_name.lower()) if word}
    own |= {word.lower() for word in _WORDS.findall(call.short_name)}
    return any(len(word) >= 4 and word in own for word in words)


def _frozen_size(found: ResponsibleSet, varying: Mapping[int, Sequence[int]]) -> int | None:
    """A size of the first input set that stands as a number in the nodes or the call, where only other sizes fail."""
    if not found.inputs or not all(index in varying for index in found.inputs):
        return None
    numbers: set[int] = set()
    for node in found.nodes:
        numbers |= _integers(list(node.parameters.values()))
    if found.call is not None:
        numbers |= _integers([one.value for one in found.call.arguments])
    frozen = [size for index in found.inputs for size in varying[index] if size > 1 and size in numbers]
    return frozen[0] if frozen else None


def _integers(value: Any) -> set[int]:
    if isinstance(value, list):
        return set().union(*(_integers(one) for one in value)) if value else set()
    return {value} if isinstance(value, int) and not isinstance(value, bool) else set()


def _is_type(said: str) -> bool:
    return bool(re.search(r" is (?:bool|u?int\d+|float\d+|complex\d+|bfloat16) where", said))


def _types(nodes: Sequence[TargetNode]) -> str:
    return " -> ".join(dict.fromkeys(one.op_type for one in nodes))


def _formula(nodes: Sequence[TargetNode]) -> str:
    """The nodes' operators in order; a single one with what it was given."""
    if len(nodes) == 1:
        return nodes[0].text()
    return (
        f"the formula {_types(nodes)}" if len({one.op_type for one in nodes}) > 1 else f"{len(nodes)} {_types(nodes)}"
    )


def varying_sizes(source: SourceResult) -> dict[int, list[int]]:
    """For each input set with other sizes than the first, the sizes of the first that it changes."""
    if not source.facts.get("dynamic"):
        return {}
    sets = [
        {path: value.shape for path, value in values_of(file).items() if isinstance(value, Tensor)}
        for file in source.inputs
    ]
    found: dict[int, list[int]] = {}
    for index, shapes in enumerate(sets):
        changed = [
            int(size)
            for path, shape in sets[0].items()
            for size, other in zip(shape, shapes.get(path, shape), strict=False)
            if size != other
        ]
        if changed:
            found[index] = changed
    return found
