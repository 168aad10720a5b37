"""A tracked model scored on a corpus that it never saw, in the same tables.

The new corpus goes through the same stages in a separate store below ``evaluations/``; the
trivial rows are fitted and tuned on the model's own training and validation clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from rich.console import Console

from dance_models.config import EstimatorConfig, JointDefinition
from dance_models.data.splits import group_column
from dance_models.errors import InputError
from dance_models.profiles import PROFILES
from dance_models.rows import row_of
from dance_models.tables import SPLIT_ROWS, conform, file_digest
from dance_models.video.images import is_clip_on_disk
from pipelines.assets.dataset import pose_dataset
from pipelines.checks.motion_leak import motion_pose_runs
from pipelines.execution.request import Request
from pipelines.execution.session import Given, Session
from pipelines.profile_options import ProfileOptions
from pipelines.shown import shown, shown_lines
from pipelines.storage.annotations import keep_annotations
from pipelines.storage.clips import corpus_label, label_of, registered_clips
from pipelines.storage.evaluations import Evaluation, corpus_store, write_evaluation
from pipelines.storage.store import Store
from pipelines.storage.weights import copy_weights
from pipelines.tracking.tracked_models import TrackedModel

if TYPE_CHECKING:
    from dance_models.data.crops import Crops
    from dance_models.data.pose_runs import PoseRun
    from dance_models.evaluation.report import Report
    from dance_models.report_tables.results import Provenance

SPLITS = ("train_split", "val_split")
STAGES = frozenset({pose_dataset.name, *(stage.name for stage in pose_dataset.upstream())})


@dataclass(frozen=True)
class Corpus:
    """The corpus that the model is evaluated on, and how it is read."""

    clips: Sequence[Path]
    annotations: Sequence[Path]
    profile: str
    estimator: EstimatorConfig | None = None  # in place of the profile's
    joints: JointDefinition = "annotation"  # whose definition the refined joints have


def evaluate_on(
    store: Store, console: Console, model: TrackedModel, corpus: Corpus, *, debug: bool
) -> "Report":
    """Run the corpus through the stages, score, print and keep the tables.

    Raises InputError when the corpus shares clips or motion with what the model was trained on.
    """
    session = _prepared(store, console, model, corpus, debug)
    # Not those of an earlier call, which would be scored beside the ones that are named now.
    keep_annotations(session.store, session.instance, corpus.annotations)
    session.register(Given(corpus.clips, corpus.annotations))
    given = given_clips(session.store, corpus.clips)
    _refuse_known_files(store, given)
    if session.run().failed:
        raise InputError("a stage failed on the new corpus; see above", file=session.store.path)
    splits = [*(_training_rows(store, split) for split in SPLITS), _as_test(session.store, given)]
    provenance = _provenance(store, given, corpus.joints)
    report = _score(store, model, splits, session, corpus.joints, provenance)
    about = Evaluation(
        model.method,
        corpus.joints,
        file_digest(model.checkpoint),
        provenance.corpus,
        provenance.split_digest,
        provenance.notes,
    )
    tables = {"scores": report.scores, "paired": report.paired}
    page = write_evaluation(session.store, about, tables, report.markdown)
    console.print(shown_lines(report.text), highlight=False, soft_wrap=True)
    console.print(f"All tables: {shown(str(page))}", soft_wrap=True)
    return report


def _estimator(corpus: Corpus, model: TrackedModel) -> EstimatorConfig | None:
    """As the corpus asks for, with the passes that the model's training data had."""
    from dance_models.inference.loading import estimator_for, load_refiner

    row = row_of(model.method)
    if row.task != "recognition" or row.needs_crops or corpus.profile not in PROFILES:
        return corpus.estimator
    chosen = corpus.estimator or PROFILES[corpus.profile].estimator
    return estimator_for(load_refiner(model.checkpoint), chosen)


def _prepared(
    store: Store, console: Console, model: TrackedModel, corpus: Corpus, debug: bool
) -> Session:
    """A session in a separate store for the corpus, named after its folders."""
    own = corpus_store(store, corpus.clips[0])  # all of them are registered
    copy_weights(store, own)
    options = ProfileOptions(corpus.profile, estimator=_estimator(corpus, model))
    return Session(Request(own.path, options, STAGES, debug), console)


def given_clips(corpus: Store, places: Sequence[Path]) -> pl.DataFrame:
    """The registered clips in folders, or videos, that the command named, and are there.

    The store of a corpus also keeps those that an earlier evaluation named.
    """
    clips, named = registered_clips(corpus), [place.resolve() for place in places]
    given = [
        is_clip_on_disk(path) and any(path.is_relative_to(place) for place in named)
        for path in map(Path, clips["path"])
    ]
    return clips.filter(pl.Series(given, dtype=pl.Boolean))


def _refuse_known_files(store: Store, clips: pl.DataFrame) -> None:
    known = registered_clips(store).filter(pl.col("sha256") != "")
    both = clips.join(known, on="sha256", how="semi")
    if both.height:
        raise InputError(
            f"{both.height} of these clips are in the store that the model was trained from: "
            + ", ".join(both["clip"].to_list()[:5]),
            hint="Evaluate on clips that it never saw",
        )


def _training_rows(store: Store, split: str) -> pl.DataFrame:
    """Rows of a training or validation split, renamed to differ from new clips of the same name."""
    return store.read(split).with_columns(clip=pl.format("learnt/{}", "clip"))


def _as_test(corpus: Store, clips: pl.DataFrame) -> pl.DataFrame:
    """The clips of the new corpus as rows of a test split."""
    rows = corpus.read("pose_dataset").join(clips, on="clip", how="semi")
    rows = rows.with_columns(
        group=group_column(), split=pl.lit("test"), fold=pl.lit(0), variant=pl.lit(0)
    )
    return conform(rows, SPLIT_ROWS).sort("clip", "frame")


def _provenance(store: Store, clips: pl.DataFrame, joints: JointDefinition) -> "Provenance":
    from dance_models.report_tables.results import Provenance

    notes = (
        f"Trained on {corpus_label(store)}; trivial rows fitted there too.",
        f"Refined joints as the {joints} defines them.",
    )
    return Provenance(label_of(clips), store.digest("split_manifest"), notes)


def _score(
    store: Store,
    model: TrackedModel,
    splits: list[pl.DataFrame],
    session: Session,
    joints: JointDefinition,
    provenance: "Provenance",
) -> "Report":
    from dance_models.checkpoint import experiment_from_plain, load_checkpoint
    from dance_models.config import PredictionExperiment
    from dance_models.evaluation.divisions import TEST, Trained
    from dance_models.evaluation.report import prediction_report, recognition_report

    pretrained = row_of(model.method).pretraining_asset
    _refuse_known_motion(splits, motion_pose_runs(store) if pretrained else [])
    networks = {model.method: Trained(model.checkpoint)}
    config = session.profile.evaluation
    experiment = experiment_from_plain(load_checkpoint(model.checkpoint)["experiment"])
    if not isinstance(experiment, PredictionExperiment):
        return recognition_report(
            splits,
            networks=networks,
            config=config,
            provenance=provenance,
            tested=(TEST,),  # of all its clips: not the few of a study's fixed split
            crops=_crops(session.store) if row_of(model.method).needs_crops else None,
            joints=joints,
        )
    refiner = Trained(store.path / store.training("mkff_st_gcn")["best"]["path"])
    return prediction_report(
        splits,
        networks=networks,
        refiner=refiner,
        config=config,
        provenance=provenance,
        tested=(TEST,),
    )


def _crops(corpus: Store) -> "Crops":
    """Crops of the new corpus, all of whose clips are evaluated."""
    from dance_models.data.crops import Crops
    from dance_models.data.cut_crops import cut_crops

    cut_crops(corpus.read("pose_dataset"), corpus.path, corpus.crops)
    return Crops.open(corpus.crops)


def _refuse_known_motion(splits: Sequence[pl.DataFrame], motion: "Sequence[PoseRun]") -> None:
    """Refuse test clips with motion of the training or validation clips, or of the pre-training.

    ``splits`` are train, val and test rows. Validation selected the weights and tuned the trivial
    rows. Raises InputError naming the first pair.
    """
    from dance_models.data.assemble import pose_runs_from_rows
    from dance_models.motion.leak import shared_windows

    train, selection, evaluated = (
        pose_runs_from_rows(table) if table.height else [] for table in splits
    )
    for known, used in (([*train, *motion], "trained on"), (selection, "selected with")):
        found = shared_windows(known, evaluated)
        if not found.clean:
            pair = found.pairs[0]
            raise InputError(
                f"{pair.evaluated} is {pair.pretraining}, which the model was {used}, under "
                f"another name ({100 * pair.share:.0f} % of its windows)",
                hint="Evaluate on clips that it never saw",
            )
