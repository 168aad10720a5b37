"""Comparing two performances: alignment, timing, shape, moments, and what to be careful about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.comparison.align import Alignment, best_alignment
from dance_models.comparison.hints import range_hints
from dance_models.comparison.moments import Moment, worst_moments
from dance_models.comparison.offset import Offset
from dance_models.comparison.performance import Performance
from dance_models.comparison.scores import Scores, excess, scores
from dance_models.comparison.shape import angles_at, floor_of
from dance_models.comparison.sound import beat_seconds, offset_from_sound
from dance_models.comparison.view import facing, view_warning
from dance_models.comparison.words import at
from dance_models.config import ComparisonConfig
from dance_models.data.forecast_windows import resample

Floats = NDArray[np.float64]
WHOLE: Final = 0.95  # of the reference: a practice that covers less is said to
SELDOM: Final = 0.5  # of the times: an angle that is known for less is said to be


@dataclass(frozen=True, eq=False)
class Comparison:
    """G moments of the reference, and how the practice differs there.

    Sides are the reference's: of a mirrored practice, ``left_knee`` is what its picture shows as
    the right knee. Without a common motion there are ``warnings`` and nothing else.
    """

    reference: str
    practice: str
    warnings: tuple[str, ...]
    comparable: bool = False
    agreement: float = 0.0  # correlation of the movements along the path
    mirrored: bool = False
    offset: Offset | None = None
    beat_s: float | None = None
    time_s: Floats = field(default_factory=lambda: np.zeros(0))  # (G,) of the reference
    practice_s: Floats = field(default_factory=lambda: np.zeros(0))  # (G,) NaN: not in its video
    late_s: Floats = field(default_factory=lambda: np.zeros(0))  # (G,) NaN: nothing moves
    reference_degrees: Mapping[str, Floats] = field(default_factory=dict)  # (G,) of each angle
    practice_degrees: Mapping[str, Floats] = field(default_factory=dict)
    difference: Mapping[str, Floats] = field(default_factory=dict)  # practice less reference
    floor: Mapping[str, float] = field(default_factory=dict)  # degrees, of each angle
    timing_floor_s: float = 0.0
    moments: tuple[Moment, ...] = ()
    scores: Scores | None = None
    hints: tuple[str, ...] = ()


def compare(
    reference: Performance, practice: Performance, config: ComparisonConfig | None = None
) -> Comparison:
    """Compare a practice with its reference.

    Lateness is seconds, positive when the practice is late. With sound in both it is against the
    music; without, against the practice's own median. Raises InputError when nobody is seen.
    """
    config = config or ComparisonConfig()
    warnings: list[str] = []
    found, margin = _alignment(reference, practice, config, warnings)
    if found is None or found.correlation < config.least_agreement:
        return Comparison(
            reference.name, practice.name, (*warnings, _no_common_motion(found, config))
        )
    if margin < config.mirror_margin:
        warnings.append(
            "whether the practice is mirrored could not be told clearly; it is compared "
            f"{'mirrored' if found.turned.mirrored else 'as it is'}"
        )
    if found.turned.behind:
        warnings.append(
            "one camera looks at the dancer's front and the other at the back: angles are compared "
            "as they appear in the two pictures, which agree only for a camera far away"
        )
    other = found.turned(practice)
    warnings += _about_extent(found, practice, config)
    sides = [
        resample(p.time_s, facing(p.poses), times).astype(np.float64)
        for p, times in ((reference, found.time_s), (other, found.practice_s))
    ]
    from_other_side = view_warning(sides[0], sides[1], config)
    warnings += [from_other_side] if from_other_side else []
    sound = reference.sound if found.offset.source == "sound" else None
    beat_s = beat_seconds(sound, config) if sound is not None else None
    return _judged(reference, other, found, beat_s, warnings, config)


def _judged(
    reference: Performance,
    practice: Performance,
    found: Alignment,
    beat_s: float | None,
    warnings: list[str],
    config: ComparisonConfig,
) -> Comparison:
    """What follows from the path; ``practice`` is mirrored where that was decided."""
    theirs = angles_at(reference, found.time_s, config)
    own = angles_at(practice, found.practice_s, config)
    difference = {name: own[name] - theirs[name] for name in theirs}
    floor = {name: floor_of(name, config.floor) for name in theirs}
    given = scores(
        found.time_s,
        {name: excess(values, floor[name]) for name, values in difference.items()},
        excess(found.late_s, config.timing_floor_s),
        lost_degrees=config.full_marks_lost,
        lost_s=config.late_marks_lost_s,
    )
    moments = worst_moments(
        found.time_s, found.practice_s, difference, found.late_s, beat_s, config
    )
    return Comparison(
        reference=reference.name,
        practice=practice.name,
        warnings=(*warnings, *_seldom_seen(difference, found)),
        comparable=True,
        agreement=found.correlation,
        mirrored=found.turned.mirrored,
        offset=found.offset,
        beat_s=beat_s,
        time_s=found.time_s,
        practice_s=found.practice_s,
        late_s=found.late_s,
        reference_degrees=theirs,
        practice_degrees=own,
        difference=difference,
        floor=floor,
        timing_floor_s=config.timing_floor_s,
        moments=moments,
        scores=given,
        hints=range_hints(found.time_s, theirs, own, config),
    )


def _alignment(
    reference: Performance,
    practice: Performance,
    config: ComparisonConfig,
    warnings: list[str],
) -> tuple[Alignment | None, float]:
    """About the sound's offset; about that of the poses where the sound does not lead anywhere."""
    sound = None
    if reference.sound is not None and practice.sound is not None:
        sound = offset_from_sound(reference.sound, practice.sound, config)
        if sound is None:
            warnings.append("the sounds of the two videos are not clearly of one piece of music")
    else:
        silent = [p.name for p in (reference, practice) if p.sound is None]
        warnings.append(f"no sound in {' and '.join(silent)}")
    found, margin = best_alignment(reference, practice, sound, config)
    if sound is not None and (found is None or found.correlation < config.least_agreement):
        by_poses, its_margin = best_alignment(reference, practice, None, config)
        if by_poses is not None and by_poses.correlation >= config.least_agreement:
            warnings.append(
                "aligned by the sound the movements do not agree, aligned by the movements they "
                "do: the music may have been added later"
            )
            found, margin = by_poses, its_margin
    if found is not None and found.offset.source == "poses":
        warnings.append(
            "the videos were aligned by the movements, not by sound: whether the practice is late "
            "throughout cannot be seen, and late means later than this dancer usually is"
        )
    return found, margin


def _no_common_motion(found: Alignment | None, config: ComparisonConfig) -> str:
    if found is None:
        return (
            "no common motion: both dancers are seen in less than "
            f"{config.least_overlap_s:.0f} s that the two videos have in common. Nothing is "
            "compared"
        )
    return (
        f"no common motion: in the best alignment the movements agree by {found.correlation:.2f}, "
        f"less than {config.least_agreement:.2f} of 1. Nothing is compared; are both "
        "videos of one choreography, with the same dancer's part?"
    )


def _about_extent(found: Alignment, practice: Performance, config: ComparisonConfig) -> list[str]:
    """What of the videos is not compared, and lateness at the limit of what is looked for."""
    told = []
    inside = np.flatnonzero(np.isfinite(found.practice_s))
    if len(inside) < WHOLE * len(found.time_s):
        first, last = (at(float(found.time_s[i])) for i in inside[[0, -1]])
        told.append(
            f"the practice shows {first} to {last} of the reference; the rest is not compared"
        )
    used = float(np.ptp(found.practice_s[inside]))
    whole = float(practice.time_s[-1] - practice.time_s[0])
    if used < WHOLE * whole:
        first, last = (at(float(found.practice_s[i])) for i in inside[[0, -1]])
        told.append(
            f"of the practice, {first} to {last} is compared; the rest is not in the reference"
        )
    limit = config.band_s - config.lag_step_s - config.path_smoothing_s * (1 - config.slowest)
    from_searched = np.abs(found.practice_s - found.time_s - found.searched_s)
    at_limit = np.isfinite(found.late_s) & (from_searched >= limit)
    if at_limit.any():
        where = at(float(found.time_s[int(at_limit.argmax())]))
        told.append(
            f"at {where} the practice is {config.band_s:.1f} s or more away from the offset that "
            "the videos were aligned with, the limit of what is looked for: differences there are "
            "not reliable"
        )
    return told


def _seldom_seen(difference: Mapping[str, Floats], found: Alignment) -> list[str]:
    inside = np.isfinite(found.practice_s)
    rare = [
        f"{name.replace('_', ' ')} ({100 * share:.0f} %)"
        for name, values in difference.items()
        if (share := float(np.isfinite(values[inside]).mean())) < SELDOM
    ]
    return (
        [f"seen clearly in both videos for less than half of the time: {', '.join(rare)}"]
        if (rare)
        else []
    )
