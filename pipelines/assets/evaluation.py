"""The reports: every method on the test split, with trivial rows and intervals over clips."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
import polars as pl

from dance_models.config import EvaluationConfig
from dance_models.rows import (
    CROP_NETWORKS,
    FRAME_SPLIT,
    INITIAL,
    NETWORKS,
    PREDICTION_NETWORKS,
    PRETRAINED,
    RECOGNITION_NETWORKS,
    asset_name,
    seed_of,
)
from dance_models.tables import file_digest, write_table, write_text
from pipelines import previews
from pipelines.assets.dataset import test_split, train_split, val_split
from pipelines.assets.training import ROWS
from pipelines.checks.models import PREDICTION_CHECKS, RECOGNITION_CHECKS
from pipelines.settings import EvaluationSettings
from pipelines.skip_rule import Inputs, Made, Result, run_stage
from pipelines.storage.clips import corpus_label
from pipelines.storage.store import Store
from pipelines.tracking.report_scores import ReportScores, log_scores
from pipelines.tracking.tracker import Tracker, git_commit

if TYPE_CHECKING:
    from dance_models.data.crops import Crops
    from dance_models.evaluation.divisions import Trained
    from dance_models.evaluation.render_tables import Provenance
    from dance_models.evaluation.report import Report

GROUP = "evaluation"
CODE_VERSION: Final = "2"
PAGE_VERSION: Final = "5"
SPLITS: Final = ("train_split", "val_split", "test_split")


def _rows(networks: Iterable[str]) -> list[str]:
    """The assets of those networks that the active profile compares."""
    return [asset_name(method) for method in networks if method in ROWS]


def scored_networks(store: Store, networks: Mapping[str, str]) -> dict[str, str]:
    """Method id -> asset of those of ``networks`` that were trained on today's splits.

    The others would be compared on other data, and are left out; so are fine-tuned ones whose
    pre-training was replaced.
    """
    today = {split: store.digest(split) for split in ("train_split", "val_split")}
    trained = {}
    for method in networks:
        asset = asset_name(method)
        said = store.training(asset) if store.digest(asset) else {}
        if said.get("splits") == today and _starts_from_todays(store, asset, said):
            trained[method] = asset
    return trained


def _starts_from_todays(store: Store, asset: str, said: Mapping[str, Any]) -> bool:
    if asset not in INITIAL:
        return True
    return bool(said["initial"]["sha256"] == store.weights_digest(INITIAL[asset]))


def pretraining_note(store: Store) -> str:
    """Whether rows of the reports were pre-trained, and on what: files, hours, digest."""
    rows = scored_networks(store, PRETRAINED)
    if not rows:
        return "Not pre-trained."
    motion = next(iter(store.training(asset)["initial"]["motion"] for asset in rows.values()))
    hours = motion["hours"]
    long = f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"
    return (
        f"{', '.join(rows)}: fine-tuned from weights pre-trained on {motion['files']} motion "
        f"files, {long} (sha256 {motion['sha256'][:12]}) that share nothing "
        "with the clips; all other rows: not pre-trained."
    )


def _inputs(store: Store, config: EvaluationConfig, assets: Iterable[str]) -> Inputs:
    return {
        "code": CODE_VERSION,
        "config": config,
        "corpus": corpus_label(store),
        **{name: store.digest(name) for name in (*SPLITS, *assets)},
    }


def recognition_report_inputs(store: Store, config: EvaluationConfig, clip: str | None) -> Inputs:
    """The splits, the recognition networks and what they see."""
    networks = scored_networks(store, RECOGNITION_NETWORKS)
    crops = ["person_crops"] if set(networks) & set(CROP_NETWORKS) else []
    return _inputs(store, config, (*networks.values(), *crops))


def prediction_report_inputs(store: Store, config: EvaluationConfig, clip: str | None) -> Inputs:
    """The splits, the prediction networks and the refiner of the cascade."""
    networks = scored_networks(store, PREDICTION_NETWORKS).values()
    return _inputs(store, config, ("mkff_st_gcn", *networks))


def _trained(store: Store, asset: str) -> "Trained":
    from dance_models.evaluation.divisions import Trained

    said = store.training(asset)
    folds = tuple(store.path / file["path"] for file in said["folds"])
    return Trained(store.path / said["best"]["path"], folds)


def _crops(store: Store, networks: Iterable[str]) -> "Crops | None":
    """The person crops, when one of the networks sees them."""
    from dance_models.data.crops import Crops

    return Crops.open(store.crops) if set(networks) & set(CROP_NETWORKS) else None


def _provenance(store: Store) -> "Provenance":
    """What the tables' footnotes say about the data."""
    from dance_models.evaluation.render_tables import Provenance

    notes = (pretraining_note(store),)
    return Provenance(corpus_label(store), store.digest("split_manifest"), notes)


def _publish(store: Store, name: str, report: "Report") -> str:
    """Write the long table, its paired comparisons and what is rendered from them."""
    write_table(report.paired, store.reports / f"paired_{name}.parquet", {})
    write_text(store.reports / f"{name}.md", report.markdown)
    write_text(store.reports / f"{name}.txt", report.text)
    return write_table(report.scores, store.output(name), {})


def _track(store: Store, networks: Mapping[str, str], name: str, report: "Report") -> None:
    """Put each network's test scores and the report on its MLflow run."""
    tracker, table_sha256 = Tracker(store), store.digest(name)
    for method, asset in networks.items():
        scores = ReportScores(
            report=name,
            table_sha256=table_sha256,
            checkpoint_sha256=store.weights_digest(asset),
            metrics=report.headline.get(method, {}),
            markdown=report.markdown,
        )
        log_scores(tracker, store.run_id(asset), scores)


def _made(store: Store, name: str, networks: Mapping[str, str], report: "Report") -> Made:
    version = _publish(store, name, report)
    _track(store, networks, name, report)
    return Made(
        version,
        {
            **previews.table_metadata(report.scores, store.output(name)),
            "table": dg.MetadataValue.md(report.markdown),
            "networks": ", ".join(networks),
            **{k: float(v) for own in report.headline.values() for k, v in own.items()},
        },
    )


@dg.asset(
    deps=[train_split, val_split, test_split, *_rows(RECOGNITION_NETWORKS)],
    group_name=GROUP,
    code_version=CODE_VERSION,
    check_specs=RECOGNITION_CHECKS.specs(),
    kinds={"parquet", "mlflow"},
)
def recognition_report(
    context: dg.AssetExecutionContext, config: EvaluationSettings, store: Store
) -> Result:
    """PCK of the raw estimator, of filters and calibration tuned on validation, and of networks.

    `pck_torso` divides by the clip's median annotated torso (neck to mid-hip). 95 % intervals
    resample clips; a win is marked only where the paired interval excludes zero. Every network
    that was trained on today's splits is a row; those trained on folds are also scored on all
    clips, each clip by the network that never saw its group.
    """
    evaluation = config.value()

    def make() -> Made:
        from dance_models.evaluation.report import recognition_report as score

        networks = scored_networks(store, RECOGNITION_NETWORKS)
        report = score(
            [store.read(split) for split in SPLITS],
            networks={method: _trained(store, asset) for method, asset in networks.items()},
            config=evaluation,
            provenance=_provenance(store),
            crops=_crops(store, networks),
        )
        return _made(store, "recognition_report", networks, report)

    inputs = recognition_report_inputs(store, evaluation, None)
    return run_stage(context, store, inputs, make, RECOGNITION_CHECKS)


@dg.asset(
    deps=[train_split, val_split, test_split, "mkff_st_gcn", *_rows(PREDICTION_NETWORKS)],
    group_name=GROUP,
    code_version=CODE_VERSION,
    check_specs=PREDICTION_CHECKS.specs(),
    kinds={"parquet", "mlflow"},
)
def prediction_report(
    context: dg.AssetExecutionContext, config: EvaluationSettings, store: Store
) -> Result:
    """Forecast errors at 80, 160, 320 and 400 ms, from annotated, refined and raw poses.

    `mpjpe_torso` is the mean joint error **at** the horizon in percent of the clip's annotated
    median torso. The refined input comes from MKFF-ST-GCN seeing the past alone.
    """
    evaluation = config.value()

    def make() -> Made:
        from dance_models.evaluation.report import prediction_report as score

        networks = scored_networks(store, PREDICTION_NETWORKS)
        report = score(
            [store.read(split) for split in SPLITS],
            networks={method: _trained(store, asset) for method, asset in networks.items()},
            refiner=_trained(store, "mkff_st_gcn"),
            config=evaluation,
            provenance=_provenance(store),
        )
        return _made(store, "prediction_report", networks, report)

    inputs = prediction_report_inputs(store, evaluation, None)
    return run_stage(context, store, inputs, make, PREDICTION_CHECKS)


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


def html_report_inputs(store: Store, config: None, clip: str | None) -> Inputs:
    """All scores, and the networks whose cases are drawn."""
    networks = scored_networks(store, NETWORKS).values()
    tables = ("recognition_report", "prediction_report", "paired_comparisons", *SPLITS)
    return {"code": PAGE_VERSION, **{name: store.digest(name) for name in (*tables, *networks)}}


@dg.asset(
    deps=[paired_comparisons, recognition_report, prediction_report, *SPLITS],
    group_name=GROUP,
    code_version=PAGE_VERSION,
    kinds={"html"},
)
def html_report(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult[Any]:
    """`reports/report.html`: everything on one page that opens without a network.

    A summary in plain words, the tables beside the paper's in its own shape, error against
    horizon, loss curves, best, median and worst cases, size and speed.
    """

    def make() -> Made:
        page = _page(store)
        path = store.output("html_report")
        write_text(path, page)
        size = len(page.encode())
        return Made(
            file_digest(path), {"path": dg.MetadataValue.path(path), "kilobytes": size // 1000}
        )

    return run_stage(context, store, html_report_inputs(store, None, None), make)


def _page(store: Store) -> str:
    from dance_models.report.build import Results, build_page
    from dance_models.video.decode import image_path

    def best(networks: Mapping[str, str]) -> dict[str, Path]:
        return {
            method: _trained(store, asset).best
            for method, asset in scored_networks(store, networks).items()
            if method != FRAME_SPLIT and not seed_of(method)[1]
        }

    def image_of(clip: str, frame: int) -> Path | None:
        path = image_path(store.frames(clip), frame)
        return path if path.is_file() else None

    digests = {f"{name} sha256": store.digest(name) for name in ("split_manifest", *SPLITS)}
    results = Results(
        recognition=pl.read_parquet(store.output("recognition_report")),
        prediction=pl.read_parquet(store.output("prediction_report")),
        paired=pl.read_parquet(store.output("paired_comparisons")),
        splits=[store.read(split) for split in SPLITS],
        refiners=best(RECOGNITION_NETWORKS),
        forecasters=best(PREDICTION_NETWORKS),
        provenance=_provenance(store),
        facts={**digests, "code": git_commit()},
        image_of=image_of,
        crops=_crops(store, scored_networks(store, RECOGNITION_NETWORKS)),
    )
    return build_page(results).render()
