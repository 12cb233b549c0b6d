"""Every error Tautomer raises, with its stable code and what to do about it.

    TautomerError
    |-- MisuseError            TA1xx  bad arguments, unreadable model, the user's own exception   exit status 2
    |   |-- ModelFileError     TA11x  the model file is missing, corrupt, or not what its name says
    |   |-- UserCodeError      TA12x  an exception in the user's module, shown with the user's line
    |   |-- InputsError        TA13x  inputs that do not fit the model
    |   |-- OutputPathError    TA14x  a report, folder or run that cannot be written
    |   `-- (MisuseError)      TA15x  no such run; two models that cannot be compared
    |                          TA16x  a report that cannot be read; from TA165 on no models to generate, or not so
    |                          TA17x  nothing to reduce, or not so
    |                          TA18x  nothing to bisect, or no such release or environment
    |                          TA19x  no coverage or sequences to count, or not so
    |-- NotInstalledError      TA102  an extra is missing                                         exit status 4
    `-- InternalError          TA900  our own bug, with a request to report it                    exit status 70

A failure of the system under test is never one of these: it is a value (`tautomer.model.Attempt`, `Finding`).
"""

from __future__ import annotations


class TautomerError(Exception):
    """Base of every error Tautomer raises on purpose.

    Args:
        code: stable identifier such as ``TA101``; documented, never reused.
        message: what happened, where, what was expected and what was found.
        next_step: one sentence that says what to do next.
    """

    exit_status = 70

    def __init__(self, code: str, message: str, next_step: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        text = f"{self.code} {self.message}"
        return f"{text} {self.next_step}" if self.next_step else text

    def __reduce__(self) -> tuple[type, tuple[str, str, str | None]]:
        return type(self), (self.code, self.message, self.next_step)


class MisuseError(TautomerError):
    """The arguments or the model cannot be used as given."""

    exit_status = 2


class ModelFileError(MisuseError):
    """The model file is missing, corrupt, unsafe to open, or not a model."""


class UserCodeError(MisuseError):
    """The user's module raised a Python exception: on import, in model(), inputs() or the eager model itself."""


class InputsError(MisuseError):
    """The inputs do not fit the model."""


class OutputPathError(MisuseError):
    """A report cannot be written where it was asked for."""


class NotInstalledError(TautomerError):
    """A framework, converter or runtime is not installed; the pair is `not_run`."""

    exit_status = 4


class InternalError(TautomerError):
    """A defect of Tautomer itself."""

    exit_status = 70
