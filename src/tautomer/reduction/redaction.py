"""A reduced model for those who cannot share theirs: no names, no metadata, other values, the same failure proven."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.errors import MisuseError
from tautomer.model import Signature, Tensor
from tautomer.reduction.oracle import Answer, Candidate, Session
from tautomer.reduction.redacted_arrays import stored_types
from tautomer.reduction.redacted_module import renamed_module, resampled_module, stored_names, texts_of
from tautomer.reduction.redacted_values import Resampling, is_of_graph, resampled, resampled_tensor

LADDER = (
    (Resampling.DRAWN, Resampling.DRAWN),
    (Resampling.SPECIAL, Resampling.SPECIAL),
    (Resampling.DRAWN, Resampling.SPECIAL),
    (Resampling.DRAWN, Resampling.ROUNDED),
    (Resampling.DRAWN, Resampling.KEPT),
    (Resampling.ROUNDED, Resampling.DRAWN),
    (Resampling.KEPT, Resampling.DRAWN),
    (Resampling.ROUNDED, Resampling.ROUNDED),
    (Resampling.KEPT, Resampling.KEPT),
)
"""How weights and inputs are replaced, those that hide most first; the first that fails the same way counts."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """A redacted model.

    Attributes:
        candidate: the model and its inputs.
        answer: of the check that proves it.
        weights, inputs: how their values were replaced.
    """

    candidate: Candidate
    answer: Answer
    weights: Resampling
    inputs: Resampling


def redact(session: Session, candidate: Candidate, signature: Signature, *, original: Path) -> Redacted | None:
    """Redact a model that fails; None where no redacted form of it fails the same way.

    Args:
        original: the user's model, whose content keys the hashes: who does not have it cannot guess names.

    Raises:
        MisuseError: TA173 the model is of a kind that cannot be redacted.
    """
    if candidate.model.suffix not in (".py", ".onnx"):
        raise MisuseError(
            "TA173", f"a {candidate.model.suffix} file cannot be redacted.", "Reduce it as a model module or .onnx."
        )
    hashed = names_hashed_with(_content_key(original))
    tried = set()
    for rung, (weights, inputs) in enumerate(LADDER):
        generator = np.random.default_rng([session.settings.seed, rung])
        folder = session.new_folder("redacted")
        redacted = (_graph if candidate.model.suffix == ".onnx" else _module)(
            candidate, folder, hashed, weights=weights, inputs=inputs, generator=generator
        )
        content = tuple(one.read_bytes() for one in _files(redacted))
        if content in tried:
            continue
        tried.add(content)
        answer = session.check(redacted, signature, keep=True, free=True)
        if answer.same:
            return Redacted(redacted, answer, weights, inputs)
    return None


def names_hashed_with(key: bytes) -> Callable[[str], str]:
    """Gives a name of its own, always the same, to each name."""

    def hashed(name: str) -> str:
        return f"n{hashlib.blake2b(name.encode('utf-8', 'surrogatepass'), key=key, digest_size=4).hexdigest()}"

    return hashed


def _content_key(original: Path) -> bytes:
    """A key that only who has the model can compute, be it a file or a folder."""
    files = sorted(one for one in original.rglob("*") if one.is_file()) if original.is_dir() else [original]
    key = hashlib.blake2b(digest_size=32)
    for file in files:
        key.update(file.read_bytes())
    return key.digest()


def _files(candidate: Candidate) -> Iterator[Path]:
    yield candidate.model
    yield from candidate.beside
    if candidate.inputs is not None:
        yield candidate.inputs


def _module(
    candidate: Candidate,
    folder: Path,
    hashed: Callable[[str], str],
    *,
    weights: Resampling,
    inputs: Resampling,
    generator: np.random.Generator,
) -> Candidate:
    text = candidate.model.read_text("utf-8")
    of_weights, _ = stored_names(text)
    text = resampled_module(text, weights=weights, inputs=inputs, generator=generator)
    model = folder / "model.py"
    model.write_text(renamed_module(text, hashed), "utf-8")
    beside = []
    for file in candidate.beside:
        arrays, write = _beside(file, stored_types(text))
        write(
            folder / file.name,
            {
                hashed(name): array
                if name in of_weights and file.suffix == ".npz" and is_of_graph(array)
                else resampled(array, weights if name in of_weights else inputs, generator)
                for name, array in arrays.items()
            },
        )
        beside.append(folder / file.name)
    return Candidate(model, tuple(beside), candidate.inputs, (*candidate.steps, "redacted"))


def _beside(file: Path, types: Mapping[str, Any]) -> tuple[dict[str, Any], Callable[[Path, dict[str, Any]], None]]:
    """The arrays of a file that a module reads, and what writes such a file.

    Args:
        types: of those that the file keeps as their bits.
    """
    if file.suffix != ".npz":
        from safetensors.numpy import load_file, save_file

        return load_file(file), lambda path, arrays: save_file(arrays, path)
    with np.load(file, allow_pickle=False) as read:
        arrays = {name: array.view(types.get(name, array.dtype)) for name, array in read.items()}

    def write(path: Path, arrays: dict[str, Any]) -> None:
        bits = {
            name: array if array.dtype.name in np.sctypeDict else array.view(f"u{array.dtype.itemsize}")
            for name, array in arrays.items()
        }
        np.savez(path, allow_pickle=False, **bits)

    return arrays, write


def _graph(
    candidate: Candidate,
    folder: Path,
    hashed: Callable[[str], str],
    *,
    weights: Resampling,
    inputs: Resampling,
    generator: np.random.Generator,
) -> Candidate:
    import onnx

    from tautomer.reduction.redacted_graph import renamed_graph, resampled_graph

    model = folder / "model.onnx"
    onnx.save_model(
        renamed_graph(resampled_graph(onnx.load(str(candidate.model)), weights, generator), hashed), str(model)
    )
    samples = None
    if candidate.inputs is not None:
        values = read_values(candidate.inputs)
        assert isinstance(values, Mapping)
        samples = folder / "inputs.safetensors"
        write_values(samples, {hashed(name): _resampled(one, inputs, generator) for name, one in values.items()})
    return Candidate(model, (), samples, (*candidate.steps, "redacted"))


def _resampled(value: Any, how: Resampling, generator: np.random.Generator) -> Any:
    return resampled_tensor(value, how, generator) if isinstance(value, Tensor) else value


def redact_graph_file(path: Path, original: Path) -> None:
    """Rename everything in an .onnx file that was converted from a redacted module, and strip its metadata."""
    import onnx

    from tautomer.reduction.redacted_graph import renamed_graph

    onnx.save_model(renamed_graph(onnx.load(str(path)), names_hashed_with(_content_key(original))), str(path))


def redaction_text(redacted: Redacted, graph: Path | None) -> str:
    """What was removed, and what the result still reveals."""
    lines = [
        "# What this result still reveals",
        "",
        "Removed: names of the model, its nodes, values, inputs, outputs, functions and symbolic dimensions (hashed,",
        "with the original file as the key), metadata, doc strings, comments, producer, paths.",
        "",
        f"Weights: {redacted.weights}. Inputs: {redacted.inputs}. Single floating-point constants, integers that are",
        "part of the graph (32 and 64 bits) and arguments of operators are as they were, and so are arrays of a module",
        "that are all zeros, all ones or counted up.",
        "",
        "The same failure was proven again on the redacted model (recheck.json).",
        "",
        "Still visible:",
        "",
    ]
    finding = redacted.answer.finding
    if finding is not None and finding.location.source_node:
        lines.append(f"- the source operator: {finding.location.source_node}")
    if graph is not None and graph.exists():
        lines += [f"- {one}" for one in _visible(graph)]
    if redacted.candidate.model.suffix == ".py":
        lines.append("- the operators, their order and their arguments in model.py; shapes and types of its tensors")
        texts = texts_of(redacted.candidate.model.read_text("utf-8"))
        if texts:
            lines.append(f"- texts that its operators are given: {', '.join(map(repr, texts))}")
    lines.append("- the failure itself: its message, stage and cause")
    lines.append("- versions of Python, the operating system and packages (issue.md, recheck.json)")
    return "\n".join([*lines, ""])


def _visible(graph: Path) -> Iterator[str]:
    import onnx

    from tautomer.reduction.redacted_graph import nodes_of

    model = onnx.load(str(graph))
    nodes = list(nodes_of(model))
    operators = [f"{node.domain}.{node.op_type}" if node.domain else node.op_type for node in nodes]
    more = ", ..." if operators[20:] else ""
    yield f"the ONNX operators and how they are connected: {', '.join(operators[:20])}{more}"
    for node in nodes[:20]:
        for attribute in node.attribute:
            if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
                continue
            yield f"attribute {attribute.name} of {node.op_type}: {_brief(attribute)}"
    for value in [*model.graph.input, *model.graph.output]:
        kind = value.type.tensor_type
        sizes = [one.dim_param or one.dim_value for one in kind.shape.dim]
        yield f"{onnx.TensorProto.DataType.Name(kind.elem_type).lower()}{sizes} of an input or output"
    for tensor in model.graph.initializer:
        yield f"{onnx.TensorProto.DataType.Name(tensor.data_type).lower()}{list(tensor.dims)} of a stored tensor"
    opsets = [f"{one.domain or 'ai.onnx'} {one.version}" for one in model.opset_import]
    yield f"opsets: {', '.join(opsets)}"


def _brief(attribute: Any) -> str:
    import onnx

    value = onnx.helper.get_attribute_value(attribute)
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}..."
