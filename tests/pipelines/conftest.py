"""A tiny corpus with pose tracks computed elsewhere: no estimator weights, no network."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from dance_models.skeleton import JOINTS


@dataclass(frozen=True)
class Corpus:
    """Folders of a corpus."""

    root: Path

    @property
    def clips(self) -> Path:
        return self.root / "clips"

    @property
    def annotations(self) -> Path:
        return self.root / "annotations"

    @property
    def tracks(self) -> Path:
        return self.root / "tracks"


def write_tracks(corpus: Corpus) -> None:
    """Estimates: the annotation with an error of its own and noise."""
    corpus.tracks.mkdir(exist_ok=True)
    for path in sorted(corpus.annotations.glob("*.json")):
        rng = np.random.default_rng(len(path.stem))
        frames = []
        for i, annotation in enumerate(json.loads(path.read_text())["annotations"]):
            points = np.array(annotation["keypoints"], float).reshape(14, 3)
            points[:, :2] += rng.normal((2.0, -1.5), 0.7, (14, 2))
            points[:, 2] = 0.9
            frames.append({"frame": i, "keypoints": points.round(2).tolist()})
        track = {"clip": path.stem, "joints": list(JOINTS), "frames": frames}
        (corpus.tracks / path.name).write_text(json.dumps(track))


@pytest.fixture(scope="session")
def make_corpus(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], Corpus]:
    """``make_corpus(clips, frames)``: a fresh copy of a rendered corpus."""

    def make(clips: int, frames: int) -> Corpus:
        corpus = Corpus(tmp_path_factory.mktemp("corpus"))
        write_demo_corpus(corpus.root, DemoCorpusConfig(clips, frames, size=(160, 120)))
        write_tracks(corpus)
        return corpus

    return make
