"""Where settings come from: flags, then the environment, then `[tool.tautomer]`; and what they may be."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from tautomer.errors import MisuseError

if TYPE_CHECKING:
    from tautomer.model import CheckSettings

NAMES = ("timeout", "memory", "seed", "run_dir", "keep")
"""Settings that the environment (`TAUTOMER_TIMEOUT`...) and `[tool.tautomer]` can give, named as their flags are."""

KEEP = ("none", "failures", "all")

GIB = 1 << 30

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody gave it, and how to name the place to that person."""

    value: Any
    origin: str


def given_settings(
    flags: Mapping[str, Any], environment: Mapping[str, str], folder: Path, *, names: Sequence[str] = NAMES
) -> dict[str, Given]:
    """The settings that were given, each by the first of: its flag, the environment, the nearest pyproject.toml.

    Args:
        flags: by name; None where the flag is absent.
        environment: the process's.
        folder: where the search for pyproject.toml begins; it goes upwards and ends at the first one.
        names: those to look for.

    Raises:
        MisuseError: TA109 the file cannot be read, or has a key in `[tool.tautomer]` that is no setting.
    """
    found = _project_settings(folder)
    for name in NAMES:
        variable = f"TAUTOMER_{name.upper()}"
        if environment.get(variable):
            found[name] = Given(environment[variable], variable)
        if flags.get(name) is not None:
            found[name] = Given(flags[name], f"--{name.replace('_', '-')}")
    return {name: found[name] for name in names if name in found}


def check_settings(
    given: Mapping[str, Given],
    *,
    via: Sequence[str] = (),
    to: Sequence[str] = (),
    inputs: Path | None = None,
    opset: int | None = None,
    options: Mapping[str, Any] | None = None,
    runtime_options: Mapping[str, Any] | None = None,
    power: bool = False,
    search_inputs: bool = False,
    trust_pickle: bool = False,
) -> CheckSettings:
    """The settings of a check, with defaults for what was not given.

    Raises:
        MisuseError: TA103 a value is not of its setting's type; TA106 a chain with a link that has no name; TA107 no
            such opset; TA108 a limit that is not positive.
    """
    from tautomer.model import CheckSettings, Keep, Limits

    values = {name: _READERS[name](one) for name, one in given.items()}
    limits = Limits()
    defaults = CheckSettings()
    return CheckSettings(
        via=tuple(dict.fromkeys(_chain(name) for name in via)),
        to=tuple(dict.fromkeys(to)) or defaults.to,
        inputs=inputs,
        opset=None if opset is None else _opset(opset),
        options=dict(options or {}),
        runtime_options=dict(runtime_options or {}),
        limits=Limits(
            timeout_s=values.get("timeout", limits.timeout_s),
            memory_bytes=round(values["memory"] * GIB) if "memory" in values else limits.memory_bytes,
        ),
        seed=values.get("seed", defaults.seed),
        power=power,
        search_inputs=search_inputs,
        trust_pickle=trust_pickle,
        run_dir=values.get("run_dir"),
        keep=Keep(values.get("keep", defaults.keep)),
    )


def _chain(name: str) -> str:
    """A converter, or a chain of them with commas and without spaces."""
    links = [link.strip() for link in name.split(",")]
    if not all(links):
        _refuse("TA106", f"--via {name!r} has a link without a name.", "Write --via A,B for a chain of two converters.")
    return ",".join(links)


def converter_options(pairs: Sequence[str], *, flag: str = "--set") -> dict[str, Any]:
    """The `--set KEY=VALUE` pairs, or those of another flag. The last of a key wins.

    A value that is JSON is read as JSON, any other is a string.

    Raises:
        MisuseError: TA101 one is not of that form.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            _refuse(
                "TA101", f"{flag} {pair} is not of the form KEY=VALUE.", f"Write for example {flag} optimize=false."
            )
        try:
            # NaN and Infinity are Python's additions to JSON, not JSON.
            options[key.strip()] = json.loads(text, parse_constant=_no_constant)
        except ValueError:
            options[key.strip()] = text
    return options


def run_folder(given: Mapping[str, Given]) -> Path | None:
    """The folder for runs that was given; None for the default."""
    return _path(given["run_dir"]) if "run_dir" in given else None


def _project_settings(folder: Path) -> dict[str, Given]:
    folder = folder.absolute()
    file = next((path for one in (folder, *folder.parents) if (path := one / "pyproject.toml").is_file()), None)
    if file is None:
        return {}
    import tomllib

    try:
        table = tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("tautomer", {})
    except (OSError, ValueError, AttributeError) as error:
        raise MisuseError("TA109", f"the settings in {file} cannot be read: {error}.", "Mend the file.") from error
    if not isinstance(table, dict):
        _refuse("TA109", f"'tool.tautomer' in {file} is not a table.", "Write [tool.tautomer] with settings below it.")
    found: dict[str, Given] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in NAMES:
            _refuse("TA109", f"[tool.tautomer] in {file} has no setting '{key}'.", f"Known: {', '.join(NAMES)}.")
        # What a file says of a path is meant from where the file lies.
        located = (
            str(file.parent / Path(value).expanduser())
            if name == "run_dir" and value and isinstance(value, str)
            else value
        )
        found[name] = Given(located, f"'{key}' in {file}")
    return found


def _positive(given: Given) -> float:
    value = _number(given, float, "a number")
    if not (math.isfinite(value) and value > 0):
        _refuse("TA108", f"{given.origin} is {given.value}; a limit must be positive and finite.", "Give a larger one.")
    return value


def _seed(given: Given) -> int:
    value = _number(given, int, "a whole number")
    if not 0 <= value < 1 << 63:
        _refuse("TA103", f"{given.origin} is {value}; a seed lies between 0 and 2**63 - 1.", "Give another one.")
    return value


def _number(given: Given, kind: type[Number], expected: str) -> Number:
    value = given.value
    # True is a number to Python, and int() would silently cut 1.5 down.
    wrong = isinstance(value, bool) or (kind is int and isinstance(value, float))
    try:
        if not wrong and isinstance(value, int | float | str):
            return kind(value)
    except (ValueError, OverflowError):
        pass
    _refuse("TA103", f"{given.origin} is {value!r}; expected {expected}.", "Correct the value.")


def _path(given: Given) -> Path:
    if not isinstance(given.value, str | os.PathLike) or not os.fspath(given.value):
        _refuse("TA103", f"{given.origin} is {given.value!r}; expected a path.", "Correct the value.")
    return Path(given.value)


def _keep(given: Given) -> str:
    if given.value not in KEEP:
        _refuse("TA103", f"{given.origin} is {given.value!r}.", f"Known: {', '.join(KEEP)}.")
    return str(given.value)


_READERS: dict[str, Callable[[Given], Any]] = {
    "timeout": _positive,
    "memory": _positive,
    "seed": _seed,
    "run_dir": _path,
    "keep": _keep,
}


def _opset(opset: int) -> int:
    from onnx.defs import onnx_opset_version

    newest = onnx_opset_version()
    if not 1 <= opset <= newest:
        _refuse("TA107", f"there is no ONNX opset {opset}.", f"The installed onnx knows 1 to {newest}.")
    return opset


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _refuse(code: str, message: str, next_step: str) -> NoReturn:
    raise MisuseError(code, message, next_step)
