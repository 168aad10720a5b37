"""A training on two devices, here processes: one of the two is killed or told to end."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import psutil
from scene import COMMAND_S, Scene, TooLateError, Trial, until

from dance_models.tables import file_digest, write_text

Act = Callable[[Trial], list[str]]
FIRST, SECOND = 0, 1
SETTINGS: Final = ("devices=2", "device=cpu", "epochs=6", "steps_per_epoch=6")
NAMED: Final = ("process 2 of 2 of the training ended", "The same command goes on")


def end_process(which: int, number: signal.Signals) -> Act:
    """One of the processes is sent a signal; both end, and the same command makes the same files.

    The second one is named by the first, with what to do, unless the training was done before.
    """

    def act(trial: Trial) -> list[str]:
        expected, seconds = _undisturbed(trial.scene)
        out = trial.folder / "out"
        started, process = time.monotonic(), _train(trial, out)
        until(started + trial.random.uniform(0, trial.seconds or seconds), process)
        victim = _victim(process, which)
        if victim is None:
            raise TooLateError(time.monotonic() - started)
        victim.send_signal(number)
        code, troubles = trial.end_after(number, process)
        if code is None:
            return troubles
        if which == SECOND and code != 0:
            output = trial.log.read_text("utf-8", "replace")
            troubles += [f"it does not say {part!r}" for part in NAMED if part not in output]
        code = _train(trial, out).wait(COMMAND_S)
        found = _digests(out)
        if code or found != expected:
            log = trial.log.read_text("utf-8", "replace")
            troubles.append(f"the same command: code {code}, {found}, not {expected}: {log[-600:]}")
        return troubles

    return act


def _train(trial: Trial, out: Path) -> "subprocess.Popen[bytes]":
    """Start the training on the runs that a network of the scene was trained on."""
    runs = sorted(trial.scene.start_store("finished").glob("models/*/*/runs.npz"))[0]
    return trial.begin_module(
        "dance_models", "train", "--task", "prediction", "--profile", "smoke",
        "--runs", str(runs), "--out", str(out), "--training", *SETTINGS,
    )  # fmt: skip


def _victim(process: "subprocess.Popen[bytes]", which: int) -> psutil.Process | None:
    """One of the two processes, once it is there; None when the training has ended."""
    while process.poll() is None:
        try:
            first = psutil.Process(process.pid)
            if which == FIRST:
                return first
            others = [p for p in first.children() if "spawn_main" in " ".join(p.cmdline())]
        except psutil.NoSuchProcess:
            continue
        if others:
            return others[0]
        time.sleep(0.02)
    return None


def _digests(out: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for path in sorted(out.glob("*.pt"))}


def _undisturbed(scene: Scene) -> tuple[dict[str, str], float]:
    """The files of an undisturbed training, and its seconds; made once for a scene."""
    note = scene.folder / "two_devices.json"
    if not note.is_file():
        trial = Trial(scene, "empty", Random(0), scene.folder)
        try:
            started = time.monotonic()
            code = _train(trial, trial.folder / "out").wait(COMMAND_S)
            if code:
                raise RuntimeError(f"the undisturbed training: {trial.log.read_text()}")
            seconds = time.monotonic() - started
            write_text(note, json.dumps([_digests(trial.folder / "out"), seconds]))
        finally:
            trial.close()
    expected, seconds = json.loads(note.read_text())
    return expected, seconds
