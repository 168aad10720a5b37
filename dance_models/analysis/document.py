"""The JSON that is written beside a video; its frames can be read as precomputed tracks."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.poses import VideoPoses, forecast_errors
from dance_models.data.forecast_windows import FUTURE
from dance_models.metrics.horizon import FORECAST_HZ
from dance_models.metrics.torso import median_torso
from dance_models.skeleton import DANCE_14

DECIMALS: Final = 2  # of pixels


def document(poses: VideoPoses, models: Mapping[str, str]) -> dict[str, Any]:
    """The estimated, refined and forecast poses, in pixels of the video as displayed and seconds.

    ``frames`` lists the frames with a refined pose: ``keypoints`` are [x, y, score] with the
    estimator's score, ``estimate`` is the estimate itself (null where no person was detected).
    ``forecasts`` lists poses 40 ms apart, after the given frame. ``models`` names what made them.
    """
    run = poses.run
    return {
        "clip": run.clip,
        "width": run.width,
        "height": run.height,
        "decoded_frames": len(run),
        "skeleton": DANCE_14.id,
        "joints": list(DANCE_14.names),
        "models": dict(models),
        "summary": summary(poses),
        "frames": [
            {
                "frame": int(run.frame[i]),
                "time_s": round(float(run.time_s[i]), 4),
                "keypoints": _with_score(poses.refined[i], run.score[i]),
                "estimate": _points(run.estimate[i]) if run.score[i].any() else None,
            }
            for i in np.flatnonzero(np.isfinite(poses.refined).all(axis=(1, 2)))
        ],
        "forecasts": [
            {
                "frame": int(run.frame[anchor]),
                "time_s": round(float(run.time_s[anchor]), 4),
                "ahead_ms": [round(1000 * (k + 1) / FORECAST_HZ) for k in range(FUTURE)],
                "keypoints": [_points(pose) for pose in forecast],
            }
            for anchor, forecast in zip(poses.anchor, poses.forecast, strict=True)
        ],
    }


def summary(poses: VideoPoses) -> dict[str, Any]:
    """Summary of the whole video: frames with a person, corrections, errors of the forecasts.

    ``exchanged_sides`` lists the frames in which the estimator had exchanged left and right, of the
    body or of the arms or legs alone; they were exchanged back before refining.

    ``correction`` is the median distance between estimate and refined pose by joint, in percent of
    the dancer's median torso: where it is large, the estimator and the annotation that the network
    was trained on disagree.
    """
    torso = median_torso(poses.refined)
    moved = np.linalg.norm(poses.refined - poses.run.estimate, axis=-1)  # (T, J)
    known = np.isfinite(moved).any(axis=0)
    return {
        "frames": len(poses.run),
        "frames_with_somebody": int(poses.run.score.any(axis=1).sum()),
        "torso_px": round(torso, 1),
        "correction_percent_of_torso": {
            name: round(float(100 * np.nanmedian(moved[:, joint]) / torso), 1)
            for joint, name in enumerate(DANCE_14.names)
            if known[joint]
        },
        "forecast_error_percent_of_torso": {
            name: {str(ms): round(value, 1) for ms, value in errors.items()}
            for name, errors in forecast_errors(poses).items()
        },
        "exchanged_sides": [
            {"part": span.part, "first_frame": span.start, "last_frame": span.stop - 1}
            for span in poses.exchanged
        ],
        "warnings": list(poses.probe.warnings),
    }


def _points(pose: NDArray[np.float32]) -> list[list[float] | None]:
    return [
        [round(float(x), DECIMALS), round(float(y), DECIMALS)]
        if np.isfinite([x, y]).all()
        else None
        for x, y in pose
    ]


def _with_score(pose: NDArray[np.float32], score: NDArray[np.float32]) -> list[list[float]]:
    return [
        [round(float(x), DECIMALS), round(float(y), DECIMALS), round(float(s), 3)]
        for (x, y), s in zip(pose, score, strict=True)
    ]
