"""COCO keypoints: flat ``[x, y, v] * K``, joint names in the category.

The frame is named by ``video`` and ``frame_index`` of the image when it has them, else by the file
name as we export it.
"""

from functools import partial
from typing import Any

from dance_models.annotations.canonical import Columns, identity_of, image_size, shown
from dance_models.annotations.parsed_file import Image, ParsedFile
from dance_models.errors import InputError
from dance_models.video.names import clip_slug


def is_coco(data: Any) -> bool:
    """Whether loaded JSON is a COCO keypoint file."""
    return isinstance(data, dict) and {"images", "annotations", "categories"} <= data.keys()


def parse_coco(data: dict[str, Any], parsed: ParsedFile) -> None:
    """Parse every annotation that has keypoints.

    Raises InputError when images, annotations or categories are no list.
    """
    names = _categories(data["categories"], parsed)
    images = _images(data["images"], parsed)
    for index, annotation in parsed.objects(data["annotations"], "annotations"):
        what = f"annotation {shown(annotation.get('id', f'number {index}'))}"
        image = images.get(as_id(annotation.get("image_id")))
        if image is None:
            of = shown(annotation.get("image_id"))
            parsed.add_problem(f"{what} is of image {of}, which was left out or is unknown")
            continue
        values = annotation.get("keypoints")
        if values is None or values == []:
            parsed.count("annotations without keypoints (boxes or outlines alone)", image)
            continue
        if not isinstance(values, list):
            parsed.add_problem(f"{what} was left out: its keypoints are {shown(values)}", image)
            continue
        if not any(values[2::3]) and len(values) >= 3:
            # Exported for annotation and not annotated yet.
            parsed.count("annotations without a visible joint", image, action="empty")
            continue
        category = annotation.get("category_id")
        if as_id(category) not in names:
            message = f"the category {shown(category)} is not declared; {what} was left out"
            parsed.add_problem(message, image)
            continue
        columns = partial(_columns, names[as_id(category)], values)
        parsed.add_pose(image, columns, annotation.get("annotator", ""))


def as_id(value: object) -> object:
    """An id as a dictionary key; an invalid id becomes a fresh object that equals nothing."""
    if isinstance(value, int | str | float) and not isinstance(value, bool):
        return value
    return object()


def _categories(value: Any, parsed: ParsedFile) -> dict[object, list[Any]]:
    names: dict[object, list[Any]] = {}
    for index, category in parsed.objects(value, "categories"):
        joints = category.get("keypoints", [])
        if not isinstance(joints, list):
            parsed.add_problem(
                f"categories[{index}] has keypoints that are no list; it was left out"
            )
        elif as_id(category.get("id")) in names:
            parsed.add_problem(
                f"categories[{index}] has the id {shown(category['id'])} of another one; "
                "the first was kept"
            )
        else:
            names[as_id(category.get("id"))] = joints
    return names


def _images(value: Any, parsed: ParsedFile) -> dict[object, Image]:
    images: dict[object, Image] = {}
    for index, entry in parsed.objects(value, "images"):
        what = f"image {shown(entry.get('id', f'number {index}'))}"
        try:
            image = _image(entry)
        except InputError as error:
            parsed.add_problem(f"{what} was left out: {error}")
            continue
        key = as_id(entry.get("id"))
        if key in images:
            parsed.add_problem(f"{what} is declared twice; the first was kept", image)
        else:
            images[key] = image
    return images


def _image(entry: dict[str, Any]) -> Image:
    clip, frame = _identity(entry)
    size = image_size(entry.get("width"), entry.get("height"))
    name = entry.get("file_name")
    return Image(clip, frame, name if isinstance(name, str) else "", size)


def _identity(entry: dict[str, Any]) -> tuple[str, int]:
    video, frame = entry.get("video"), entry.get("frame_index")
    if isinstance(video, str) and isinstance(frame, int) and not isinstance(frame, bool):
        if ".." in video.replace("\\", "/").split("/"):
            raise InputError(f"the video name {shown(video)} leads out of its folder")
        return clip_slug(video), frame
    return identity_of(entry.get("file_name", ""))


def _columns(names: list[Any], values: list[Any]) -> Columns:
    if len(values) != 3 * len(names):
        raise InputError(
            f"{len(values)} keypoint values where the category's {len(names)} joints "
            f"need {3 * len(names)}"
        )
    return names, [(values[i], values[i + 1], values[i + 2]) for i in range(0, len(values), 3)]
