"""The reports: every method on the test split, with trivial rows and intervals over clips."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
import polars as pl

from dance_models.config import EvaluationConfig
from dance_models.tables import write_table, write_text
from pipelines import previews
from pipelines.assets.dataset import test_split, train_split, val_split
from pipelines.assets.training import mkff_st_gcn, stga_net
from pipelines.registration import corpus_label
from pipelines.settings import EvaluationSettings
from pipelines.skip_rule import Inputs, Made, run_stage
from pipelines.store import Store
from pipelines.tracking import Tracker

if TYPE_CHECKING:
    from dance_models.evaluation.render_tables import Provenance
    from dance_models.evaluation.report import Report

GROUP = "evaluation"
SPLITS: Final = ("train_split", "val_split", "test_split")


def _inputs(store: Store, config: EvaluationConfig, *networks: str) -> Inputs:
    return {
        "code": "1",
        "config": config,
        "corpus": corpus_label(store),
        **{name: store.digest(name) for name in (*SPLITS, *networks)},
    }


def recognition_report_inputs(store: Store, config: EvaluationConfig, clip: str | None) -> Inputs:
    """The splits and the recognition network."""
    return _inputs(store, config, "mkff_st_gcn")


def prediction_report_inputs(store: Store, config: EvaluationConfig, clip: str | None) -> Inputs:
    """The splits and both networks: the cascade feeds refined poses to the forecaster."""
    return _inputs(store, config, "mkff_st_gcn", "stga_net")


def _provenance(store: Store) -> "Provenance":
    """What the tables' footnotes say about the data."""
    from dance_models.evaluation.render_tables import Provenance

    return Provenance(corpus_label(store), store.digest("split_manifest"), ("Not pre-trained.",))


def _publish(store: Store, name: str, report: "Report") -> str:
    """Write the long table, its paired comparisons and what is rendered from them."""
    write_table(report.paired, store.reports / f"paired_{name}.parquet", {})
    write_text(store.reports / f"{name}.md", report.markdown)
    write_text(store.reports / f"{name}.txt", report.text)
    return write_table(report.scores, store.output(name), {})


def _track(
    store: Store, network: str, metrics: Mapping[str, float], report: str, markdown: str
) -> None:
    """Put the test scores on the network's MLflow run, and the table beside them."""
    note = json.loads((store.model(network) / "mlflow.json").read_text("utf-8"))
    tracker = Tracker(store)
    tracker.log_metrics(note["run_id"], metrics)
    tracker.client.log_text(note["run_id"], markdown, f"{report}.md")


@dg.asset(
    deps=[train_split, val_split, test_split, mkff_st_gcn],
    group_name=GROUP,
    code_version="1",
    kinds={"parquet", "mlflow"},
)
def recognition_report(
    context: dg.AssetExecutionContext, config: EvaluationSettings, store: Store
) -> dg.MaterializeResult[Any]:
    """PCK of the raw estimator, of filters and calibration tuned on validation, and of the network.

    `pck_torso` divides by the clip's median annotated torso (neck to mid-hip). 95 % intervals
    resample clips; a win is marked only where the paired interval excludes zero.
    """
    evaluation = config.value()

    def make() -> Made:
        from dance_models.evaluation.report import recognition_report as score

        report = score(
            *(store.read(split) for split in SPLITS),
            checkpoint=store.checkpoint("mkff_st_gcn"),
            config=evaluation,
            provenance=_provenance(store),
        )
        version = _publish(store, "recognition_report", report)
        _track(store, "mkff_st_gcn", report.headline, "recognition_report", report.markdown)
        return Made(
            version,
            {
                **previews.table_metadata(report.scores, store.output("recognition_report")),
                "table": dg.MetadataValue.md(report.markdown),
                **{key: float(value) for key, value in report.headline.items()},
            },
        )

    return run_stage(context, store, recognition_report_inputs(store, evaluation, None), make)


@dg.asset(
    deps=[train_split, val_split, test_split, mkff_st_gcn, stga_net],
    group_name=GROUP,
    code_version="1",
    kinds={"parquet", "mlflow"},
)
def prediction_report(
    context: dg.AssetExecutionContext, config: EvaluationSettings, store: Store
) -> dg.MaterializeResult[Any]:
    """Forecast errors at 80, 160, 320 and 400 ms, from annotated, refined and raw poses.

    `mpjpe_torso` is the mean joint error **at** the horizon in percent of the clip's annotated
    median torso. The refined input comes from the recognition network seeing the past alone.
    """
    evaluation = config.value()

    def make() -> Made:
        from dance_models.evaluation.report import prediction_report as score

        report = score(
            *(store.read(split) for split in SPLITS),
            refiner=store.checkpoint("mkff_st_gcn"),
            forecaster=store.checkpoint("stga_net"),
            config=evaluation,
            provenance=_provenance(store),
        )
        version = _publish(store, "prediction_report", report)
        _track(store, "stga_net", report.headline, "prediction_report", report.markdown)
        return Made(
            version,
            {
                **previews.table_metadata(report.scores, store.output("prediction_report")),
                "table": dg.MetadataValue.md(report.markdown),
                **{key: float(value) for key, value in report.headline.items()},
            },
        )

    return run_stage(context, store, prediction_report_inputs(store, evaluation, None), make)


def paired_comparisons_inputs(store: Store, config: None, clip: str | None) -> Inputs:
    """Both reports."""
    return {
        "code": "1",
        **{r: store.digest(r) for r in ("recognition_report", "prediction_report")},
    }


@dg.asset(
    deps=[recognition_report, prediction_report],
    group_name=GROUP,
    code_version="1",
    kinds={"parquet"},
)
def paired_comparisons(
    context: dg.AssetExecutionContext, store: Store
) -> dg.MaterializeResult[Any]:
    """Every paired comparison of both reports in one table, with Holm-corrected p values."""

    def make() -> Made:
        parts = [
            pl.read_parquet(store.reports / f"paired_{name}.parquet")
            for name in ("recognition_report", "prediction_report")
        ]
        table = pl.concat(parts)
        path = store.output("paired_comparisons")
        version = write_table(table, path, {})
        return Made(
            version,
            {**previews.table_metadata(table, path), "comparisons": previews.records(table, 60)},
        )

    return run_stage(context, store, paired_comparisons_inputs(store, None, None), make)
