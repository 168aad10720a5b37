"""The reports: every method on the test split, with trivial rows and intervals over takes."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
import polars as pl

from dance_models.config import EvaluationConfig
from dance_models.rows import FRAME_SPLIT, ROWS, Row, Task, row_of, rows_of
from dance_models.tables import file_digest, read_table, write_table, write_text
from pipelines import previews
from pipelines.assets.dataset import SPLIT_TABLES, SPLITS
from pipelines.checks.models import REPORT_CHECKS
from pipelines.stage import Inputs, Metadata, Stage, StageContext
from pipelines.storage.clips import corpus_label
from pipelines.storage.evaluations import StoredEvaluation, evaluations
from pipelines.storage.store import Store
from pipelines.tracking.report_scores import ReportScores, log_scores
from pipelines.tracking.tracker import Tracker, git_commit

if TYPE_CHECKING:
    from dance_models.data.crops import Crops
    from dance_models.evaluation.divisions import Trained
    from dance_models.evaluation.report import Report
    from dance_models.report.build import Elsewhere
    from dance_models.report_tables.results import Provenance

GROUP: Final = "evaluation"
CODE_VERSION: Final = "6"  # 6: sides that pass each other in a fast turn are no longer exchanged
PAGE_VERSION: Final = "10"
REPORTS: Final = ("recognition_report", "prediction_report")
REFINER: Final = "mkff_st_gcn"  # of the cascade: its poses are an input of the forecasts
DESCRIPTIONS: Final[dict[Task, str]] = {
    "recognition": """PCK of the raw estimator, tuned filters, calibration and the networks.

Filters and calibration are tuned on validation. `pck_torso` divides by the clip's median annotated
torso (neck to mid-hip). 95 % intervals resample takes. A win is marked only over the folds, where
the paired interval excludes zero and a sign-flip test over takes gives p of at most 0.05. Every
network that was trained on today's splits is a row; those trained on folds are also scored on all
clips, each clip by the network that never saw its group.
""",
    "prediction": """Forecast errors at 80-400 ms, from annotated, refined and raw poses.

`mpjpe_torso` is the mean joint error **at** the horizon in percent of the clip's annotated median
torso. The refined input comes from MKFF-ST-GCN seeing the past alone.
""",
}


# --- what is compared -------------------------------------------------------------------------


def scored_rows(store: Store, rows: Iterable[Row]) -> list[Row]:
    """Those of ``rows`` that were trained on the current splits.

    The others would be compared on other data, so they are left out. So are fine-tuned rows whose
    pre-training was replaced.
    """
    today = {split: store.digest(split) for split in ("train_split", "val_split")}
    trained = []
    for row in rows:
        current = store.training(row.asset) if store.digest(row.asset) else {}
        if current.get("splits") == today and _starts_from_todays(store, row, current):
            trained.append(row)
    return trained


def _starts_from_todays(store: Store, row: Row, current: Mapping[str, Any]) -> bool:
    if row.pretraining_asset is None:
        return True
    return bool(current["initial"]["sha256"] == store.weights_digest(row.pretraining_asset))


def pretraining_note(store: Store) -> str:
    """Whether rows of the reports were pre-trained, and on what: files, hours, digest."""
    rows = scored_rows(store, [row for row in ROWS if row.pretraining_asset])
    if not rows:
        return "Not pre-trained."
    methods: dict[str, list[str]] = {}
    for row in rows:
        motion = _motion_note(store.training(row.asset)["initial"]["motion"])
        methods.setdefault(motion, []).append(row.id)
    notes = [
        f"{', '.join(ids)}: fine-tuned from weights pre-trained on {motion} that share nothing "
        "with the clips"
        for motion, ids in methods.items()
    ]
    return "; ".join([*notes, "all other rows: not pre-trained."])


def _motion_note(motion: Mapping[str, Any]) -> str:
    """How much motion, in words."""
    hours = motion["hours"]
    long = f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"
    what = "rendered takes" if motion.get("rendered") else "motion files"
    return f"{motion['files']} {what}, {long} (sha256 {motion['sha256'][:12]})"


def plateau_note(store: Store, task: Task | None) -> str:
    """Which rows (of both tasks without one) were trained too briefly, fixed split or a fold.

    Rows trained before this was recorded are not named.
    """
    rows = scored_rows(store, ROWS if task is None else rows_of(task))
    plateau = {row.id: store.training(row.asset).get("plateau", {}) for row in rows}
    brief = [name for name, reached in plateau.items() if not all(reached.values())]
    return (
        "Not trained to their plateau (validation improved by more than 1 % in the last fifth of "
        f"the steps): {', '.join(brief) or 'none'}."
    )


def _trained(store: Store, asset: str) -> "Trained":
    from dance_models.evaluation.divisions import Trained

    current = store.training(asset)
    seeds = [current["folds"], *current.get("fold_seeds", [])]
    first, *further = (tuple(store.path / file["path"] for file in folds) for folds in seeds)
    return Trained(store.path / current["best"]["path"], first, fold_seeds=tuple(further))


def _crops(store: Store, rows: Iterable[Row]) -> "Crops | None":
    """The person crops, when one of the networks reads them."""
    from dance_models.data.crops import Crops

    return Crops.open(store.crops) if any(row.needs_crops for row in rows) else None


def _provenance(store: Store, task: Task | None = None) -> "Provenance":
    """The facts on data and trainings for the footnotes of the tables of a task, or of both."""
    from dance_models.report_tables.results import Provenance

    notes = (pretraining_note(store), plateau_note(store, task))
    return Provenance(corpus_label(store), store.digest("split_manifest"), notes)


# --- the two reports --------------------------------------------------------------------------


def _report_inputs(task: Task, context: StageContext[EvaluationConfig]) -> Inputs:
    """The splits, the task's networks, and what they read beside the splits."""
    store = context.store
    rows = scored_rows(store, rows_of(task))
    assets = {row.asset for row in rows}
    if any(row.needs_crops for row in rows):
        assets.add("person_crops")
    if task == "prediction":
        assets.add(REFINER)
    return {
        "config": context.config,
        "corpus": corpus_label(store),
        **{name: store.digest(name) for name in (*SPLIT_TABLES, *assets)},
    }


def _report_files(store: Store, name: str) -> list[Path]:
    return [
        store.paired(name),
        store.reports / f"{name}.md",
        store.reports / f"{name}.txt",
    ]


def _publish(store: Store, name: str, rows: list[Row], report: "Report") -> Metadata:
    """Write the tables of a report and log its scores."""
    paired, markdown, text = _report_files(store, name)
    write_table(report.paired, paired, {})
    write_text(markdown, report.markdown)
    write_text(text, report.text)
    write_table(report.scores, store.output(name), {})
    _log_scores(store, name, rows, report)
    return {
        **previews.table_metadata(report.scores, store.output(name)),
        "table": dg.MetadataValue.md(report.markdown),
        "networks": ", ".join(row.id for row in rows),
        **{
            key: float(value)
            for metrics in report.headline.values()
            for key, value in metrics.items()
        },
    }


def _log_scores(store: Store, name: str, rows: Iterable[Row], report: "Report") -> None:
    """Put each network's scores on the MLflow run that trained it."""
    tracker, table_sha256 = Tracker(store), store.digest(name)
    for row in rows:
        scores = ReportScores(
            report=name,
            table_sha256=table_sha256,
            checkpoint_sha256=store.weights_digest(row.asset),
            metrics=report.headline.get(row.id, {}),
            markdown=report.markdown,
        )
        log_scores(tracker, store.run_id(row.asset), scores)


def report_stage(task: Task, networks: Iterable[Stage]) -> Stage:
    """The stage of one task's report, downstream of the networks that a profile trains."""
    name = f"{task}_report"

    @Stage(
        name=name,
        description=DESCRIPTIONS[task],
        deps=[*SPLITS, *([REFINER] if task == "prediction" else []), *networks],
        inputs=lambda context: _report_inputs(task, context),
        config=lambda profile: profile.evaluation,
        checks=REPORT_CHECKS[task],
        outputs=lambda store, clip: _report_files(store, name),
        group=GROUP,
        version=CODE_VERSION,
        kinds={"parquet", "mlflow"},
    )
    def report(context: StageContext[EvaluationConfig]) -> Metadata:
        rows = scored_rows(context.store, rows_of(task))
        return _publish(context.store, name, rows, _score(task, context, rows))

    return report


def _score(task: Task, context: StageContext[EvaluationConfig], rows: list[Row]) -> "Report":
    from dance_models.evaluation.report import prediction_report, recognition_report

    store, config = context.store, context.config
    splits = [store.read(split) for split in SPLIT_TABLES]
    networks = {row.id: _trained(store, row.asset) for row in rows}
    provenance = _provenance(store, task)
    if task == "recognition":
        return recognition_report(
            splits,
            networks=networks,
            config=config,
            provenance=provenance,
            crops=_crops(store, rows),
        )
    return prediction_report(
        splits,
        networks=networks,
        refiner=_trained(store, REFINER),
        config=config,
        provenance=provenance,
    )


# --- from both reports ------------------------------------------------------------------------


def _paired_inputs(context: StageContext[None]) -> Inputs:
    """The scores, and the comparisons, which another version of a report may make of the same."""
    store = context.store
    paired = {name: store.paired(name) for name in REPORTS}
    return {
        **{name: store.digest(name) for name in REPORTS},
        **{path.name: file_digest(path) for path in paired.values() if path.is_file()},
    }


@Stage(
    deps=REPORTS,
    inputs=_paired_inputs,
    group=GROUP,
    version="1",
    kinds={"parquet"},
)
def paired_comparisons(context: StageContext[None]) -> Metadata:
    """Every paired comparison of both reports in one table, with Holm-corrected p-values."""
    store = context.store
    table = pl.concat([read_table(store.paired(report)) for report in REPORTS])
    path = store.output("paired_comparisons")
    write_table(table, path, {})
    return {**previews.table_metadata(table, path), "comparisons": previews.records(table, 60)}


def _html_report_inputs(context: StageContext[None]) -> Inputs:
    """All scores, the networks whose cases are drawn, and what the footnotes say of the data."""
    networks = [row.asset for row in scored_rows(context.store, ROWS)]
    tables = (*REPORTS, "paired_comparisons", "split_manifest", *SPLIT_TABLES)
    return {
        "corpus": corpus_label(context.store),
        **{name: context.store.digest(name) for name in (*tables, *networks)},
        **{
            context.store.relative(file): file_digest(file)
            for found in _evaluations(context.store)
            for file in found.files
        },
    }


def _evaluations(store: Store) -> list[StoredEvaluation]:
    """The evaluations of today's networks on corpora that they never saw."""
    rows = scored_rows(store, ROWS)
    return evaluations(store, {row.id: store.weights_digest(row.asset) for row in rows})


def _elsewhere(store: Store) -> "list[Elsewhere]":
    from dance_models.report.build import Elsewhere
    from dance_models.report_tables.results import Provenance

    return [
        Elsewhere(
            row_of(found.about.method).task,
            found.scores,
            found.paired,
            Provenance(found.about.corpus, found.about.split_sha256, found.about.notes),
        )
        for found in _evaluations(store)
    ]


@Stage(
    deps=[paired_comparisons, *REPORTS, *SPLITS],
    inputs=_html_report_inputs,
    group=GROUP,
    version=PAGE_VERSION,
    kinds={"html"},
)
def html_report(context: StageContext[None]) -> Metadata:
    """`reports/report.html`: everything on one page that opens without a network.

    A summary in plain words, the tables beside the paper's in its own shape, error against
    horizon, loss curves, best, median and worst cases, size and speed; and what `dance evaluate`
    found on corpora that the networks never saw.
    """
    page = _page(context.store)
    path = context.store.output("html_report")
    write_text(path, page)
    return {"path": dg.MetadataValue.path(path), "kilobytes": len(page.encode()) // 1000}


def _page(store: Store) -> str:
    from dance_models.report.build import Results, build_page
    from dance_models.video.decode import image_path

    def best(task: Task) -> dict[str, Path]:
        return {
            row.id: _trained(store, row.asset).best
            for row in scored_rows(store, rows_of(task))
            if row is not FRAME_SPLIT and not row.seed
        }

    def image_of(clip: str, frame: int) -> Path | None:
        path = image_path(store.frames(clip), frame)
        return path if path.is_file() else None

    refiners, forecasters = best("recognition"), best("prediction")
    digests = {f"{name} sha256": store.digest(name) for name in ("split_manifest", *SPLIT_TABLES)}
    results = Results(
        recognition=read_table(store.output("recognition_report")),
        prediction=read_table(store.output("prediction_report")),
        paired=read_table(store.output("paired_comparisons")),
        splits=[store.read(split) for split in SPLIT_TABLES],
        refiners=refiners,
        forecasters=forecasters,
        last={
            name: store.path / store.training(row_of(name).asset)["last"]["path"]
            for name in (*refiners, *forecasters)
        },
        provenance=_provenance(store),
        facts={**digests, "code": git_commit()},
        image_of=image_of,
        crops=_crops(store, scored_rows(store, rows_of("recognition"))),
        elsewhere=_elsewhere(store),
    )
    return build_page(results).render()
