"""How a script sets its runtime up as `--to-set` did: statements and arguments of the runtime's own Python API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STATEMENTS = {
    "threads": "options.intra_op_num_threads = {}",
    "memory_pattern": "options.enable_mem_pattern = {}",
    "prepacking": 'options.add_session_config_entry("session.disable_prepacking", str(int(not {})))',
    "denormal_as_zero": 'options.add_session_config_entry("session.set_denormal_as_zero", str(int({})))',
}
_LEVELS = {
    "disabled": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "layout": "ORT_ENABLE_LAYOUT",
}


def session_text(runtime: str, level: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the template of a runtime takes.

    Args:
        level: `disabled` where the failure needs the graph optimizations off, else `all`.
        options: as `--to-set` gives them.

    Returns:
        `statements` on ONNX Runtime's `options`, `arguments` of its session besides, and OpenVINO's `properties`.
    """
    if runtime == "openvino":
        properties = {"INFERENCE_PRECISION_HINT": "f32", **options}
        return {"statements": [], "arguments": "", "properties": repr(properties).replace("'", '"')}
    lowest = _LEVELS.get(level) or _LEVELS.get(str(options.get("optimization")))
    statements = [f"options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.{lowest}"] if lowest else []
    for name, value in options.items():
        if name in _STATEMENTS:
            statements.append(_STATEMENTS[name].format(repr(value)))
        elif "." in name:
            text = str(int(value)) if isinstance(value, bool) else str(value)
            statements.append(f"options.add_session_config_entry({name!r}, {text!r})")
    left_out = options.get("disabled_optimizers") or ()
    names = [one.strip() for one in left_out.split(",")] if isinstance(left_out, str) else list(left_out)
    return {"statements": statements, "arguments": f", disabled_optimizers={names}" if names else "", "properties": ""}
