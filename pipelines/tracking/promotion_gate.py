"""The promotion gate in the registry: register the candidate, judge it, move the aliases.

The order is what makes it safe to kill: version with its tags, alias challenger, decision, previous
and last champion. Run again it finds the version by its run and goes on.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from dance_models.config import GateConfig
from dance_models.errors import InputError
from dance_models.evaluation.gate import Criterion, Decision, Evidence, decide
from dance_models.tables import file_digest, write_text
from pipelines.storage.clips import corpus_label
from pipelines.storage.store import Store
from pipelines.tracking.lineage import (
    CHECKPOINT_TAG,
    MODEL_TAG,
    Record,
    folder_digest,
    has_record,
    log_record,
    model_folder,
    read_record,
)
from pipelines.tracking.model_card import CardFacts, render_card, score_rows
from pipelines.tracking.registry import (
    APPROVAL_TAG,
    APPROVED_BY_TAG,
    CHAMPION,
    CHAMPION_ASSETS,
    NETWORK_OF_TASK,
    NO_CHAMPION,
    ROLLED_BACK_TAG,
    Registry,
)
from pipelines.tracking.tracked_models import find_model
from pipelines.tracking.tracker import Tracker

CARD: Final = "model_card.md"
DESCRIPTION_LIMIT: Final = 5000  # characters that MLflow's databases hold of a description

PROMOTED: Final = "promoted"
KEPT: Final = "champion already"
REFUSED: Final = "refused"
AWAITING: Final = "awaiting approval"


@dataclass(frozen=True)
class Outcome:
    """What became of a candidate."""

    state: str
    model: str
    version: str
    run_id: str
    against: str  # the champion's version that it was compared with, or "none"
    table: str  # the decision as Markdown
    refusals: tuple[str, ...] = ()
    approved_by: str = ""

    def line(self) -> str:
        """The outcome in a line."""
        beside = "no champion" if self.against == NO_CHAMPION else f"version {self.against}"
        text = f"{self.model} version {self.version}: {self.state} (beside {beside})"
        return f"{text}: {'; '.join(self.refusals)}" if self.refusals else text


@dataclass(frozen=True)
class Candidate:
    """The current training of a network."""

    run_id: str
    model_id: str
    checkpoint: Path


def approval(store: Store, task: str) -> str:
    """Who approved the version that waits for it, "" when none waits or nobody did.

    Looks into MLflow only when one waits.
    """
    path = store.output(CHAMPION_ASSETS[task])
    if not path.is_file():
        return ""
    said = json.loads(path.read_text("utf-8"))
    if said["state"] != AWAITING:
        return str(said["approved_by"])
    return Registry(Tracker(store), task).tags(said["version"]).get(APPROVED_BY_TAG, "")


def run_gate(
    store: Store, task: str, config: GateConfig, say: Callable[[str], None] = print
) -> Outcome:
    """Register the current training of a task's network and let the gate decide.

    Raises InputError when the network is not trained on today's splits.
    """
    tracker = Tracker(store)
    registry, candidate = Registry(tracker, task), _candidate(store, task)
    number = registry.register(candidate.run_id, candidate.model_id, _tags(tracker, candidate))
    champion = registry.aliases().get(CHAMPION)
    if champion == number:
        registry.settle(number)
        outcome = _kept(registry, number, candidate, config)
    else:
        registry.challenge(number)
        say(f"{registry.name} version {number} is the challenger; scoring it on validation.")
        outcome = _judge(registry, number, candidate, champion, config)
    text = json.dumps(asdict(outcome), indent=1, sort_keys=True)
    write_text(store.output(CHAMPION_ASSETS[task]), text + "\n")
    return outcome


def _candidate(store: Store, task: str) -> Candidate:
    asset = NETWORK_OF_TASK[task]
    training = store.training(asset)
    today = {split: store.digest(split) for split in ("train_split", "val_split")}
    if training.get("splits") != today:
        raise InputError(
            f"{asset} was trained on other splits than today's",
            file=store.output(asset),
            hint=f"Materialize {asset} first",
        )
    note = json.loads((store.model(asset) / "mlflow.json").read_text("utf-8"))
    return Candidate(note["run_id"], note["model_id"], store.path / training["best"]["path"])


def _tags(tracker: Tracker, candidate: Candidate) -> dict[str, str]:
    """Tags of the version: those of its run that lead back, and digests of its files."""
    client = tracker.client
    run = client.get_run(candidate.run_id)
    digest = file_digest(candidate.checkpoint)
    if CHECKPOINT_TAG not in run.data.tags:  # a run from before trainings set it
        client.set_tag(candidate.run_id, CHECKPOINT_TAG, digest)
    if not has_record(tracker, candidate.run_id):
        log_record(tracker, candidate.run_id)
    kept = ("git_commit", "dagster/run_id", "dagster/asset_key", "skeleton")
    return {
        **{key: value for key, value in run.data.tags.items() if key in kept},
        **{k: v for k, v in run.data.tags.items() if k.startswith("data_version/")},
        CHECKPOINT_TAG: digest,
        MODEL_TAG: folder_digest(model_folder(tracker, candidate.model_id)),
    }


def _kept(registry: Registry, number: str, candidate: Candidate, config: GateConfig) -> Outcome:
    """The candidate is champion: nothing to decide, what was decided stands."""
    tags = registry.tags(number)
    by = tags.get(APPROVED_BY_TAG, "") if config.require_approval else ""
    table = registry.description(number).split("## Intended use")[0]
    against = tags.get("gate/champion", NO_CHAMPION)
    return Outcome(KEPT, registry.name, number, candidate.run_id, against, table, approved_by=by)


def _judge(
    registry: Registry,
    number: str,
    candidate: Candidate,
    champion: str | None,
    config: GateConfig,
) -> Outcome:
    evidence = _evidence(registry, number, candidate, champion, config)
    decision = decide(evidence, config)
    tags = registry.tags(number)
    if ROLLED_BACK_TAG in tags:
        again = Criterion(
            "not rolled back", "it was champion and was rolled back", "promotion by hand", False
        )
        decision = replace(decision, criteria=(*decision.criteria, again))
    against = champion or NO_CHAMPION
    more = {
        "gate/val_split": registry.tracker.store.digest("val_split"),
        "gate/config": json.dumps(asdict(config), sort_keys=True),
        **({APPROVAL_TAG: "required"} if config.require_approval else {}),
    }
    registry.record(number, decision, against, more)
    _describe(registry, number, candidate, evidence, decision, against)
    state, by = REFUSED, ""
    if decision.passed:
        by = tags.get(APPROVED_BY_TAG, "") if config.require_approval else ""
        state = AWAITING if config.require_approval and not by else PROMOTED
    if state == PROMOTED:
        registry.promote(number)
    return Outcome(
        state,
        registry.name,
        number,
        candidate.run_id,
        against,
        decision.markdown(),
        tuple(decision.refusals),
        by,
    )


def _evidence(
    registry: Registry,
    number: str,
    candidate: Candidate,
    champion: str | None,
    config: GateConfig,
) -> Evidence:
    from dance_models.data.assemble import pose_runs_from_rows
    from dance_models.evaluation.gate_evidence import GateClips, GateModel, measure_evidence

    store = registry.tracker.store
    train, validation = (
        pose_runs_from_rows(store.read(split).filter(pl.col("variant") == 0))
        for split in ("train_split", "val_split")
    )
    other, learnt = None, frozenset[str]()
    if champion is not None:
        model = find_model(store, f"{registry.name}@{CHAMPION}")
        other = GateModel(model.checkpoint, registry.signature(champion))
        learnt = _learnt(registry.tracker, model.run_id)
    return measure_evidence(
        registry.task,
        GateModel(candidate.checkpoint, registry.signature(number)),
        other,
        GateClips(train, validation, learnt),
        config,
    )


def _learnt(tracker: Tracker, run_id: str) -> frozenset[str]:
    """The groups (takes) that a run was trained on."""
    record: Record = read_record(tracker, run_id)
    return frozenset(c["group"] for c in record["clips"].values() if c["split"] == "train")


# --- what is written about it -----------------------------------------------------------------


def _describe(
    registry: Registry,
    number: str,
    candidate: Candidate,
    evidence: Evidence,
    decision: Decision,
    against: str,
) -> None:
    """The model card, as the version's description and as an artifact of its run."""
    client, store = registry.tracker.client, registry.tracker.store
    run = client.get_run(candidate.run_id)
    test = _test_scores(store, registry.task, run.data.metrics)
    facts = CardFacts(
        task=registry.task,
        title=f"{registry.name} version {number}",
        tags=run.data.tags,
        parameters=run.data.params,
        record=read_record(registry.tracker, candidate.run_id),
        corpus=corpus_label(store),
        signature=evidence.signature,
        decision=decision,
        against=f"version {against}" if against != NO_CHAMPION else "no champion yet",
        validation=evidence.scores,
        test=test,
        method=NETWORK_OF_TASK[registry.task],
    )
    card = render_card(facts)
    client.log_text(candidate.run_id, card, CARD)
    if len(card) > DESCRIPTION_LIMIT:
        note = f"\n\n... the rest is in `{CARD}` of the run.\n"
        card = card[: DESCRIPTION_LIMIT - len(note)] + note
    registry.describe(number, card)
    registry.tag(number, _score_tags(registry.task, evidence.scores, "candidate", "val"))
    if test is not None:
        registry.tag(number, _score_tags(registry.task, test, facts.method, "test"))


def _score_tags(task: str, table: pl.DataFrame, method: str, split: str) -> dict[str, str]:
    rows = [row for row in score_rows(task, table, method) if row["style"] == "all"]
    return {f"{split}/{row['metric']}_{row['cell']:g}": f"{row['value']:.4f}" for row in rows}


def _test_scores(store: Store, task: str, metrics: dict[str, float]) -> pl.DataFrame | None:
    """The report's rows on the test split, None when the report was made of another training.

    The report logs its scores to the run that it judged: that tells them apart.
    """
    path = store.output(f"{task}_report")
    if not path.is_file():
        return None
    table = pl.read_parquet(path).filter(pl.col("split") == "test")
    method = NETWORK_OF_TASK[task]
    for row in score_rows(task, table, method):
        if row["style"] == "all":
            logged = metrics.get(f"test_{method}_{row['metric']}_{row['cell']:g}")
            if logged != row["value"]:
                return None
    return table


def outcome_metadata(outcome: Outcome) -> dict[str, Any]:
    """The outcome for Dagster's UI, plain values."""
    return {
        "state": outcome.state,
        "model": outcome.model,
        "version": int(outcome.version),
        "mlflow_run_id": outcome.run_id,
        "compared_with": outcome.against,
        "refusals": "; ".join(outcome.refusals) or "none",
    }
