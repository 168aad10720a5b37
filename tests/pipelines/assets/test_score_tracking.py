"""Each network's MLflow run gets the scores of that network alone."""

import json

import polars as pl
from registry_case import Case

from dance_models.evaluation.report import Report
from dance_models.rows import row_of
from dance_models.tables import write_table
from pipelines.assets.evaluation import _log_scores

NETWORKS = ("t_gcn", "t_gcn_residual", "t_gcn_velocity")


def open_run(case: Case, asset: str) -> str:
    folder = case.store.model(asset)
    folder.mkdir(parents=True)
    run_id = case.tracker.open_run(folder, asset, {})
    (folder / "mlflow.json").write_text(json.dumps({"run_id": run_id}))
    files = {name: {"path": name, "sha256": f"sha of {asset}"} for name in ("best", "last")}
    (folder / "current.json").write_text(json.dumps(files))
    return run_id


def test_a_network_gets_no_metrics_of_networks_that_share_its_name_prefix(case: Case) -> None:
    name = "prediction_report"
    runs = {asset: open_run(case, asset) for asset in NETWORKS}
    headline = {
        method: {f"test_{method}_mpjpe_torso_80": float(i)} for i, method in enumerate(NETWORKS)
    }
    empty = pl.DataFrame()
    write_table(pl.DataFrame({"x": [1]}), case.store.output(name), {})
    report = Report(empty, empty, [], headline)
    _log_scores(case.store, name, [row_of(method) for method in NETWORKS], report)
    for asset, run_id in runs.items():
        data = case.tracker.client.get_run(run_id).data
        assert data.metrics == headline[asset]
        assert data.tags[f"scored_checkpoint/{name}"] == f"sha of {asset}"
