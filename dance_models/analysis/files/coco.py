"""COCO keypoints JSON: images, annotations, and the category with the joints' names."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.files.measured import Measured
from dance_models.files import replacing
from dance_models.geometry import person_box
from dance_models.skeleton import DANCE_14
from dance_models.text import printable

_DECIMALS: Final = 2
# Of a joint that is there and has none: 0 would say that it is missing.
_LEAST_CONFIDENCE: Final = 0.0001
_WORDS: Final = (
    "Keypoints of one person in pixels, y down. The third number of a keypoint is the estimator's "
    "confidence from 0 to 1, as in COCO results; a joint at 0, 0, 0 is missing. image_id and "
    "frame_index count from 0, the id of an annotation from 1."
)
_VISIBILITY: Final = (
    "Keypoints of one person in pixels, y down. The third number of a keypoint is COCO's "
    "visibility: 2 seen, 1 not seen, 0 missing. image_id and frame_index count from 0, the id of "
    "an annotation from 1."
)


def write_coco(measured: Measured, path: Path) -> None:
    """One JSON. Frames without a joint have an image and no annotation.

    Where no joint has a confidence between 0 and 1, the third numbers are COCO's visibilities.
    Written entry by entry: as one object, half an hour takes 400 MB.
    """
    graded = any(
        bool(((part.confidence > 0) & (part.confidence < 1)).any()) for _, part in measured.parts()
    )
    info = {"description": _WORDS if graded else _VISIBILITY}
    category = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(DANCE_14.names),
        "skeleton": [[a + 1, b + 1] for a, b in DANCE_14.edges],  # COCO counts from 1
    }
    with replacing(path) as target, target.open("w", encoding="utf-8") as file:
        file.write(f'{{"info": {json.dumps(info)}, "images": ')
        _write_list(file, (_image(measured, frame) for frame in range(len(measured))))
        file.write(', "annotations": ')
        _write_list(file, _annotations(measured, graded=graded))
        file.write(f', "categories": {json.dumps([category])}}}\n')


def _write_list(file: TextIO, entries: Iterable[dict[str, Any]]) -> None:
    """Write what ``json.dumps`` makes of the list."""
    file.write("[")
    for number, entry in enumerate(entries):
        file.write(f"{', ' if number else ''}{json.dumps(entry)}")
    file.write("]")


def _annotations(measured: Measured, *, graded: bool) -> Iterator[dict[str, Any]]:
    for first, part in measured.parts():
        known, confidence = part.known, part.confidence
        for i in np.flatnonzero(known.any(axis=1)):
            yield _annotation(first + int(i), part.poses[i], known[i], confidence[i], graded=graded)


def _image(measured: Measured, frame: int) -> dict[str, Any]:
    return {
        "id": frame,
        "file_name": f"{printable(measured.clip)}_{frame:06d}.jpg",
        "frame_index": frame,
        "time_s": round(float(measured.time_s[frame]), 6),
        "width": measured.width,
        "height": measured.height,
    }


def _annotation(
    frame: int,
    pose: NDArray[np.floating],
    known: NDArray[np.bool_],
    confidence: NDArray[np.float64],
    *,
    graded: bool,
) -> dict[str, Any]:
    """Of one frame: (14, 2) pixels, and (14,) whether they are known and how sure they are."""
    sure = np.where(known, confidence.clip(_LEAST_CONFIDENCE), 0).round(4)
    third = sure if graded else np.where(known, 1 + confidence, 0).astype(int)
    points = np.where(known[:, None], np.round(np.asarray(pose, np.float64), _DECIMALS), 0.0)
    x0, y0, x1, y1 = (float(v) for v in person_box(np.where(known[:, None], pose, np.nan)))
    box = [round(v, _DECIMALS) for v in (x0, y0, x1 - x0, y1 - y0)]
    return {
        "id": frame + 1,  # COCO's evaluation takes the id 0 for a pose that was not matched
        "image_id": frame,
        "category_id": 1,
        "keypoints": [
            value
            for (x, y), v in zip(points.tolist(), third.tolist(), strict=True)
            for value in (x, y, v)
        ],
        "num_keypoints": int(known.sum()),
        "bbox": box,
        "area": round(box[2] * box[3], _DECIMALS),
        "iscrowd": 0,
        "score": round(float(confidence[known].mean()), 4),
    }
