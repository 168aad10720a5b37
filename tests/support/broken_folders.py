"""Folders that fail while they are walked."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest


def goes_away(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """From now on a folder of that name is one of a network share that went away."""
    scan = os.scandir

    def gone(path: Any) -> Any:
        if Path(path).name == name:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", gone)
