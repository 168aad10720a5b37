"""Dumps of a store's databases on PostgreSQL, by ``pg_dump``, for its backups."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from dance_models.errors import InputError
from dance_models.tables import write_text
from pipelines.storage.databases import NOTE, Databases

FOLDER: Final = "databases"  # in a backup, and in a store that was made from one
README: Final = f"{FOLDER}/README.txt"
TOOL: Final = "pg_dump"


def dump(databases: Databases, folder: Path) -> list[str]:
    """Dump both into the backup ``folder``, where the tool is; the files made, the note among them.

    The note says what is there and how it is restored. Raises InputError when a dump fails.
    """
    (folder / FOLDER).mkdir()
    tool = shutil.which(TOOL)
    made = [_dumped(tool, *named, folder) for named in databases.named()] if tool else []
    write_text(folder / README, note(databases, dumped=bool(made)))
    return [*made, README]


def note(databases: Databases, *, dumped: bool) -> str:
    """What a backup has of the databases, and what is left to the operator."""
    pairs = list(databases.named())
    lines = ["The databases of this store are on PostgreSQL:"]
    lines += [f"  {program}: {address}" for program, address in pairs]
    if dumped:
        lines.append("Their dumps are beside this file.")
    else:
        lines.append(f"They are NOT in this backup: {TOOL} was not found. Dump them yourself:")
        lines += [f"  {TOOL} -Fc -d {address} -f {program}.dump" for program, address in pairs]
    lines += ["To restore them, create two empty databases (createdb), and into each:"]
    lines += [f"  pg_restore --no-owner -d postgresql://... {program}.dump" for program, _ in pairs]
    lines.append(f"Then write their addresses into {NOTE} of the restored store.")
    return "\n".join([*lines, ""])


def _dumped(tool: str, program: str, address: str, folder: Path) -> str:
    name = f"{FOLDER}/{program}.dump"
    command = [tool, "--format=custom", "--no-password", f"--file={folder / name}", address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason was given"])[0]
        raise InputError(
            f"the database cannot be dumped ({why})",
            file=address,
            hint=f"{TOOL} has to reach the server and be at least as new as it",
        )
    return name
