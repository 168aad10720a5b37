"""All parts of the proof within a budget of time, written after each of them."""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from time import monotonic
from typing import Any, Final

from dance_models.config import GpuProofConfig, TrainingConfig
from dance_models.files import replacing
from dance_models.proof.measures import described
from dance_models.proof.parts import ROWS
from dance_models.proof.worker import HOST, Job, Worker
from dance_models.training.devices import choose_device

FORMAT: Final = 2
# Tries the path in less than a minute on two cores.
QUICK: Final = GpuProofConfig(
    clips=7,
    frames=60,
    profile="smoke",
    agreement_steps=4,
    warm_up_steps=2,
    rate_seconds=0.05,
    profiled_steps=2,
    bf16_steps=4,
    epochs=2,
    least_seconds=1.0,
)
MOST_THREADS: Final = 4  # of the trainings on the CPU that losses are compared with
LAST_SHARE: Final = 0.03  # of the time, for ending
MEASURED: Final = (
    *(f"{kind} {row}" for row in ROWS for kind in ("agreement", "speed", "launched")),
    *(f"folds {row}" for row in ROWS[:2]),
    "bf16 stga_net",
    *(f"busy {row}" for row in ROWS),
)
# The short ones first.
TRAININGS: Final = tuple(f"training {row}" for row in (*ROWS[2:], *ROWS[:2]))
# In their order: what is short and tells most comes first.
PARTS: Final = (*MEASURED, *TRAININGS)


def run_proof(
    out: Path,
    minutes: float,
    device: str,
    say: Callable[[str], None],
    *,
    quick: bool = False,
    clock: Callable[[], float] = monotonic,
    method: str = "spawn",
) -> dict[str, Any]:
    """Measure what fits into ``minutes`` and write it to ``out`` after each part.

    A part that fails is recorded with its traceback, one for which no time is left with what was
    left, and the others go on, in another process (:class:`Worker`, which ``method`` starts).
    Raises InputError when there is no such device.
    """
    started = clock()
    end = started + 60 * minutes * (1 - LAST_SHARE)
    config = QUICK if quick else GpuProofConfig()
    chosen = choose_device(replace(TrainingConfig(), device=device))  # type: ignore[arg-type]
    document: dict[str, Any] = {
        "format": FORMAT,
        "quick": quick,
        "minutes": minutes,
        "settings": asdict(config),
        "host": described(chosen),
        "data": {"clips": config.clips, "frames": config.clips * config.frames},
        "parts": {},
        "finished": False,
    }
    _write(document, out)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        worker = Worker(_job(config, chosen.type, Path(folder), quick=quick), method)
        try:
            for name in (HOST, *PARTS):
                began = clock()
                if name == TRAININGS[0]:
                    worker.end()  # it was profiled, which may slow it down
                found = _measured(worker, name, end - began)
                now = clock()
                _enter(document, name, found, now - began)
                document["seconds"] = now - started
                _write(document, out)
                say(f"{document['seconds']:6.1f} s  {name}: {found['state']}")
        finally:
            worker.end()
    document["finished"] = True
    _write(document, out)
    return document


def _job(config: GpuProofConfig, device: str, folder: Path, *, quick: bool) -> Job:
    threads = 1 if quick else min(MOST_THREADS, os.cpu_count() or 1)
    return Job(config, "cuda" if device == "cuda" else "cpu", folder, threads, quick)


def _measured(worker: Worker, name: str, left: float) -> dict[str, Any]:
    """A part that may take up to ``left`` seconds."""
    config = worker.job.config
    if left < config.least_seconds:
        reason = f"{max(left, 0):.0f} s were left, it needs {config.least_seconds:.0f}"
        return {"state": "skipped", "reason": reason}
    if name not in TRAININGS:
        return worker.measured(name, left, min(left, config.longest_seconds))
    # What is left is shared out evenly, when a training starts.
    share = left / (len(TRAININGS) - TRAININGS.index(name))
    return worker.measured(name, share, min(left, share + config.least_seconds))


def _enter(document: dict[str, Any], name: str, found: dict[str, Any], seconds: float) -> None:
    if name != HOST:
        document["parts"][name] = {**found, "seconds": seconds}
    elif found["state"] == "done":
        document["host"] |= {key: value for key, value in found.items() if key != "state"}
    else:
        document["host"]["problem"] = found["reason"]


def _write(document: dict[str, Any], out: Path) -> None:
    with replacing(out) as part:
        part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
