"""The leak that grouped splits prevent, made on purpose: a split of frames instead of clips.

Neighbouring frames show the same pose of the same dancer, so a network that was trained on the
frames around a held-out one has all but seen it.
"""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dance_models.data.pose_runs import PoseRun

HELD_OUT = 5  # of so many annotated frames one, drawn at random, is judged
SEED = 0


def held_out(run: PoseRun) -> NDArray[np.bool_]:
    """(T,) the frames of a run that are judged; a run's name decides, so that all agree."""
    generator = np.random.default_rng([SEED, zlib.crc32(run.clip.encode()), run.run])
    return np.asarray(generator.random(len(run)) < 1 / HELD_OUT)


def with_annotations(run: PoseRun, kept: NDArray[np.bool_]) -> PoseRun:
    """The run with the annotations of the ``kept`` (T,) frames alone."""
    return replace(
        run,
        annotation=np.where(kept[:, None, None], run.annotation, np.float32(np.nan)),
        visibility=np.where(kept[:, None], run.visibility, np.uint8(0)),
    )


def leaking_runs(runs: Sequence[PoseRun]) -> list[PoseRun]:
    """Training and validation as they are; test clips join training but for held-out frames."""

    def leaked(run: PoseRun) -> PoseRun:
        if run.split != "test":
            return run
        return replace(with_annotations(run, ~held_out(run)), split="train")

    return [leaked(run) for run in runs]


def judged_runs(test: Sequence[PoseRun]) -> list[PoseRun]:
    """The test runs, annotated at their held-out frames alone."""
    return [with_annotations(run, held_out(run)) for run in test]
