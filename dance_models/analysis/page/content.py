"""What is on the page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dance_models.report_tables.table import Table

Curve = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Series:
    """One plot. A name that begins with "left" or "right" has the colour of that side.

    Raises ValueError when the arrays differ in length or the band is not a number above zero.
    """

    name: str
    group: str  # plots of one group stand together, in the order of their first series
    unit: str
    values: Curve  # (T,), NaN where there is none
    before: Curve | None = None  # (T,), drawn fainter: the raw estimate, or the reference
    band: float | None = None  # half its width, in the unit; drawn around ``values``
    band_source: str = ""  # what the band is, in words
    shown: bool = True  # whether its box is ticked at first

    def __post_init__(self) -> None:
        if self.values.ndim != 1:
            raise ValueError(f"{self.name}: values of shape {self.values.shape}, not (T,)")
        if self.before is not None and self.before.shape != self.values.shape:
            raise ValueError(f"{self.name}: before has shape {self.before.shape}")
        if self.band is not None and not (np.isfinite(self.band) and self.band > 0):
            raise ValueError(f"{self.name}: a band of {self.band}")


@dataclass(frozen=True)
class RangeRow:
    """A row of the table of ranges. NaN is shown as a dash."""

    name: str
    unit: str
    least: float
    most: float
    low: float  # 5th percentile
    high: float  # 95th percentile
    least_at_s: float
    most_at_s: float


@dataclass(frozen=True)
class Moment:
    """A moment to look at. ``still``: a picture file, put into the page."""

    time_s: float
    words: str
    still: Path | None = None


@dataclass(frozen=True, eq=False)
class PageContent:
    """Everything on the page of one video, or of two that are compared. Text is plain text.

    Raises ValueError when there is no frame, times do not increase, or lengths differ.
    """

    title: str
    time_s: NDArray[np.float64]  # (T,) of each frame in ``video``, seconds
    video: str | None = None  # path of the overlay, relative to the page
    video_label: str = ""
    second_video: str | None = None  # shown beside the first, without sound
    second_label: str = ""
    second_time_s: NDArray[np.float64] | None = None  # (T,) same moments in it; None: same times
    line_names: tuple[str, str] = ("refined", "raw estimate")  # of ``values`` and ``before``
    moments_title: str = "Moments to look at"
    series: tuple[Series, ...] = ()
    ranges: tuple[RangeRow, ...] = ()
    moments: tuple[Moment, ...] = ()
    summary: tuple[str, ...] = ()  # sentences at the top
    notes: tuple[str, ...] = ()  # warnings
    tables: tuple[Table, ...] = ()
    terms: Mapping[str, str] = field(default_factory=dict)  # more of the glossary
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.time_s)
        if not count or not np.isfinite(self.time_s).all() or (np.diff(self.time_s) <= 0).any():
            raise ValueError("the times of the frames must be numbers that increase")
        for series in self.series:
            if len(series.values) != count:
                raise ValueError(f"{series.name}: {len(series.values)} values, {count} frames")
        if self.second_time_s is not None and len(self.second_time_s) != count:
            raise ValueError(f"second_time_s: {len(self.second_time_s)} times, {count} frames")
