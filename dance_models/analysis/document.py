"""The JSON that is written for a video; its frames can be read again as a pose file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.figures import Figures
from dance_models.analysis.forecast_shown import ForecastCheck
from dance_models.analysis.video import VideoPoses, is_detected
from dance_models.data.forecast_windows import FUTURE
from dance_models.files import replacing
from dance_models.metrics.horizon import FORECAST_HZ
from dance_models.metrics.torso import median_torso
from dance_models.skeleton import DANCE_14

DECIMALS: Final = 2  # of pixels


def write_document(
    path: Path, poses: VideoPoses, models: Mapping[str, str], summed: Mapping[str, Any]
) -> None:
    """Write the estimated, refined and forecast poses, in pixels as displayed and seconds.

    ``frames`` lists the frames with a refined pose: ``keypoints`` are [x, y, score] with the
    estimator's score (null where a joint is missing), ``estimate`` is the estimate itself (null
    where no person was detected).
    ``forecasts`` lists poses 40 ms apart, after the given frame. ``models`` names what made them,
    ``summed`` is of :func:`summary`. Written entry by entry: as one object, the poses of half an
    hour take a gigabyte. The file appears whole or not at all.
    """
    run = poses.run
    head = {
        "clip": run.clip,
        "width": run.width,
        "height": run.height,
        "decoded_frames": len(run),
        "skeleton": DANCE_14.id,
        "joints": list(DANCE_14.names),
        "models": dict(models),
        "summary": dict(summed),
    }
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1])
        for name, entries in (("frames", _frames(poses)), ("forecasts", _forecasts(poses))):
            file.write(f', "{name}": [')
            for number, entry in enumerate(entries):
                file.write(f"{',' if number else ''}\n{json.dumps(entry)}")
            file.write("]")
        file.write("}\n")


def _frames(poses: VideoPoses) -> Iterator[dict[str, Any]]:
    run, score, detected = poses.run, poses.restored.score, is_detected(poses.run)
    for i in np.flatnonzero(np.isfinite(poses.refined).any(axis=(1, 2))):
        yield {
            "frame": int(run.frame[i]),
            "time_s": round(float(run.time_s[i]), 4),
            "keypoints": _with_score(poses.refined[i], score[i]),
            "estimate": _points(run.estimate[i]) if detected[i] else None,
        }


def _forecasts(poses: VideoPoses) -> Iterator[dict[str, Any]]:
    run = poses.run
    for anchor, forecast in zip(poses.anchor, poses.forecast, strict=True):
        yield {
            "frame": int(run.frame[anchor]),
            "time_s": round(float(run.time_s[anchor]), 4),
            "ahead_ms": [round(1000 * (k + 1) / FORECAST_HZ) for k in range(FUTURE)],
            "keypoints": [_points(pose) for pose in forecast],
        }


def summary(
    poses: VideoPoses,
    check: ForecastCheck,
    figures: Figures,
    horizon_ms: int,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Summary of the whole video: frames with a person, what happened in it, corrections, errors.

    ``exchanged_sides`` lists the frames in which the estimator had exchanged left and right, of the
    body or of the arms or legs alone; they were exchanged back before refining. ``cuts`` are the
    frames that begin a shot, ``nobody`` the stretches in which nobody was seen for long enough
    that nothing is joined across them. ``unsure`` are those in which the body cannot be turned as
    estimated: they count in no range. ``missing_joints`` counts by joint the frames with a pose
    that lacks it.

    ``correction`` is the median distance between estimate and refined pose by joint, in percent of
    the dancer's median torso: where it is large, the estimator and the annotation that the network
    was trained on disagree. ``jitter`` is in % of the torso a frame (1/25 s) squared.
    """
    run = poses.run
    torso = median_torso(poses.refined)
    return {
        "frames": len(run),
        "frames_per_second": round(poses.seen.fps, 3),
        "frames_with_somebody": int(is_detected(poses.run).sum()),
        "torso_px": _number(torso, 1),
        "cuts": _spans(poses, [(int(cut), int(cut) + 1) for cut in poses.seen.cuts]),
        "nobody": _spans(poses, nobody(poses)),
        "unsure": _spans(poses, poses.unsure),
        "missing_joints": _missing(poses),
        "correction_percent_of_torso": _corrections(poses, torso),
        **_measured(figures),
        "forecast_error_percent_of_torso": {
            name: {str(ms): round(value, 1) for ms, value in row.items()}
            for name, row in check.errors.items()
        },
        "forecasts_checked": {str(ms): count for ms, count in check.windows.items()},
        "forecast_shown": {
            "horizon_ms": horizon_ms,
            "shown": check.is_shown(horizon_ms),
            "why": check.sentence(horizon_ms),
        },
        "exchanged_sides": [
            {"part": span.part, "first_frame": span.start, "last_frame": span.stop - 1}
            for span in poses.exchanged
        ],
        "warnings": [*poses.seen.warnings, *notes],
    }


def _measured(figures: Figures) -> dict[str, Any]:
    return {
        "jitter_percent_of_torso_per_frame_squared": {
            name: {
                part: round(value, 2)
                for part, value in (("at_rest", row.rest), ("in_motion", row.motion))
                if np.isfinite(value)
            }
            for name, row in figures.jitter.items()
        },
        "camera": figures.camera,
        "foot_contacts": [
            {
                "side": contact.side,
                "from_s": round(contact.start_s, 3),
                "to_s": round(contact.stop_s, 3),
                "slide_in_torsos": _number(contact.slide, 2),
            }
            for contact in figures.contacts.contacts
        ],
        "ranges_degrees": {
            row.name: [round(row.least, 1), round(row.most, 1)] for row in figures.ranges
        },
    }


def _number(value: float, decimals: int) -> float | None:
    return round(value, decimals) if np.isfinite(value) else None


def _missing(poses: VideoPoses) -> dict[str, int]:
    known = np.asarray(np.isfinite(poses.refined).all(axis=-1))  # (T, J)
    lacking = np.count_nonzero(~known[np.asarray(known.any(axis=1))], axis=0).tolist()
    counts = zip(DANCE_14.names, lacking, strict=True)
    return {name: frames for name, frames in counts if frames}


def _corrections(poses: VideoPoses, torso: float) -> dict[str, float]:
    moved = np.linalg.norm(poses.refined - poses.restored.estimate, axis=-1)  # (T, J)
    known = np.isfinite(moved).any(axis=0) & np.isfinite(torso)
    return {
        name: round(float(100 * np.nanmedian(moved[:, joint]) / torso), 1)
        for joint, name in enumerate(DANCE_14.names)
        if known[joint]
    }


def nobody(poses: VideoPoses) -> list[tuple[int, int]]:
    """(start, stop) of the frames outside of all stretches."""
    outside = np.ones(len(poses.run) + 2, bool)
    outside[[0, -1]] = False
    for start, stop in poses.stretches:
        outside[start + 1 : stop + 1] = False
    edges = np.flatnonzero(np.diff(outside))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _spans(poses: VideoPoses, spans: Sequence[tuple[int, int]]) -> list[dict[str, float]]:
    times = poses.run.time_s
    return [
        {
            "first_frame": start,
            "last_frame": stop - 1,
            "from_s": round(float(times[start]), 3),
            "to_s": round(float(times[stop - 1]), 3),
        }
        for start, stop in spans
    ]


def _points(pose: NDArray[np.float32]) -> list[list[float] | None]:
    known = np.asarray(np.isfinite(pose).all(axis=-1)).tolist()
    return [
        [round(x, DECIMALS), round(y, DECIMALS)] if there else None
        for (x, y), there in zip(pose.tolist(), known, strict=True)
    ]


def _with_score(pose: NDArray[np.float32], score: NDArray[np.float32]) -> list[list[float] | None]:
    return [
        None if point is None else [*point, round(s, 3)]
        for point, s in zip(_points(pose), score.tolist(), strict=True)
    ]
