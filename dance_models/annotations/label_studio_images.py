"""Which of the texts of a Label Studio task names its image."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlparse

from dance_models.errors import InputError

_IMAGE: Final = re.compile(r"\.(jpe?g|jfif|png|bmp|webp|tiff?|gif|avif|heic)(?![a-z0-9])", re.I)
_VIDEO: Final = re.compile(r"\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|mts|wmv|flv|3gp)(?![a-z0-9])", re.I)
_IMAGE_KEYS: Final = ("image", "img", "picture", "photo", "frame", "url", "path", "file")


def image_names(task: dict[str, Any]) -> list[str]:
    """The texts of a task that may name its image, the likeliest first.

    The likeliest has the suffix of an image and stands under the name of the object that the
    results belong to. Raises InputError when there is none.
    """
    data = task.get("data")
    objects = set(_objects(task))
    found = list(_texts(data)) if isinstance(data, dict) else []
    images = [(key, text) for key, text in found if _IMAGE.search(text)]
    upload = task.get("file_upload")  # the name that the tool gave the uploaded image
    if not images and isinstance(upload, str) and _IMAGE.search(upload):
        images = [("", upload)]
    if not images:
        images = [(k, t) for k, t in found if k in objects or "/" in t] or found[:1]
    if not images:
        raise InputError("the task names no image")

    def rank(pair: tuple[str, str]) -> tuple[bool, bool]:
        key = pair[0].lower()
        return pair[0] not in objects, not any(word in key for word in _IMAGE_KEYS)

    return [text for _, text in sorted(images, key=rank)]


def video_names(task: dict[str, Any]) -> list[str]:
    """The texts of a task that may name the video that its image is from."""
    data = task.get("data")
    found = _texts(data) if isinstance(data, dict) else iter(())
    return [text for key, text in found if _VIDEO.search(text) or key.lower() in {"clip", "video"}]


def _texts(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys and texts; an address that carries its file in base64 is read."""
    for key, value in data.items():
        if isinstance(value, str) and value:
            yield key, _resolved(value)


def _resolved(text: str) -> str:
    """``/tasks/1/resolve/?fileuri=BASE64`` as the address that it stands for."""
    if "fileuri=" not in text:
        return text
    try:
        coded = parse_qs(urlparse(text).query)["fileuri"][0]
        return base64.b64decode(coded, altchars=b"-_", validate=True).decode()
    except (KeyError, ValueError, binascii.Error):
        return text


def _objects(task: dict[str, Any]) -> Iterator[str]:
    """The objects (``to_name``) that a task's results belong to."""
    for kind in ("annotations", "completions", "predictions"):
        many = task.get(kind)
        for annotation in many if isinstance(many, list) else []:
            results = annotation.get("result") if isinstance(annotation, dict) else None
            for result in results if isinstance(results, list) else []:
                name = result.get("to_name") if isinstance(result, dict) else None
                if isinstance(name, str):
                    yield name
