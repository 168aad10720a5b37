"""The promotion gate: register the candidate, compare it with the champion, move the aliases.

The steps are ordered so that the process may be killed between any two: the version with its tags,
the alias challenger, the decision, the alias previous, and last the alias champion. Repeated, the
gate finds the version by its run and continues.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from dance_models.config import GateConfig
from dance_models.errors import DamagedFileError, InputError
from dance_models.evaluation.gate import Criterion, Decision, Evidence, decide
from dance_models.profiles import PROFILES
from dance_models.tables import file_digest, read_note, write_text
from pipelines.storage.store import Store, making
from pipelines.tracking.kept_versions import keep_versions
from pipelines.tracking.lineage_record import (
    CHECKPOINT_TAG,
    Record,
    has_record,
    log_record,
    read_record,
)
from pipelines.tracking.model_digest import model_digest
from pipelines.tracking.registry import (
    APPROVAL_TAG,
    APPROVED_BY_TAG,
    CHAMPION,
    CHAMPION_ASSETS,
    COMPARED_WITH_TAG,
    MODEL_TAG,
    NO_CHAMPION,
    PROFILE_TAG,
    ROLLED_BACK_TAG,
    ChampionMovedError,
    Registry,
    champion_text,
)
from pipelines.tracking.tracked_models import find_model
from pipelines.tracking.tracker import Tracker
from pipelines.tracking.version_description import decision_section, describe_version

PROMOTED: Final = "promoted"
KEPT: Final = "champion already"
REFUSED: Final = "refused"
AWAITING: Final = "awaiting approval"


@dataclass(frozen=True)
class GateResult:
    """What the gate did with a candidate. It is written to the store as JSON, by field name."""

    state: str
    model: str
    version: str
    run_id: str
    against: str  # the champion's version that it was compared with, or "none"
    table: str  # the decision as Markdown
    refusals: tuple[str, ...] = ()
    approved_by: str = ""

    def line(self) -> str:
        """The result in one line."""
        compared_with = champion_text(self.against)
        text = f"{self.model} version {self.version}: {self.state} (compared with {compared_with})"
        return f"{text}: {'; '.join(self.refusals)}" if self.refusals else text

    def metadata(self) -> dict[str, Any]:
        """The result for Dagster's UI, plain values."""
        return {
            "state": self.state,
            "model": self.model,
            "version": int(self.version),
            "mlflow_run_id": self.run_id,
            "compared_with": self.against,
            "refusals": "; ".join(self.refusals) or "none",
        }


@dataclass(frozen=True)
class Candidate:
    """The current training of a network, and its version in the registry."""

    number: str
    run_id: str
    checkpoint: Path
    checkpoint_sha256: str


def approval(store: Store, task: str) -> str:
    """Who approved the version that awaits approval since the last gate run, "" if no one yet.

    Opens MLflow only when a version is waiting.
    """
    path = store.output(CHAMPION_ASSETS[task])
    if not path.is_file():
        return ""
    try:
        last = read_note(path)
    except DamagedFileError:  # the gate runs again
        return ""
    if last.get("state", "") == "" or "version" not in last:
        return ""
    if last["state"] != AWAITING:
        return str(last["approved_by"])
    registry, version = Registry(Tracker(store), task), last["version"]
    if not registry.has(version):  # deleted in MLflow; nobody can approve it any more
        return ""
    return registry.tags(version).get(APPROVED_BY_TAG, "")


def run_gate(
    store: Store,
    task: str,
    asset: str,
    config: GateConfig,
    log: Callable[[str], None] = print,
    profile: str = "",
) -> GateResult:
    """Register the current training of a task's ``asset``, and promote it if the gate passes it.

    ``profile`` counts for a training by an earlier version, which did not note its own.
    Raises InputError when the network was not trained on the current splits.
    """
    registry = Registry(Tracker(store), task)
    candidate = _register_candidate(registry, asset)
    while True:
        try:
            result = _gated(registry, candidate, config, log, profile)
            break
        except ChampionMovedError as moved:  # by a person; scoring takes minutes
            log(f"Meanwhile there is {moved}: the candidate is compared again.")
    text = json.dumps(asdict(result), indent=1, sort_keys=True)
    write_text(store.output(CHAMPION_ASSETS[task]), text + "\n")
    return result


def _gated(
    registry: Registry,
    candidate: Candidate,
    config: GateConfig,
    log: Callable[[str], None],
    profile: str,
) -> GateResult:
    """Compare a candidate with the champion of now. Raises ChampionMovedError."""
    champion = registry.aliases().get(CHAMPION)
    if champion == candidate.number:
        registry.clear_challenger(candidate.number)
        return _champion_already(registry, candidate, config)
    registry.make_challenger(candidate.number)
    log(
        f"{registry.name} version {candidate.number} is the challenger. "
        "Scoring it on the validation split."
    )
    return _evaluate(registry, candidate, champion, config, profile)


# --- the candidate ----------------------------------------------------------------------------


def _register_candidate(registry: Registry, asset: str) -> Candidate:
    store = registry.tracker.store
    training = store.training(asset)
    current = {split: store.digest(split) for split in ("train_split", "val_split")}
    if training.get("splits") != current:
        raise InputError(
            f"{asset} was trained on other splits than the current ones",
            file=store.output(asset),
            hint=making(asset),
        )
    note = store.model(asset) / "mlflow.json"
    logged = read_note(note)
    run_id, model_id = logged["run_id"], logged["model_id"]
    if registry.tracker.lifecycle(run_id) is None:
        raise InputError(
            f"MLflow has no run of the training of {asset}: it went with an earlier database",
            file=note,
            hint="Delete this file and run again: the training is kept, and logged anew",
        )
    checkpoint = store.path / training["best"]["path"]
    digest = file_digest(checkpoint)
    tags = _version_tags(registry.tracker, run_id, model_id, digest)
    return Candidate(registry.register(run_id, model_id, tags), run_id, checkpoint, digest)


def _version_tags(tracker: Tracker, run_id: str, model_id: str, digest: str) -> dict[str, str]:
    """Tags of the version: the lineage tags of its run, and the digests of its files."""
    tags = tracker.client.get_run(run_id).data.tags
    if CHECKPOINT_TAG not in tags:  # the run is older than this tag
        tracker.client.set_tag(run_id, CHECKPOINT_TAG, digest)
    if not has_record(tracker, run_id):
        log_record(tracker, run_id)
    keep_versions(tracker.store, read_record(tracker, run_id))  # of runs from before they were kept
    copied = ("git_commit", "dagster/run_id", "dagster/asset_key", "skeleton", PROFILE_TAG)
    return {
        **{key: value for key, value in tags.items() if key in copied},
        **{key: value for key, value in tags.items() if key.startswith("data_version/")},
        CHECKPOINT_TAG: digest,
        MODEL_TAG: model_digest(tracker.model_folder(model_id)),
    }


# --- the decision -----------------------------------------------------------------------------


def _champion_already(registry: Registry, candidate: Candidate, config: GateConfig) -> GateResult:
    """The candidate is the champion: the earlier decision holds."""
    tags = registry.tags(candidate.number)
    return GateResult(
        KEPT,
        registry.name,
        candidate.number,
        candidate.run_id,
        tags.get(COMPARED_WITH_TAG, NO_CHAMPION),
        decision_section(registry.description(candidate.number)),
        approved_by=tags.get(APPROVED_BY_TAG, "") if config.require_approval else "",
    )


def _evaluate(
    registry: Registry,
    candidate: Candidate,
    champion: str | None,
    config: GateConfig,
    profile: str,
) -> GateResult:
    """Compare the candidate with the champion, record the decision, and promote if it passes."""
    evidence = _evidence(registry, candidate, champion, config)
    decision = decide(evidence, config)
    tags = registry.tags(candidate.number)
    more = [_trained_in_full(tags.get(PROFILE_TAG) or profile)]
    if ROLLED_BACK_TAG in tags:
        more.append(_rolled_back())
    decision = replace(decision, criteria=(*decision.criteria, *more))
    compared_with = champion or NO_CHAMPION
    _record(registry, candidate, evidence, decision, compared_with, config)
    state, approved_by = REFUSED, ""
    if decision.passed:
        approved_by = tags.get(APPROVED_BY_TAG, "") if config.require_approval else ""
        state = AWAITING if config.require_approval and not approved_by else PROMOTED
    if state == PROMOTED:
        registry.promote(candidate.number, over=champion)
    return GateResult(
        state,
        registry.name,
        candidate.number,
        candidate.run_id,
        compared_with,
        decision.markdown(),
        tuple(decision.refusals),
        approved_by,
    )


def _trained_in_full(profile: str) -> Criterion:
    """Whether the profile that it was trained under is meant to give models that are used."""
    known = PROFILES.get(profile)
    return Criterion(
        "trained in full",
        f"profile {profile or 'unknown'}",
        f"not {', '.join(name for name, p in PROFILES.items() if not p.candidates)}",
        known is None or known.candidates,
    )


def _rolled_back() -> Criterion:
    measured = "it was champion and was rolled back"
    return Criterion("not rolled back", measured, "promotion by hand", False)


def _record(
    registry: Registry,
    candidate: Candidate,
    evidence: Evidence,
    decision: Decision,
    compared_with: str,
    config: GateConfig,
) -> None:
    """Write the decision as tags of the version, and the model card."""
    more = {
        "gate/val_split": registry.tracker.store.digest("val_split"),
        "gate/config": json.dumps(asdict(config), sort_keys=True),
        **({APPROVAL_TAG: "required"} if config.require_approval else {}),
    }
    registry.record_decision(candidate.number, decision, compared_with, more)
    describe_version(
        registry,
        candidate.number,
        candidate.checkpoint_sha256,
        evidence,
        decision,
        compared_with,
    )


def _evidence(
    registry: Registry, candidate: Candidate, champion: str | None, config: GateConfig
) -> Evidence:
    """The scores of candidate and champion on the same validation clips."""
    from dance_models.data.assemble import pose_runs_from_rows
    from dance_models.evaluation.gate_evidence import GateClips, GateModel, measure_evidence

    store = registry.tracker.store
    train, validation = (
        pose_runs_from_rows(store.read(split).filter(pl.col("variant") == 0))
        for split in ("train_split", "val_split")
    )
    other, trained_on = None, frozenset[str]()
    if champion is not None:
        # By its number: the alias may have been moved since, and the decision names this version.
        model = find_model(store, f"{registry.name}/{champion}")
        other = GateModel(model.checkpoint, registry.signature(champion))
        trained_on = _training_groups(registry.tracker, model.run_id)
    return measure_evidence(
        registry.task,
        GateModel(candidate.checkpoint, registry.signature(candidate.number)),
        other,
        GateClips(train, validation, trained_on),
        config,
    )


def _training_groups(tracker: Tracker, run_id: str) -> frozenset[str]:
    """The groups (takes) that a run was trained on."""
    record: Record = read_record(tracker, run_id)
    return frozenset(c["group"] for c in record["clips"].values() if c["split"] == "train")
