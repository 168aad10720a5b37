"""Databases of Dagster for tests: made once in a process and copied, since making them takes time.

Half a second each time, and a fifth of one whenever they are opened, for reading all migrations.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from alembic.script import ScriptDirectory

from pipelines.storage import creation, store


@contextmanager
def instance_for_test() -> Iterator[dg.DagsterInstance]:
    """An empty instance as that of ``dagster.instance_for_test``."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(_empty_instance(), folder, dirs_exist_ok=True)
        with dg.instance_for_test(temp_dir=folder) as instance:
            yield instance


@cache
def _kept(*key: str) -> tempfile.TemporaryDirectory[str]:
    """A folder for what the key names, which is gone when the process ends."""
    return tempfile.TemporaryDirectory(prefix="dance-template-")


@cache
def _empty_instance() -> Path:
    folder = _kept("instance").name
    with dg.instance_for_test(temp_dir=folder) as instance:
        instance.get_runs()
    return Path(folder)


def copy_databases(patch: pytest.MonkeyPatch) -> None:
    """Give new stores of this process copies of databases that the real function made once."""
    real = creation.create_databases

    def copied(home: Path, pools: Mapping[str, int]) -> None:
        text = (home / creation.CONFIG).read_text("utf-8")
        template = Path(_kept("store", text, repr(sorted(pools.items()))).name)
        if not creation.is_created(template):
            (template / creation.CONFIG).write_text(text, "utf-8")
            real(template, pools)
        for name in creation.DATABASES:
            if not (home / name).exists():
                (home / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(template / name, home / name)

    patch.setattr(store, "create_databases", copied)


def read_migrations_once(patch: pytest.MonkeyPatch) -> None:
    """Keep what Alembic read of a folder of migrations; Dagster and MLflow ask at every opening."""
    read, known = ScriptDirectory.from_config, dict[str | None, ScriptDirectory]()

    def once(config: Any) -> ScriptDirectory:
        place = config.get_main_option("script_location")
        if place not in known:
            known[place] = read(config)
        return known[place]

    patch.setattr(ScriptDirectory, "from_config", staticmethod(once))
