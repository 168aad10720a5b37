"""COCO keypoints: flat ``[x, y, v] * K``, joint names in the category.

The frame is named by ``video`` and ``frame_index`` of the image when it has them, else by the file
name as we export it.
"""

from typing import Any

from dance_models.annotations.canonical import Reading, identity_of, named_joints
from dance_models.errors import InputError
from dance_models.video.scan import clip_slug


def is_coco(data: Any) -> bool:
    """Whether parsed JSON is a COCO keypoint file."""
    return isinstance(data, dict) and {"images", "annotations", "categories"} <= data.keys()


def _identity(image: dict[str, Any]) -> tuple[str, int]:
    video, frame = image.get("video"), image.get("frame_index")
    if isinstance(video, str) and isinstance(frame, int):
        if ".." in video.replace("\\", "/").split("/"):
            raise InputError(f"the video name {video!r} leads out of its folder")
        return clip_slug(video), frame
    return identity_of(image.get("file_name", ""))


def read_coco(data: dict[str, Any], reading: Reading) -> None:
    """Read every annotation that has keypoints."""
    names = {c.get("id"): c.get("keypoints", []) for c in data["categories"]}
    images: dict[object, tuple[str, int]] = {}
    for image in data["images"]:
        try:
            images[image["id"]] = _identity(image)
        except (InputError, KeyError, TypeError, AttributeError) as error:
            reading.problem(f"an image was left out: {error}")
    for annotation in data["annotations"]:
        values = annotation.get("keypoints") or []
        identity = images.get(annotation.get("image_id"))
        if identity is None:
            reading.problem(
                f"annotation {annotation.get('id')} is of an image that was left out or is unknown"
            )
            continue
        if not any(values[2::3]):
            continue  # exported for annotation and not yet annotated
        joints = names.get(annotation.get("category_id"), [])

        def points(values: list[Any] = values, joints: list[Any] = joints) -> Any:
            if len(values) != 3 * len(joints):
                raise InputError(
                    f"{len(values)} keypoint values where the category's {len(joints)} joints "
                    f"need {3 * len(joints)}"
                )
            triples = [(values[i], values[i + 1], values[i + 2]) for i in range(0, len(values), 3)]
            return named_joints(joints, triples)

        reading.add(identity, points, str(annotation.get("annotator", "")))
