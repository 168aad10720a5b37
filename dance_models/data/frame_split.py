"""A demonstration of the leak that grouped splits prevent: a split of frames instead of clips.

Neighbouring frames show the same pose of the same dancer. A network that was trained on the frames
around a held-out one has practically seen it.
"""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dance_models.data.pose_runs import PoseRun

HELD_OUT = 5  # one in so many frames, drawn at random, is tested on
SEED = 0


def held_out(run: PoseRun) -> NDArray[np.bool_]:
    """(T,) the frames of a run that are tested on; seeded by the run's name, so always the same."""
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
    """Training and validation as they are; test clips join training, without held-out frames."""

    def leaked(run: PoseRun) -> PoseRun:
        if run.split != "test":
            return run
        return replace(with_annotations(run, ~held_out(run)), split="train")

    return [leaked(run) for run in runs]


def held_out_runs(test: Sequence[PoseRun]) -> list[PoseRun]:
    """The test runs, annotated at their held-out frames alone."""
    return [with_annotations(run, held_out(run)) for run in test]
