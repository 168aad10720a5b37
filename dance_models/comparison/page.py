"""A comparison as the page about two videos: sentences, tables, moments and curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.angles import angle_terms
from dance_models.analysis.page.content import Moment, PageContent, Series
from dance_models.comparison.compare import Comparison
from dance_models.comparison.sentences import score_rows, sentences
from dance_models.report_tables.table import Table

Floats = NDArray[np.float64]

FLOOR: Final = (
    "Band: the floor. On rendered dancers the estimator's error alone was larger in one of twenty "
    "moments."
)
TERMS: Final[Mapping[str, str]] = {
    "Reference, practice": "The video that shows how the dance is meant, and that of who learns "
    "it. Left and right are the reference's.",
    "Late": "How much later the practice does what the reference does, in ms (1000 ms are a "
    "second). Below zero it is early.",
    "Floor": "The difference that errors of measurement alone can make. Less than the floor "
    "is not reported, since it says nothing about the dancer.",
    "Score": "100 where nothing differs by more than the floor, 0 where everything differs by 45 "
    "degrees more than that, or 500 ms.",
}


def page_content(
    found: Comparison,
    stills: Sequence[Path] = (),
    notes: Sequence[str] = (),
    videos: tuple[str | None, str | None] = (None, None),
    provenance: Mapping[str, str] | None = None,
) -> PageContent:
    """The page of a comparison; ``stills`` in the order of the moments, none when not written.

    ``videos`` are the files of reference and practice beside the page, ``notes`` warnings about
    them. Of two videos without a common motion there are sentences and warnings alone.
    """
    pictures: list[Path | None] = [*stills] or [None] * len(found.moments)
    there = found.comparable
    return PageContent(
        title=f"{found.practice} compared with {found.reference}",
        time_s=found.time_s if there else np.zeros(1),
        video=videos[0],
        video_label=f"Reference: {found.reference}",
        second_video=videos[1],
        second_label=f"Practice: {found.practice}",
        second_time_s=_followed(found) if there else None,
        line_names=("practice", "reference"),
        moments_title="Moments that differ most: reference (left), practice (right)",
        series=_curves(found) if there else (),
        moments=tuple(
            Moment(moment.time_s, ", ".join(moment.told), still)
            for moment, still in zip(found.moments, pictures, strict=True)
        ),
        summary=(*sentences(found), *(f"Beyond a range: {hint}." for hint in found.hints)),
        notes=(*notes, *found.warnings),
        tables=(_scores(found),) if found.scores is not None else (),
        terms={**TERMS, **angle_terms(found.practice_degrees)},
        provenance=provenance or {},
    )


def _followed(found: Comparison) -> Floats:
    """Where the practice's video stands at each time; its nearest end where it is not in it."""
    known = np.isfinite(found.practice_s)
    return np.interp(found.time_s, found.time_s[known], found.practice_s[known])


def _curves(found: Comparison) -> tuple[Series, ...]:
    late = Series(
        "late", "Timing", "ms", 1000 * found.late_s,
        band=1000 * found.timing_floor_s, band_source=FLOOR,
    )  # fmt: skip
    worst = [row.name for row in score_rows(found)][:4]
    return (
        late,
        *(
            Series(
                name.replace("_", " "), "Angles", "degrees", values,
                before=found.reference_degrees[name], band=found.floor[name], band_source=FLOOR,
                shown=name.replace("_", " ") in worst,
            )
            for name, values in found.practice_degrees.items()
        ),
    )  # fmt: skip


def _scores(found: Comparison) -> Table:
    rows = [
        (
            row.name,
            "-" if row.score is None else f"{row.score:.0f}",
            f"{row.floor_degrees:.0f}",
            "-" if row.beyond_percent is None else f"{row.beyond_percent:.0f}",
            "-" if row.typical_degrees is None else f"{row.typical_degrees:+.0f}",
        )
        for row in score_rows(found)
    ]
    header = ("Angle", "Score", "Floor", "Beyond it, % of time", "Mostly by")
    return Table.of_text("Scores by angle, and differences in degrees", header, rows)
