from collections.abc import Callable

import pytest
from tiny_corpus import Corpus, write_tracks

from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus


@pytest.fixture(scope="session")
def make_corpus(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], Corpus]:
    """``make_corpus(clips, frames)``: a fresh copy of a rendered corpus."""

    def make(clips: int, frames: int) -> Corpus:
        corpus = Corpus(tmp_path_factory.mktemp("corpus"))
        write_demo_corpus(corpus.root, DemoCorpusConfig(clips, frames, size=(160, 120)))
        write_tracks(corpus)
        return corpus

    return make
