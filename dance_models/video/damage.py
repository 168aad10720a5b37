"""Whether a stream that the decoder objects to has damaged pictures.

Damage is what decoding as a player does shows: pictures that the decoder marks as damaged or
cannot give at all, or that follow ones which are missing. Everything else that a strict decoder
fails on is a remark: a file that was cut out of a longer one, parts that were joined, a reference
to a picture that nothing uses.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Final

import av
import numpy as np

from dance_models.video.source import Reading, Remark

# What libavcodec says about the bookkeeping of pictures, not about a picture.
_BOOKKEEPING: Final = re.compile(
    r"mmco: unref short|reference frames? .*exceeds max|co located POCs|^SEI|\bSEI\b|\bVUI\b"
    r"|timecode|user data",
    re.IGNORECASE,
)
# A step between time stamps beyond so many usual ones is a gap.
GAP: Final = 1.5


@contextmanager
def objections_noted() -> Iterator[None]:
    """While it lasts, libav's errors carry what its decoders say, and nothing is printed."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture():
            yield
    finally:
        av.logging.set_level(level)


def verdict(strict: Reading, careful: Reading, pts: Sequence[int | None]) -> tuple[list[int], str]:
    """Frames at which the stream is damaged, and in words what the decoder remarked on.

    ``strict`` is the reading of a decoder that fails on everything, ``careful`` that of one which
    does as a player; ``pts`` are the time stamps of the frames that the latter gave.
    """
    unshown = careful.frames <= strict.frames  # a player leaves out what the strict one refused
    damaged = sorted(
        {*careful.corrupt, *(r.frame for r in careful.remarks if not r.leading)}
        or {
            r.frame
            for r in strict.remarks
            if not (r.leading and unshown) and not _bookkeeping(r, pts)
        }
    )
    if damaged:
        return damaged, ""
    texts = Counter(re.sub(r"\s+", " ", r.text) or "no reason given" for r in strict.remarks)
    first = strict.remarks[0].frame if strict.remarks else 0
    said = "; ".join(f"{text!r}" for text, _ in texts.most_common(2))
    return [], (
        f"remarks of the decoder: {len(strict.remarks)}, the first at frame {first} ({said}); "
        "all frames that a player shows are whole"
    )


def _bookkeeping(remark: Remark, pts: Sequence[int | None]) -> bool:
    """Whether it is about the references to pictures, none of which is missing."""
    about_references = bool(_BOOKKEEPING.search(remark.text))
    return about_references and (remark.key or not _has_gap(pts))


def _has_gap(pts: Sequence[int | None]) -> bool:
    """Whether pictures are missing by the time stamps: they may be what a reference is to."""
    known = [stamp for stamp in pts if stamp is not None]
    steps = [b - a for a, b in pairwise(known)]
    return bool(steps) and max(steps) > GAP * float(np.median(steps))
