"""Small writers of annotation formats: a known clip in, files of one tool out."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from dance_models.skeleton import DANCE_14

# A different order than ours: nothing may depend on the index.
ORDER = tuple(reversed(DANCE_14.names))
Joint = tuple[float, float, int]  # x, y in pixels, visibility 0/1/2


@dataclass(frozen=True)
class Annotated:
    """One person's annotation of some frames of a clip."""

    clip: str
    width: int
    height: int
    frames: dict[int, dict[str, Joint]]  # all 14 joints; absent ones have visibility 0

    def image(self, frame: int) -> str:
        return f"{self.clip}_{frame:06d}.jpg"

    def points(self, frame: int) -> list[tuple[str, float, float, int]]:
        return [(name, *self.frames[frame][name]) for name in ORDER]

    def seen(self, frame: int) -> list[tuple[str, float, float, int]]:
        return [point for point in self.points(frame) if point[3]]


def coco(clip: Annotated, prefix: str = "images/", suffix: str = "") -> dict[str, Any]:
    return {
        "info": {},
        "categories": [{"id": 7, "name": "person", "keypoints": list(ORDER)}],
        "images": [
            {
                "id": frame,
                "file_name": f"{prefix}{clip.image(frame)}{suffix}",
                "width": clip.width,
                "height": clip.height,
            }
            for frame in clip.frames
        ],
        "annotations": [
            {
                "id": frame,
                "image_id": frame,
                "category_id": 7,
                "keypoints": [
                    value
                    for _, x, y, seen in clip.points(frame)
                    for value in ((x, y, seen) if seen else (0, 0, 0))
                ],
            }
            for frame in clip.frames
        ],
    }


def _dump(folder: Path, document: Any, name: str = "export.json") -> None:
    (folder / name).write_text(json.dumps(document))


def write_coco(folder: Path, clip: Annotated) -> None:
    _dump(folder, coco(clip))


def write_posetrack(folder: Path, clip: Annotated) -> None:
    document = coco(clip)
    for image in document["images"]:
        image.update(vid_id="000001", is_labeled=True)
    for annotation in document["annotations"]:
        annotation["keypoints"][2::3] = [int(v > 0) for v in annotation["keypoints"][2::3]]
    _dump(folder, document)


def write_roboflow_coco(folder: Path, clip: Annotated) -> None:
    document = coco(clip, prefix="")
    for image in document["images"]:
        image["file_name"] = image["file_name"].replace(".jpg", "_jpg.rf.0a1b2c3d.jpg")
    _dump(folder, document, "_annotations.coco.json")


def write_label_studio_coco(folder: Path, clip: Annotated) -> None:
    document = coco(clip, prefix="../../label-studio/data/media/upload/3/1f2e3d4c-")
    document["info"] = {"contributor": "Label Studio", "year": 2024}
    _dump(folder, document, "result.json")


def studio_points(clip: Annotated, frame: int) -> list[dict[str, Any]]:
    return [
        {
            "x": x / clip.width * 100,
            "y": y / clip.height * 100,
            "width": 0.5,
            "keypointlabels": [name],
        }
        for name, x, y, _ in clip.seen(frame)
    ]


def studio_results(clip: Annotated, frame: int, person: str = "") -> list[dict[str, Any]]:
    return [
        {
            "id": f"{person}{index}",
            "type": "keypointlabels",
            "to_name": "img",
            "original_width": clip.width,
            "original_height": clip.height,
            "image_rotation": 0,
            "value": value,
        }
        for index, value in enumerate(studio_points(clip, frame))
    ]


def studio_task(clip: Annotated, frame: int, /, **data: Any) -> dict[str, Any]:
    image = f"/data/upload/3/1f2e3d4c-{clip.image(frame)}"
    annotation = {"completed_by": 1, "result": studio_results(clip, frame)}
    return {"id": 100 + frame, "data": data or {"image": image}, "annotations": [annotation]}


def write_label_studio(folder: Path, clip: Annotated) -> None:
    _dump(folder, [studio_task(clip, frame) for frame in clip.frames])


def studio_min(clip: Annotated, frame: int) -> dict[str, Any]:
    sides = {"original_width": clip.width, "original_height": clip.height}
    return {
        "image": f"/data/upload/3/1f2e3d4c-{clip.image(frame)}",
        "id": 100 + frame,
        "kp": [{**point, **sides} for point in studio_points(clip, frame)],
        "annotator": 1,
        "created_at": "2024-05-06T07:00:00.000000Z",
        "lead_time": 31.4,
    }


def write_label_studio_min(folder: Path, clip: Annotated) -> None:
    _dump(folder, [studio_min(clip, frame) for frame in clip.frames])


def labelme(clip: Annotated, frame: int, group: int | None = 1) -> dict[str, Any]:
    shapes = [
        {
            "label": name,
            "points": [[x, y]],
            "group_id": group,
            "shape_type": "point",
            "flags": {"occluded": True} if seen == 1 else {},
            "description": "",
            "mask": None,
        }
        for name, x, y, seen in clip.seen(frame)
    ]
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": clip.image(frame),
        "imageData": None,
        "imageHeight": clip.height,
        "imageWidth": clip.width,
    }


def write_labelme(folder: Path, clip: Annotated) -> None:
    for frame in clip.frames:
        _dump(folder, labelme(clip, frame), Path(clip.image(frame)).stem + ".json")


def _skeleton(parent: ElementTree.Element, clip: Annotated, of: int, **at: str) -> None:
    skeleton = ElementTree.SubElement(parent, "skeleton", label="person", **at)
    for name, x, y, seen in clip.points(of):
        ElementTree.SubElement(
            skeleton,
            "points",
            label=name,
            points=f"{x},{y}",
            occluded=str(int(seen == 1)),
            outside=str(int(seen == 0)),
        )


def write_cvat_images(folder: Path, clip: Annotated) -> None:
    root = ElementTree.Element("annotations")
    size = {"width": str(clip.width), "height": str(clip.height)}
    for frame in clip.frames:
        image = ElementTree.SubElement(root, "image", name=clip.image(frame), **size)
        _skeleton(image, clip, frame)
    ElementTree.ElementTree(root).write(folder / "annotations.xml")


def write_cvat_video(folder: Path, clip: Annotated) -> None:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "source").text = f"{clip.clip}.mp4"
    track = ElementTree.SubElement(root, "track", id="0", label="person")
    for frame in clip.frames:
        _skeleton(track, clip, frame, frame=str(frame), outside="0")
    ElementTree.ElementTree(root).write(folder / "annotations.xml")


def write_cvat_point_tracks(folder: Path, clip: Annotated) -> None:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "source").text = f"{clip.clip}.mp4"
    for name in ORDER:
        track = ElementTree.SubElement(root, "track", label=name, group_id="1")
        for frame in sorted(clip.frames):
            x, y, seen = clip.frames[frame][name]
            ElementTree.SubElement(
                track,
                "points",
                frame=str(frame),
                points=f"{x},{y}",
                occluded=str(int(seen == 1)),
                outside=str(int(seen == 0)),
            )
    ElementTree.ElementTree(root).write(folder / "annotations.xml")


FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
DERIVED = ("neck", "head_top")


def write_coco_17(folder: Path, clip: Annotated) -> None:
    """Without a face that is seen, so that the head top cannot be derived."""
    document = coco(clip)
    kept = [index for index, name in enumerate(ORDER) if name not in DERIVED]
    document["categories"][0]["keypoints"] = [*FACE, *(ORDER[index] for index in kept)]
    for annotation in document["annotations"]:
        values = annotation["keypoints"]
        own = [value for index in kept for value in values[3 * index : 3 * index + 3]]
        annotation["keypoints"] = [0] * 3 * len(FACE) + own
    _dump(folder, document, "person_keypoints_default.json")


def yolo_line(clip: Annotated, frame: int) -> str:
    values = ["0", "0.5", "0.5", "0.4", "0.8"]
    for _, x, y, seen in clip.points(frame):
        place = (x / clip.width, y / clip.height) if seen else (0.0, 0.0)
        values += [f"{place[0]:.6f}", f"{place[1]:.6f}", str(seen)]
    return " ".join(values)


def write_ultralytics(folder: Path, clip: Annotated) -> None:
    labels = folder / "labels" / "train"
    labels.mkdir(parents=True)
    names = "".join(f"    - {name}\n" for name in ORDER)
    (folder / "data.yaml").write_text(
        f"train: images/train\nkpt_shape: [14, 3]\nnames:\n  0: person\nkpt_names:\n  0:\n{names}"
    )
    for frame in clip.frames:
        stem = Path(clip.image(frame)).stem
        (labels / f"{stem}.txt").write_text(yolo_line(clip, frame) + "\n")


def deeplabcut_rows(
    clip: Annotated, *, cells: int = 1, people: Sequence[str] = ("",)
) -> list[list[object]]:
    """Header and rows of CollectedData; only the first of several people is marked."""
    first = [""] * (cells - 1)
    columns = [(who, name, axis) for who in people for name in ORDER for axis in "xy"]
    rows: list[list[object]] = [["scorer", *first, *["Me"] * len(columns)]]
    if len(people) > 1:
        rows.append(["individuals", *first, *[who for who, _, _ in columns]])
    rows.append(["bodyparts", *first, *[name for _, name, _ in columns]])
    rows.append(["coords", *first, *[axis for _, _, axis in columns]])
    for frame in clip.frames:
        path = ["labeled-data", clip.clip, f"img{frame:04d}.png"]
        values: list[object] = []
        for _, x, y, seen in clip.points(frame):
            values += [x, y] if seen else ["", ""]
        values += [""] * (len(columns) - len(values))
        rows.append([*(path if cells == 3 else ["/".join(path)]), *values])
    return rows


def _write_rows(folder: Path, rows: list[list[object]]) -> None:
    with (folder / "CollectedData_Me.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_deeplabcut(folder: Path, clip: Annotated) -> None:
    _write_rows(folder, deeplabcut_rows(clip))


def write_deeplabcut_three_cells(folder: Path, clip: Annotated) -> None:
    _write_rows(folder, deeplabcut_rows(clip, cells=3))


def write_deeplabcut_multi(folder: Path, clip: Annotated) -> None:
    _write_rows(folder, deeplabcut_rows(clip, cells=3, people=("a", "b")))


def write_deeplabcut_hdf(folder: Path, clip: Annotated, blocks: int = 1) -> None:
    """The datasets that pandas' fixed format has for a frame with labels of several levels.

    The columns are in ``blocks``, as where some are of whole numbers.
    """
    import h5py

    columns = [("Me", name, axis) for name in ORDER for axis in "xy"]
    index = [("labeled-data", clip.clip, f"img{frame:04d}.png") for frame in clip.frames]
    values = np.full((len(index), len(columns)), np.nan)
    for row, frame in enumerate(clip.frames):
        for joint, (_, x, y, seen) in enumerate(clip.points(frame)):
            if seen:
                values[row, 2 * joint : 2 * joint + 2] = x, y
    with h5py.File(folder / "CollectedData_Me.h5", "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_("frame")
        parts = [(f"block{block}", range(block, len(columns), blocks)) for block in range(blocks)]
        labelled = {f"{block}_items": [columns[i] for i in of] for block, of in parts}
        for axis, labels in {**labelled, "axis1": index}.items():
            group.attrs[f"{axis}_nlevels"] = 3
            for level in range(3):
                texts = sorted({label[level] for label in labels})
                group[f"{axis}_level{level}"] = np.array(texts, "S")
                codes = [texts.index(label[level]) for label in labels]
                group[f"{axis}_label{level}"] = np.array(codes, np.int8)
        for block, of in parts:
            group[f"{block}_values"] = values[:, list(of)]


def write_sleap(folder: Path, clip: Annotated) -> None:
    import sleap_io

    skeleton = sleap_io.Skeleton(list(ORDER))
    video = sleap_io.Video(f"{clip.clip}.mp4", open_backend=False)
    frames = []
    for frame in clip.frames:
        places = [(x, y) if seen else (np.nan, np.nan) for _, x, y, seen in clip.points(frame)]
        person = sleap_io.Instance.from_numpy(np.array(places), skeleton=skeleton)
        frames.append(sleap_io.LabeledFrame(video=video, frame_idx=frame, instances=[person]))
    labels = sleap_io.Labels(frames, videos=[video], skeletons=[skeleton])
    labels.save(str(folder / "labels.slp"))


Writer = Callable[[Path, Annotated], None]
# By the format's id, and a word where a format is written in several ways.
WRITERS: dict[str, Writer] = {
    "coco-keypoints": write_coco,
    "posetrack18": write_posetrack,
    "roboflow-coco": write_roboflow_coco,
    "label-studio-coco": write_label_studio_coco,
    "label-studio-json": write_label_studio,
    "label-studio-json-min": write_label_studio_min,
    "labelme": write_labelme,
    "cvat-images": write_cvat_images,
    "cvat-video": write_cvat_video,
    "cvat-point-tracks": write_cvat_point_tracks,
    "coco-17": write_coco_17,
    "ultralytics-pose": write_ultralytics,
    "deeplabcut-csv": write_deeplabcut,
    "deeplabcut-csv three cells": write_deeplabcut_three_cells,
    "deeplabcut-multi-csv": write_deeplabcut_multi,
    "deeplabcut-h5": write_deeplabcut_hdf,
    "sleap": write_sleap,
}
# These formats have no place for "occluded".
ONE_VISIBILITY = frozenset(
    {"posetrack18", "label-studio-json", "label-studio-json-min", "sleap"}
    | {name for name in WRITERS if name.startswith("deeplabcut")}
)
