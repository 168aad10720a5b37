"""Whether a file stops before its own end, where no decoder notices.

Matroska and WebM state the length of their content, and a part of a block at the end is passed over
without a word. GIF has no lengths: its last picture is shown half. Other containers count their
frames, or the decoder objects to the last one.
"""

from pathlib import Path
from typing import Final

from dance_models.files import open_file

_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = b"\x18\x53\x80\x67"
_GIF: Final = (b"GIF87a", b"GIF89a")
_EXTENSION, _PICTURE = 0x21, 0x2C


def share_there(path: Path) -> float:
    """Share of the bytes a file states to have, 1 for all or where it does not say.

    0 for a GIF that ends within a picture.
    """
    with open_file(path) as file:
        head = file.read(64)
        if head.startswith(_GIF):
            return 0.0 if _ends_within_a_block(head + file.read()) else 1.0
    stated = _end_of_segment(head) if head.startswith(_EBML) else 0
    return min(path.stat().st_size / stated, 1.0) if stated else 1.0


def _end_of_segment(head: bytes) -> int:
    """Where the content of a Matroska file ends by its header, 0 when that is not known (RFC 8794).

    A number begins with as many zero bits as it has further bytes; all ones mean unknown.
    """
    size, at = _number(head, len(_EBML))
    at += size
    if head[at : at + 4] != _SEGMENT:
        return 0
    size, at = _number(head, at + 4)
    return at + size if size else 0


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of Matroska and where it ends; 0 for an unknown one."""
    if at >= len(data) or not data[at]:
        return 0, at
    length = 9 - data[at].bit_length()
    mask = (1 << 7 * length) - 1
    value = int.from_bytes(data[at : at + length], "big") & mask
    return (0 if value == mask else value), at + length


def _ends_within_a_block(data: bytes) -> bool:
    """Whether a GIF breaks off before the end of a picture or of an extension (GIF89a, 18-25)."""
    at = 13 + _colours(data, 10)
    while at < len(data) and data[at] in (_EXTENSION, _PICTURE):
        at += 2 if data[at] == _EXTENSION else 11 + _colours(data, at + 9)
        while at < len(data) and data[at]:
            at += 1 + data[at]
        if at >= len(data):
            return True
        at += 1
    return False


def _colours(data: bytes, at: int) -> int:
    """Bytes of the colour table that the flags at ``at`` announce."""
    return 3 << (data[at] & 7) + 1 if at < len(data) and data[at] & 0x80 else 0
