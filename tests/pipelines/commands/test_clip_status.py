"""``dance status --clip``: one clip of a store, with shards and without."""

import json
from pathlib import Path

import pytest
from command_line import CLIP_ASSETS, dance, run
from tiny_corpus import Corpus, MakeCorpus

from pipelines.storage.shard_keys import shard_of
from pipelines.storage.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clip_status")]
DATA = "pose_dataset,split_manifest"


def _misplace_joints(corpus: Corpus, clip: str) -> None:
    path = corpus.annotations / f"{clip}.json"
    document = json.loads(path.read_text())
    for annotation in document["annotations"][::2]:
        points = annotation["keypoints"]  # x, y and whether it is visible
        points[0::3] = [(x + 80) % 150 for x in points[0::3]]
    path.write_text(json.dumps(document))


@pytest.fixture(scope="module")
def corpus(make_corpus: MakeCorpus) -> Corpus:
    made = make_corpus(9, 40)
    _misplace_joints(made, "ballet_02")
    return made


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus) -> Store:
    """In shards, with one clip that a check stops."""
    made = Store(root=str(tmp_path_factory.mktemp("status") / "store"))
    code, told = run(made.path, corpus, "--only", f"{CLIP_ASSETS},{DATA}", "--shards", "2")
    assert (code, "failed pose_annotations[ballet_02]" in told) == (1, True), told
    return made


def test_a_clip_that_is_used(store: Store, corpus: Corpus) -> None:
    code, told = dance(store.path, "status", "--clip", "street_01")
    assert code == 0
    assert f"clip street_01 file: {corpus.clips / 'street' / 'street_01.mp4'}" in told
    assert "style street, performer" in told
    assert f"shard: {shard_of('street_01', 2)} of 2" in told
    assert told.count("│ yes │ fresh │") == 4
    assert "data set: 40 frames of it, 40 of them annotated split: " in told
    assert "group street_01, fold " in told


def test_a_clip_that_a_check_stops(store: Store) -> None:
    code, told = dance(store.path, "status", "--clip", "ballet_02")
    assert code == 0
    assert "error: pose_annotations: limb_length: ballet_02: " in told
    assert "data set: it is not in it (pose_annotations: limb_length: " in told
    assert "split: in none, as it has no annotated frame there" in told
    assert "│ left out │ an error of the" in told


def test_what_a_run_would_make_anew_and_why(store: Store) -> None:
    frames = store.table("sampled_frames", "street_02")
    whole = frames.read_bytes()
    frames.unlink()
    try:
        code, told = dance(store.path, "status", "--clip", "street_02")
    finally:
        frames.write_bytes(whole)
    assert code == 0
    assert "│ sampled_frames │ │ stale │" in told
    assert "as its tables are now it would be left out (street_02: has no table" in told


def test_how_a_clip_failed_in_its_shard(tmp_path: Path, make_corpus: MakeCorpus) -> None:
    corpus, path = make_corpus(3, 40), tmp_path / "store"
    (corpus.tracks / "street_01.json").write_text("{not JSON")
    assert run(path, corpus, "--only", CLIP_ASSETS, "--shards", "1")[0] == 1
    code, told = dance(path, "status", "--clip", "street_01")
    cells = " ".join(told.replace("│", " ").split())
    assert code == 0
    assert "pose_tracks stale it is not made yet; it failed when its shard was made" in cells
    assert "is not JSON" in cells


def test_several_clips_by_how_they_are_known(store: Store) -> None:
    """As a file's name, with - in place of _, and by the beginning that one clip has alone."""
    named = ("ballet_01.mp4", "street-03", "contemporary_02", "ballet_03", "ballet_01")
    code, told = dance(store.path, "status", *(a for name in named for a in ("--clip", name)))
    assert code == 0
    assert told.count("clip ballet_01 file:") == told.count("clip street_03 file:") == 1
    code, told = dance(store.path, "status", "--clip", "ballet_0")
    assert code == 2
    assert "3 clips begin with 'ballet_0': ballet_01, ballet_02, ballet_03. Name one" in told


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("balet_01", "there is no clip 'balet_01' in this store. The nearest is 'ballet_01'"),
        ("xx", "Name one of its 9 clips (ballet_01, "),
        ("", "there is no clip '' in this store"),
        ("shard-0000", "'shard-0000' is a shard, of 3 clips: "),
    ],
)
def test_an_unknown_clip(store: Store, name: str, expected: str) -> None:
    code, told = dance(store.path, "status", "--clip", name)
    assert code == 2
    assert expected in told


def test_a_store_without_shards_or_a_data_set(tmp_path: Path, corpus: Corpus) -> None:
    path = tmp_path / "store"
    assert run(path, corpus, "--only", "clip_probe")[0] == 0
    code, told = dance(path, "status", "--clip", "ballet_01")
    assert (code, "shard" in told.replace("shards", "")) == (0, False), told
    assert "│ clip_probe │ yes │ fresh │" in told
    assert "│ pose_annotations │ │ stale │ it is not made yet" in told
    assert "data set: it is not in it (ballet_01: has no table sampled_frames" in told
    assert "split: none is made yet" in told
