"""What the terminal of ``dance ui`` shows of its servers: warnings, and runs that start and end.

Everything that the servers write is in log files of the store.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dance_models.text import printable

if TYPE_CHECKING:
    import dagster as dg

LOGS: Final = "logs"
LONGEST: Final = 200  # characters of a warning
NEWEST: Final = 20  # runs that are looked at
LOOK_S: Final = 3.0  # between two looks
ASSETS_JOB: Final = "a run of chosen assets"  # Dagster calls its job __ASSET_JOB
WILL_RETRY: Final = "dagster/will_retry"  # dagster is imported late in the commands
AGAIN: Final = "AGAIN"  # beside the states of Dagster: a failed run that the daemon repeats
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_LOUD: Final = re.compile(r"(?<![A-Za-z])(WARNING|ERROR|CRITICAL)(?![A-Za-z])[ :-]*(.*)")
_QUIET: Final = re.compile(r"(?<![A-Za-z])(DEBUG|INFO)(?![A-Za-z])")
# Said at every start, or again by the news of a run.
_KNOWN: Final = re.compile(r"No cursor for event type|(RUN|STEP|PIPELINE)_FAILURE")
_ENDED: Final = {
    "SUCCESS": "is done",
    "FAILURE": "failed",
    "CANCELED": "was cancelled",
    AGAIN: "was interrupted and is tried again",
}


def log_file(store: Path, part: str) -> Path:
    """Where a server's output is kept; the log before it is beside it."""
    return store / LOGS / f"{part}.log"


def warning_in(line: str) -> str | None:
    """A warning or error of a server's output, shortened; None for all other lines."""
    plain = _COLOURS.sub("", line)
    loud, quiet = _LOUD.search(plain), _QUIET.search(plain)
    if loud is None or (quiet is not None and quiet.start() < loud.start()) or _KNOWN.search(plain):
        return None
    text = printable(loud[2].strip())
    kind = "warning" if loud[1] == "WARNING" else "error"
    return f"{kind}: {text[:LONGEST]}" + ("..." if len(text) > LONGEST else "")


class RunNews:
    """Which runs started and ended since it was last asked."""

    def __init__(self, instance: "dg.DagsterInstance", url: str) -> None:
        self._instance, self._url = instance, url
        self._known = {run_id: status for run_id, status, _ in self._newest()}
        self._looked = time.monotonic()

    def lines(self) -> Iterator[str]:
        """A line for each run that changed its state; none too soon after the last look."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        clock = time.strftime("%H:%M")
        for run_id, status, job in reversed(list(self._newest())):
            before = self._known.get(run_id)
            self._known[run_id] = status
            if status == before:
                continue
            where = f"{self._url}/runs/{run_id}"
            if status == "STARTED":
                yield f"{clock}  {job} started: {where}"
            elif status in _ENDED:
                more = f": {where}" if status in ("FAILURE", AGAIN) else ""
                yield f"{clock}  {job} {_ENDED[status]}{more}"

    def _newest(self) -> Iterator[tuple[str, str, str]]:
        """Id, status and name of the newest runs, the newest first."""
        for run in self._instance.get_runs(limit=NEWEST):
            clip = run.tags.get("dagster/partition", "")
            of = f" of {clip}" if clip else ""
            job = ASSETS_JOB if run.job_name.startswith("__") else run.job_name
            again = run.is_failure and run.tags.get(WILL_RETRY) == "true"
            yield run.run_id, AGAIN if again else run.status.value, f"{job}{of}"
