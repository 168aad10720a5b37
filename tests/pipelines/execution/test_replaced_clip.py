"""A clip that was replaced, and whose poses then could not be made, is not in the data set."""

import shutil
from pathlib import Path

from command_line import CLIP_ASSETS, dance, run
from tiny_corpus import MakeCorpus

from pipelines.storage.store import Store


def test_old_poses_are_not_joined_with_the_frames_of_another_clip(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus, store = make_corpus(2, 50), tmp_path / "store"
    only = ("--only", f"{CLIP_ASSETS},pose_dataset")
    code, output = run(store, corpus, *only)
    assert code == 0, output
    other = make_corpus(1, 55)
    clip = corpus.clips / "ballet" / "ballet_01.mp4"
    shutil.copyfile(other.clips / "ballet" / "ballet_01.mp4", clip)
    whole = (corpus.tracks / "ballet_01.json").read_bytes()
    (corpus.tracks / "ballet_01.json").write_bytes(b"{")
    code, output = run(store, corpus, *only)
    assert code == 1, output
    opened = Store(root=str(store))
    assert opened.read("clip_probe", "ballet_01")["decoded_frames"][0] == 55
    assert set(opened.read("pose_dataset")["clip"]) == {"contemporary_01"}
    assert "ballet_01: its pose_tracks are of other sampled_frames" in output
    code, output = dance(store, "export-frames", str(tmp_path / "frames"), "--prefill")
    assert code == 0, output
    assert "ballet_01 is left out: its pose_tracks are of other sampled_frames" in output
    assert {p.name[:5] for p in (tmp_path / "frames" / "images").iterdir()} == {"conte"}

    (corpus.tracks / "ballet_01.json").write_bytes(whole)
    code, output = run(store, corpus, *only)
    assert code == 0, output
    assert set(opened.read("pose_dataset")["clip"]) == {"ballet_01", "contemporary_01"}
