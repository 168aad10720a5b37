"""Sampled frames for annotation tools: images, joints, and keypoints that are empty or estimated.

Images are called ``CLIP_000123.jpg``, in one folder: the name alone says clip and frame, so it
survives tools that drop folders, add prefixes or rename.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal
from xml.etree import ElementTree

import polars as pl

from dance_models.annotations.content import read_content
from dance_models.errors import AnnotationError, InputError
from dance_models.skeleton import DANCE_14
from dance_models.tables import write_text

Tool = Literal["coco", "cvat", "label-studio"]
FILES: Final[Mapping[Tool, str]] = {
    "coco": "annotations.json",
    "cvat": "annotations.xml",
    "label-studio": "tasks.json",
}
_Poses = dict[tuple[str, int], list[list[float]]]  # by clip and frame, pixels


def image_name(clip: str, image: str) -> str:
    """Path of an exported image in the export's folder, from its path in the store."""
    return f"images/{clip}_{PurePosixPath(image).name}"


def export_frames(
    frames: pl.DataFrame,
    directory: Path,
    *,
    tracks: pl.DataFrame | None = None,
    tool: Tool = "coco",
) -> Path:
    """Write what ``tool`` reads of FRAMES rows, whose images lie at :func:`image_name`.

    With TRACKS the estimator's keypoints are filled in, to be corrected; else there are none.
    Raises InputError as :func:`refuse_labels` does.
    """
    path, text = tool_file(frames, directory, tracks=tracks, tool=tool)
    refuse_labels(path, text, tool)
    write_text(path, text)
    return path


def tool_file(
    frames: pl.DataFrame, directory: Path, *, tracks: pl.DataFrame | None, tool: Tool
) -> tuple[Path, str]:
    """The file that :func:`export_frames` writes, and its content."""
    estimated: _Poses = {}
    if tracks is not None:
        known = tracks.filter(pl.col("keypoints").is_not_null())
        for clip, frame, pose in known.select("clip", "frame", "keypoints").iter_rows():
            estimated[clip, frame] = pose
    rows = list(frames.sort("clip", "frame").iter_rows(named=True))
    writers = {"coco": _coco, "cvat": _cvat, "label-studio": _label_studio}
    return directory / FILES[tool], writers[tool](rows, estimated) + "\n"


def refuse_labels(path: Path, text: str, tool: Tool) -> None:
    """Raise InputError when ``text`` would replace a file in which somebody may have labelled.

    Keypoints that were filled in beforehand count as labels: they may have been corrected since.
    """
    if path.is_file() and path.read_bytes() != text.encode() and _holds_labels(path, tool):
        raise InputError(
            "the file holds labels, which would be lost",
            file=path,
            hint="Move it away, or export into another folder",
        )


def _holds_labels(path: Path, tool: Tool) -> bool:
    """Whether a file may hold labels; one that is not as a tool or this module writes it may."""
    try:
        document = read_content(path).value
        if tool == "cvat":
            return any(len(image) for image in document.iter("image")) or bool(
                document.findall("track")
            )
        if tool == "coco":
            return any(any(one["keypoints"]) for one in document["annotations"])
        return any(set(task) - {"data", "predictions"} for task in document)
    except (AnnotationError, LookupError, TypeError, AttributeError):
        return True


def _coco(rows: list[dict[str, Any]], estimated: _Poses) -> str:
    images, annotations = [], []
    for number, row in enumerate(rows, start=1):
        images.append(
            {
                "id": number,
                "file_name": image_name(row["clip"], row["image"]),
                "video": f"{row['clip']}.mp4",
                "frame_index": row["frame"],
                "time_s": row["time_s"],
                "width": row["width"],
                "height": row["height"],
            }
        )
        annotations.append(_coco_annotation(number, estimated.get((row["clip"], row["frame"]))))
    document = {
        "info": {"description": "Sampled frames; fill in the keypoints and bring the file back"},
        "images": images,
        "annotations": annotations,
        "categories": [
            {
                "id": 1,
                "name": "person",
                "keypoints": list(DANCE_14.names),
                "skeleton": [[a + 1, b + 1] for a, b in DANCE_14.edges],
            }
        ],
    }
    return json.dumps(document)


def _coco_annotation(number: int, pose: list[list[float]] | None) -> dict[str, Any]:
    values: list[float] = [0.0, 0.0, 0] * DANCE_14.num_joints
    if pose is not None:
        values = [v for x, y in pose for v in ((x, y, 2) if math.isfinite(x) else (0.0, 0.0, 0))]
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "keypoints": values,
        "num_keypoints": sum(1 for v in values[2::3] if v),
        "iscrowd": 0,
    }


def _cvat(rows: list[dict[str, Any]], estimated: _Poses) -> str:
    """The format "CVAT for images 1.1", of the label ``person`` with a skeleton of our joints."""
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    for number, row in enumerate(rows):
        image = ElementTree.SubElement(
            root,
            "image",
            id=str(number),
            name=PurePosixPath(image_name(row["clip"], row["image"])).name,
            width=str(row["width"]),
            height=str(row["height"]),
        )
        pose = estimated.get((row["clip"], row["frame"]))
        if pose is None:
            continue
        skeleton = ElementTree.SubElement(
            image, "skeleton", label="person", source="auto", z_order="0"
        )
        for joint, (x, y) in zip(DANCE_14.names, pose, strict=True):
            known = math.isfinite(x)
            ElementTree.SubElement(
                skeleton,
                "points",
                label=joint,
                source="auto",
                occluded="0",
                outside="0" if known else "1",
                points=f"{x:.2f},{y:.2f}" if known else "0.00,0.00",
            )
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=True)


def _label_studio(rows: list[dict[str, Any]], estimated: _Poses) -> str:
    """Tasks whose images are served from the export's folder, with predictions."""
    tasks = []
    for row in rows:
        name = image_name(row["clip"], row["image"])
        image = f"/data/local-files/?d={name}"
        task: dict[str, Any] = {"data": {"image": image}, "predictions": []}
        pose = estimated.get((row["clip"], row["frame"]))
        if pose is not None:
            result = _results(pose, row["width"], row["height"])
            task["predictions"] = [{"model_version": "estimate", "result": result}]
        tasks.append(task)
    return json.dumps(tasks)


def _results(pose: list[list[float]], width: int, height: int) -> list[dict[str, Any]]:
    return [
        {
            "id": joint,
            "type": "keypointlabels",
            "from_name": "keypoint",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "x": 100 * x / width,
                "y": 100 * y / height,
                "width": 0.5,  # of the dot, percent
                "keypointlabels": [joint],
            },
        }
        for joint, (x, y) in zip(DANCE_14.names, pose, strict=True)
        if math.isfinite(x)
    ]
