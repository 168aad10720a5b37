"""The frames of findings, with the skeletons, in one small picture."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from dance_models.errors import InputError
from pipelines import previews
from pipelines.checks.asset_checks import Draw
from pipelines.storage.clips import registered_clips
from pipelines.storage.pointers import as_file
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from dance_models.quality.findings import Finding

CELLS: Final = 12
# Findings about the change from the frame before, which is shown too.
ABOUT_A_CHANGE: Final = ("temporal_jumps", "time_stamps", "frozen_frames")
Cell = tuple[str, int, str | None]  # clip, frame, the asset whose skeleton is drawn on it

Image = np.ndarray[Any, np.dtype[np.uint8]]


def drawing(*skeletons: str) -> Draw:
    """A function that draws the worst findings with the skeletons of these assets, side by side."""
    return partial(_draw, skeletons=skeletons or (None,))


def _draw(
    store: Store, findings: "Sequence[Finding]", skeletons: Sequence[str | None]
) -> bytes | None:
    """A JPEG, or None when no frame of the clips can be read."""
    from dance_models.render.contact_sheet import contact_sheet

    cells = _cells(findings, skeletons)
    read = {clip: _images(store, clip, cells) for clip in {cell[0] for cell in cells}}
    images, keypoints, labels = [], [], []
    for clip, frame, asset in cells:
        if frame in read[clip]:
            images.append(read[clip][frame])
            keypoints.append(_keypoints(store, clip, frame, asset))
            source = {"pose_annotations": " annotated", "pose_tracks": " estimated"}
            labels.append(f"{clip} {frame}{source.get(asset or '', '')}")
    if not images:
        return None
    return contact_sheet(images, keypoints, labels=labels, columns=4)


def _cells(findings: "Sequence[Finding]", skeletons: Sequence[str | None]) -> list[Cell]:
    """The worst findings that fit, by clip and frame, each frame once."""
    chosen: dict[Cell, None] = {}
    for finding in sorted(findings, key=lambda f: -f.excess):
        wanted = chosen | dict.fromkeys(_cells_of(finding, skeletons))
        if len(wanted) > CELLS:
            break
        chosen = wanted
    if any(finding.other for finding in findings):  # pairs of clips stay side by side
        return list(chosen)
    return sorted(chosen, key=lambda cell: cell[:2])


def _cells_of(finding: "Finding", skeletons: Sequence[str | None]) -> list[Cell]:
    if finding.frame is None:
        return []
    frames = [(finding.clip, finding.frame)]
    if finding.check in ABOUT_A_CHANGE and finding.frame > 0:
        frames.insert(0, (finding.clip, finding.frame - 1))
    if finding.other is not None and finding.other_frame is not None:
        frames.append((finding.other, finding.other_frame))
    return [(*frame, skeleton) for frame in frames for skeleton in skeletons]


def _images(store: Store, clip: str, cells: Sequence[Cell]) -> dict[int, Image]:
    """Wanted frame -> image: sampled frames are read, the others decoded.

    Frames that the clip does not have are left out.
    """
    from dance_models.video.decode import image_path

    wanted = sorted({frame for of, frame, _ in cells if of == clip})
    paths = {frame: image_path(store.frames(clip), frame) for frame in wanted}
    images = {f: previews.read_image(path) for f, path in paths.items() if path.is_file()}
    return images | _decoded(store, clip, [f for f in wanted if f not in images])


def _decoded(store: Store, clip: str, wanted: Sequence[int]) -> dict[int, Image]:
    from dance_models.video.decode import extract_frames, image_path
    from dance_models.video.probe import ClipProbe

    rows = registered_clips(store).filter(pl.col("clip") == clip)
    probe = store.read("clip_probe", clip).row(0, named=True)
    frames = [f for f in wanted if 0 <= f < (probe["decoded_frames"] or 0)]
    if not rows.height or not frames:
        return {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            with as_file(store, Path(rows["path"][0]), last=True) as source:
                extract_frames(source, ClipProbe.from_row(probe), frames, folder, jpeg_quality=85)
        except InputError:  # the clip is missing by now: the finding has no picture
            return {}
        return {f: previews.read_image(image_path(folder, f)) for f in frames}


def _keypoints(
    store: Store, clip: str, frame: int, asset: str | None
) -> "np.ndarray[Any, np.dtype[np.floating[Any]]] | None":
    """(J, 2) of an asset's table on one frame, None where there is no such row."""
    if asset is None or not store.table(asset, clip).is_file():
        return None
    rows = store.read(asset, clip).filter(pl.col("frame") == frame)["keypoints"].drop_nulls()
    return rows.to_numpy()[0] if len(rows) else None
