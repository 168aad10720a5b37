"""The small JSON that describes a top-down ONNX model.

::

    {
      "name": "my-model",
      "model": "my-model.onnx",          relative to this file
      "sha256": "...",                   optional, checked when given
      "input_size": [192, 256],          width, height in pixels
      "mean": [123.675, 116.28, 103.53], in 0..255, in channel_order; default 0
      "std": [58.395, 57.12, 57.375],    default 1
      "channel_order": "rgb",            or "bgr"
      "layout": "nchw",                  or "nhwc"; default nchw
      "output": "simcc",                 or "heatmap"
      "simcc_split_ratio": 2.0,          bins a pixel, for simcc
      "joints": ["nose", "left_eye", ...],  in the order of the model's output
      "box": "detector",                 or "image": the whole image; default: the detector if
                                         its weights are there
      "padding": 1.25                    of the detector's box; default 1.25
    }

Joints are matched by name; neck and head_top are derived where absent (see :mod:`joints`).
"""

import hashlib
import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from dance_models.annotations.canonical import shown
from dance_models.documents import read_json
from dance_models.errors import InputError
from dance_models.skeletons.by_name import missing_joints
from dance_models.tables import file_digest
from dance_models.text import printable

_REQUIRED: Final = ("name", "model", "input_size", "channel_order", "output", "joints")
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "channel_order": ("rgb", "bgr"),
    "layout": ("nchw", "nhwc"),
    "output": ("heatmap", "simcc"),
    "box": ("auto", "detector", "image"),
}
_OPTIONAL: Final[dict[str, Any]] = {
    "sha256": None,
    "mean": [0.0, 0.0, 0.0],
    "std": [1.0, 1.0, 1.0],
    "layout": "nchw",
    "simcc_split_ratio": 2.0,
    "box": "auto",
    "padding": 1.25,
}


_MOST_BYTES: Final = 1_000_000
_MOST_JOINTS: Final = 1000
_MOST_SIDE: Final = 4096  # pixels
_LISTED: Final = 10
_LARGEST: Final = 1e6
# A tensor that lies in another file: the key "location" and its value, whose length comes first.
_ELSEWHERE: Final = re.compile(rb"\x0a\x08location\x12([\x80-\xff]?)([\x01-\x7f])")


@dataclass(frozen=True)
class TopDownDescription:
    """What :func:`read_description` found; ``model`` is an existing file."""

    file: Path
    name: str
    model: Path
    weights: tuple[Path, ...]  # that the model has in files of their own, those that are there
    model_sha256: str  # of the model, and of these
    width: int
    height: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channel_order: Literal["rgb", "bgr"]
    layout: Literal["nchw", "nhwc"]
    output: Literal["heatmap", "simcc"]
    simcc_split_ratio: float
    joints: tuple[str, ...]
    box: Literal["auto", "detector", "image"]
    padding: float


def read_description(path: Path) -> TopDownDescription:
    """Read and check a description. Raises InputError naming the field that is wrong."""
    fields = _load(path)
    for field, choices in _CHOICES.items():
        if not isinstance(fields[field], str) or fields[field] not in choices:
            raise _wrong(path, field, fields[field], f"Use one of {', '.join(choices)}")
    width, height = (int(v) for v in _numbers(fields, "input_size", 2, path))
    if max(width, height) > _MOST_SIDE or min(width, height) < 1:
        raise _wrong(path, "input_size", fields["input_size"], f"Give 1 to {_MOST_SIDE} pixels")
    for field in ("name", "model"):
        text = fields[field]
        if not isinstance(text, str) or not text or len(text) > 255 or printable(text) != text:
            raise _wrong(path, field, text, "Give a short text")
    model = path.parent / fields["model"]
    if not model.is_file():
        raise InputError("the model does not exist", file=model, hint=f"It is named in {path}")
    digest = file_digest(model)
    if fields["sha256"] not in (None, digest):
        said = shown(fields["sha256"])
        raise InputError(f"sha256 is {digest}, the description says {said}", file=model)
    joints = _joint_names(fields["joints"], path)
    weights = files_of_weights(model)
    return TopDownDescription(
        file=path,
        name=fields["name"],
        model=model,
        weights=weights,
        model_sha256=_of_all(digest, weights),
        width=width,
        height=height,
        mean=_numbers(fields, "mean", 3, path, positive=False),
        std=_numbers(fields, "std", 3, path),
        channel_order=fields["channel_order"],
        layout=fields["layout"],
        output=fields["output"],
        simcc_split_ratio=_numbers(fields, "simcc_split_ratio", 1, path)[0],
        joints=joints,
        box=fields["box"],
        padding=_numbers(fields, "padding", 1, path)[0],
    )


def files_of_weights(model: Path) -> tuple[Path, ...]:
    """The files beside an ONNX model that hold its tensors, those that are there. Raises OSError.

    Exporters write large ones so, as ``model.onnx.data``.
    """
    if not model.stat().st_size:
        return ()
    names: dict[bytes, None] = {}
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for found in _ELSEWHERE.finditer(content):
            low, high = found[1], found[2][0]
            length = (low[0] & 0x7F) + (high << 7) if low else high
            names[content[found.end() : found.end() + length]] = None
    paths = (model.parent / name.decode("utf-8", "surrogateescape") for name in sorted(names))
    return tuple(path for path in paths if _is_file(path))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or a zero in it
        return False


def _of_all(digest: str, weights: tuple[Path, ...]) -> str:
    """That of the model alone where it has no other files, as by earlier versions."""
    if not weights:
        return digest
    return hashlib.sha256("".join([digest, *map(file_digest, weights)]).encode()).hexdigest()


def _load(path: Path) -> dict[str, Any]:
    document = read_json(path, _MOST_BYTES)
    if document.keys_again:
        raise InputError(document.keys_again, file=path, hint="Keep one of them")
    fields = document.value
    if not isinstance(fields, dict):
        raise InputError("the model description is not a JSON object", file=path)
    unknown = sorted(set(fields) - set(_REQUIRED) - set(_OPTIONAL))
    absent = [field for field in _REQUIRED if field not in fields]
    if unknown or absent:
        what = "unknown" if unknown else "missing"
        listed = ", ".join((unknown or absent)[:_LISTED])
        raise InputError(f"{what} field {listed[:200]}", file=path)
    return {**_OPTIONAL, **fields}


def _numbers(
    fields: dict[str, Any], field: str, count: int, path: Path, *, positive: bool = True
) -> tuple[float, ...]:
    value = fields[field]
    values = value if isinstance(value, list) else [value]
    good = len(values) == count and all(
        isinstance(v, int | float)
        and not isinstance(v, bool)
        and abs(v) <= _LARGEST
        and (v > 0 or not positive)
        for v in values
    )
    if not good:
        raise _wrong(path, field, value, f"Give {count} {'positive ' if positive else ''}numbers")
    return tuple(float(v) for v in values)


def _joint_names(value: Any, path: Path) -> tuple[str, ...]:
    texts = value if isinstance(value, list) and len(value) <= _MOST_JOINTS else []
    names = tuple(name.strip().lower() for name in texts if isinstance(name, str))
    if not names or len(names) != len(texts) or len(set(names)) != len(names):
        raise _wrong(path, "joints", value, "Give a list of different names")
    absent = missing_joints(names)
    if absent:
        raise _wrong(
            path, "joints", value, f"From these names {', '.join(absent)} can not be derived"
        )
    return names


def _wrong(path: Path, field: str, value: Any, hint: str) -> InputError:
    return InputError(f"{field} is {shown(value)}", file=path, hint=hint)
