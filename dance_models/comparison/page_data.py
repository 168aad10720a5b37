"""A comparison as plain data for a page: sentences, tables, moments and series."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dance_models.comparison.compare import Comparison
from dance_models.comparison.sentences import ScoreRow, score_rows, sentences

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PageMoment:
    """What a click on a moment needs: where to go in both videos, in words, and its picture."""

    time_s: float  # of the reference
    practice_s: float
    words: str
    still: Path | None


@dataclass(frozen=True, eq=False)
class Series:
    """A curve over the reference's time, and the band about zero in which nothing is reported."""

    name: str
    unit: str
    values: Floats  # (G,) NaN: not known
    floor: float


@dataclass(frozen=True, eq=False)
class ComparisonPage:
    """Everything that a page shows of a comparison beside the two videos."""

    title: str
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    hints: tuple[str, ...]
    rows: tuple[ScoreRow, ...]
    moments: tuple[PageMoment, ...]
    time_s: Floats  # (G,) of the reference
    practice_s: Floats  # (G,) where the practice's video stands then; NaN: not in it
    series: tuple[Series, ...] = field(default=())


def page_data(
    found: Comparison, stills: Sequence[Path] = (), notes: Sequence[str] = ()
) -> ComparisonPage:
    """The page's data; ``stills`` in the order of the moments, none when not written.

    ``notes`` are warnings about the files, which come first.
    """
    pictures: list[Path | None] = [*stills] or [None] * len(found.moments)
    curves = [Series("late", "ms", 1000 * found.late_s, 1000 * found.timing_floor_s)]
    curves += [
        Series(name.replace("_", " "), "degrees", values, found.floor[name])
        for name, values in found.difference.items()
    ]
    return ComparisonPage(
        title=f"{found.practice} compared with {found.reference}",
        sentences=tuple(sentences(found)),
        warnings=(*notes, *found.warnings),
        hints=found.hints,
        rows=tuple(score_rows(found)),
        moments=tuple(
            PageMoment(moment.time_s, moment.practice_s, moment.words, still)
            for moment, still in zip(found.moments, pictures, strict=True)
        ),
        time_s=found.time_s,
        practice_s=found.practice_s,
        series=tuple(curves) if found.comparable else (),
    )
