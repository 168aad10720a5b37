"""Checks on trained networks and on the reports that compare them."""

from functools import cache, partial
from typing import TYPE_CHECKING, Final

from dance_models.config import QualityConfig
from dance_models.errors import DamagedFileError
from dance_models.rows import Task, rows_of
from dance_models.tables import read_note, read_table
from pipelines.checks.asset_checks import AssetChecks, Check, Numbers
from pipelines.storage.store import Store

# Beside the checkpoints: what a training recorded. Loading torch here would cost seconds.
OUTCOME: Final = "outcome.json"

if TYPE_CHECKING:
    from pathlib import Path

    from dance_models.quality.findings import Finding


def _network(
    store: Store, config: QualityConfig, clip: str | None, *, asset: str
) -> "list[Finding]":
    from dance_models.quality import models

    training = store.training(asset)
    best, last = (store.path / training[name]["path"] for name in ("best", "last"))
    outcome = best.with_name(OUTCOME)
    try:
        noted = read_note(outcome)
        history, difference = noted["history"], noted["export_difference"]
    except (DamagedFileError, LookupError):  # trained before this was recorded, or it is damaged
        history = models.training_history(last)
        difference = models.export_difference(best, _program(store, asset))
    return [
        *models.finite_losses(asset, history),
        *models.export_parity(asset, difference, config),
    ]


def _network_numbers(store: Store, clip: str | None, *, asset: str) -> Numbers:
    best = store.path / store.training(asset)["best"]["path"]
    outcome = best.with_name(OUTCOME)
    try:
        noted = read_note(outcome)
        numbers = {"finite_loss": {"epochs": float(len(noted["history"]))}}
    except (DamagedFileError, LookupError):  # missing in older trainings
        return {}
    if noted.get("export_difference") is not None:
        numbers["export_parity"] = {"difference": float(noted["export_difference"])}
    return numbers


def _program(store: Store, asset: str) -> "Path | None":
    """The exported program that MLflow keeps of a network, None when it is not there."""
    note = store.model(asset) / "mlflow.json"
    try:
        model = read_note(note)["model_id"]
    except (DamagedFileError, LookupError):
        return None
    path = store.mlflow / "artifacts" / "models" / str(model) / "artifacts" / "data" / "model.pt2"
    return path if path.is_file() else None


@cache
def network_checks(asset: str) -> AssetChecks:
    """The checks on one network."""
    return AssetChecks(
        asset,
        (
            Check("finite_loss", "Every value of every epoch is finite.", blocking=True),
            Check(
                "export_parity",
                "The exported program in MLflow computes what the network computes.",
                blocking=True,
            ),
        ),
        partial(_network, asset=asset),
        numbers=partial(_network_numbers, asset=asset),
        code="2",  # 2: an epoch may have no known speed
    )


def _report(
    store: Store, config: QualityConfig, clip: str | None, *, task: Task
) -> "list[Finding]":
    from dance_models.quality import models

    report = f"{task}_report"
    methods = [row.id for row in rows_of(task)]
    scores = read_table(store.output(report))
    paired = read_table(store.paired(report))
    find = models.below_raw if task == "recognition" else models.above_standing_still
    return find(scores, paired, methods, config)


_BEATS_TRIVIAL: Final[dict[Task, str]] = {
    "recognition": "Networks are above the raw estimator in PCK@0.05: warns.",
    "prediction": "Networks are better than standing still at 80-320 ms: warns.",
}
REPORT_CHECKS: Final = {
    task: AssetChecks(
        f"{task}_report", (Check("beats_trivial", description),), partial(_report, task=task)
    )
    for task, description in _BEATS_TRIVIAL.items()
}
