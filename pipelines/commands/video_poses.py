"""Poses of videos for the commands that take anyone's video: who is seen, by which estimator."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from dance_models.config import JointDefinition
from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.commands.frame_progress import frame_progress
from pipelines.commands.people import chosen_people
from pipelines.commands.video_arguments import NamedVideo
from pipelines.shown import saying, shown
from pipelines.storage.weights import WeightsFolder, store_weights, user_weights

if TYPE_CHECKING:
    from dance_models.analysis.video import Networks, Seen
    from dance_models.config import EstimatorConfig
    from dance_models.estimators.people.choose import Rule
    from dance_models.estimators.people.tracks import Track
    from dance_models.estimators.precomputed import PrecomputedPoses
    from dance_models.estimators.protocol import PoseEstimator


MOST_FPS: Final = 1000


@dataclass(frozen=True)
class PoseOptions:
    """The options of commands on where poses come from and what refines them."""

    person: "Rule | None" = None
    poses: Path | None = None  # of --from
    pose_model: str | None = None
    tracks: Path | None = None
    fps: float | None = None
    size: tuple[int, int] | None = None
    causal: bool = False
    fast: bool = False
    joints: JointDefinition = "estimator"
    models: tuple[str | None, str | None] = (None, None)  # recognition, prediction
    store: str = common.DEFAULT_STORE
    cache: Path | None = None


@dataclass(eq=False)
class SeenPerson:
    """One person of a video as the estimator saw them; nobody else holds what was ``seen``."""

    seen: "Seen"
    estimator: str  # name and version
    number: int | None = None  # from the left, where all of several are followed


@dataclass
class PoseReader:
    """What is loaded once for all videos."""

    options: PoseOptions
    console: Console
    networks: "Networks"
    models: Mapping[str, str]
    estimation: "EstimatorConfig"
    weights: WeightsFolder
    estimator: "PoseEstimator | None" = field(default=None)  # one that serves every video

    @classmethod
    def loaded(cls, options: PoseOptions, console: Console) -> "PoseReader":
        """Load the networks. Raises InputError when a tracked model is not there."""
        from dance_models.analysis import shipped
        from dance_models.config import EstimatorConfig
        from dance_models.inference.loading import estimator_for

        paths = {"recognition": shipped.RECOGNITION, "prediction": shipped.PREDICTION}
        if options.causal:
            paths["recognition"] = shipped.RECOGNITION_CAUSAL
        models = dict.fromkeys(paths, shipped.DESCRIBED)
        chosen = {name: model for name, model in zip(paths, options.models, strict=True) if model}
        for name, model in chosen.items():
            paths[name], models[name] = _tracked(options.store, model)
        networks = shipped.networks(
            paths["recognition"], paths["prediction"], causal=options.causal
        )
        tracks = options.tracks
        estimation = common.estimator_of(
            None, tracks, pose_model=options.pose_model if tracks else None
        )
        estimation = estimation or EstimatorConfig(axis_check=True)
        estimation = replace(estimation, threads=common.estimator_threads())
        estimation = estimator_for(networks.refiner, estimation)
        if options.fast:
            estimation = replace(estimation, mirrored_pass=False)
        weights = (
            store_weights(common.opened(options.store)) if chosen else user_weights(options.cache)
        )
        return cls(
            options,
            console,
            networks,
            models,
            estimation,
            weights,
        )

    def people(self, video: NamedVideo | None, name: str) -> Iterator[SeenPerson]:
        """One pass over the video, or the pose file, for each person who is followed.

        ``name`` is that of the video in the progress. Raises InputError when nobody is found,
        VideoError for what is not a readable video.
        """
        options = self.options
        if video is None:
            assert options.poses is not None and options.fps is not None
            person = options.person if isinstance(options.person, int) else 1
            yield self._seen_alone(options.poses, person - 1, options.fps)
            return
        for estimator, described, number in self._estimators(video):
            who = "" if number is None else f", person {number}"
            seen = self._seen(video, estimator, f"{name}{who}: estimating")
            found = SeenPerson(seen, described, number)
            del estimator, seen  # the poses of a file, everybody's, and what refining needs alone
            yield found

    def _seen_alone(self, poses: Path, person: int, fps: float) -> SeenPerson:
        """The person of that rank in a pose file without its video."""
        from dance_models.analysis.track import given_poses, see_given

        given, track = given_poses(poses, person, self.options.pose_model, None)
        self._say_notes(given.notes)
        seen = see_given(poses, given, track, fps, self.options.size)
        return SeenPerson(seen, f"{poses.name}: {given.described}")

    def _seen(self, video: NamedVideo, estimator: "PoseEstimator", words: str) -> "Seen":
        from dance_models.analysis.video import see_video
        from dance_models.estimators.protocol import notes_of, size_notes_of

        self._say_notes(notes_of(estimator))
        with frame_progress(self.console, words) as progress:
            seen = see_video(video.path, estimator, progress, video.rate)
        self._say_notes(size_notes_of(estimator, (seen.run.width, seen.run.height)))
        return seen

    def _estimators(self, video: NamedVideo) -> "Iterator[tuple[PoseEstimator, str, int | None]]":
        """An estimator for each person who is followed, its name, and the person's number."""
        from dance_models.estimators.people.estimate import tracked_estimators

        rule, finder = self.options.person, ""
        tracks: tuple[Track, ...] = ()
        if rule is not None:
            people, tracks, finder = chosen_people(
                video.path, rule, self.weights.path, self.console,
                lambda _, source: self.weights.fetched(source, saying(self.console)), video.rate,
            )  # fmt: skip
        several = rule == "all"
        if self.options.poses is None and self.estimation.name != "precomputed":
            weights = self.weights.ready(self.estimation, saying(self.console))
            if rule is None:
                found: tuple[PoseEstimator, ...] = (self._whole(video, weights),)
            else:
                found = tracked_estimators(people, tracks, weights, self.estimation, finder)
            for estimator, track in zip(found, tracks or (None,), strict=True):
                described = f"{estimator.name} {estimator.version}"
                described += ", without the mirrored pass" if self.options.fast else ""
                yield estimator, described, track.number if several and track else None
            return
        for track in tracks or (None,):
            number = track.number if several and track else None
            yield *self._given(video, track), number  # not held here while the person is written

    def _whole(self, video: NamedVideo, weights: Path) -> "PoseEstimator":
        """The estimator that looks at whole pictures; loaded once for all videos."""
        from dance_models.estimators.factory import make_estimator

        if self.estimator is None:
            self.estimator = make_estimator(self.estimation, weights, video.stem)
        return self.estimator

    def _given(self, video: NamedVideo, track: "Track | None") -> "tuple[PrecomputedPoses, str]":
        """Somebody else's poses of a video, of the person who is followed, and their name."""
        from dance_models.analysis.track import given_poses
        from dance_models.estimators.factory import make_estimator
        from dance_models.estimators.precomputed import PrecomputedPoses
        from dance_models.video.names import clip_slug

        # The number of frames says whether the poses of a file are counted from 0 or from 1.
        frames = _declared(video)
        if self.options.poses is not None:
            given, _ = given_poses(self.options.poses, None, self.options.pose_model, frames)
        else:
            made = make_estimator(self.estimation, Path(), clip_slug(video.path), frames)
            assert isinstance(made, PrecomputedPoses)
            given = made
        if track is not None:
            given.follow(track)
        if self.options.poses is not None:
            return given, f"{self.options.poses.name}: {given.described}"
        return given, f"{given.name} {given.version}"

    def _say_notes(self, notes: Iterable[str]) -> None:
        for note in notes:
            self.console.print(f"[yellow]warning:[/] {shown(note)}", soft_wrap=True)


def _tracked(store: str, name: str) -> tuple[Path, str]:
    """The checkpoint of a tracked model, and what it is."""
    from pipelines.tracking.tracked_models import find_model

    model = find_model(common.existing(store), name)
    return model.checkpoint, f"{model.method}, MLflow run {model.run_id}"


def _declared(video: NamedVideo) -> int | None:
    """The frames that a video claims to have."""
    from dance_models.video.source import open_source

    with open_source(video.path, video.rate) as source:
        return source.declared or None


def poses_read(options: PoseOptions, video: NamedVideo | None) -> list[Path]:
    """The files and folders that hold the poses of a video, where they are given."""
    from dance_models.estimators.pose_file import track_files
    from dance_models.estimators.track_folder import files_of_clip
    from dance_models.video.names import clip_slug

    if options.poses is not None:
        return [options.poses, *track_files(options.poses)]
    if options.tracks is None or video is None:
        return []
    try:
        path, files = files_of_clip(options.tracks, clip_slug(video.path))
    except InputError:  # said when they are read
        return []
    return [path, *files]


def check_names(options: PoseOptions, videos: Sequence[NamedVideo]) -> None:
    """Raise InputError where --tracks would give the poses of one video to another, too.

    They are found by the name of a video alone, and would be compared with themselves.
    """
    from dance_models.video.names import clip_slug

    if options.tracks is None:
        return
    named: dict[str, Path] = {}
    for video in videos:
        slug = clip_slug(video.path)
        if slug in named:
            raise InputError(
                f"--tracks finds poses by the name {slug!r}, and {named[slug]} has it, too",
                file=video.path,
                hint="Rename one of the two videos and its poses",
            )
        named[slug] = video.path


def rule_of(person: str | None) -> "Rule | None":
    """Whom ``--person`` means. Raises InputError for what is no rule."""
    from dance_models.estimators.people.choose import parse_rule

    return None if person is None else parse_rule(person)


def check_pose_options(options: PoseOptions, *, with_video: bool) -> None:
    """Raise InputError for options that do not go together."""
    if not with_video and options.poses is None:
        raise InputError("no video is given", hint="dance analyze VIDEO, or --from FILE for poses")
    if options.poses is not None and options.tracks is not None:
        raise InputError("--from and --tracks exclude each other")
    if options.fast and (options.poses is not None or options.tracks is not None):
        raise InputError("--fast is about our estimator, and --from and --tracks take its place")
    if options.poses is not None and not options.poses.exists():
        raise InputError("there is no such file or folder (--from)", file=options.poses)
    if options.pose_model is not None and options.poses is None and options.tracks is None:
        raise InputError("--pose-model says how to read --from or --tracks, which are not given")
    if with_video and (options.fps is not None or options.size is not None):
        raise InputError("--fps and --size are for --from without a video")
    if options.fps is not None and not 0 < options.fps <= MOST_FPS:
        raise InputError(f"--fps {options.fps:g} is no frame rate", hint="For example 30")
    if not with_video and options.fps is None:
        raise InputError(
            "how fast the poses of --from follow is not known",
            hint="Give --fps, or the video as well",
        )
    if not with_video and not (options.person is None or isinstance(options.person, int)):
        raise InputError(
            f"--person {options.person} is found in the video, which is not given",
            hint="Give the video as well, or --person N for the N-th largest",
        )
