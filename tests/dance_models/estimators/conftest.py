"""Weights and images shared by the estimator tests; tests skip where they are unavailable."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dance_models.errors import InputError
from dance_models.estimators.weights import fetch_weights, missing_weights

REPOSITORY = Path(__file__).parents[3]
SHARED = REPOSITORY.parent / "shared"

ReadFrames = Callable[..., list[np.ndarray]]


@pytest.fixture(scope="session")
def weights(request: pytest.FixtureRequest) -> Path:
    """The BlazePose weights, from the store or fetched once into pytest's cache."""
    store = Path(os.environ.get("ASSETS_STORE", REPOSITORY / "assets_store")) / "weights"
    if not missing_weights(store):
        return store
    try:
        return fetch_weights(Path(request.config.cache.mkdir("pose-weights")))
    except InputError as error:
        pytest.skip(f"no estimator weights: {error}")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Rendered dancers with exact annotations."""
    return _present(SHARED / "dance_corpus")


@pytest.fixture(scope="session")
def real_clips() -> Path:
    """Real videos without annotations."""
    return _present(SHARED / "real_clips")


@pytest.fixture(scope="session")
def read_frames() -> ReadFrames:
    """``read_frames(video, start, count)``: RGB frames, decoded one after the other."""
    return _read_frames


def _present(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip(f"{folder.name} is not on this machine")
    return folder


def _read_frames(video: Path, start: int, count: int) -> list[np.ndarray]:
    import av

    frames: list[np.ndarray] = []
    with av.open(str(video)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i >= start:
                frames.append(frame.to_ndarray(format="rgb24"))
            if len(frames) == count:
                break
    return frames
