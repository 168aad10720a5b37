"""COCO keypoints: flat ``[x, y, v] * K``, joint names in the category.

The frame is named by ``video`` (or ``video_id`` and the list ``videos``) and ``frame_index`` of the
image when it has them, else by its file name, or the original one that Roboflow keeps.
"""

from functools import partial
from typing import Any, Final

from dance_models.annotations.canonical import Columns, image_size, shown
from dance_models.annotations.image_names import UnnamedImageError
from dance_models.annotations.parsed_file import Image, ParsedFile
from dance_models.errors import InputError

_LONGEST_ID: Final = 18  # digits


def is_coco(data: Any) -> bool:
    """Whether loaded JSON is a COCO keypoint file."""
    return isinstance(data, dict) and {"images", "annotations", "categories"} <= data.keys()


def parse_coco(data: dict[str, Any], parsed: ParsedFile) -> None:
    """Parse every annotation that has keypoints.

    Raises InputError when images, annotations or categories are no list.
    """
    names = _categories(data["categories"], parsed)
    images = _images(data["images"], _videos(data.get("videos")), parsed)
    for index, annotation in parsed.objects(data["annotations"], "annotations"):
        what = f"annotation {shown(annotation.get('id', f'number {index}'))}"
        image = images.get(as_id(annotation.get("image_id")))
        if image is None:
            of = shown(annotation.get("image_id"))
            parsed.add_problem(f"{what} is of image {of}, which was left out or is unknown")
            continue
        if isinstance(image, UnnamedImageError):
            parsed.count_unnamed(image, "annotations")
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
        if not names[as_id(category)]:
            parsed.count(f"annotations of category {shown(category)}, which names no joints", image)
            continue
        columns = partial(_columns, names[as_id(category)], values)
        parsed.add_pose(image, columns, annotation.get("annotator", ""))


def as_id(value: object) -> object:
    """An id as a dictionary key, the same for 1, 1.0 and "1".

    An invalid id becomes a fresh object that equals nothing.
    """
    if isinstance(value, bool):
        return object()
    if isinstance(value, str):
        number = value.strip()
        digits = number.isascii() and number.isdigit() and len(number) <= _LONGEST_ID
        return int(number) if digits and str(int(number)) == number else value
    return value if isinstance(value, int | float) else object()


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


def _videos(value: Any) -> dict[object, object]:
    """The name of each video by its id."""
    entries = [e for e in value if isinstance(e, dict)] if isinstance(value, list) else []
    return {as_id(e.get("id")): e.get("file_name") or e.get("name") for e in entries}


def _images(
    value: Any, videos: dict[object, object], parsed: ParsedFile
) -> dict[object, Image | UnnamedImageError]:
    """Images by id; an image that names no clip or frame costs the annotations of it alone."""
    images: dict[object, Image | UnnamedImageError] = {}
    for index, entry in parsed.objects(value, "images"):
        what = f"image {shown(entry.get('id', f'number {index}'))}"
        try:
            image: Image | UnnamedImageError = _image(entry, videos, parsed)
        except UnnamedImageError as error:
            image = error
        except InputError as error:
            parsed.add_problem(f"{what} was left out: {error}")
            continue
        key = as_id(entry.get("id"))
        if key in images:
            where = image if isinstance(image, Image) else None
            parsed.add_problem(f"{what} is declared twice; the first was kept", where)
        else:
            images[key] = image
    return images


def _image(entry: dict[str, Any], videos: dict[object, object], parsed: ParsedFile) -> Image:
    clip, frame = _identity(entry, videos, parsed)
    size = image_size(entry.get("width"), entry.get("height"))
    name = entry.get("file_name")
    return Image(clip, frame, name if isinstance(name, str) else "", size)


def _identity(
    entry: dict[str, Any], videos: dict[object, object], parsed: ParsedFile
) -> tuple[str, int]:
    video, frame = entry.get("video"), entry.get("frame_index")
    if not isinstance(video, str):
        video = videos.get(as_id(entry.get("video_id")))
    if isinstance(video, str) and isinstance(frame, int) and not isinstance(frame, bool):
        clip = parsed.clip_of(video)
        parsed.frames.setdefault(clip, set()).add(frame)
        return clip, frame
    extra = entry.get("extra")  # of Roboflow; path: of COCO Annotator
    original = extra.get("name") if isinstance(extra, dict) else None
    others = [original, entry.get("path"), entry.get("coco_url")]
    return parsed.identity_of(entry.get("file_name", ""), others=others, videos=[video])


def _columns(names: list[Any], values: list[Any]) -> Columns:
    if len(values) != 3 * len(names):
        raise InputError(
            f"{len(values)} keypoint values where the category's {len(names)} joints "
            f"need {3 * len(names)}"
        )
    return names, [(values[i], values[i + 1], values[i + 2]) for i in range(0, len(values), 3)]
