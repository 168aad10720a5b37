"""What came of each try, in a file of JSON lines: tries add up over runs of the suite.

A try that was interrupted leaves no line. Each line is appended by one write, after the try.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dance_models import __version__

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "tests" / "faults" / "tries.jsonl"  # of this repository
HEADER = (
    "| fault | tries | on the whole graph | recovered | in a row since | bytes lost "
    "| longest recovery |\n"
    "|---|---|---|---|---|---|---|"
)
WHOLE = "whole"  # of Try.graph


@dataclass(frozen=True)
class Try:
    """One trial of a fault. It recovered when there are no troubles."""

    fault: str
    seed: int
    version: str  # of the code
    began: str  # UTC
    bytes_lost: int = 0
    seconds: float = 0.0  # the whole trial
    recovery_s: float = 0.0  # the command after the fault
    troubles: list[str] = field(default_factory=list)
    graph: str = WHOLE  # or the part of it that the commands made; and the shards, if any


def code_version() -> str:
    """The version, and in a checkout its commit; ``+`` when files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return f"{__version__} {done.stdout.strip()}".strip()


def append(path: Path, one: Try) -> None:
    """Add a line. A line that a killed suite left unfinished is ended first."""
    line = (json.dumps(asdict(one)) + "\n").encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path) -> list[Try]:
    """All tries of a file; none when there is no file. A line that was cut is left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text("utf-8").splitlines():
        try:
            found.append(Try(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def row(fault: str, tries: Sequence[Try]) -> str:
    """One line of the table."""
    recovered = [not one.troubles for one in tries]
    since = recovered[::-1].index(False) if False in recovered else len(recovered)
    longest = max((one.recovery_s for one in tries), default=0.0)
    lost = sum(one.bytes_lost for one in tries)
    whole = sum(one.graph.partition(",")[0] == WHOLE for one in tries)
    return (
        f"| {fault} | {len(tries)} | {whole} | {sum(recovered)} | {since} | {lost} "
        f"| {longest:.0f} s |"
    )


def table(names: Iterable[str], tries: Sequence[Try]) -> str:
    """The table of all tries, one line for each fault, and the versions they were made on."""
    rows = [row(name, [one for one in tries if one.fault == name]) for name in names]
    versions = ", ".join(dict.fromkeys(one.version for one in tries))
    return "\n".join([HEADER, *rows, "", f"{len(tries)} tries, on {versions or 'no version'}"])
