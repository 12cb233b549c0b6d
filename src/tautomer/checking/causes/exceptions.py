"""What a converter's exception says: which operator was being converted, on which line, and why it failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tautomer.checking.attempts import describe, plain_first_line
from tautomer.model import CauseCategory, Refused, Stage

_FX_CALL = re.compile(r"%(\w+) : .*?call_function\[target=(?:torch\.ops\.)?([\w.]+)\]")
_OVERLOAD = re.compile(r"OpOverload\(op='([\w.]+)', overload='(\w+)'\)")
_LEGACY = re.compile(r"operator '?\"?(?:\w+::)?(aten|prim|torchvision|quantized)::(\w+)")
_ANY_ATEN = re.compile(r"\b(?:torch\.ops\.)?((?:aten|prims|torchvision|quantized)\.\w+\.\w+)\b")
_TF_DIALECT = re.compile(r"'tf\.(\w+)' op\b")
_TF_DIALECT_FRAME = re.compile(r"([^\s\":()]+)\"?:(\d+):\d+")
_TENSORFLOW_NODE = re.compile(r"\{\{(?:function_)?node ([^}\s]+)\}\}")
_OF_TF2ONNX = re.compile(r'File "[^"]+/tf2onnx/[^"]+", line \d+, in \S+\n[^\n]*(?:\n[ ~^]*)?\n\w+(?:Error|Exception)')
"""A traceback that ends in tf2onnx's own code."""

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')

_UNSUPPORTED = frozenset(
    {
        "UnsupportedOperatorError",
        "DispatchError",
        "SymbolicValueError",
        "NotImplementedError",
        "UnsupportedOperatorException",
        "UnsupportedFakeTensorException",
        "DataDependentOutputException",
        "DynamicOutputShapeException",
        "GuardOnDataDependentSymNode",
        "Unsupported",
        "OnnxExporterError",
        "ConverterError",
    }
)
"""Exceptions by which exporters say that they do not support something."""

_DTYPE = re.compile(r"\b(?:dtypes?|element type|unsupported (?:data )?type|tensor\(\w+\)|ScalarType)\b", re.IGNORECASE)
_SHAPE = re.compile(r"\b(?:shapes?|ranks?|dimensions?|size of tensor|broadcast\w*)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an exception names.

    Attributes:
        node: of the exporter's program.
        operator: `aten.linalg_eig.default`, or `aten::linalg_eig` where only the name is known.
        line: `file.py:12` of the user's code.
        category: of the cause.
        evidence: a sentence.
    """

    node: str | None
    operator: str | None
    line: str | None
    category: CauseCategory
    evidence: str


def complaint_of(attempt: Refused, model_file: str, stage: Stage) -> Complaint:
    """Read an exception of a converter.

    Args:
        attempt: how the conversion ended.
        model_file: name of the user's file.
        stage: what was being done.
    """
    texts = list(_texts(attempt))
    node, operator = _operator(texts)
    category = _category(attempt, texts, stage)
    said = describe(attempt)
    named = f"'{operator}' could not be converted: {said}" if operator else said
    return Complaint(node, operator, _users_line(attempt, model_file), category, named)


def _texts(attempt: Refused) -> Iterator[str]:
    """What was said, the innermost exception first."""
    for key in ("root", "cause"):
        one: Any = attempt.attributes.get(key)
        if one:
            yield str(one["message"])
    yield attempt.message
    yield attempt.traceback


def _operator(texts: list[str]) -> tuple[str | None, str | None]:
    for text in texts:
        if found := _FX_CALL.search(text):
            return found.group(1), found.group(2)
    for text in texts:
        if found := _OVERLOAD.search(text):
            return None, f"{found.group(1)}.{found.group(2)}"
        if found := _LEGACY.search(text):
            return None, f"{found.group(1)}.{found.group(2)}"
    for text in texts:
        if found := _TF_DIALECT.search(text):
            return None, found.group(1)
    for text in texts:
        if found := _TENSORFLOW_NODE.search(text):
            return found.group(1), None
    for text in texts[:-1]:
        if found := _ANY_ATEN.search(text):
            return None, found.group(1)
    return None, None


def _users_line(attempt: Refused, model_file: str) -> str | None:
    """The last frame in the user's file, of the innermost exception that has one."""
    for text in _texts(attempt):
        frames = [*_FRAME.findall(text), *_TF_DIALECT_FRAME.findall(text)]
        own = [line for path, line in frames if path.rpartition("/")[2] == model_file]
        if own:
            return f"{model_file}:{own[-1]}"
    return None


def _category(attempt: Refused, texts: list[str], stage: Stage) -> CauseCategory:
    raised = {attempt.error_type.rpartition(".")[2], *(name.rpartition(".")[2] for name in attempt.mro)}
    for key in ("cause", "root"):
        one: Any = attempt.attributes.get(key)
        if one:
            raised.add(str(one["type"]).rpartition(".")[2])
    innermost = attempt.attributes.get("root") or attempt.attributes.get("cause")
    inner = str(innermost["type"]).rpartition(".")[2] if innermost else attempt.error_type.rpartition(".")[2]
    said = plain_first_line(texts[0])
    if inner in _UNSUPPORTED or raised & (_UNSUPPORTED - {"NotImplementedError", "OnnxExporterError"}):
        return CauseCategory.INCOMPATIBILITY
    if "ConstraintViolationError" in raised or "Constraints violated" in said:
        return CauseCategory.SHAPE_PROBLEM
    by_text = category_of_text(said)
    if by_text is not CauseCategory.UNKNOWN:
        return by_text
    own_code = stage in (Stage.NODE_CONVERSION, Stage.OPTIMIZATION) or bool(_OF_TF2ONNX.search(attempt.traceback))
    broken = {"AssertionError", "IndexError", "KeyError", "AttributeError", "UnboundLocalError", "ZeroDivisionError"}
    if own_code and inner in broken:
        return CauseCategory.ALGORITHMIC_ERROR
    return CauseCategory.UNKNOWN


def category_of_text(said: str) -> CauseCategory:
    """What a sentence speaks of: types, or shapes; unknown where of neither."""
    if _DTYPE.search(said):
        return CauseCategory.TYPE_PROBLEM
    return CauseCategory.SHAPE_PROBLEM if _SHAPE.search(said) else CauseCategory.UNKNOWN
