"""A comparison as sentences and table rows, for a terminal, a document and a page."""

from dataclasses import dataclass

import numpy as np

from dance_models.comparison.compare import Comparison
from dance_models.comparison.words import late_words


@dataclass(frozen=True)
class ScoreRow:
    """A row of the table of scores: an angle, and how the practice differs beyond the floor."""

    name: str  # as in words
    score: float | None  # 0 to 100; None: seen too seldom
    floor_degrees: float
    # Of the times that it is known, with a difference beyond the floor; None: seen too seldom.
    beyond_percent: float | None
    typical_degrees: float | None  # median difference of those times, practice less reference


def sentences(found: Comparison) -> list[str]:
    """What the comparison says as a whole, without its moments and warnings."""
    if not found.comparable or found.offset is None or found.scores is None:
        return ["Nothing was compared."]
    return [
        _sides(found),
        _alignment(found),
        *_timing(found),
        "Scores, of 100: "
        + ", ".join(
            f"{what} {'not judged' if value is None else f'{value:.0f}'}"
            for what, value in (("shape", found.scores.shape), ("timing", found.scores.timing))
        )
        + ".",
    ]


def score_rows(found: Comparison) -> list[ScoreRow]:
    """One row for each angle, the lowest score first, those that are not judged last."""
    rows = []
    given = found.scores.angles if found.scores is not None else {}
    for name, score in given.items():
        values, floor = found.difference[name], found.floor[name]
        known = values[np.isfinite(values)]
        judged = score is not None
        beyond = known[np.abs(known) > floor] if judged else known[:0]
        rows.append(
            ScoreRow(
                name.replace("_", " "),
                score,
                floor,
                100 * len(beyond) / len(known) if judged else None,
                float(np.median(beyond)) if len(beyond) else None,
            )
        )
    return sorted(rows, key=lambda row: (row.score is None, row.score))


def _sides(found: Comparison) -> str:
    if not found.mirrored:
        return "The practice is danced to the same side as the reference."
    return (
        "The practice is the mirror image of the reference, and was compared as such: left and "
        "right are the reference's, and in the picture of the practice they are the other way "
        "round."
    )


def _alignment(found: Comparison) -> str:
    assert found.offset is not None
    seconds = found.offset.seconds
    by = "sound" if found.offset.source == "sound" else "movements"
    way = f"{abs(seconds):.2f} s {'later' if seconds > 0 else 'earlier'}"
    if abs(seconds) < 0.005:
        way = "at the same time"
    return (
        f"Judged by the {by}, what the reference video shows comes {way} in "
        "the practice video. That is when the recordings were begun, and is not counted as late. "
        f"The movements agree by {found.agreement:.2f} of 1."
    )


def _timing(found: Comparison) -> list[str]:
    known = found.late_s[np.isfinite(found.late_s)]
    if not len(known):
        return ["The dancers do not move enough to tell the timing."]
    floor, median = found.timing_floor_s, float(np.median(known))
    by_sound = found.offset is not None and found.offset.source == "sound"
    against = "the music" if by_sound else "its own usual timing"
    told = []
    if by_sound and abs(median) > floor:
        told.append(f"The practice is typically {late_words(median, found.beat_s)}.")
    late, early = (100 * float((sign * known > floor).mean()) for sign in (1, -1))
    told.append(
        f"Against {against}, the practice is late by more than {1000 * floor:.0f} ms for "
        f"{late:.0f} % of the time, and early for {early:.0f} %. Less than that is within the "
        "error of measurement."
    )
    return told
