"""The report's glossary: its terms, and the rows of its tables."""

from collections.abc import Collection
from typing import Final

from dance_models.rows import ROWS

TERMS: Final = {
    "torso": "The distance from the neck to the middle of the hips, as annotated, median over the "
    "clip. Errors are given in parts of it, so that near and far dancers count alike.",
    "PCK, pck_torso@0.1": "Percentage of correct keypoints: the share of joints that are at most a "
    "tenth (0.05: a twentieth, 0.2: a fifth) of a torso from where they were annotated.",
    "mpjpe_torso": "Mean per-joint position error: the mean distance of joints from where they "
    "were annotated, in percent of the torso.",
    "horizon": "How far ahead a pose is forecast. The error is measured at that time, not on the "
    "way to it.",
    "annotated, refined, raw (input)": "What a forecast starts from: annotated poses, poses of the "
    "refining network, or poses as the estimator found them.",
    "take": "One recording of one dance. Its clips (several cameras, both dancers) are not "
    "independent, so intervals and tests count takes.",
    "train, val, test (split)": "Clips that were trained on, chosen with, and judged on.",
    "fold": "One of several ways to split the clips, so that each clip is judged once by a network "
    "that never saw its take.",
    "95 % interval": "Where the value would probably lie with other takes of the same kind (BCa "
    "bootstrap over takes).",
    "p": "How often a difference at least this large would appear if neither row were better "
    "(sign-flip test over takes), corrected (Holm) for the styles and the thresholds or horizons "
    "at which these two rows are compared, not for how many rows there are.",
    "trivial row": "A row without a trained network. A network is worth its effort only where it "
    "is better than the best of them.",
    "ablation": "A network without one of its parts, to see what the part is good for.",
    "skill": "1 minus the error divided by that of a dancer who stands still.",
}
TRIVIAL: Final = {
    "raw": "The estimator's poses, unchanged.",
    "sides": "The same, with left and right exchanged back where the estimator confused them.",
    "flow": "The mean over the frame before, this one and the next.",
    "gaussian": "Smoothed in time with Gaussian weights.",
    "savgol": "Smoothed in time by polynomials (Savitzky-Golay).",
    "one_euro": "The One-Euro filter: smooths more the slower the motion is.",
    "calibrated": "The estimator's poses, moved by what it is off on average.",
    "kalman": "A Kalman filter; as a forecast, one that goes on with its velocity.",
    "zero_velocity": "The dancer stands still.",
    "constant_velocity": "Every joint goes on with its last velocity.",
    "damped_velocity": "The same, slowing down.",
    "ar": "Linear autoregression: each joint from its own last positions.",
    "ridge": "Linear regression of the future poses on all observed ones.",
}


def glossary(methods: Collection[str]) -> dict[str, str]:
    """Terms, then those of the ``methods`` that are known, with what they mean."""
    networks = {row.id: row.description.splitlines()[0] for row in ROWS}
    rows = {**TRIVIAL, **networks}
    return {**TERMS, **{name: text for name, text in rows.items() if name in methods}}
