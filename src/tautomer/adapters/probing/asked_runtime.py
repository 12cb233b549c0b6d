"""Asks a runtime what a small model computes, within the process of a probe, which may die of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tautomer.adapters.onnx_files.evaluation import as_value, to_array
from tautomer.adapters.runtimes.onnxruntime_options import SessionSettings
from tautomer.adapters.runtimes.ort_values import session_call
from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.adapters.worker_api import Channel, resolve_function
from tautomer.model import Tensor
from tautomer.model.failure_text import normalised

Say = Callable[..., None]
Answer = list[Any] | str
"""The outputs on one input set, or the normalised error."""


class DoesNotLoad(Exception):
    """The runtime does not load the model; the text is its normalised error."""


@dataclass(frozen=True, slots=True)
class AskedRuntime:
    """A runtime.

    Attributes:
        task: of its adapter; None for ONNX Runtime, which is asked at two levels without the adapter's measurements.
        options: its settings.
    """

    task: str | None
    options: Mapping[str, Any]

    @property
    def levels(self) -> tuple[str, ...]:
        """Optimization levels to ask at."""
        return ("disabled", "all") if self.task is None else ("all",)

    def answers(
        self, model: Path, level: str, feeds: Sequence[Mapping[str, Any]], *, folder: Path, say: Say
    ) -> list[Answer]:
        """What it answers on each input set.

        Args:
            feeds: arrays by graph input, for each set.
            folder: for files.
            say: is told the stage before it begins.

        Raises:
            DoesNotLoad: it refuses the model.
        """
        say(stage="runtime_load")
        try:
            if self.task is None:
                return self._in_onnxruntime(model, level, feeds, say)
            return self._by_adapter(model, level, feeds, _Heard(folder, say))
        except DoesNotLoad:
            raise
        except Exception as error:  # a refusal is an answer
            raise DoesNotLoad(f"{type(error).__name__}: {normalised(str(error))}") from error

    def _in_onnxruntime(self, model: Path, level: str, feeds: Sequence[Mapping[str, Any]], say: Say) -> list[Answer]:
        settings = SessionSettings.of(self.options)
        options = settings.session_options(level)
        options.log_severity_level = 4  # what it says is kept as the error
        options.intra_op_num_threads = settings.threads or 1
        call = session_call(settings.session(str(model), options))
        say(stage="runtime_execution")
        answers: list[Answer] = []
        for given in feeds:
            try:
                answers.append(list(call(given)))
            except Exception as error:  # so is an error on these inputs
                answers.append(f"{type(error).__name__} {normalised(str(error))}")
        return answers

    def _by_adapter(self, model: Path, level: str, feeds: Sequence[Mapping[str, Any]], heard: _Heard) -> list[Answer]:
        assert self.task is not None
        files = [heard.folder / f"inputs-{index}.safetensors" for index in range(len(feeds))]
        for file, given in zip(files, feeds, strict=True):
            write_values(file, {name: as_value(array) for name, array in given.items()})
        resolve_function(self.task)(
            heard,
            model=str(model),
            checkpoint="probe",
            inputs=[str(file) for file in files],
            feeds={name: name for name in feeds[0]},
            level=level,
            options=dict(self.options),
        )
        return [_answer(fields) for fields in heard.runs]


class _Heard(Channel):
    """Hears what an adapter's task reports, and passes its stages on."""

    def __init__(self, folder: Path, say: Say) -> None:
        super().__init__(folder)
        self.runs: list[dict[str, Any]] = []
        self._say = say

    def emit(self, name: str, /, **fields: Any) -> None:
        if name == "stage":
            self._say(stage=fields["stage"])
        elif name == "run":
            self.runs.append(fields)


def _answer(fields: Mapping[str, Any]) -> Answer:
    if fields["error"] is not None:
        return f"{fields['error']['type']} {normalised(fields['error']['message'])}"
    values = read_values(Path(fields["values"]), mmap=False)
    assert isinstance(values, Mapping)
    return [to_array(value) if isinstance(value, Tensor) else value for value in values.values()]
