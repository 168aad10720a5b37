"""PoseTrack18: COCO with ``vid_id`` and ``is_labeled``, frames named by their file."""

from typing import Any

from dance_models.annotations.coco import as_id, parse_coco
from dance_models.annotations.parsed_file import ParsedFile


def is_posetrack(data: Any) -> bool:
    """Whether loaded JSON is a PoseTrack18 file."""
    return (
        isinstance(data, dict)
        and {"images", "annotations", "categories"} <= data.keys()
        and isinstance(data["images"], list)
        and any(isinstance(image, dict) and "vid_id" in image for image in data["images"])
    )


def parse_posetrack(data: dict[str, Any], parsed: ParsedFile) -> None:
    """Parse labelled images; PoseTrack marks a seen joint 1, which is our 2 (visible).

    Raises InputError when images, annotations or categories are no list.
    """
    unlabelled = {
        as_id(image.get("id"))
        for image in data["images"]
        if isinstance(image, dict) and not image.get("is_labeled", True)
    }
    images = [_image(entry) for entry in data["images"]]
    annotations: Any = data["annotations"]
    if isinstance(annotations, list):
        unused = [a for a in annotations if _image_id(a) in unlabelled]
        if unused:
            what = "annotations of images that are not labelled"
            parsed.count(what, times=len(unused))
        annotations = [_annotation(a) for a in annotations if _image_id(a) not in unlabelled]
    parse_coco({**data, "images": images, "annotations": annotations}, parsed)


def _image_id(annotation: Any) -> object:
    return as_id(annotation.get("image_id") if isinstance(annotation, dict) else None)


def _image(entry: Any) -> Any:
    """An image without ``video``: PoseTrack's is a folder; frames are numbered by file names."""
    if not isinstance(entry, dict):
        return entry
    return {key: entry[key] for key in ("id", "file_name", "width", "height") if key in entry}


def _annotation(annotation: Any) -> Any:
    if not isinstance(annotation, dict) or not isinstance(annotation.get("keypoints"), list):
        return annotation
    values = list(annotation["keypoints"])
    values[2::3] = [2 if v == 1 and not isinstance(v, bool) else v for v in values[2::3]]
    return {**annotation, "keypoints": values}
