"""Why a training process failed, handed to the process that started it.

Dagster Pipes says no more than the exit code, so the child leaves its error in the folder of its
training.
"""

import json
import re
import signal
from pathlib import Path
from typing import Any, Final

from dance_models.errors import DamagedFileError, InputError, input_error_of
from dance_models.tables import read_note, write_text
from dance_models.text import brief

ERROR_FILE: Final = "error.json"
_CODE: Final = re.compile(r"code (-?\d+)$")
_SHELL: Final = 128  # added to the number of a signal by shells
_MEMORY: Final = (
    "Probably the memory ran out: close other programs, or take a smaller batch. The same command "
    "goes on from the last epoch"
)


def write_error(folder: Path, error: BaseException) -> None:
    """Keep an error of a training beside it: of an InputError all parts, else type and message."""
    told = input_error_of(error)
    plain: dict[str, Any] = {"message": f"{type(error).__name__}: {brief(error)}"}
    if told is not None:
        names = ("message", "file", "frame", "joint")
        plain = {name: getattr(told, name) for name in names}
        plain["hint"] = told.advice.removeprefix(told.message).removeprefix(". ") or None
    write_text(folder / ERROR_FILE, json.dumps(plain, indent=2) + "\n")


def forget_error(folder: Path) -> None:
    """Remove the error of an earlier try."""
    (folder / ERROR_FILE).unlink(missing_ok=True)


def error_of(folder: Path, failure: Exception) -> Exception:
    """Why a training failed: its own error, else what its exit code means, else ``failure``."""
    try:
        return InputError(**read_note(folder / ERROR_FILE))
    except (DamagedFileError, TypeError):
        found = _CODE.search(str(failure))
    if found is None:
        return failure
    code = int(found[1])
    number = -code if code < 0 else code - _SHELL
    if number == signal.SIGKILL:
        return InputError("the training was killed by signal 9", file=folder, hint=_MEMORY)
    if number in set(signal.Signals):
        name = signal.Signals(number).name
        return InputError(f"the training was ended by signal {number} ({name})", file=folder)
    return InputError(
        f"the training ended with code {code} and no message", file=folder, hint="See its log"
    )
