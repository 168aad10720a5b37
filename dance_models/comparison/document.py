"""The JSON of a comparison."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.comparison.compare import Comparison
from dance_models.comparison.scores import BIN_S
from dance_models.comparison.sentences import score_rows, sentences

Floats = NDArray[np.float64]
EVERY_S: Final = 0.1  # between the values of a series


def document(found: Comparison, stills: Sequence[str], models: dict[str, str]) -> dict[str, Any]:
    """Everything that a comparison found. Seconds, milliseconds where the key says so, degrees.

    ``stills`` are the names of the moments' pictures, in their order; ``models`` names what made
    the poses. Differences within the floor are null in the series, as is what is not known.
    """
    return {
        "reference": found.reference,
        "practice": found.practice,
        "comparable": found.comparable,
        "models": models,
        "warnings": list(found.warnings),
        "sentences": sentences(found),
        "mirrored": found.mirrored,
        "agreement": _number(found.agreement, 3),
        "offset": asdict(found.offset) if found.offset is not None else None,
        "beats_per_minute": _number(60 / found.beat_s, 1) if found.beat_s else None,
        "floor": {"degrees": dict(found.floor), "ms": _number(1000 * found.timing_floor_s, 0)},
        "scores": {
            "shape": _number(found.scores.shape, 1),
            "timing": _number(found.scores.timing, 1),
            "angles": [asdict(row) for row in score_rows(found)],
            "by_second": _by_second(found.scores.moment_s, found.scores.moment),
        }
        if found.scores is not None
        else None,
        "moments": [
            {
                "time_s": _number(moment.time_s, 2),
                "practice_s": _number(moment.practice_s, 2),
                "words": moment.words,
                "late_ms": _number(1000 * moment.late_s, 0) if moment.late_s is not None else None,
                "degrees": {name: _number(v, 1) for name, v in moment.degrees.items()},
                "still": still,
            }
            for moment, still in zip(found.moments, stills, strict=True)
        ],
        "hints": list(found.hints),
        "series": series(found),
    }


def series(found: Comparison) -> dict[str, Any]:
    """Timing and differences over the reference's time, ten a second."""
    if len(found.time_s) < 2:
        return {}
    every = max(1, round(EVERY_S / float(found.time_s[1] - found.time_s[0])))
    late = np.where(np.abs(found.late_s) > found.timing_floor_s, found.late_s, np.nan)
    return {
        "time_s": _numbers(found.time_s[::every], 2),
        "practice_s": _numbers(found.practice_s[::every], 2),
        "late_ms": _numbers(1000 * late[::every], 0),
        "degrees": {
            name: _numbers(np.where(np.abs(values) > found.floor[name], values, np.nan)[::every], 1)
            for name, values in found.difference.items()
        },
    }


def _by_second(start_s: Floats, score: Floats) -> list[dict[str, float | None]]:
    return [
        {"from_s": _number(a, 2), "to_s": _number(a + BIN_S, 2), "score": _number(b, 1)}
        for a, b in zip(start_s, score, strict=True)
    ]


def _numbers(values: Floats, decimals: int) -> list[float | None]:
    return [_number(value, decimals) for value in values]


def _number(value: float | None, decimals: int) -> float | None:
    """Rounded; None for what is not a number, which JSON cannot hold."""
    return round(float(value), decimals) if value is not None and np.isfinite(value) else None
