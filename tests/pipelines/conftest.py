import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from registry_case import Case, make_case
from tiny_corpus import Corpus, MakeCorpus, write_tracks

from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An empty Dagster instance that ends with the test."""
    with dg.instance_for_test() as made:
        yield made


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


@pytest.fixture(scope="session")
def registry_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with its data set and an empty registry; creating the database takes seconds."""
    folder = tmp_path_factory.mktemp("template") / "store"
    make_case(folder).tracker.client.search_experiments(max_results=1)
    return folder


@pytest.fixture
def case(tmp_path: Path, registry_template: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """A store for one test; timing is tested elsewhere and would take seconds per gate."""
    monkeypatch.setattr("dance_models.evaluation.gate_evidence.processor_p95", lambda path: 5.0)
    folder = tmp_path / "store"
    shutil.copytree(registry_template, folder)
    made = make_case(folder)
    made.tracker.initialise()
    return made
