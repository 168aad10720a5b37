"""All pieces of a data set: which, made in parallel and resumed, joined to pose runs."""

import math
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.config import EstimatorConfig, RenderedMotionConfig
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.metrics.pck import SELECTION_THRESHOLDS, joint_errors, pck_sums
from dance_models.metrics.torso import median_torso
from dance_models.motion.capture import Capture, read_captures
from dance_models.motion.runs import source_splits
from dance_models.processes import worker_pool
from dance_models.rendered.bodies import body_names
from dance_models.rendered.clip import (
    Piece,
    ViewFile,
    digest_of,
    generator,
    load_view,
    make_view,
    view_name,
)
from dance_models.rendered.consensus import Views, consensus, consensus_points
from dance_models.tables import file_digest

STYLE: Final = "rendered"
SUFFIXES: Final = (".bvh", ".npz", ".npy")
_LEAST_VIEWS: Final = 4  # for a consensus
# The weight of an estimate in the consensus by the exact visibility: 0 outside, 1 hidden, 2 seen.
_TRUTH_WEIGHT: Final = np.array([0.0, 0.3, 1.0])
_LEAST_CONFIDENCE: Final = 0.02


@dataclass(frozen=True, eq=False)
class Take:
    """A capture and the file it came from."""

    capture: Capture
    source: str
    sha256: str


def read_takes(
    files: Mapping[str, Path], config: RenderedMotionConfig
) -> tuple[list[Take], dict[str, str]]:
    """All takes of the files that are long enough, and why a file gives none."""
    takes: list[Take] = []
    problems: dict[str, str] = {}
    for source, path in sorted(files.items()):
        if path.suffix.lower() not in SUFFIXES:
            problems[source] = "not BVH or joint positions in 3-D"
            continue
        try:
            found = read_captures(path, source, config.positions_fps)
        except InputError as error:
            problems[source] = str(error)
            continue
        digest = file_digest(path)
        long = [c for c in found if len(_starts(c, config))]
        takes += [Take(capture, source, digest) for capture in long]
        if not long:
            problems[source] = f"no take of {config.seconds:g} s"
    return takes, problems


def _starts(capture: Capture, config: RenderedMotionConfig) -> list[float]:
    """Starts of stretches that do not overlap; the last frames are kept for interpolation."""
    usable = capture.seconds - 0.15
    count = math.floor(usable / config.seconds) if config.seconds > 0 else 0
    return [i * config.seconds for i in range(count)]


def plan_pieces(takes: Sequence[Take], config: RenderedMotionConfig) -> list[Piece]:
    """The pieces: all stretches in random order, again and again, the bodies in turn.

    More pieces leave those before as they are. Raises InputError without takes.
    """
    stretches = [(t, start) for t in takes for start in _starts(t.capture, config)]
    if not stretches:
        raise InputError("there is no motion long enough for a piece")
    names = body_names(config.bodies)
    pieces: list[Piece] = []
    cycle = 0
    while len(pieces) < config.pieces:
        rng = generator(config, "order", cycle)
        order = rng.permutation(len(stretches))
        for take, start in (stretches[i] for i in order):
            body = names[len(pieces) % len(names)]
            piece = Piece(len(pieces), take.source, take.capture.name, start, body)
            pieces.append(piece)
        cycle += 1
    return pieces[: config.pieces]


def render_pieces(
    takes: Sequence[Take],
    config: RenderedMotionConfig,
    estimator: EstimatorConfig,
    weights: Path,
    folder: Path,
    on_view: Callable[[int, int], None] | None = None,
) -> list[Piece]:
    """Make the files of all views that are not there yet; returns the pieces.

    ``weights`` is the folder of the estimator's weights. ``on_view`` is called with how many views
    are there, and of how many. Can be interrupted at any time: each file is whole or absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pieces = plan_pieces(takes, config)
    by_name = {take.capture.name: take for take in takes}
    jobs = [
        (
            piece,
            view,
            by_name[piece.take].capture,
            config,
            estimator,
            weights,
            folder / f"{view_name(piece, view)}.npz",
            digest_of(piece, view, config, estimator, weights, by_name[piece.take].sha256),
        )
        for piece in pieces
        for view in range(config.views)
    ]
    # Closed at once when the caller is interrupted between two views: then no worker goes on.
    with closing(_carried_out(jobs, config.workers or os.cpu_count() or 1)) as views:
        for done, _ in enumerate(views, 1):
            if on_view:
                on_view(done, len(jobs))
    return pieces


def _carried_out(jobs: Sequence[tuple[Any, ...]], workers: int) -> Generator[None, None, None]:
    """Call :func:`make_view` with each job, in parallel; yields after each."""
    if workers == 1:
        for job in jobs:
            make_view(*job)
            yield
        return
    with worker_pool(workers) as pool:  # interrupted or failed: the next run makes the other views
        futures = [pool.submit(make_view, *job) for job in jobs]
        for future in as_completed(futures):
            future.result()
            yield


def rendered_runs(
    pieces: Sequence[Piece], folder: Path, config: RenderedMotionConfig
) -> list[PoseRun]:
    """The pose runs of all views, with their consensus, ordered by piece and view.

    A view in which the estimator never found the dancer is left out. Groups are takes and
    performers are bodies, so that either can be held out. Raises InputError naming the file when
    one is missing or not whole.
    """
    splits = source_splits(
        (piece.take for piece in pieces), val_share=config.val_share, seed=config.seed
    )
    runs = []
    for piece in pieces:
        views = list(_files(piece, folder, config))
        points = piece_consensus(views, config)
        for number, (view, agreed) in enumerate(zip(views, points, strict=True)):
            if np.isfinite(view.estimate).any():
                runs.append(_run(piece, number, view, agreed, splits[piece.take]))
    return runs


def _files(piece: Piece, folder: Path, config: RenderedMotionConfig) -> Iterator[ViewFile]:
    for number in range(config.views):
        path = folder / f"{view_name(piece, number)}.npz"
        try:
            yield load_view(path)
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise InputError(
                f"not a whole rendered view ({error})", file=path, hint="Render again"
            ) from error


def as_views(views: Sequence[ViewFile]) -> Views:
    """The views of one piece as :func:`~dance_models.rendered.consensus.consensus` takes them.

    The confidence is the estimator's, less where the exact joint is hidden or outside.
    """
    score = np.stack([view.score for view in views]).astype(np.float64)
    truth = _TRUTH_WEIGHT[np.stack([view.visibility for view in views])]
    return Views(
        views[0].joints.astype(np.float64),
        views[0].axes.astype(np.float64),
        np.stack([view.projection for view in views]),
        np.stack([view.estimate for view in views]),
        np.where(truth > 0, np.maximum(score * truth, _LEAST_CONFIDENCE), 0),
    )


def piece_consensus(views: Sequence[ViewFile], config: RenderedMotionConfig) -> NDArray[np.float32]:
    """(V, T, J, 2) pixels; all NaN when there are fewer than four views."""
    stacked = as_views(views)
    if len(views) < _LEAST_VIEWS:
        return np.full(stacked.estimate.shape, np.nan, np.float32)
    found = consensus(stacked, config.smooth_s * views[0].fps)
    return consensus_points(stacked, found, config.most_error_m).astype(np.float32)


def _run(
    piece: Piece, number: int, view: ViewFile, agreed: NDArray[np.float32], split: str
) -> PoseRun:
    count = len(view.estimate)
    return PoseRun(
        clip=view_name(piece, number),
        style=STYLE,
        performer=piece.body,
        group=piece.take,
        split=split,
        fold=0,
        run=0,
        variant=0,
        width=view.size[0],
        height=view.size[1],
        frame=np.arange(count),
        time_s=np.arange(count) / view.fps,
        estimate=view.estimate,
        score=view.score,
        landmarks=view.landmarks,
        evidence=view.evidence,
        annotation=view.annotation(),
        visibility=view.visibility,
        consensus=np.where(view.visibility[..., None] > 0, agreed, np.nan).astype(np.float32),
    )


def accuracy(runs: Sequence[PoseRun]) -> dict[str, float]:
    """PCK of the estimates in percent, against the exact and against the consensus truth."""
    found = {}
    for name in ("annotation", "consensus"):
        for threshold in SELECTION_THRESHOLDS:
            hits = counted = 0.0
            for run in runs:
                truth, torso = getattr(run, name), median_torso(run.annotation)
                right, all_of = pck_sums(joint_errors(run.estimate, truth), torso, threshold)
                hits, counted = hits + right.sum(), counted + all_of.sum()
            found[f"pck@{threshold}_{name}"] = float(100 * hits / max(counted, 1))
    return found


def middle_picture(folder: Path, clip: str) -> NDArray[np.uint8]:
    """RGB (H, W, 3) of a view's middle frame, reduced."""
    encoded = load_view(folder / f"{clip}.npz").picture
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB), np.uint8)
