"""``dance run``: register clips and annotations and run the graph on them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from pipelines.commands import common

if TYPE_CHECKING:
    from dance_models.annotations.image_names import FirstFrame, Reading
    from pipelines.execution.session import Given, RunOutcome
    from pipelines.storage.store import Store

ClipsOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="<path or s3://BUCKET/FOLDER>",
        help="Folder of clips, STYLE/CLIP.mp4 or flat, or a video; may be repeated.",
    ),
]
AnnotationsOption = Annotated[
    list[Path] | None,
    typer.Option(help="Folder of annotation files of any known format, or one; may be repeated."),
]
MotionOption = Annotated[
    list[Path] | None,
    typer.Option(help="Folder of BVH or pose tracks to pre-train on; may be repeated."),
]
FoldsOption = Annotated[
    int, typer.Option(min=0, help="Grouped folds to train and score on as well: 0, or at least 2.")
]
AblationsOption = Annotated[
    bool, typer.Option("--ablations", help="Also train the variants of the two networks.")
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Exit with 3 when anything that was given is not used.")
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Worker processes; default: cores.")]
RenderedOption = Annotated[
    int | None,
    typer.Option(
        min=0, help="How many pieces of that motion to render to pre-train on, in eight views each."
    ),
]
ClipOption = Annotated[
    str | None,
    typer.Option(help="The clip of annotated images whose names give none, such as frame_000001."),
]
FirstFrameOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=1, help="Number of a clip's first frame in annotations. Default: detected."
    ),
]
ShardsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=4096,
        help="How many partitions the clips of the store are in. Default: one for each clip, and "
        "256 or more for more than 1,000 clips.",
    ),
]
OnlyOption = Annotated[str | None, typer.Option(help="Run just these assets, separated by commas.")]
OnnxOption = Annotated[
    Path | None, typer.Option(help="JSON that describes a top-down ONNX pose model.")
]

EngineOption = Annotated[
    str,
    typer.Option(
        envvar="DANCE_ENGINE",
        help="Where clips and trainings run: local, ray://HOST:PORT, or ray:auto on a node.",
    ),
]


def run(
    clips: ClipsOption = None,
    annotations: AnnotationsOption = None,
    clip: ClipOption = None,
    first_frame: FirstFrameOption = None,
    motion: MotionOption = None,
    rendered: RenderedOption = None,
    store: common.StoreOption = common.DEFAULT_STORE,
    profile: common.ProfileOption = "demo",
    only: OnlyOption = None,
    strict: StrictOption = False,
    person: common.PersonOption = None,
    tracks: common.TracksOption = None,
    pose_model: common.PoseModelOption = None,
    onnx: OnnxOption = None,
    folds: FoldsOption = 0,
    ablations: AblationsOption = False,
    workers: WorkersOption = None,
    shards: ShardsOption = None,
    devices: common.DevicesOption = None,
    engine: EngineOption = "local",
    debug: common.DebugOption = False,
) -> None:
    """Register clips and annotations and run the graph on all registered clips."""
    from pipelines.cluster import checked, connected
    from pipelines.execution.request import Request
    from pipelines.execution.session import Session, refuse_unusable
    from pipelines.profile_options import ProfileOptions
    from pipelines.training.devices import refuse_missing_devices

    with common.reported(debug):
        checked(engine)
        estimator = common.estimator_of(person, tracks, onnx, pose_model)
        # --only may name assets of motion that is only now being registered.
        moving = bool(motion) or None
        options = ProfileOptions(profile, ablations, folds, estimator, moving, rendered, devices)
        names = frozenset(name.strip() for name in (only or "").split(",")) - {""}
        request = Request(common.opened(store).path, options, names, debug)
        request.stages(partitioned=True)  # raises on an unknown profile or asset
        reading = _reading(annotations or (), clip, first_frame)
        with connected(engine) as cluster:
            refuse_missing_devices(request.trainings(), cluster)
            given = _given(request.opened, clips or (), annotations or (), motion or ())
            refuse_unusable(request.opened, given)
            request = replace(request, cores=cluster.cpus if cluster is not None else None)
            session = Session(request, common.console(), workers, cluster, shards)
            common.warn_once_of_rights(session.store, common.console())
            session.register(given, reading)
            outcome = session.run()
        _exit(outcome, strict)


def _given(
    store: "Store", clips: Sequence[str], annotations: Sequence[Path], motion: Sequence[Path]
) -> "Given":
    """What was named; pointers to the clips of a bucket are made first.

    Raises InputError for paths that do not exist, and a bucket that cannot be used.
    """
    from pipelines.execution.session import Given, refuse_missing
    from pipelines.storage.bucket_clips import mirror

    addresses = dict.fromkeys(text for text in clips if "://" in text)
    given = Given([Path(text) for text in clips if text not in addresses], annotations, motion)
    refuse_missing(given)
    return replace(given, listed={address: mirror(store, address) for address in addresses})


def _exit(outcome: "RunOutcome", strict: bool) -> None:
    """Leave with the exit code of a run that failed, or with --strict did not use everything."""
    if outcome.failed:
        raise typer.Exit(common.EXIT_FAILED)
    if strict and (outcome.quarantined or not outcome.lossless):
        raise typer.Exit(common.EXIT_NOT_USED)


def _reading(annotations: Sequence[Path], clip: str | None, first_frame: int | None) -> "Reading":
    """How the files below ``--annotations`` are read."""
    from dance_models.annotations.image_names import Reading
    from dance_models.errors import InputError

    if not annotations and (clip is not None or first_frame is not None):
        raise InputError(
            "--clip and --first-frame say how annotation files are read",
            hint="Name their folder too: --annotations DIR",
        )
    return Reading(clip=clip, first_frame=cast("FirstFrame | None", first_frame))
