"""COCO keypoints: flat ``[x, y, v] * K``, joint names in the category.

The frame is named by ``video`` and ``frame_index`` of the image when it has them, else by the file
name as we export it.
"""

from typing import Any

from dance_models.annotations.canonical import (
    MALFORMED,
    Reading,
    identity_of,
    named_joints,
    stated_size,
)
from dance_models.errors import InputError
from dance_models.video.scan import clip_slug


def is_coco(data: Any) -> bool:
    """Whether parsed JSON is a COCO keypoint file."""
    return isinstance(data, dict) and {"images", "annotations", "categories"} <= data.keys()


def _identity(image: dict[str, Any]) -> tuple[str, int]:
    video, frame = image.get("video"), image.get("frame_index")
    if isinstance(video, str) and isinstance(frame, int) and not isinstance(frame, bool):
        if ".." in video.replace("\\", "/").split("/"):
            raise InputError(f"the video name {video!r} leads out of its folder")
        return clip_slug(video), frame
    return identity_of(image.get("file_name", ""))


def read_coco(data: dict[str, Any], reading: Reading) -> None:
    """Read every annotation that has keypoints."""
    names: dict[object, list[Any]] = {}
    for category in data["categories"]:
        try:
            names[category["id"]] = list(category.get("keypoints") or [])
        except MALFORMED as error:
            reading.problem(f"a category was left out: {type(error).__name__}: {error}")
    images: dict[object, tuple[tuple[str, int], tuple[float, float] | None]] = {}
    for image in data["images"]:
        try:
            size = stated_size(image.get("width"), image.get("height"))
            images[image["id"]] = (_identity(image), size)
        except (InputError, *MALFORMED) as error:
            reading.problem(f"an image was left out: {error}")
    for annotation in data["annotations"]:
        try:
            _read_annotation(annotation, names, images, reading)
        except MALFORMED as error:
            reading.problem(f"an annotation was left out: {type(error).__name__}: {error}")


def _read_annotation(
    annotation: dict[str, Any],
    names: dict[object, list[Any]],
    images: dict[object, tuple[tuple[str, int], tuple[float, float] | None]],
    reading: Reading,
) -> None:
    """Read one annotation. Raises what a malformed one raises."""
    if annotation.get("image_id") not in images:
        reading.problem(
            f"annotation {annotation.get('id')} is of an image that was left out or is unknown"
        )
        return
    identity, size = images[annotation["image_id"]]
    values = annotation.get("keypoints")
    if not values:
        reading.skip("annotations without keypoints (boxes or outlines alone)")
        return
    if not any(values[2::3]):
        return  # exported for annotation and not yet annotated

    def joints() -> dict[str, tuple[float, float, int]]:
        category = annotation.get("category_id")
        if category not in names:
            raise InputError(f"the category {category!r} is not declared")
        declared = names[category]
        if len(values) != 3 * len(declared):
            raise InputError(
                f"{len(values)} keypoint values where the category's {len(declared)} joints "
                f"need {3 * len(declared)}"
            )
        triples = [(values[i], values[i + 1], values[i + 2]) for i in range(0, len(values), 3)]
        return named_joints(declared, triples)

    reading.add(identity, joints, str(annotation.get("annotator", "")), size)
