"""Test scores count for the checkpoint that was scored, and for no other."""

import polars as pl
from registry_case import ASSET, Case, gate

from dance_models.evaluation.scores import PREDICTION_SCORES
from dance_models.tables import write_table
from pipelines.tracking.promotion_gate import run_gate
from pipelines.tracking.report_scores import ReportScores, log_scores, read_scores

REPORT = "prediction_report"


def write_report(case: Case, values: dict[int | None, float]) -> None:
    """A report of one horizon with one row per seed."""
    row = {
        "method": ASSET, "input": "annotated", "style": "all", "horizon_ms": 400,
        "metric": "mpjpe_torso", "split": "test", "n_clips": 1, "n_takes": 1,
    }  # fmt: skip
    rows = [{**row, "seed": seed, "value": value} for seed, value in values.items()]
    rows.append({**row, "method": "zero_velocity", "seed": 0, "value": 99.0})
    table = pl.DataFrame(rows, schema=dict(PREDICTION_SCORES))
    write_table(table, case.store.output(REPORT), {})


def score(case: Case, run_id: str) -> None:
    """Log scores as the report's asset does."""
    scores = ReportScores(
        report=REPORT,
        table_sha256=case.store.digest(REPORT),
        checkpoint_sha256=case.store.weights_digest(ASSET),
        metrics={"test_stga_net_mpjpe_torso_400": 12.5},
        markdown="the report",
    )
    log_scores(case.tracker, run_id, scores)


def read(case: Case, run_id: str, checkpoint_sha256: str | None = None) -> list[float] | None:
    tags = case.tracker.client.get_run(run_id).data.tags
    digest = checkpoint_sha256 or case.store.weights_digest(ASSET)
    rows = read_scores(case.store, REPORT, ASSET, tags, digest)
    return None if rows is None else rows["value"].to_list()


def test_scores_of_the_checkpoint_are_on_the_card_and_in_the_tags(case: Case) -> None:
    run_id = case.train("first")
    write_report(case, {0: 12.5})
    score(case, run_id)
    run = case.tracker.client.get_run(run_id)
    assert run.data.tags[f"scored_checkpoint/{REPORT}"] == case.store.weights_digest(ASSET)
    assert run.data.metrics["test_stga_net_mpjpe_torso_400"] == 12.5
    run_gate(case.store, "prediction", "stga_net", gate())
    assert case.registry.tags("1")["test/mpjpe_torso_400"] == "12.5000"
    card = case.tracker.artifact(run_id, "model_card.md").read_text()
    assert "| test, not used by the gate: mpjpe_torso | clips | 400 ms |" in card


def test_equal_scores_of_another_checkpoint_do_not_count(case: Case) -> None:
    """Equal values by chance, or a report of an earlier training."""
    first = case.train("first")
    write_report(case, {0: 12.5})
    score(case, first)
    second = case.train("second", noise=1e-4)
    case.tracker.log_metrics(second, {"test_stga_net_mpjpe_torso_400": 12.5})
    assert read(case, second) is None
    assert read(case, first) is None, "the run's tag names another checkpoint than the current"
    run_gate(case.store, "prediction", "stga_net", gate())
    assert "test/mpjpe_torso_400" not in case.registry.tags("1")


def test_a_report_that_was_replaced_does_not_count(case: Case) -> None:
    run_id = case.train("first")
    write_report(case, {0: 12.5})
    score(case, run_id)
    assert read(case, run_id) == [12.5]
    write_report(case, {0: 13.5})
    assert read(case, run_id) is None
    case.store.output(REPORT).unlink()
    assert read(case, run_id) is None


def test_the_scores_of_the_checkpoints_own_seed_count(case: Case) -> None:
    run_id = case.train("first")
    for values, own in (
        ({None: 12.0, 0: 12.5, 1: 11.5}, [12.5]),  # pooled, and one row per seed
        ({None: 12.0}, [12.0]),  # only other networks have several seeds
        ({7: 12.5}, [12.5]),  # one seed, with any number
    ):
        write_report(case, values)
        score(case, run_id)
        assert read(case, run_id) == own
