"""``dance evaluate``: a tracked model on a corpus that it never saw."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands import common


def evaluate(
    model: Annotated[str, typer.Option(help="NAME@ALIAS, an MLflow run id, or a network's asset.")],
    clips: Annotated[
        list[Path],
        typer.Option(help="Folder of clips the model never saw, or a video; may be repeated."),
    ],
    annotations: Annotated[
        list[Path], typer.Option(help="Folder of their annotation files; may be repeated.")
    ],
    store: common.StoreOption = common.DEFAULT_STORE,
    profile: common.ProfileOption = "demo",
    joints: common.JointsOption = "annotation",
    tracks: common.TracksOption = None,
    pose_model: common.PoseModelOption = None,
    debug: common.DebugOption = False,
) -> None:
    """Score a tracked model on a corpus it never saw; prints the same tables."""
    from pipelines.execution.corpus_evaluation import Corpus, evaluate_on
    from pipelines.execution.session import Given, refuse_missing
    from pipelines.tracking.tracked_models import find_model

    with common.reported(debug):
        folder = common.existing(store)
        estimator = common.estimator_of(tracks=tracks, pose_model=pose_model)
        refuse_missing(Given(clips, annotations))
        corpus = Corpus(clips, annotations, profile, estimator, joints)
        evaluate_on(folder, common.console(), find_model(folder, model), corpus, debug=debug)
