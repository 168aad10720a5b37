"""Person crops: one small image per frame, with the map back to the frame, all in one file.

The box is that of the **estimate**, never of the annotation: new clips have no annotation. The
file is one array of records, read with numpy alone and mapped into memory rather than loaded, so
that a network for pictures trains on a bare host from two files.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.files import replacing
from dance_models.geometry import person_box

CROP: Final = (128, 96)  # rows, columns
MARGIN: Final = 1.25  # ratio of the crop to the person's box
SMALLEST_PX: Final = 32.0  # height of a crop in the frame: a box of one joint has no size

LONGEST_CLIP_NAME: Final = 128  # characters; a record has a fixed size


@dataclass(frozen=True)
class CropMap:
    """From crop to frame pixels, per axis: ``frame = offset + scale * crop``; (N,) and (N, 2).

    Pixel centres are whole numbers in both.
    """

    scale: NDArray[np.float64]
    offset: NDArray[np.float64]

    def to_frame(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Crop points (N, K, 2) in pixels of their frames."""
        return np.asarray(self.offset[:, None] + self.scale[:, None, None] * points)

    def to_crop(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Frame points (N, K, 2) in pixels of their crops; NaN stays NaN."""
        return np.asarray((points - self.offset[:, None]) / self.scale[:, None, None])


def person_boxes(
    estimate: NDArray[np.floating], width: int, height: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Boxes (T, 4) to crop of the frames of one run (T, J, 2), and whether they are their own.

    The part of the person's box that lies in the picture. A frame without one takes the last box
    before it; frames before the first box take the whole frame.
    """
    limit = np.array([width - 1, height - 1] * 2, np.float64)
    boxes = np.clip(person_box(estimate), 0, limit)
    own = np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=-1))  # neither NaN nor wholly outside
    last = np.maximum.accumulate(np.where(own, np.arange(len(own)), -1))
    whole = np.array([0, 0, *limit[2:]], np.float64)
    return np.where(last[:, None] >= 0, boxes[last], whole), own


def crop_maps(boxes: NDArray[np.floating]) -> CropMap:
    """The maps of crops of 4 : 3 centred on boxes (T, 4), with a margin around them."""
    rows, columns = CROP
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    size = boxes[:, 2:] - boxes[:, :2]
    height = MARGIN * np.maximum(size[:, 1], size[:, 0] * rows / columns)
    scale = np.maximum(height, SMALLEST_PX) / rows
    middle = (np.array([columns, rows]) - 1) / 2
    return CropMap(scale, centre - scale[:, None] * middle)


# --- the file ---------------------------------------------------------------------------------

RECORD: Final = np.dtype(
    [
        ("clip", np.str_, LONGEST_CLIP_NAME),
        ("run", np.int32),
        ("frame", np.int64),
        ("scale", np.float64),
        ("offset", np.float64, (2,)),
        ("found", np.bool_),  # whether the box is of this frame's own estimate
        ("pixels", np.uint8, (*CROP, 3)),  # RGB, black outside the frame
    ]
)


@contextmanager
def writing_crops(path: Path, count: int) -> Iterator[NDArray[Any]]:
    """``count`` records to fill, mapped to a temporary file that becomes ``path`` on success."""
    with replacing(path) as part:
        records = np.lib.format.open_memmap(part, mode="w+", dtype=RECORD, shape=(count,))
        yield records
        records.flush()
        del records


@dataclass(frozen=True, eq=False)
class Crops:
    """The crops of a corpus, found by clip and frame."""

    path: Path
    records: NDArray[Any]  # (N,) of RECORD, mapped

    @classmethod
    def open(cls, path: Path) -> "Crops":
        """Map the file that the pipeline wrote. Raises InputError when it cannot be read."""
        try:
            records = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(
                f"these are not person crops ({error})",
                file=path,
                hint="`dance run` makes them; in the web UI, materialize person_crops",
            ) from error
        if records.dtype != RECORD:
            raise InputError(
                "these are not person crops of this version",
                file=path,
                hint="`dance run` makes them; in the web UI, materialize person_crops",
            )
        return cls(path, records)

    def __len__(self) -> int:
        return len(self.records)

    def __reduce__(self) -> tuple[object, ...]:  # another process maps the same file
        return Crops.open, (self.path,)

    @cached_property
    def _row_of(self) -> dict[tuple[str, int], int]:
        keys = zip(self.records["clip"].tolist(), self.records["frame"].tolist(), strict=True)
        return {key: row for row, key in enumerate(keys)}

    def rows(self, runs: Sequence[PoseRun]) -> NDArray[np.int64]:
        """Rows of all frames of the runs, one after another. Raises InputError on a missing one."""
        clips = [run.clip for run in runs for _ in run.frame]
        return self.rows_of(clips, [int(frame) for run in runs for frame in run.frame])

    def rows_of(self, clips: Sequence[str], frames: Sequence[int]) -> NDArray[np.int64]:
        """Rows of frames of clips, one of each. Raises InputError on a missing one."""
        try:
            found = [self._row_of[key] for key in zip(clips, frames, strict=True)]
        except KeyError as error:
            clip, frame = error.args[0]
            raise InputError(
                f"there is no crop of this frame of {clip}",
                file=self.path,
                frame=frame,
                hint="`dance run` makes them; in the web UI, materialize person_crops",
            ) from error
        return np.array(found, np.int64)

    def maps(self, rows: NDArray[np.int64]) -> CropMap:
        """The maps of some rows."""
        return CropMap(self.records["scale"][rows], self.records["offset"][rows])

    def pixels(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Pictures (N, 128, 96, 3) of some rows, RGB."""
        return np.asarray(self.records["pixels"][rows])
