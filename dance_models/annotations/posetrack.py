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
    kept = ("id", "file_name", "width", "height")
    images = [
        {key: image[key] for key in kept if key in image}
        for image in data["images"]
        if isinstance(image, dict) and image.get("is_labeled", True)
    ]
    labelled = [image.get("id") for image in images]
    annotations = []
    for annotation in data["annotations"]:
        if not isinstance(annotation, dict):
            reading.skip("annotations that are no objects")
            continue
        if annotation.get("image_id") not in labelled:
            reading.skip("annotations of images that are not labelled")
            continue
        values = annotation.get("keypoints")
        if isinstance(values, list):
            values = [2 if i % 3 == 2 and v == 1 else v for i, v in enumerate(values)]
        annotations.append({**annotation, "keypoints": values})
    read_coco({**data, "images": images, "annotations": annotations}, reading)
