"""``dance run --clip``, ``--first-frame``, and annotations of clips that are registered later."""

import json
import shutil
from pathlib import Path

from command_line import dance, made_by_asset
from tiny_corpus import MakeCorpus

from dance_models.skeleton import DANCE_14
from pipelines.storage.store import Store

ONLY = "clip_probe,pose_annotations"


def _file(path: Path, frames: range, name: str) -> None:
    document = {
        "categories": [{"id": 1, "keypoints": list(DANCE_14.names)}],
        "images": [{"id": f, "file_name": name.format(f)} for f in frames],
        "annotations": [
            {"id": f, "image_id": f, "category_id": 1,
             "keypoints": [v for i in range(14) for v in (30 + i, 40 + f, 2)]}
            for f in frames
        ],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def _run(store: Path, clips: Path, *more: str) -> str:
    code, output = dance(
        store, "run", "--clips", str(clips), "--profile", "smoke", "--only", ONLY, *more
    )
    assert code == 0, output
    return output


def test_choices_are_kept_and_nothing_is_read_twice(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus, store = make_corpus(2, 50), tmp_path / "store"
    opened = Store(root=str(store))
    _file(tmp_path / "ann" / "a.json", range(1, 21), "frame_{:06d}.PNG")
    folder = ("--annotations", str(tmp_path / "ann"))
    output = _run(store, corpus.clips, *folder)
    assert "20 left out: annotations of images whose names give no clip" in output
    assert "--clip NAME (registered: ballet_01, contemporary_01)" in output

    _run(store, corpus.clips, *folder, "--clip", "contemporary_01")
    table = opened.read("pose_annotations", "contemporary_01")
    assert table["frame"].to_list() == list(range(1, 21))
    _run(store, corpus.clips, *folder, "--first-frame", "1")
    table = opened.read("pose_annotations", "contemporary_01")
    assert table["frame"].to_list() == list(range(20))
    assert [pose[0][1] for pose in table["keypoints"].to_list()] == [41 + f for f in range(20)]

    before = made_by_asset(store)
    _run(store, corpus.clips, *folder)
    _run(store, corpus.clips)
    assert made_by_asset(store) == before
    code, output = dance(store, "run", "--clip", "contemporary_01")
    assert code == 2
    assert "Name their folder too: --annotations DIR" in output


def test_files_wait_for_their_clip(tmp_path: Path, make_corpus: MakeCorpus) -> None:
    corpus, store = make_corpus(2, 50), tmp_path / "store"
    late = tmp_path / "late" / "contemporary" / "contemporary_01.mp4"
    late.parent.mkdir(parents=True)
    shutil.move(corpus.clips / "contemporary" / "contemporary_01.mp4", late)
    _file(tmp_path / "ann" / "contemporary_01" / "a.json", range(5), "frame_{:06d}.PNG")
    output = _run(store, corpus.clips, "--annotations", str(tmp_path / "ann"))
    assert "5 left out" in output
    before = made_by_asset(store)
    output = _run(store, late.parent)
    assert "left out" not in output
    table = Store(root=str(store)).read("pose_annotations", "contemporary_01")
    assert table["frame"].to_list() == list(range(5))
    assert made_by_asset(store) - before == {"clip_probe": 1, "pose_annotations": 1}
