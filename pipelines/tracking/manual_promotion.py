"""``dance promote`` and ``dance rollback``."""

from dance_models.errors import InputError
from pipelines.storage.store import Store
from pipelines.tracking.registry import MODELS, Registry
from pipelines.tracking.tracker import Tracker


def _registry(store: Store, task: str) -> Registry:
    if task not in MODELS:
        raise InputError(f"there is no task {task!r}", hint=f"Choose {' or '.join(MODELS)}")
    if not (store.mlflow / "mlflow.db").is_file():
        raise InputError(
            "there is no model registry here",
            file=store.mlflow,
            hint="Train with `dance run`, or name the store with --store",
        )
    return Registry(Tracker(store), task)


def promote(store: Store, task: str, version: int | None, force: bool, reason: str | None) -> str:
    """Promote a version; what was done in a line.

    Raises PromotionRefusedError with the reasons, InputError when the command cannot be meant.
    """
    if force != bool(reason):
        raise InputError("--force and --reason TEXT belong together")
    registry = _registry(store, task)
    number = str(version) if version is not None else None
    if registry.aliases().get("champion") == number and number is not None:
        return f"{registry.name} version {number} is champion already."
    number, old = registry.promote_by_hand(number, reason)
    before = f"; version {old} is previous" if old else ""
    return f"{registry.name} version {number} is champion{before}."


def rollback(store: Store, task: str) -> str:
    """Go back to the previous champion; what was done in a line. Raises InputError without one."""
    registry = _registry(store, task)
    back, replaced = registry.rollback()
    after = f", version {replaced} is rolled back" if replaced else ""
    return f"{registry.name} version {back} is champion again{after}."
