"""Exported images carry the number by which an annotation of them is read."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from dance_models.errors import InputError
from dance_models.tables import CLIP_PROBE, FRAMES, write_table
from pipelines.commands.export_frames import export_for_annotation
from pipelines.storage.clips import register_clips
from pipelines.storage.store import Store

CLIPS = ("folder", "video")


def test_images_of_a_folder_keep_their_number(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    store = Store(root=str(tmp_path / "store"))
    (tmp_path / "clips").mkdir()
    for clip in ("folder", "video"):
        (tmp_path / "clips" / f"{clip}.mp4").write_text(clip)
    register_clips(store, instance, [tmp_path / "clips"])
    for clip, numbers in (("folder", [1, 2, 9]), ("video", [])):
        probe = {"clip": clip, "image_numbers": numbers}
        write_table(pl.DataFrame([probe], schema=CLIP_PROBE), store.table("clip_probe", clip), {})
        store.frames(clip).mkdir(parents=True)
        image = store.frames(clip) / "000002.jpg"
        image.write_text(clip)
        row = {"clip": clip, "frame": 2, "image": store.relative(image), "time_s": 0.1}
        frames = pl.DataFrame([row], schema=FRAMES)
        write_table(frames, store.table("sampled_frames", clip), {})
    export_for_annotation(store, tmp_path / "out", CLIPS, prefill=False, tool="cvat")
    names = sorted(path.name for path in (tmp_path / "out" / "images").iterdir())
    assert names == ["folder_000009.jpg", "video_000002.jpg"]
    written = (tmp_path / "out" / "annotations.xml").read_text()
    assert all(name in written for name in names)
    # A killed call leaves half an image; a clip that was replaced has other frames of its numbers.
    for name, content in (("folder_000009.jpg", "fol"), ("video_000002.jpg", "older clip")):
        (tmp_path / "out" / "images" / name).write_text(content)
    export_for_annotation(store, tmp_path / "out", CLIPS, prefill=False, tool="cvat")
    for name in names:
        image = tmp_path / "out" / "images" / name
        assert image.read_text() == name.partition("_")[0]
    # Labels are not replaced, and neither are the images that they are of.
    labels = tmp_path / "out" / "annotations.xml"
    labels.write_text(written.replace("</annotations>", '<track id="0" /></annotations>'))
    image.write_text("annotated")
    with pytest.raises(InputError, match="holds labels"):
        export_for_annotation(store, tmp_path / "out", CLIPS, prefill=False, tool="cvat")
    assert image.read_text() == "annotated" and "track" in labels.read_text()
