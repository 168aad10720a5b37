"""An unattended store: files are dropped into it, and the daemon does the rest."""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from dance_models.errors import InputError
from dance_models.estimators.weights import fetch_weights
from dance_models.skeleton import DANCE_14
from pipelines.storage.store import Store

SIZE = (320, 240)  # of the pictures


@dataclass(frozen=True)
class Desk:
    """A rendered corpus beside an empty store; its files are dropped in step by step."""

    corpus: Path
    store: Store

    def clips(self) -> list[str]:
        return sorted(path.stem for path in self.corpus.rglob("*.mp4"))

    def drop_clips(self, *clips: str) -> float:
        """Copy clips into ``raw/clips``; returns the time after the last copy."""
        for path in self.corpus.rglob("*.mp4"):
            if path.stem in clips:
                target = self.store.raw_clips / path.parent.name / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        return time.time()

    def drop_annotations(self, *clips: str) -> float:
        """Copy the annotation files of clips into ``raw/annotations``; the time of the last."""
        for clip in clips:
            shutil.copy(self.corpus / "annotations" / f"{clip}.json", self.store.raw_annotations)
        return time.time()

    def misplace(self, clip: str, joint: str, frame: int) -> None:
        """Displace a joint of one annotated frame, as a misplaced click does."""
        path = self.corpus / "annotations" / f"{clip}.json"
        document = json.loads(path.read_text())
        annotation = document["annotations"][frame]
        x = annotation["keypoints"][3 * DANCE_14.index[joint]]
        annotation["keypoints"][3 * DANCE_14.index[joint]] = x + (120 if x < SIZE[0] / 2 else -120)
        path.write_text(json.dumps(document))


def make_desk(folder: Path, clips: int, frames: int = 64) -> Desk:
    """A desk in ``folder``; skips the test when the estimator's weights are unavailable."""
    store = Store(root=str(folder / "store")).initialise()
    write_demo_corpus(folder / "corpus", DemoCorpusConfig(clips, frames, size=SIZE))
    try:
        fetch_weights(store.weights)
    except InputError as error:
        pytest.skip(f"the estimator's weights cannot be had: {error}")
    return Desk(folder / "corpus", store)
