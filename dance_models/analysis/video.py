"""From a video, or from poses that were estimated elsewhere, to refined poses and forecasts."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import nn

from dance_models.analysis.ahead import ahead, one_behind
from dance_models.analysis.axis_jumps import UNSURE_SCORE, axis_jumps
from dance_models.analysis.camera import WIDTH, CameraMotion, CameraPath
from dance_models.analysis.cuts import with_cuts
from dance_models.analysis.refining import Advance, refine_long
from dance_models.analysis.steady import refine_steadily
from dance_models.config import JointDefinition
from dance_models.data.exchanged_sides import Span, undo_exchanges
from dance_models.data.forecast_windows import FUTURE, GRID_S, OBSERVED, fill_missing, resample
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.estimators.protocol import EstimateStack, PoseEstimate, PoseEstimator
from dance_models.evidence import no_evidence
from dance_models.inference.forecast import forecast
from dance_models.inference.refine import slice_run
from dance_models.nets.build import Refiner
from dance_models.video.stream import ClipStream

# After a longer gap in detection poses are not joined with those before, and no joint is filled.
GAP_S: Final = 0.5
FORECAST_S: Final = 0.1  # between forecasts
_BATCH: Final = 1000  # forecasts at once
_TOLERANCE_S: Final = 1e-6

Progress = Callable[[int, int], None]  # frames done, and in all (0: not known)


def check_length(done: int, declared: int, most: int) -> None:
    """Raise InputError for a video of more than ``most`` frames, as declared or as decoded."""
    if max(done, declared) > most:
        raise InputError(f"the video has more than {most} frames", hint="Send it in shorter parts")


@dataclass(frozen=True, eq=False)
class Networks:
    """What refines and forecasts."""

    refiner: Refiner
    observer: Refiner  # causal: refines what forecasts are made from
    forecaster: nn.Module


@dataclass(frozen=True, eq=False)
class Seen:
    """What one pass over T frames gave: estimated poses and the frames that begin a new shot."""

    run: PoseRun  # every frame; NaN where no person was detected
    cuts: NDArray[np.int64]  # (K,) frames
    warnings: tuple[str, ...] = ()
    camera: CameraPath | None = None  # None: there were no pictures
    start_s: float = 0.0  # time stamp of the first frame in the file
    rate: float | None = None  # frames/s that a folder of images was read with

    @property
    def fps(self) -> float:
        """Frames a second, from the first to the last; 30 for a single frame."""
        times = self.run.time_s
        return float((len(times) - 1) / times[-1]) if len(times) > 1 else 30.0


@dataclass(frozen=True, eq=False)
class VideoPoses:
    """The poses in a video of T frames. Pixels as displayed; NaN where no person was detected.

    A joint that was not detected for longer than ``GAP_S`` is NaN in ``refined`` and ``forecast``:
    networks give every joint a place, and that of one that nobody saw is made up.
    """

    seen: Seen
    restored: PoseRun  # the estimate with exchanged sides exchanged back: what was refined
    refined: NDArray[np.float32]  # (T, J, 2)
    stretches: tuple[tuple[int, int], ...]  # (start, stop) of frames that are refined as one
    causal: NDArray[np.float32]  # (T, J, 2) refined causally: what forecasts are made from
    anchor: NDArray[np.int64]  # (N,) the last observed frame of each forecast
    forecast: NDArray[np.float32]  # (N, 10, J, 2), every 40 ms after it
    exchanged: tuple[Span, ...] = ()  # where left and right were exchanged back before refining
    # (start, stop) of frames whose body cannot be turned as estimated; their scores are low
    unsure: tuple[tuple[int, int], ...] = ()

    @property
    def run(self) -> PoseRun:
        """Every frame as it was estimated."""
        return self.seen.run

    def observed(self, chosen: slice = slice(None)) -> NDArray[np.float32]:
        """What the chosen forecasts were made from, (n, 27, J, 2), every 40 ms up to the anchor.

        Made anew each time: of all forecasts at once it is ten times the poses themselves.
        """
        anchor = self.anchor[chosen]
        found = np.full((len(anchor), OBSERVED, *self.causal.shape[1:]), np.nan, np.float32)
        for start, stop in self.stretches:
            inside = (anchor >= start) & (anchor < stop)
            if inside.any():
                frames = slice(start, stop)
                found[inside] = observed_at(
                    self.run.time_s[frames], self.causal[frames], anchor[inside] - start
                )
        return found


# --- seeing -----------------------------------------------------------------------------------


def see_video(
    path: Path,
    estimator: PoseEstimator,
    progress: Progress | None = None,
    rate: float | None = None,
    *,
    beside: bool = True,
) -> Seen:
    """Estimate every frame in one pass. At most some frames are held.

    ``beside``: other threads decode and follow the camera meanwhile. The estimator looks for the
    person anew after a cut. ``rate`` is the frame rate of a folder of images that has none. Raises
    VideoError for a file that is not a readable video.
    """
    stream = ClipStream(path, rate)
    estimator.start_run()
    found = EstimateStack()
    cuts: list[int] = []
    camera: CameraMotion | None = None
    shown = with_cuts(stream.frames())
    with (
        ahead(shown) if beside else closing(shown) as frames,
        one_behind() if beside else nullcontext(_at_once) as do,
    ):
        for frame, cut in frames:
            if cut:
                cuts.append(frame.number)
                estimator.start_run()
            pose = estimator.estimate(frame.image, frame.number)
            found.add(pose)
            camera = camera or CameraMotion(_grey_scale(frame.image))
            do(partial(_feed, camera, frame.image, _box(pose), cut=cut))
            if progress is not None:
                progress(frame.number + 1, stream.declared)
    probe = stream.probe
    run = as_run(path.stem, probe.size, probe.time_s, found.taken())
    filmed = camera.path() if camera is not None else None
    return Seen(run, np.array(cuts, np.int64), tuple(probe.warnings), filmed, stream.start_s, rate)


def _at_once(work: Callable[[], None]) -> None:
    work()


def _feed(
    camera: CameraMotion, image: NDArray[np.uint8], box: NDArray[np.float32] | None, *, cut: bool
) -> None:
    camera.feed(_small_grey(image), box, cut=cut)


def _grey_scale(image: NDArray[np.uint8]) -> float:
    """How many pixels of the picture one of the small grey picture is, along a side."""
    return max(1.0, float(image.shape[1]) / WIDTH)


def _small_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture in grey, at most ``WIDTH`` wide."""
    scale = _grey_scale(image)
    size = round(image.shape[1] / scale), max(1, round(image.shape[0] / scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale > 1 else image
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def _box(pose: PoseEstimate | None) -> NDArray[np.float32] | None:
    """x0, y0, x1, y1 of a pose; None without one."""
    if pose is None:
        return None
    known = pose.keypoints[np.isfinite(pose.keypoints).all(axis=-1)]
    return np.concatenate([known.min(axis=0), known.max(axis=0)]) if len(known) else None


def see_track(
    name: str, estimator: PoseEstimator, frames: int, fps: float, size: tuple[int, int]
) -> Seen:
    """Poses from a file without its video: ``frames`` frames of ``size`` pixels."""
    picture = np.broadcast_to(np.uint8(0), (size[1], size[0], 3))
    estimator.start_run()
    found = EstimateStack()
    for frame in range(frames):
        found.add(estimator.estimate(picture, frame))
    run = as_run(name, size, np.arange(frames) / fps, found.taken())
    return Seen(run, np.zeros(0, np.int64))


# --- refining and forecasting -----------------------------------------------------------------


def poses_of(
    seen: Seen,
    networks: Networks,
    joints: JointDefinition = "estimator",
    progress: Progress | None = None,
) -> VideoPoses:
    """Refine what was seen, and forecast every tenth of a second; the two are done side by side.

    ``joints``: refined poses have the joints as the estimator defines them, so that the network
    moves what is wrong alone, or as the annotators of its training clips do. ``progress`` is told
    of the frames where somebody is seen. Raises InputError when no person is seen in two frames of
    a shot.
    """
    run = seen.run
    stretches = seen_stretches(run, seen.cuts)
    if not stretches:
        raise _nothing_to_refine(run)
    restored = replace(run, estimate=run.estimate.copy(), score=run.score.copy())
    restored = replace(restored, landmarks=run.landmarks.copy(), evidence=no_evidence(len(run)))
    refined, causal = np.full_like(run.estimate, np.nan), np.full_like(run.estimate, np.nan)
    spans: list[Span] = []
    forecasts: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
    advance = _half_each(progress, sum(stop - start for start, stop in stretches))
    for start, stop in stretches:
        piece = slice_run(run, start, stop)
        sides, exchanged = with_sides_restored(piece, networks.refiner)
        spans += [Span(s.part, start + s.start, start + s.stop) for s in exchanged]
        for name in ("estimate", "score", "landmarks"):
            getattr(restored, name)[start:stop] = getattr(sides, name)
        with ThreadPoolExecutor(1) as beside:
            steady = beside.submit(refined_stretch, networks.refiner, sides, joints, advance)
            anchor, followed, future = forecasts_of(piece, networks, joints, advance=advance)
            causal[start:stop], refined[start:stop] = followed, steady.result()
        forecasts.append((anchor + start, future))
    anchors, future = (np.concatenate(parts) for parts in zip(*forecasts, strict=True))
    return VideoPoses(
        replace(seen, run=replace(run, evidence=no_evidence(len(run)))),
        restored,
        refined,
        tuple(stretches),
        causal,
        anchors,
        future,
        tuple(spans),
        _marked_unsure(restored, seen.cuts),
    )


def refined_stretch(
    refiner: Refiner, sides: PoseRun, joints: JointDefinition, advance: Advance | None = None
) -> NDArray[np.float32]:
    """Refined poses (T, J, 2) of a stretch whose sides are restored; lost joints are NaN."""
    poses = refine_steadily(refiner, sides, joints, advance)
    poses[lost_joints(sides.estimate, sides.time_s)] = np.nan
    return poses


def lost_joints(
    estimate: NDArray[np.floating], time_s: NDArray[np.float64], *, causal: bool = False
) -> NDArray[np.bool_]:
    """(T, J) joints that were not detected for longer than ``GAP_S``, of (T, J, 2) at times (T,).

    In all frames of such a gap; with ``causal``, from ``GAP_S`` after its start on, and before the
    joint is first seen. Otherwise the gap before it is first seen begins, and that after it is last
    seen ends, with the frames. A joint that is never seen is lost.
    """
    seen = np.isfinite(estimate).all(axis=-1)
    at = np.where(seen, time_s[:, None], np.nan)
    before = np.fmax.accumulate(at, axis=0)
    if causal:
        return np.asarray(np.isnan(before) | (time_s[:, None] - before > GAP_S))
    after = np.fmin.accumulate(at[::-1], axis=0)[::-1]
    start, stop = np.fmax(before, time_s[0]), np.fmin(after, time_s[-1])
    return np.asarray(~seen & ((stop - start > GAP_S) | ~seen.any(axis=0)))


def _nothing_to_refine(run: PoseRun) -> InputError:
    """Why there is no stretch: nobody is seen, or never in two frames that belong together."""
    if not is_detected(run).any():
        return InputError(
            "no person was detected in this video",
            file=run.clip,
            hint="The whole dancer must be visible",
        )
    return InputError(
        f"a person is seen, but never in two frames of one shot within {GAP_S:g} s",
        file=run.clip,
        hint=f"A video has more than {1 / GAP_S:g} frames/s; a picture alone is none",
    )


def _marked_unsure(restored: PoseRun, cuts: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """Lower the scores where the body cannot be turned as estimated; (start, stop) of frames."""
    jumps = axis_jumps(restored.estimate, restored.time_s, cuts.tolist())
    for start, stop in jumps:
        restored.score[start:stop] = np.minimum(restored.score[start:stop], UNSURE_SCORE)
    return tuple(jumps)


def _half_each(progress: Progress | None, total: int) -> Advance:
    """What the two networks, each in its thread, call with the frames that it has refined."""
    done, alone = 0, Lock()

    def advance(frames: int) -> None:
        nonlocal done
        with alone:
            done += frames
            if progress is not None:
                progress(done // 2, total)

    advance(0)
    return advance


def with_sides_restored(run: PoseRun, refiner: Refiner) -> tuple[PoseRun, tuple[Span, ...]]:
    """The run as the network refines it, and the spans that were exchanged, in its frames."""
    if not refiner.config.undo_exchanges:
        return run, ()
    restored, exchanges = undo_exchanges(run, causal=refiner.config.causal)
    return restored, tuple(exchanges.spans())


def forecasts_of(
    run: PoseRun,
    networks: Networks,
    joints: JointDefinition,
    anchor: NDArray[np.int64] | None = None,
    advance: Advance | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Anchors (N,), the poses (T, J, 2) that are observed, and what follows each (N, 10, J, 2).

    ``anchor`` are frames of the run, by default those a tenth of a second apart with a whole second
    before them. The observed poses are refined by a causal network, once: each follows from the
    frames up to it, so that no forecast sees what comes after its anchor. Joints that are lost at
    an anchor are NaN after it.
    """
    seen, _ = with_sides_restored(run, networks.observer)
    poses = refine_long(networks.observer, seen, joints, advance=advance)
    if anchor is None:
        anchor = _anchors(run.time_s)
    future = np.zeros((len(anchor), FUTURE, *poses.shape[1:]), np.float32)
    for first in range(0, len(anchor), _BATCH):
        part = slice(first, first + _BATCH)
        observed = observed_at(run.time_s, poses, anchor[part])
        future[part] = forecast(networks.forecaster, observed)
    lost = lost_joints(run.estimate, run.time_s, causal=True)[anchor]
    return anchor, poses, np.where(lost[:, None, :, None], np.float32(np.nan), future)


def observed_at(
    time_s: NDArray[np.float64], poses: NDArray[np.float32], anchor: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The poses (T, J, 2) every 40 ms up to each of the frames (N,), gaps filled: (N, 27, J, 2)."""
    grid = time_s[anchor][:, None] + GRID_S[:OBSERVED]
    return np.asarray(fill_missing(resample(time_s, poses, grid)), np.float32)


def _anchors(time_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Frames before which a whole second was observed, a tenth of a second apart."""
    step = float(np.median(np.diff(time_s)))
    position = np.arange(0, len(time_s), max(1, round(FORECAST_S / step)))
    observed_s = -GRID_S[0]
    whole = time_s[position] - time_s[0] >= observed_s - _TOLERANCE_S
    return np.asarray(position[whole])


def is_detected(run: PoseRun) -> NDArray[np.bool_]:
    """(T,) where a joint was found. Not by the score: that of poses of others may be 0."""
    return np.asarray(np.isfinite(run.estimate).all(axis=-1).any(axis=-1))


def seen_stretches(
    run: PoseRun, cuts: Sequence[int] | NDArray[np.int64] = ()
) -> list[tuple[int, int]]:
    """(start, stop) of stretches of one shot with no gap of more than half a second in them."""
    seen = np.flatnonzero(is_detected(run))
    shot = np.searchsorted(np.asarray(cuts), seen, side="right")
    apart = (np.diff(run.time_s[seen]) > GAP_S) | (np.diff(shot) > 0)
    parts = np.split(seen, np.flatnonzero(apart) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts if len(part) > 1]


def as_run(
    clip: str,
    size: tuple[int, int],
    time_s: NDArray[np.float64],
    seen: PoseEstimate,
) -> PoseRun:
    """The stacked estimates of T frames of ``size`` (width, height) at ``time_s`` (T,)."""
    count = len(seen.keypoints)
    unknown = np.broadcast_to(np.float32(np.nan), seen.keypoints.shape)  # takes no memory
    return PoseRun(
        clip=clip,
        style="",
        performer="",
        group=clip,
        split="",
        fold=0,
        run=0,
        variant=0,
        width=size[0],
        height=size[1],
        frame=np.arange(count),
        time_s=time_s[:count],
        estimate=seen.keypoints,
        score=seen.score,
        landmarks=seen.landmarks,
        evidence=seen.evidence,
        annotation=unknown,
        visibility=np.broadcast_to(np.uint8(0), seen.score.shape),
        consensus=unknown,
        derived=np.broadcast_to(np.False_, seen.score.shape),
    )
