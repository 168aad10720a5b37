"""Whose COCO, or which of CVAT's exports, a file is; each kind is read by one reader."""

from typing import Any, Final
from xml.etree.ElementTree import Element

from dance_models.annotations.canonical import shown
from dance_models.annotations.coco import is_coco
from dance_models.annotations.cvat import is_cvat

_FACE: Final = frozenset({"nose", "left_eye", "right_eye", "left_ear", "right_ear"})
_NAMES_LOOKED_AT: Final = 20


def is_label_studio_coco(data: Any) -> bool:
    """Whether loaded JSON is COCO from Label Studio."""
    return is_coco(data) and "label studio" in _info(data)


def is_roboflow(data: Any) -> bool:
    """Whether loaded JSON is COCO from Roboflow."""
    if not is_coco(data):
        return False
    images = data["images"] if isinstance(data["images"], list) else []
    first = [one for one in images[:_NAMES_LOOKED_AT] if isinstance(one, dict)]
    marked = any(_named(one) and ".rf." in one["file_name"] for one in first)
    return marked or "roboflow" in _info(data)


def _named(image: dict[str, Any]) -> bool:
    return isinstance(image.get("file_name"), str)


def is_coco_17(data: Any) -> bool:
    """Whether loaded JSON is COCO with the face's key points, as COCO itself has them."""
    if not is_coco(data) or not isinstance(data["categories"], list):
        return False
    for category in data["categories"]:
        names = category.get("keypoints") if isinstance(category, dict) else None
        if isinstance(names, list) and {n for n in names if isinstance(n, str)} >= _FACE:
            return True
    return False


def is_cvat_images(root: Element) -> bool:
    """Whether loaded XML is CVAT's export for images."""
    return is_cvat(root) and root.find("image") is not None


def is_cvat_point_tracks(root: Element) -> bool:
    """Whether loaded XML is CVAT's export for video with a track a joint."""
    return is_cvat(root) and root.find("track/points") is not None


def _info(data: dict[str, Any]) -> str:
    info = data.get("info")
    values = info.values() if isinstance(info, dict) else []
    return " ".join(value if isinstance(value, str) else shown(value) for value in values).lower()
