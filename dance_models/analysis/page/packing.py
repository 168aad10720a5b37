"""Curves as whole numbers in JSON, small enough for half an hour of video."""

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from jinja2.utils import htmlsafe_json_dumps
from numpy.typing import NDArray

from dance_models.analysis.page.content import Curve, PageContent, Series

TICK_S: Final = 1e-4  # unit of times
LEVELS: Final = 9999  # four digits a value: 54,000 frames of 20 plots with two lines are 11 MB
_AT_ONCE: Final = 5000  # values


def packed(content: PageContent) -> Iterator[str]:
    """The JSON of what the script of the page draws, in pieces that an HTML page can hold.

    Times in units of ``TICK_S``, curves, moments (s). A curve is a list of whole numbers n, null
    where there is no value; its values are ``start + step * n``. In pieces, since the numbers of
    half an hour take ten times as much memory as their text.
    """
    second = content.second_time_s
    yield f'{{"tick":{_json(TICK_S)},"time":'
    yield from _whole(content.time_s, 0.0, TICK_S)
    yield ',"second":'
    yield from _whole(second, 0.0, TICK_S)
    yield ',"series":['
    for number, series in enumerate(content.series):
        yield "," if number else ""
        yield from _series(series)
    moments = [moment.time_s for moment in content.moments if math.isfinite(moment.time_s)]
    yield f'],"moments":{_json(moments)}}}'


def _json(value: Any) -> str:
    """JSON without what would end the script element."""
    return str(htmlsafe_json_dumps(value, separators=(",", ":"), allow_nan=False))


def side_of(name: str) -> str:
    """The side of the body that a series is about: left, right or neither ("")."""
    first = name.split(maxsplit=1)[0].lower() if name.strip() else ""
    return first if first in ("left", "right") else ""


def _series(series: Series) -> Iterator[str]:
    lines = [series.values] if series.before is None else [series.values, series.before]
    finite = [line[np.isfinite(line)].astype(np.float64) for line in lines]
    known = np.concatenate(finite)
    start = float(known.min()) if known.size else 0.0
    step = round_step(float(known.max()) - start if known.size else 0.0)
    # A start that is a multiple of the step keeps round values round.
    start = math.floor(start / step) * step
    head = {
        "side": side_of(series.name),
        "unit": series.unit,
        "band": series.band,
        "start": float(f"{start:.9g}"),
        "step": step,
    }
    yield f'{_json(head)[:-1]},"values":'
    yield from _whole(series.values, start, step)
    yield ',"before":'
    yield from _whole(series.before, start, step)
    yield "}"


def round_step(span: float) -> float:
    """The least step of 1, 2 or 5 times a power of ten that gives at most ``LEVELS`` levels."""
    if not span > 0:
        return 1.0
    least = span / (LEVELS - 1)  # one for the start, which is rounded down
    power = math.floor(math.log10(least))
    factor = next((f for f in (1, 2, 5) if f * 10.0**power >= least), 10)
    return float(f"{factor * 10.0**power:.6g}")


def _whole(line: Curve | NDArray[np.float64] | None, start: float, step: float) -> Iterator[str]:
    if line is None:
        yield "null"
        return
    yield "["
    for first in range(0, len(line), _AT_ONCE):
        levels = (np.asarray(line[first : first + _AT_ONCE], np.float64) - start) / step
        known = np.isfinite(levels)
        whole = list(map(str, np.rint(np.where(known, levels, 0)).astype(np.int64).tolist()))
        for i in np.flatnonzero(~known):
            whole[i] = "null"
        yield ("," if first else "") + ",".join(whole)
    yield "]"
