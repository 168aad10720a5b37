"""Who is who from look to look, through crossings and absences.

Sightings are assigned to the people seen before by place, pose and colours (Kuhn-Munkres). While
boxes overlap, nobody's colours are learnt. When people have parted, what each wore before and
after decides whether they were mixed up, and the sightings since they were closest are exchanged
back. Somebody who returns after being away is known by her colours.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from dance_models.assignment import matched
from dance_models.estimators.boxes import centre, longest, overlap
from dance_models.estimators.people.appearance import Appearance, appearance_of, unlike, unlikes
from dance_models.estimators.people.finder import Sighting
from dance_models.estimators.people.strands import MeanAppearance, Meeting, Strand
from dance_models.metrics.torso import torso_scale

_PATIENCE_S: Final = 1.5  # somebody who is not seen for longer has left
# How far somebody may be from where she is expected, in lengths of her box, and more a second.
_REACH: Final = 0.25
_REACH_PER_S: Final = 1.5
_MOST_GROWTH: Final = 2.5  # of the box's length from one look to the next
_CROWDED: Final = 0.15  # overlap from which on a box shows somebody else's clothes too
_LOOKS_AFTER: Final = 3  # of each of them, that decide who is who after a meeting
_WAIT_S: Final = 2.0  # for these looks
# By how much an exchange must fit better, in distances of appearance, summed over the people.
_MARGIN: Final = 0.15
_SAME_CLOTHES: Final = 0.45  # distance of appearance up to which somebody is taken to return
_PLACE: Final = 0.1  # weight of the place, one length away, where somebody returns
_FEWEST_LOOKS: Final = 2  # of somebody who is not a mistake of the finder
# Stretches that are compared with each other at a time: both costs grow with more than the square.
_MOST_COMPARED: Final = 1000
_NEVER: Final = 1e6
_UNLIKELY: Final = 1.0  # the largest cost of an assignment that is possible
# Weights of overlap, distance, pose and appearance in the cost of an assignment.
_WEIGHTS: Final = (0.35, 0.2, 0.2, 0.25)


class Identities:
    """Takes the sightings of one look after the other; ``fps`` frames are a second."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._open: list[Strand] = []
        self._closed: list[Strand] = []
        self._meetings: list[Meeting] = []

    def look(self, frame: int, image: NDArray[np.uint8], found: list[Sighting]) -> None:
        """Assign what was ``found`` in ``frame``, an RGB image (H, W, 3)."""
        self._close(frame)
        colours = [appearance_of(image, sighting) for sighting in found]
        worn = dict(self._assign(frame, found, colours))
        crowded = self._note_meetings(frame)
        for strand, seen in worn.items():
            if strand not in crowded:
                met = any(strand in meeting.members for meeting in self._meetings)
                (strand.since if met else strand.looks).add(seen)
        for meeting in list(self._meetings):
            ready = all(m.since.count >= _LOOKS_AFTER for m in meeting.members)
            if ready or frame - meeting.ended > _WAIT_S * self._fps:
                self._decide(meeting)

    def finish(self) -> list[Strand]:
        """Everybody, each in one strand, by first frame."""
        for meeting in list(self._meetings):
            self._decide(meeting)
        strands = [*self._closed, *self._open]
        self._open, self._closed = [], []
        return _joined([s for s in strands if len(s.seen) >= _FEWEST_LOOKS] or strands)

    def _close(self, frame: int) -> None:
        gone = [s for s in self._open if frame - s.last > _PATIENCE_S * self._fps]
        self._closed += gone
        self._open = [strand for strand in self._open if strand not in gone]

    def _assign(
        self, frame: int, found: list[Sighting], colours: list[Appearance]
    ) -> list[tuple[Strand, Appearance]]:
        """Add every sighting to the strand that it continues, or start one."""
        cost = np.array(
            [
                [self._cost(strand, frame, *seen) for seen in zip(found, colours, strict=True)]
                for strand in self._open
            ]
        ).reshape(len(self._open), len(found))
        of = {column: self._open[row] for row, column in matched(cost, _UNLIKELY).items()}
        assigned = []
        for i, sighting in enumerate(found):
            strand = of.get(i)
            if strand is None:
                strand = Strand()
                self._open.append(strand)
            strand.add(frame, sighting, self._fps)
            assigned.append((strand, colours[i]))
        return assigned

    def _cost(self, strand: Strand, frame: int, sighting: Sighting, worn: Appearance) -> float:
        """0 for a sure continuation, ``_UNLIKELY`` at most, ``_NEVER`` for an impossible one."""
        shift = strand.expected(frame, self._fps)
        box = strand.sighting.box + np.tile(shift, 2)
        lengths = np.array([longest(box), longest(sighting.box)])
        away = float(np.linalg.norm(centre(box) - centre(sighting.box))) / max(lengths.max(), 1.0)
        reach = _REACH + _REACH_PER_S * (frame - strand.last) / self._fps
        if away > reach or lengths.max() > _MOST_GROWTH * lengths.min():
            return _NEVER
        apart = 1 - float(overlap(box[None], sighting.box[None])[0, 0])
        pose = _pose_distance(strand.sighting, sighting, shift)
        known = strand.looks.value if strand.looks.value is not None else strand.since.value
        differs = unlike(known, worn) if known is not None else np.nan
        terms = np.array([apart, away / reach, pose, differs])
        usable = np.isfinite(terms)
        return float(np.average(terms[usable], weights=np.array(_WEIGHTS)[usable]))

    def _note_meetings(self, frame: int) -> set[Strand]:
        """Who is near somebody in this look; their meetings begin or go on."""
        boxes = np.array(
            [s.sighting.box + np.tile(s.expected(frame, self._fps), 2) for s in self._open]
        ).reshape(-1, 4)
        near = np.triu(overlap(boxes, boxes), 1)
        crowded: set[Strand] = set()
        for i, j in np.argwhere(near > _CROWDED):
            pair = [self._open[i], self._open[j]]
            crowded.update(pair)
            meeting = self._meeting_of(pair)
            meeting.ended = frame
            if near[i, j] > meeting.overlap:
                meeting.frame, meeting.overlap = frame, float(near[i, j])
            for member in pair:
                member.since = MeanAppearance()
        return crowded

    def _meeting_of(self, pair: list[Strand]) -> Meeting:
        """The meeting of these two; those that they were in are one now."""
        joined = [m for m in self._meetings if any(strand in m.members for strand in pair)]
        meeting = joined[0] if joined else Meeting([])
        for other in joined[1:]:
            meeting.members += other.members
            if other.overlap > meeting.overlap:
                meeting.frame, meeting.overlap = other.frame, other.overlap
        meeting.members += [strand for strand in pair if strand not in meeting.members]
        self._meetings = [m for m in self._meetings if m not in joined] + [meeting]
        return meeting

    def _decide(self, meeting: Meeting) -> None:
        """Exchange back what was mixed up, and go on learning what everybody wears."""
        self._meetings.remove(meeting)
        sure = _most_seen([m for m in meeting.members if m.looks.count and m.since.count])
        if len(sure) > 1:
            before = np.stack([_known(o.looks) for o in sure])
            cost = np.stack([unlikes(_known(m.since), before) for m in sure])
            cost = np.where(np.isfinite(cost), cost, 0.5)  # where nothing is known
            best = [int(k) for k in linear_sum_assignment(cost)[1]]
            rows = np.arange(len(sure))
            if cost[rows, rows].sum() - cost[rows, best].sum() > _MARGIN:
                Meeting(sure, meeting.frame).exchange(best)
        for member in meeting.members:
            member.looks.merge(member.since)
            member.since = MeanAppearance()


def _known(looks: MeanAppearance) -> Appearance:
    assert looks.value is not None
    return looks.value


def _most_seen(strands: list[Strand]) -> list[Strand]:
    """Those that are compared, in their order: the longest where there are too many."""
    longest_first = sorted(range(len(strands)), key=lambda i: -len(strands[i].seen))
    return [strands[i] for i in sorted(longest_first[:_MOST_COMPARED])]


def _pose_distance(one: Sighting, other: Sighting, shift: NDArray[np.float64]) -> float:
    """Mean distance of joints that both show, in torso lengths, 1 at most; NaN without any."""
    apart = np.linalg.norm(one.keypoints + shift - other.keypoints, axis=1)
    known = np.isfinite(apart)
    if not known.any():
        return float("nan")
    return min(1.0, float(apart[known].mean()) / torso_scale(other.keypoints))


def _joined(strands: list[Strand]) -> list[Strand]:
    """Strands of one person who was away as one; each is continued by one other at most.

    Of more than ``_MOST_COMPARED`` only those seen most are joined: in a long video of a crowd the
    others pass.
    """
    strands = sorted(strands, key=lambda s: (s.first, *s.seen[0][1].box))
    compared = _most_seen(strands)
    follows = matched(_costs_of_return(compared), _SAME_CLOTHES + _PLACE)
    continued = set(follows.values())
    taken = {compared[i] for i in continued}
    for i in (i for i in range(len(compared)) if i not in continued):
        after = follows.get(i)
        while after is not None:
            compared[i].seen += compared[after].seen
            after = follows.get(after)
    return [strand for strand in strands if strand not in taken]


def _costs_of_return(strands: list[Strand]) -> NDArray[np.float64]:
    """(S, S): of the column being the person of the row, later; colours first, then the place."""
    cost = np.full((len(strands), len(strands)), _NEVER)
    known = np.array([i for i, s in enumerate(strands) if s.looks.value is not None], np.int64)
    if not len(known):
        return cost
    worn = np.stack([_known(strands[i].looks) for i in known])
    first, last = (np.array([(s.first, s.last) for s in strands])[known]).T
    there = centre(np.stack([strands[i].seen[0][1].box for i in known]))
    for row, i in enumerate(known):
        later = np.flatnonzero(first > last[row])
        differs = unlikes(worn[row], worn[later])
        here = strands[i].sighting.box
        away = np.linalg.norm(centre(here) - there[later], axis=1) / max(float(longest(here)), 1.0)
        same = differs <= _SAME_CLOTHES
        cost[i, known[later[same]]] = (differs + _PLACE * np.minimum(away, 1.0))[same]
    return cost
