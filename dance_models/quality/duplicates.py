"""Duplicate clips: the same file, or the same images encoded again, cut or mirrored.

Images are compared by their moving parts: the coarse luma of a frame minus the clip's median frame.
Clips on one stage look alike, but the dancers move differently.

Of n clips, n^2 / 2 pairs are to be compared. Nearly all are ruled out by a bound on what the
comparison could find, from a few numbers of each window: see :func:`_candidates`. Where most clips
were compared before, those that are new are compared with all.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.config import QualityConfig
from dance_models.quality.findings import Finding
from dance_models.video.signature import CELLS

HZ: Final = 6.25  # pictures a second that are compared: every fourth of a clip at 25 Hz
TEMPLATE: Final = 16  # pictures, 2.6 s
PLACES: Final = (0.2, 0.5, 0.8)  # where templates are cut from the shorter clip
COARSE: Final = (12, 9)  # cells that are compared; the dancer still covers several
# Correlation of the median frames. Copies share it even when they were cut; clips on other stages
# do not, and are not compared further.
STAGE: Final = 0.8

BASIS: Final = 128  # numbers of a window that the bound knows; of the rest it knows the length
FIRST: Final = 32  # of these, which a first bound knows: it rules out nearly all pairs
SAMPLE: Final = 100  # clips whose templates the basis is of: more do not make it better
BLOCK: Final = 64  # clips whose templates are compared with windows at a time
WINDOWS: Final = 16_384  # that they are compared with at a time: 13 MB of products
ROUNDING: Final = 1e-3  # of the bound, which is calculated with 32 bits

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class ClipPictures:
    """The file and the T frames of a clip."""

    clip: str
    sha256: str  # of the file
    time_s: NDArray[np.float64]  # (T,)
    signature: NDArray[np.uint8]  # (T, 432)


@dataclass(frozen=True, eq=False)
class _Moving:
    """The moving parts of a clip, at ``HZ``: N images of 108 cells."""

    clip: str
    sha256: str
    frame: NDArray[np.int64]  # (N,) source frames
    cells: NDArray[np.float16]  # (N, 108) a mean of four luma values is exact in 16 bits
    median: Array  # (108,)
    stage: Array  # (108,) the median picture, normalised

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def pictures(self) -> Array:
        """(N, 108)."""
        return np.asarray(self.cells.astype(np.float32) - self.median)


def duplicate_clips(
    clips: Iterable[ClipPictures],
    config: QualityConfig,
    known: Mapping[str, Finding | None] | None = None,
) -> list[Finding]:
    """One finding for every clip that is a copy of one before it in the order of names.

    The best correlation of a template of 2.6 s from the shorter clip with any place in the
    longer one, also mirrored. Clips without movement are compared by their file alone. The clips
    may come one by one: of each, 220 bytes a picture are kept.

    ``known``: clips that were compared with each other before, as they are now, and what was found
    of each. They are compared with the others alone; the findings are the same.
    """
    known = known or {}
    # The copy of a clip that is no longer one of them may be a copy of another.
    known = {clip: one for clip, one in known.items() if one is None or one.other in known}
    moving = sorted(map(_moving, clips), key=lambda c: c.clip)
    candidates = _candidates(moving, config.duplicate_correlation, known)
    found = []
    for later, earlier in zip(moving, candidates, strict=True):
        before = known.get(later.clip)
        pairs = (_compare(moving[i], later, config) for i in earlier)
        first = next((one for one in pairs if one is not None), None)
        found += _first(first, before)
    return found


def _first(*findings: Finding | None) -> list[Finding]:
    """Of findings on one clip that whose original comes first."""
    there = [finding for finding in findings if finding is not None]
    return sorted(there, key=lambda finding: finding.other or "")[:1]


def _moving(clip: ClipPictures) -> _Moving:
    ticks = np.arange(0, clip.time_s[-1] + 1e-9, 1 / HZ)
    frame = np.searchsorted(clip.time_s, ticks - 1e-6).clip(0, len(clip.time_s) - 1)
    cells = clip.signature[frame].reshape(len(frame), CELLS[1], CELLS[0]).astype(np.float32)
    small = np.stack([cv2.resize(c, COARSE, interpolation=cv2.INTER_AREA).ravel() for c in cells])
    median = np.median(small, axis=0)
    return _Moving(
        clip=clip.clip,
        sha256=clip.sha256,
        frame=frame.astype(np.int64),
        cells=small.astype(np.float16),
        median=median,
        stage=_normal(median),
    )


def _normal(stage: Array) -> Array:
    flat = stage - stage.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-6))


def _mirrored(pictures: Array) -> Array:
    """(..., 108) with left and right exchanged."""
    grid = pictures.reshape(*pictures.shape[:-1], COARSE[1], COARSE[0])
    return grid[..., ::-1].reshape(pictures.shape)


# --- which pairs to compare -------------------------------------------------------------------


def _candidates(clips: Sequence[_Moving], limit: float, known: Collection[str]) -> list[list[int]]:
    """For each clip those before it that may be its original, in order: no copy is left out.

    Two clips that are both ``known`` are no pair. With u and v two windows of length 1, P a
    projection onto a basis and ' what it leaves over, u v <= Pu Pv + |u'| |v'| (Cauchy and
    Schwarz): the product of two vectors of 129 numbers, and before it of 33 of them.
    """
    new = np.array([clip.clip not in known for clip in clips])
    pairs: set[tuple[int, int]] = set()
    first: dict[str, int] = {}
    for index, clip in enumerate(clips):
        original = first.setdefault(clip.sha256, index)
        if original != index and (new[index] or new[original]):
            pairs.add((index, original))
    # The shorter of two clips gives the template, of two as long the earlier: it comes before.
    order = np.array(sorted(range(len(clips)), key=lambda i: (len(clips[i]), i)), int)
    size = np.array([min(len(clips[i]), TEMPLATE) for i in order])
    for count in np.unique(size).tolist():
        start, end = np.searchsorted(size, [count, count + 1]).tolist()
        some = order[start:]
        if not new[some].any():
            continue
        near = _near([clips[i] for i in some], new[some], end - start, count, limit)
        for short, long in near:
            pair = int(some[short]), int(some[long])
            pairs.add((max(pair), min(pair)))
    found: list[list[int]] = [[] for _ in clips]
    for later, earlier in sorted(pairs):
        found[later].append(earlier)
    return found


def _near(
    clips: Sequence[_Moving], new: NDArray[np.bool_], templates: int, count: int, limit: float
) -> Iterator[tuple[int, int]]:
    """Pairs whose bound reaches the limit: of the first clips with all that come after them.

    Templates and windows have ``count`` pictures; only the first ``templates`` clips give some. A
    pair has a ``new`` clip.
    """
    basis = _basis(clips[:templates], count)
    stages = np.stack([clip.stage for clip in clips])
    sides = []
    for flip in (False, True):
        known = np.stack([_known(_templates(c, count, flip), basis) for c in clips[:templates]])
        stage = _mirrored(stages[:templates]) if flip else stages[:templates]
        sides.append((stage, known, _coarse(known)))
    for part in _chunks([len(clip) - count + 1 for clip in clips]):
        later, windows = np.arange(part.start, part.stop), None
        for first in range(0, min(templates, part.stop), BLOCK):
            earlier = np.arange(first, min(first + BLOCK, templates))
            asked = (earlier[:, None] < later) & (new[earlier][:, None] | new[later])
            for stage, known, coarse in sides:
                alike = asked & (stage[earlier] @ stages[part].T >= STAGE - ROUNDING)
                rows = np.flatnonzero(alike.any(axis=1))
                if not len(rows):
                    continue
                if windows is None:
                    windows = _Windows(
                        [_known_windows(c.pictures, count, basis) for c in clips[part]]
                    )
                left = alike[rows] & (windows.bound(coarse[earlier[rows]]) >= limit - ROUNDING)
                for long in np.flatnonzero(left.any(axis=0)).tolist():
                    some = earlier[rows[left[:, long]]]
                    near = windows.bound_of(long, known[some]) >= limit - ROUNDING
                    yield from ((short, part.start + long) for short in some[near].tolist())


class _Windows:
    """What the bound knows of the windows of some clips, for each (N, BASIS + 1)."""

    def __init__(self, of_clips: Sequence[Array]) -> None:
        self.of_clips = of_clips
        self._coarse = _coarse(np.concatenate(of_clips)).T
        self._starts = np.cumsum([0, *map(len, of_clips[:-1])])

    def bound(self, templates: Array) -> Array:
        """(A, clips) of the largest product with a template of (A, 3, FIRST + 1), no less."""
        products = templates.reshape(-1, templates.shape[-1]) @ self._coarse
        of_clips = np.maximum.reduceat(products, self._starts, axis=1)
        return np.asarray(of_clips.reshape(len(templates), -1, len(self.of_clips)).max(axis=1))

    def bound_of(self, clip: int, templates: Array) -> Array:
        """(A,) the same for one clip, with all numbers of templates of (A, 3, BASIS + 1)."""
        return np.asarray((templates @ self.of_clips[clip].T).max(axis=(1, 2)))


def _coarse(known: Array) -> Array:
    """(..., FIRST + 1) of (..., BASIS + 1): fewer numbers, and the length of what is left over."""
    rest = np.sqrt((known[..., FIRST:] ** 2).sum(axis=-1, keepdims=True))
    return np.concatenate([known[..., :FIRST], rest], axis=-1)


def _chunks(counts: Sequence[int]) -> Iterator[slice]:
    """Consecutive clips that together have about ``WINDOWS`` windows."""
    start = total = 0
    for index, count in enumerate(counts):
        if total and total + count > WINDOWS:
            yield slice(start, index)
            start, total = index, 0
        total += count
    yield slice(start, len(counts))


def _basis(clips: Sequence[_Moving], count: int) -> Array:
    """(count x 108, at most ``BASIS``) orthonormal columns: where the templates differ most."""
    step = -(-len(clips) // SAMPLE)
    some = [_templates(clip, count, flip) for clip in clips[::step] for flip in (False, True)]
    flat = _flat(np.concatenate(some))
    unit = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return np.asarray(np.linalg.svd(unit, full_matrices=False)[2][:BASIS].T)


def _templates(clip: _Moving, count: int, flip: bool) -> Array:
    """(3, count, 108)."""
    pictures = clip.pictures
    cut = np.stack([pictures[start : start + count] for start in _starts(len(clip), count)])
    return _mirrored(cut) if flip else cut


def _starts(length: int, count: int) -> list[int]:
    """Where templates of ``count`` pictures are cut from a clip."""
    return [int((length - count) * place) for place in PLACES]


def _known(windows: Array, basis: Array) -> Array:
    """(N, BASIS + 1) what the bound knows of windows (N, count, 108)."""
    flat = _flat(windows)
    return _with_rest(flat @ basis, (flat.astype(np.float64) ** 2).sum(axis=1))


def _known_windows(pictures: Array, count: int, basis: Array) -> Array:
    """The same for the windows from every place of (T, 108), without copying these."""
    places = len(pictures) - count + 1
    parts = basis.reshape(count, pictures.shape[1], -1)
    projected = sum(pictures[i : i + places] @ parts[i] for i in range(count))
    return _with_rest(np.asarray(projected), _energy(pictures, count))


def _with_rest(projected: Array, energy: Array) -> Array:
    """Windows of length 1: their part in the basis, and the length of what is left over."""
    part = projected / np.maximum(np.sqrt(energy), 1e-6)[:, None]
    rest = np.sqrt(np.maximum(1 - (part**2).sum(axis=1), 0))
    return np.concatenate([part, rest[:, None]], axis=1).astype(np.float32)


def _flat(windows: Array) -> Array:
    return windows.reshape(len(windows), -1)


def _energy(pictures: Array, count: int) -> NDArray[np.float64]:
    """(places,) sum of squares over ``count`` pictures from each place on."""
    total = np.cumsum((pictures.astype(np.float64) ** 2).sum(axis=1))
    total = np.concatenate([[0.0], total])
    return np.asarray(total[count:] - total[:-count])


# --- a pair -----------------------------------------------------------------------------------


def _compare(earlier: _Moving, later: _Moving, config: QualityConfig) -> Finding | None:
    if later.sha256 == earlier.sha256:
        same = f"is the same file as {earlier.clip}"
        return _finding(later, earlier, same, 1.0, (0, 0), config)
    best, rows, mirror = -1.0, (0, 0), False
    for mirrored in (False, True):
        stage = _mirrored(later.stage) if mirrored else later.stage
        if float(stage @ earlier.stage) < STAGE:
            continue
        pictures = _mirrored(later.pictures) if mirrored else later.pictures
        correlation, at = _best(earlier.pictures, pictures)
        if correlation > best:
            best, rows, mirror = correlation, at, mirrored
    if best < config.duplicate_correlation:
        return None
    how = "mirrored pictures" if mirror else "pictures"
    message = f"shows the {how} of {earlier.clip} (correlation {best:.3f})"
    return _finding(later, earlier, message, best, rows, config)


def _finding(
    later: _Moving,
    earlier: _Moving,
    message: str,
    value: float,
    rows: tuple[int, int],
    config: QualityConfig,
) -> Finding:
    return Finding(
        check="duplicate_clips",
        clip=later.clip,
        message=message,
        value=value,
        limit=config.duplicate_correlation,
        frame=int(later.frame[rows[1]]),
        other=earlier.clip,
        other_frame=int(earlier.frame[rows[0]]),
    )


def _best(earlier: Array, later: Array) -> tuple[float, tuple[int, int]]:
    """The best correlation over all templates and places, and its rows in both."""
    short, long = sorted((earlier, later), key=len)
    count = min(TEMPLATE, len(short))
    places = len(long) - count + 1
    windows = _energy(long, count)
    best = (-1.0, (0, 0))
    for start in sorted(set(_starts(len(short), count))):
        template = short[start : start + count]
        products = template @ long.T  # (count, len(long))
        dots = sum(products[i, i : i + places] for i in range(count))
        norms = np.sqrt(windows * float((template.astype(np.float64) ** 2).sum()))
        # A change of one grey level in one cell of every second image is encoder noise.
        correlation = np.where(norms > count, dots / np.maximum(norms, 1e-6), -1.0)
        at = int(np.argmax(correlation))
        rows = (start, at) if long is later else (at, start)
        best = max(best, (float(correlation[at]), rows))
    return best
