"""Faults that damage files of a finished store: cut, altered, or gone."""

import shutil
from collections.abc import Callable
from pathlib import Path

from scene import Trial

from pipelines.storage.place import DERIVED, TABLES

REGISTRIES = tuple(name for name in TABLES if name not in DERIVED)  # no run makes them again
Act = Callable[[Trial], list[str]]


def cut(pattern: str) -> Act:
    """One file of the store ends early, as after a crash of the machine."""

    def act(trial: Trial) -> list[str]:
        path = _one(trial, pattern)
        content = path.read_bytes()
        path.write_bytes(content[: trial.random.randrange(len(content))])
        return []

    return act


def flipped(pattern: str) -> Act:
    """One bit of a file is another, at an unchanged size."""

    def act(trial: Trial) -> list[str]:
        path = _one(trial, pattern)
        content = bytearray(path.read_bytes())
        content[trial.random.randrange(len(content))] ^= 1 << trial.random.randrange(8)
        path.write_bytes(bytes(content))
        return []

    return act


def deleted(pattern: str) -> Act:
    """One file of the store is gone."""

    def act(trial: Trial) -> list[str]:
        _one(trial, pattern).unlink()
        return []

    return act


def cut_and_restored(*files: str) -> Act:
    """A file is cut that is not made again by itself: the command names it, and does nothing.

    Then it is restored from a copy, as the command advises.
    """

    def act(trial: Trial) -> list[str]:
        path = trial.random.choice([p for file in files for p in _found(trial, file)])
        backup = trial.folder / path.name
        shutil.copy2(path, backup)
        content = path.read_bytes()
        path.write_bytes(content[: trial.random.randrange(len(content))])
        code, output = trial.run()
        troubles = []
        if code != 2 or path.name not in output:
            troubles.append(f"exit code {code} and no line that names {path.name}")
        shutil.copy2(backup, path)
        return troubles

    return act


def _one(trial: Trial, pattern: str) -> Path:
    """One of the files that a run makes."""
    return trial.random.choice([p for p in _found(trial, pattern) if p.stem not in TABLES])


def _found(trial: Trial, pattern: str) -> list[Path]:
    return sorted(p for p in trial.store.glob(pattern) if p.is_file() and p.stat().st_size)
