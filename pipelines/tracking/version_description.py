"""The model card and the scores of a version: gathered, and written to MLflow."""

from typing import Any, Final

import polars as pl

from dance_models.errors import DamagedFileError
from dance_models.evaluation.gate import CANDIDATE, Decision, Evidence
from dance_models.rows import ROW_OF_ASSET
from dance_models.tables import read_note
from pipelines.storage.clips import corpus_label
from pipelines.tracking.lineage_record import read_record
from pipelines.tracking.model_card import INTENDED_USE, CardFacts, render_card, score_rows
from pipelines.tracking.registry import NETWORK_OF_TASK, NO_CHAMPION, Registry
from pipelines.tracking.report_scores import read_scores
from pipelines.tracking.tracker import EXAMPLE, Tracker

CARD: Final = "model_card.md"
DESCRIPTION_LIMIT: Final = 5000  # characters that MLflow's databases keep of a description


def describe_version(
    registry: Registry,
    number: str,
    checkpoint_sha256: str,
    evidence: Evidence,
    decision: Decision,
    compared_with: str,
) -> None:
    """Write the model card to the version and to its run, and the scores as tags.

    ``compared_with`` is the champion's version, or "none".
    """
    tracker, task = registry.tracker, registry.task
    run_id = registry.run_id(number)
    run = tracker.client.get_run(run_id)
    method = ROW_OF_ASSET[run.data.tags.get("dagster/asset_key", NETWORK_OF_TASK[task])].id
    test = read_scores(tracker.store, f"{task}_report", method, run.data.tags, checkpoint_sha256)
    facts = CardFacts(
        task=task,
        title=f"{registry.name} version {number}",
        tags=run.data.tags,
        parameters=run.data.params,
        record=read_record(tracker, run_id),
        corpus=corpus_label(tracker.store),
        signature=evidence.signature,
        decision=decision,
        compared_with=(
            f"version {compared_with}" if compared_with != NO_CHAMPION else "no champion yet"
        ),
        validation=evidence.scores,
        test=test,
        method=method,
        example=_example(registry.tracker, run_id),
    )
    card = render_card(facts)
    tracker.client.log_text(run_id, card, CARD)
    registry.set_description(number, _shortened(card))
    registry.tag(number, _score_tags(task, evidence.scores, CANDIDATE, "val"))
    if test is not None:
        registry.tag(number, _score_tags(task, test, facts.method, "test"))


def _example(tracker: Tracker, run_id: str) -> dict[str, Any] | None:
    """What the example request of a run's model is, None for a run without one.

    Nothing of one that is damaged: nothing makes it again, and the version can do without.
    """
    try:
        return read_note(tracker.artifact(run_id, EXAMPLE))
    except FileNotFoundError:
        return None
    except DamagedFileError:
        return {}


def decision_section(description: str) -> str:
    """The part of a version's description up to and including the decision."""
    return description.split(f"## {INTENDED_USE}", maxsplit=1)[0]


def _shortened(card: str) -> str:
    if len(card) <= DESCRIPTION_LIMIT:
        return card
    note = f"\n\n... the rest is in `{CARD}` of the run.\n"
    return card[: DESCRIPTION_LIMIT - len(note)] + note


def _score_tags(task: str, table: pl.DataFrame, method: str, split: str) -> dict[str, str]:
    rows = [row for row in score_rows(task, table, method) if row["style"] == "all"]
    return {f"{split}/{row['metric']}_{row['cell']:g}": f"{row['value']:.4f}" for row in rows}
