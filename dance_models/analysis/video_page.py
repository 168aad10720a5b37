"""The page about one video: what of its figures is shown, and in which words."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from dance_models.analysis.angles import ANGLE_BY_NAME, angle_terms
from dance_models.analysis.figures import NAMED as POSES_NAMED
from dance_models.analysis.figures import Curve, Figures
from dance_models.analysis.forecast_shown import NAMED
from dance_models.analysis.page.content import Moment, PageContent, RangeRow, Series
from dance_models.analysis.sentences import sentences
from dance_models.analysis.uncertainty import measured_errors
from dance_models.analysis.video import VideoPoses
from dance_models.report_tables.table import Table

TERMS: Final[Mapping[str, str]] = {
    "Forecast": "Where the dancer will be a fraction of a second later, computed from the last "
    "second alone. It is drawn only where it is better than simple rules.",
    "Jitter": "Trembling of the measured joints that is not in the dance: the change of "
    "speed from frame to frame, in percent of the torso.",
    "Torso": "The distance from the neck to the middle of the hips, the unit of lengths on this "
    "page, so that near and far dancers can be compared: 10 % of it is about 5 cm on a grown-up.",
    "5 % and 95 %": "One frame in twenty is below the first value, one in twenty above the second. "
    "Single wrong frames do not change them much, unlike the lowest and the highest value.",
    "Confidence": "How sure the estimator is of what it sees, from 0 to 1.",
    "One-Euro filter": "A common way to smooth what is measured, for comparison.",
    "Simple rules": "What the forecast is compared with. Standing still: the dancer stays as she "
    "is. Damped velocity: she goes on as she moves now, and slows down. Linear autoregression: a "
    "weighted sum of where she just was, fitted to this very video.",
}
# Ticked at first; the others are a click away.
SHOWN: Final = ("left_knee", "right_knee", "leg_opening", "trunk", "left_wrist", "right_wrist")


def video_page(
    poses: VideoPoses,
    figures: Figures,
    summary: Mapping[str, Any],
    overlay: str | None,
    provenance: Mapping[str, str],
    title: str,
) -> PageContent:
    """The page; ``overlay`` is the drawn video beside it, ``summary`` that of the document."""
    return PageContent(
        title=title,
        time_s=poses.run.time_s,
        video=overlay,
        video_label=_legend(summary["forecast_shown"]),
        series=tuple(_series(poses, figures)),
        ranges=tuple(_ranges(figures)),
        moments=tuple(Moment(m.time_s, _capital(m.words)) for m in figures.moments),
        summary=tuple(sentences(summary)),
        notes=tuple(_notes(summary)),
        tables=(_jitter(figures), _forecasts(summary)),
        terms={**TERMS, **angle_terms(figures.angles)},
        provenance=provenance,
    )


def _series(poses: VideoPoses, figures: Figures) -> Iterator[Series]:
    errors = measured_errors()
    for name, curve in figures.angles.items():
        error = errors.angles.get(name)
        yield Series(
            ANGLE_BY_NAME[name].words, "Angles", "degrees", curve.refined, curve.estimate,
            band=error.refined_median if error else None,
            band_source=errors.words if error else "", shown=name in SHOWN,
        )  # fmt: skip
    yield from _of_joints("Speed", "torsos/s", figures.speed)
    unit = "% of torso/frame²"
    yield from _of_joints("Acceleration", unit, figures.acceleration, shown=False)
    after, before = (
        np.mean([getattr(curve, row) for curve in figures.acceleration.values()], axis=0)
        for row in ("refined", "estimate")
    )
    yield Series("hands and feet", "Jitter", unit, after, before)
    score = poses.restored.score.astype(np.float64)
    sure = np.where(score.any(axis=1), score.mean(axis=1), np.nan)
    yield Series("of the estimator, mean", "Confidence", "0 to 1", sure, shown=False)


def _of_joints(
    group: str, unit: str, curves: Mapping[str, Curve], *, shown: bool = True
) -> Iterator[Series]:
    for name, curve in curves.items():
        words = name.replace("_", " ")
        ticked = shown and name in SHOWN
        yield Series(words, group, unit, curve.refined, curve.estimate, shown=ticked)


def _ranges(figures: Figures) -> Iterator[RangeRow]:
    for row in figures.ranges:
        yield RangeRow(
            ANGLE_BY_NAME[row.name].words, "degrees", row.least, row.most, row.p5, row.p95,
            row.least_at_s, row.most_at_s,
        )  # fmt: skip


def _notes(summary: Mapping[str, Any]) -> Iterator[str]:
    yield from summary["warnings"]
    yield (
        "Angles are those in the picture: a limb that points at the camera looks shorter and bent. "
        "The networks were trained on rendered dancers alone. Nothing here is a medical statement."
    )


def _jitter(figures: Figures) -> Table:
    rows = [
        (
            POSES_NAMED[name],
            *(f"{v:.2f}" if np.isfinite(v) else "-" for v in (row.rest, row.motion)),
        )
        for name, row in figures.jitter.items()
    ]
    title = "Jitter: median acceleration, % of the torso a frame (1/25 s) squared"
    return Table.of_text(title, ("poses", "at rest", "in motion"), rows)


def _forecasts(summary: Mapping[str, Any]) -> Table:
    errors = summary["forecast_error_percent_of_torso"]
    horizons = sorted({ms for row in errors.values() for ms in row}, key=int)
    rows = [
        (NAMED[name], *(str(row.get(ms, "-")) for ms in horizons)) for name, row in errors.items()
    ]
    title = "Forecast: mean error in % of the torso on this video"
    return Table.of_text(title, ("rule", *(f"{ms} ms" for ms in horizons)), rows)


def _legend(forecast: Mapping[str, Any]) -> str:
    """The colours of the overlay; its own legend has no room for more than a word of each."""
    green = f", green: forecast for {forecast['horizon_ms']} ms" if forecast["shown"] else ""
    return f"Orange: left, blue: right, thin grey: raw estimate{green}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
