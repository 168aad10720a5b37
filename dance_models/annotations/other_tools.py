"""Recognising files of other tools, so that an error can say what to export instead.

Each function takes what :mod:`content` loaded and tells whether it is the format of that name in
``formats.py``.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element

from dance_models.annotations.content import Hdf, Kind
from dance_models.annotations.deeplabcut import (
    is_deeplabcut_predictions,
    is_deeplabcut_predictions_hdf,
)
from dance_models.annotations.sleap import is_sleap_analysis
from dance_models.annotations.ultralytics import is_yolo_boxes

# So many entries of a list or an object are looked at.
_LOOKED_AT: Final = 20


def _entries(document: Any) -> Iterator[Any]:
    """The document itself and its first entries."""
    yield document
    inner = document.values() if isinstance(document, Mapping) else document
    if isinstance(inner, list) or isinstance(document, Mapping):
        yield from (entry for entry, _ in zip(inner, range(_LOOKED_AT), strict=False))


def _with(document: Any, *keys: str) -> Iterator[dict[str, Any]]:
    """Objects with all of these keys, among the document and its first entries."""
    for entry in _entries(document):
        if isinstance(entry, dict) and all(key in entry for key in keys):
            yield entry


def _has(document: Any, *keys: str) -> bool:
    return next(_with(document, *keys), None) is not None


def _is_via(document: Any) -> bool:
    return _has(document, "_via_settings") or _has(document, "filename", "regions")


def _is_supervisely(document: Any) -> bool:
    return any(isinstance(one["objects"], list) for one in _with(document, "objects", "size"))


def _is_darwin(document: Any) -> bool:
    found = _with(document, "item", "annotations")
    old = _with(document, "image", "annotations", "dataset")
    return next(found, None) is not None or next(old, None) is not None


def _is_encord(document: Any) -> bool:
    return _has(document, "label_hash") or _has(document, "data_units")


def _is_labelbox(document: Any) -> bool:
    return _has(document, "data_row") or _has(document, "DataRow ID")


def _is_labelbox_lines(text: str) -> bool:
    return text.lstrip().startswith("{") and '"data_row"' in text[:10_000]


def _is_datumaro(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and isinstance(document.get("categories"), dict)
        and isinstance(document.get("items"), list)
    )


def _is_fiftyone(document: Any) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("samples"), list):
        return False
    return _has(document["samples"], "filepath")


def _is_openpose(document: Any) -> bool:
    for one in _with(document, "people"):
        people = one["people"]
        if isinstance(people, list) and (
            not people or _has(people, "pose_keypoints_2d") or _has(people, "pose_keypoints")
        ):
            return True
    return False


def _is_coco_results(document: Any) -> bool:
    return isinstance(document, list) and (
        _has(document, "image_id", "keypoints") and not _has(document, "images")
    )


def _is_mmpose(document: Any) -> bool:
    return _has(document, "instance_info") or _has(document, "instances")


def _is_ultralytics_results(document: Any) -> bool:
    return _has(document, "box", "confidence", "keypoints")


def _is_mediapipe(document: Any) -> bool:
    names = ("landmarks", "pose_landmarks", "poseLandmarks", "worldLandmarks")
    return any(_has(document, name) for name in names) or _has(document, "x", "y", "visibility")


def _is_label_studio_csv(text: str) -> bool:
    head = text[:100_000]
    first = head.splitlines()[0] if head.strip() else ""
    return "keypointlabels" in head and bool(re.search(r"[,\t]", first)) and "{" not in first


def _is_trc(text: str) -> bool:
    return text.startswith("PathFileType")


def _is_voc(root: Element) -> bool:
    return root.tag == "annotation" and root.find("object") is not None


def _is_kinovea(root: Element) -> bool:
    return root.tag == "KinoveaVideoAnalysis"


def _is_matlab(data: bytes) -> bool:
    return data.startswith((b"MATLAB 5.0", b"MATLAB 7.3"))


def _is_c3d(data: bytes) -> bool:
    return len(data) >= 512 and data[1] == 0x50 and data[0] in range(2, 50)


def _is_nwb(source: Hdf) -> bool:
    with source.opened() as file:
        return "nwb_version" in file.attrs


# By format; the first that recognises a file is its format.
OTHER_TOOLS: Final[Mapping[str, tuple[tuple[Kind, Callable[[Any], bool]], ...]]] = {
    "via": (("json", _is_via),),
    "datumaro": (("json", _is_datumaro),),
    "fiftyone": (("json", _is_fiftyone),),
    "encord": (("json", _is_encord),),
    "labelbox": (("json", _is_labelbox), ("text", _is_labelbox_lines)),
    "darwin": (("json", _is_darwin),),
    "supervisely": (("json", _is_supervisely),),
    "openpose": (("json", _is_openpose),),
    "mmpose": (("json", _is_mmpose),),
    "coco-results": (("json", _is_coco_results),),
    "ultralytics-results": (("json", _is_ultralytics_results),),
    "mediapipe": (("json", _is_mediapipe),),
    "pascal-voc": (("xml", _is_voc),),
    "kinovea": (("xml", _is_kinovea),),
    "trc": (("text", _is_trc),),
    "deeplabcut-predictions": (
        ("text", is_deeplabcut_predictions),
        ("hdf", is_deeplabcut_predictions_hdf),
    ),
    "label-studio-csv": (("text", _is_label_studio_csv),),
    "yolo-boxes": (("text", is_yolo_boxes),),
    "sleap-analysis": (("hdf", is_sleap_analysis),),
    "nwb": (("hdf", _is_nwb),),
    "matlab": (("binary", _is_matlab),),
    "c3d": (("binary", _is_c3d),),
}
