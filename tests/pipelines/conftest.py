import pytest
from tiny_corpus import Corpus, MakeCorpus, write_tracks

from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus


@pytest.fixture(scope="session")
def make_corpus(tmp_path_factory: pytest.TempPathFactory) -> MakeCorpus:
    """``make_corpus(clips, frames)``: a fresh copy of a rendered corpus."""

    def make(clips: int, frames: int, seed: int = 0) -> Corpus:
        corpus = Corpus(tmp_path_factory.mktemp("corpus"))
        config = DemoCorpusConfig(clips, frames, seed=seed, size=(160, 120))
        write_demo_corpus(corpus.root, config)
        write_tracks(corpus)
        return corpus

    return make
