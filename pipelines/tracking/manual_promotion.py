"""``dance promote`` and ``dance rollback``."""

from dance_models.errors import InputError
from pipelines.storage.store import Store
from pipelines.tracking.kept_versions import keep_versions
from pipelines.tracking.lineage_record import has_record, read_record
from pipelines.tracking.registry import (
    ANY_CHAMPION,
    APPROVAL_TAG,
    APPROVED_BY_TAG,
    BY_HAND,
    CHALLENGER,
    CHAMPION,
    CHAMPION_ASSETS,
    COMPARED_WITH_TAG,
    CRITERION_PREFIX,
    DECISION_TAG,
    FORCED_TAG,
    MODELS,
    NO_CHAMPION,
    ROLLED_BACK_TAG,
    ChampionMovedError,
    Registry,
    champion_text,
)
from pipelines.tracking.tracker import Tracker


class PromotionRefusedError(Exception):
    """A promotion was refused for ``reasons``, one line each."""

    def __init__(self, version: str, reasons: list[str]) -> None:
        super().__init__(f"{version} was not promoted")
        self.reasons = reasons


def promote(store: Store, task: str, version: int | None, force: bool, reason: str | None) -> str:
    """Promote a version, the challenger when None is given. Returns what was done, in one line.

    Raises PromotionRefusedError with every objection, and InputError when there is no such
    version or when only one of ``force`` and ``reason`` is given.
    """
    if force != bool(reason):
        raise InputError("--force and --reason TEXT must be given together")
    registry = _registry(store, task)
    number = str(version) if version is not None else registry.aliases().get(CHALLENGER)
    if number is None:
        raise InputError(
            f"{registry.name} has no challenger",
            file=store.mlflow,
            hint="A training of `dance run` that the gate refuses becomes one; or name a version "
            f"with --version ({registry.versions_text()})",
        )
    champion = registry.aliases().get(CHAMPION)
    if champion == number:
        registry.clear_challenger(number)  # left over when an earlier promotion was killed
        return f"{registry.name} version {number} is champion already."
    reasons = objections(registry, number, champion)
    if reasons and reason is None:
        raise PromotionRefusedError(f"{registry.name} version {number}", reasons)
    run_id = registry.run_id(number)
    if has_record(registry.tracker, run_id):  # a version that was registered before they were kept
        keep_versions(store, read_record(registry.tracker, run_id))
    # After what may fail: without its tag the gate would promote a version that was rolled back.
    if reasons and reason is not None:
        registry.tag(number, {FORCED_TAG: reason})
    if ROLLED_BACK_TAG in registry.tags(number):
        registry.untag(number, ROLLED_BACK_TAG)
    try:
        old = registry.promote(number, over=ANY_CHAMPION if force else champion)
    except ChampionMovedError as moved:
        raise PromotionRefusedError(
            f"{registry.name} version {number}",
            [f"meanwhile another promotion or a rollback was faster: there is {moved} now"],
        ) from moved
    previous = f"; version {old} is previous" if old else ""
    return f"{registry.name} version {number} is champion{previous}."


def rollback(store: Store, task: str) -> str:
    """Make the previous champion champion again. Returns what was done, in one line.

    Raises InputError when there is no previous champion.
    """
    registry = _registry(store, task)
    by_hand = registry.moved_in_mlflow()
    back, replaced = registry.rollback()
    rolled_back = f", version {replaced} is rolled back" if replaced else ""
    done = f"{registry.name} version {back} is champion again{rolled_back}."
    if not by_hand:
        return done
    return (
        f"{done} The alias of version {replaced} was moved in MLflow, which does not note the "
        f"champion before: {back} is the last one that was replaced by `dance`. If you want "
        f"another: {BY_HAND.format(task=task)}"
    )


def objections(registry: Registry, number: str, champion: str | None) -> list[str]:
    """Why a version must not be promoted over the champion of now, one line each."""
    tags = registry.tags(number)
    if DECISION_TAG not in tags:
        asset = CHAMPION_ASSETS[registry.task]
        return [f"the gate has not evaluated it: `dance run --only {asset}` evaluates the newest"]
    found = [
        value.removeprefix("no: ")
        for key, value in sorted(tags.items())
        if key.startswith(CRITERION_PREFIX) and value.startswith("no: ")
    ]
    if tags.get(COMPARED_WITH_TAG) != (champion or NO_CHAMPION):
        found.append(
            f"the gate compared it with {champion_text(tags.get(COMPARED_WITH_TAG))}, but the "
            f"champion is {champion_text(champion)}"
        )
    if ROLLED_BACK_TAG in tags and not any("rolled back" in line for line in found):
        found.append("it was champion and was rolled back")
    if tags.get(APPROVAL_TAG) == "required" and not tags.get(APPROVED_BY_TAG):
        found.append(
            f"it needs approval: set the tag {APPROVED_BY_TAG} of the version to your name"
        )
    return found


def _registry(store: Store, task: str) -> Registry:
    if task not in MODELS:
        raise InputError(f"there is no task {task!r}", hint=f"Choose {' or '.join(MODELS)}")
    tracker = Tracker(store)
    if not tracker.exists():
        raise InputError(
            "there is no model registry here",
            file=store.mlflow,
            hint="Train with `dance run`, or name the store with --store",
        )
    return Registry(tracker, task)
