"""Manifests: which files a stage wrote, and whether they are still what they were."""

import os
from pathlib import Path

import pytest

from pipelines.storage import manifests
from pipelines.storage.manifests import Damage, FileRecord
from pipelines.storage.store import Store

FILES = ("frames/solo/000001.jpg", "tables/sampled_frames/solo.parquet")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(root=str(tmp_path))
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(f"content of {name}")
    return store


def _manifest(store: Store) -> dict[str, FileRecord]:
    return manifests.manifest_of(store, [store.path / name for name in FILES])


def _alter(path: Path, *, keep_time: bool = False) -> None:
    """Another content of the same size."""
    times = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    if keep_time:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    else:
        os.utime(path, (1, 1))


def test_a_manifest_is_read_as_it_was_written(store: Store) -> None:
    manifest = _manifest(store)
    manifests.write_manifest(store, "sampled_frames", "solo", manifest, "abc")
    assert manifests.read_with_inputs(store, "sampled_frames", "solo")[1] == "abc"
    assert manifests.read_with_inputs(store, "sampled_frames", "duo")[1] == ""
    assert store.manifest("sampled_frames", "solo") == (
        store.path / "manifests" / "sampled_frames" / "solo.json"
    )
    assert manifests.read_manifest(store, "sampled_frames", "solo") == manifest
    assert manifests.read_manifest(store, "sampled_frames", "duo") is None
    assert manifests.damages(store, manifest) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {"a": [1]}}', '{"files": 3}'])
def test_a_damaged_manifest_is_none(store: Store, text: str) -> None:
    path = store.manifest("sampled_frames", "solo")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert manifests.read_manifest(store, "sampled_frames", "solo") is None
    assert manifests.read_with_inputs(store, "sampled_frames", "solo")[1] == ""


def test_missing_cut_and_altered_files_are_damaged(store: Store) -> None:
    manifest, (image, _) = _manifest(store), (store.path / name for name in FILES)
    _alter(image)
    (damage,) = manifests.damages(store, manifest)
    assert damage.path == FILES[0]
    assert damage.what.startswith("is damaged (sha256 ")
    assert damage.line("sampled_frames of solo").startswith(
        f"{FILES[0]} of sampled_frames of solo is damaged"
    )
    image.write_text("cut")
    assert "3 bytes instead of" in manifests.damages(store, manifest)[0].what
    image.unlink()
    assert manifests.damages(store, manifest) == [Damage(FILES[0], "is missing")]


def test_another_time_alone_is_no_damage_and_is_noted(store: Store) -> None:
    """As after `cp -r`: the content is hashed once."""
    manifest = _manifest(store)
    os.utime(store.path / FILES[0], (1, 1))
    assert manifests.damages(store, manifest) == []
    manifests.refresh(store, "sampled_frames", "solo", manifest, "abc")
    assert manifests.read_with_inputs(store, "sampled_frames", "solo")[1] == "abc"
    noted = manifests.read_manifest(store, "sampled_frames", "solo")
    assert noted is not None
    assert noted[FILES[0]].mtime_ns == 1_000_000_000
    assert manifests.manifest_digest(noted) == manifests.manifest_digest(manifest)


def test_a_file_of_the_same_size_and_time_is_hashed_only_when_asked(store: Store) -> None:
    manifest = _manifest(store)
    _alter(store.path / FILES[0], keep_time=True)
    assert manifests.damages(store, manifest) == []
    assert len(manifests.damages(store, manifest, {FILES[0]})) == 1


def test_a_file_that_was_never_written_is_missing(store: Store) -> None:
    manifest = manifests.manifest_of(store, [store.path / "gone"])
    assert manifests.damages(store, manifest) == [Damage("gone", "is missing")]
