"""A tiny corpus with precomputed pose tracks: needs no estimator weights and no network."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from dance_models.skeleton import DANCE_14


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


class MakeCorpus(Protocol):
    """A fresh copy of a rendered corpus."""

    def __call__(self, clips: int, frames: int, seed: int = 0) -> Corpus: ...


def write_tracks(corpus: Corpus) -> None:
    """Estimates: the annotation with a systematic error and noise."""
    corpus.tracks.mkdir(exist_ok=True)
    for path in sorted(corpus.annotations.glob("*.json")):
        rng = np.random.default_rng(len(path.stem))
        frames = []
        for i, annotation in enumerate(json.loads(path.read_text())["annotations"]):
            points = np.array(annotation["keypoints"], float).reshape(14, 3)
            points[:, :2] += rng.normal((2.0, -1.5), 0.7, (14, 2))
            points[:, 2] = 0.9
            frames.append({"frame": i, "keypoints": points.round(2).tolist()})
        track = {"clip": path.stem, "joints": list(DANCE_14.names), "frames": frames}
        (corpus.tracks / path.name).write_text(json.dumps(track))


def set_apart(corpus: Corpus) -> None:
    """Move the joints of each clip along slow paths of its own, and write its estimates again.

    The renderer has few moves: of sixty clips some dance the same two seconds, which the graph
    refuses to both train on and evaluate.
    """
    for path in sorted(corpus.annotations.glob("*.json")):
        rng = np.random.default_rng(list(path.stem.encode()))
        document = json.loads(path.read_text())
        turns, phase = rng.uniform(0.5, 1.5, (14, 2)), rng.uniform(0, 2 * np.pi, (14, 2))
        for i, annotation in enumerate(document["annotations"]):
            points = np.array(annotation["keypoints"], float).reshape(14, 3)
            points[:, :2] += 4 * np.sin(2 * np.pi * turns * i / 60 + phase)
            annotation["keypoints"] = points.ravel().round(2).tolist()
        path.write_text(json.dumps(document))
    write_tracks(corpus)
