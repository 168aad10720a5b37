"""PoseTrack18: COCO with ``vid_id`` and ``is_labeled``, frames named by their file."""

from typing import Any

from dance_models.annotations.canonical import Reading
from dance_models.annotations.coco import read_coco


def is_posetrack(data: Any) -> bool:
    """Whether parsed JSON is a PoseTrack18 file."""
    return (
        isinstance(data, dict)
        and isinstance(data.get("images"), list)
        and any(isinstance(i, dict) and "vid_id" in i for i in data["images"][:1])
    )


def read_posetrack(data: dict[str, Any], reading: Reading) -> None:
    """Read labelled images; PoseTrack marks a seen joint 1, which is our visible."""
    # PoseTrack's "video" is a folder; frames are numbered by their file names.
    images = [
        {"id": image.get("id"), "file_name": image.get("file_name", "")}
        for image in data["images"]
        if image.get("is_labeled", True)
    ]
    labelled = {image["id"] for image in images}
    annotations = []
    for annotation in data["annotations"]:
        if annotation.get("image_id") not in labelled:
            continue
        values = list(annotation.get("keypoints") or [])
        values[2::3] = [2 if v == 1 else v for v in values[2::3]]
        annotations.append({**annotation, "keypoints": values})
    read_coco({**data, "images": images, "annotations": annotations}, reading)
