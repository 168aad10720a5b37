"""Whether this process waits for a database of SQLite that another program has in use."""

from sqlalchemy import Engine, event

from pipelines.storage.databases import _be_patient


def waits_for_locks() -> bool:
    """As after ``wait_for_locks``."""
    return event.contains(Engine, "connect", _be_patient)


def stop_waiting_for_locks() -> None:
    """As in a new process."""
    if waits_for_locks():
        event.remove(Engine, "connect", _be_patient)
