"""All parts of the proof within a budget of time, written after each of them."""

import json
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Final

from dance_models.config import GpuProofConfig, TrainingConfig
from dance_models.data.pose_runs import load_pose_runs, save_pose_runs
from dance_models.files import replacing
from dance_models.proof import parts
from dance_models.proof.measures import described
from dance_models.training.devices import choose_device

FORMAT: Final = 1
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

Part = Callable[[], dict[str, Any]]


def run_proof(
    out: Path,
    minutes: float,
    device: str,
    say: Callable[[str], None],
    *,
    quick: bool = False,
    clock: Callable[[], float] = monotonic,
) -> dict[str, Any]:
    """Measure what fits into ``minutes`` and write it to ``out`` after each part.

    A part that fails is recorded with its traceback, one for which no time is left with what was
    left, and the others go on. Raises InputError when there is no such device.
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
    with tempfile.TemporaryDirectory() as folder:
        kind: parts.Device = "cuda" if chosen.type == "cuda" else "cpu"
        setting = _setting(config, kind, Path(folder), quick=quick)
        for name, part in _parts(setting, Path(folder), end, clock):
            began = clock()
            document["parts"][name] = _tried(part, end - began, config.least_seconds)
            document["parts"][name]["seconds"] = clock() - began
            document["seconds"] = clock() - started
            _write(document, out)
            say(f"{document['seconds']:6.1f} s  {name}: {document['parts'][name]['state']}")
    document["finished"] = True
    _write(document, out)
    return document


def _setting(
    config: GpuProofConfig, device: parts.Device, folder: Path, *, quick: bool
) -> parts.Setting:
    """The clips, by way of the file that a training on another host reads."""
    path = folder / "runs.npz"
    save_pose_runs(parts.proof_runs(config), path)
    threads = 1 if quick else min(MOST_THREADS, os.cpu_count() or 1)
    return parts.Setting(config, load_pose_runs(path), device, threads, quick)


def _parts(
    setting: parts.Setting, folder: Path, end: float, clock: Callable[[], float]
) -> Iterator[tuple[str, Part]]:
    """The parts in their order: what is short and tells most comes first."""
    paper = parts.ROWS[:2]
    for row in parts.ROWS:
        yield f"agreement {row}", partial(parts.agreement, setting, row)
        yield f"speed {row}", partial(parts.speed, setting, row)
    for row in paper:
        yield f"folds {row}", partial(parts.folds, setting, row, folder / "folds" / row)
    yield "bf16 stga_net", partial(parts.bf16, setting, "stga_net", folder / "bf16")
    rows = [*parts.ROWS[2:], *paper]  # the tuned ones are short
    for i, row in enumerate(rows):
        # What is left is shared out evenly, when a training starts.
        until = clock() + (end - clock()) / (len(rows) - i)
        place = folder / "trainings" / row
        yield f"training {row}", partial(parts.training, setting, row, place, until, clock)


def _tried(part: Part, left: float, least: float) -> dict[str, Any]:
    if left < least:
        return {
            "state": "skipped",
            "reason": f"{max(left, 0):.0f} s were left, it needs {least:.0f}",
        }
    try:
        return {"state": "done", **part()}
    except Exception as error:  # the next part may work, and the record is all there is of this one
        trace = traceback.format_exc(limit=-8)
        return {"state": "failed", "reason": f"{type(error).__name__}: {error}", "trace": trace}


def _write(document: dict[str, Any], out: Path) -> None:
    with replacing(out) as part:
        part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
