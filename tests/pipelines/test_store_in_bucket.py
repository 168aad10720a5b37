"""The whole graph in a bucket, and what a machine finds that has nothing but its address."""

import shutil
from pathlib import Path

import bucket
import pytest
from command_line import dance, run
from postgres import on_server
from tiny_corpus import MakeCorpus

from pipelines.storage.remote import scratch_of
from pipelines.storage.store import Store

# In a process of their own: the steps' fork server keeps the environment that it started with.
pytestmark = [pytest.mark.cluster, on_server, pytest.mark.xdist_group("beside")]


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCE_SCRATCH", str(tmp_path / "scratch"))


def test_a_store_is_whole_on_a_machine_that_has_its_address_alone(
    s3: str,
    databases: str,
    make_corpus: MakeCorpus,
    own_fork_server: None,
) -> None:
    corpus, url = make_corpus(6, 64), bucket.new_url()
    code, output = run(url, corpus)
    assert code == 0, output
    assert "one machine only" not in output
    code, output = run(url, corpus)
    assert code == 0, output
    assert f"{url}: 0 files sent (0 bytes), 0 fetched (0 bytes)" in output
    shutil.rmtree(scratch_of(url))
    code, output = dance(url, "status", "--profile", "smoke")
    assert code == 0, output
    assert f"{url}, worked on in {scratch_of(url)}" in output
    assert not list(scratch_of(url).glob("frames/*/*"))
    code, output = dance(url, "verify")
    assert (code, output) == (0, "Every recorded file is what it was.")
    code, output = dance(url, "lineage", "stga_net", "--check")
    assert code == 0, output
    assert "0 differ" in output
    code, output = run(url, corpus)
    assert "assets were up to date" in output
    assert "What was made" not in output
    assert f"{url}: 0 files sent (0 bytes), 0 fetched (0 bytes)" in output
    _change_tracks(corpus.tracks)
    code, output = run(url, corpus, "--only", "sampled_frames,pose_tracks")
    assert code == 0, output
    assert list(scratch_of(url).glob("frames/*/*")), "what is made of frames makes them again"


def test_clean_deletes_objects_too(
    s3: str,
    make_corpus: MakeCorpus,
    databases: str,
) -> None:
    corpus, url = make_corpus(2, 50), bucket.new_url()
    assert run(url, corpus, "--only", "clip_probe")[0] == 0
    store = Store(root=url).settled()
    unused = store.path / "versions" / "clip_probe" / f"{'0' * 64}.parquet"
    unused.parent.mkdir(parents=True)
    unused.write_text("of no model")
    store.send()
    assert store.remote is not None
    assert store.relative(unused) in store.remote.bucket.listed()
    code, output = dance(url, "clean", "--yes")
    assert code == 0, output
    assert "1 earlier tables" in output
    assert store.relative(unused) not in store.remote.bucket.listed()
    assert dance(url, "verify")[0] == 0


def _change_tracks(folder: Path) -> None:
    """Another estimate of every clip."""
    for path in folder.glob("*.json"):
        path.write_text(path.read_text().replace("0.9", "0.8"))
