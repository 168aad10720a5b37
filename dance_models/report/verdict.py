"""Who won against the best row without a network: short tables and plain sentences.

For a reader who sees the numbers for the first time. All rows, intervals and tests are in the
report's tables.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
import polars as pl

from dance_models.evaluation.scores import over_seeds
from dance_models.metrics.sign_flip import SIGNIFICANT
from dance_models.report.summary import HEADLINES
from dance_models.report_tables.results import without_ablations
from dance_models.report_tables.table import Table
from dance_models.rows import ROWS

NETWORKS: Final = frozenset(row.id for row in ROWS)
OTHER_NETWORKS: Final = 2  # shown beside the headline one
MEANINGS: Final = {
    "raw": "the estimator's own poses",
    "zero_velocity": "the dancer stands still",
}


@dataclass(frozen=True)
class Contest:
    """The cells in which the rows of a task are compared, and their words."""

    task: str
    method: str  # the headline network
    metric: str
    column: str
    points: Sequence[float]
    given: str  # the input whose rows count
    untouched: str  # the row that does nothing
    title: str
    sign: int  # 1 where more is better
    factor: float  # from a value of the table to what is printed

    def point(self, point: float) -> str:
        """A threshold or horizon in words."""
        return f"{100 * point:g} %" if self.column == "threshold" else f"{point:g} ms"


def _contest(number: int, untouched: str, title: str, sign: int, factor: float) -> Contest:
    """The comparison of one of the ``HEADLINES``."""
    task, method, metric, column, points, given = HEADLINES[number]
    return Contest(task, method, metric, column, points, given, untouched, title, sign, factor)


CONTESTS: Final = (
    _contest(
        0,
        "raw",
        "Recognition: % of joints within this share of a torso from where they are; more is better",
        1,
        100.0,
    ),
    _contest(
        1,
        "zero_velocity",
        "Prediction: mean error of a joint so far ahead, in % of a torso; less is better",
        -1,
        1.0,
    ),
)


@dataclass(frozen=True)
class Duel:
    """The headline network and the best row without a network in one cell."""

    point: float
    other: str
    gain: float  # positive when the network is better


def judged_split(scores: pl.DataFrame) -> str:
    """The split whose scores count: the folds when there are any, else the fixed test split."""
    return "folds" if "folds" in set(scores["split"]) else "test"


def short_table(contest: Contest, scores: pl.DataFrame) -> Table:
    """The untouched row, those that are best without a network, and the best networks.

    ``scores``: RECOGNITION_SCORES or PREDICTION_SCORES.
    """
    values = _values(contest, scores)
    trivial = {_best(contest, values, at, networks=False) for at in contest.points}
    others = [
        name
        for name in sorted(values, key=lambda name: _mean(contest, values[name]))
        if name in NETWORKS and name != contest.method
    ]
    shown = {contest.untouched, *trivial, contest.method, *others[:OTHER_NETWORKS]}
    rows = [
        (name, _meaning(name, trivial), *(_number(values[name].get(at)) for at in contest.points))
        for name in values
        if name in shown
    ]
    header = ("method", "what it is", *map(contest.point, contest.points))
    return Table.of_text(contest.title, header, rows)


def duels(contest: Contest, scores: pl.DataFrame) -> list[Duel]:
    """The headline network against the best row without a network, by threshold or horizon.

    Empty when the network was not scored.
    """
    values = _values(contest, scores)
    found = []
    for at in contest.points:
        other = _best(contest, values, at, networks=False)
        if other is not None and at in values.get(contest.method, {}):
            own, best = (round(values[name][at], 1) for name in (contest.method, other))
            found.append(Duel(at, other, round(contest.sign * (own - best), 1)))  # as printed
    return found


def winners(recognition: pl.DataFrame, prediction: pl.DataFrame) -> str:
    """Who won and by how much, in one sentence; "" when no headline network was scored."""
    fought = [
        (contest, duels(contest, scores))
        for contest, scores in zip(CONTESTS, (recognition, prediction), strict=True)
    ]
    fought = [(contest, found) for contest, found in fought if found]
    if not fought:
        return ""
    places = {"recognition": "distances", "prediction": "horizons"}
    counts = " and ".join(
        f"{contest.method} at {sum(duel.gain > 0 for duel in found)} of {len(found)} "
        f"{places[contest.task]}"
        for contest, found in fought
    )
    details = "; ".join(
        f"{contest.method} {' and '.join(_compared(contest, found))}" for contest, found in fought
    )
    return f"the best row without a network is beaten by {counts}: {details}."


def doubt(paired: pl.DataFrame, split: str) -> str:
    """What the differences of that split do not show, as half a sentence; PAIRED_SCORES."""
    own = paired.filter(split=split, style="all")
    takes = max(own["n_takes"].to_list(), default=0)
    counted = f"{takes} take{'' if takes == 1 else 's'}"
    if (own["p_floor"] <= SIGNIFICANT).any():
        return f"only differences that the report marks are more than chance in its {counted}"
    return f"with {counted} to test on no difference can be told from chance"


def _compared(contest: Contest, found: Sequence[Duel]) -> Iterator[str]:
    """The gains, those of neighbouring cells over the same row together."""
    unit = " points" if contest.task == "recognition" else " % of a torso"
    for (other, side), group in groupby(found, key=lambda duel: (duel.other, np.sign(duel.gain))):
        same = list(group)
        gains = _listed([f"{abs(duel.gain):.1f}" for duel in same]) + unit
        words = {1: f"{gains} better than", 0: "level with", -1: f"{gains} worse than"}[side]
        where = _listed([contest.point(duel.point) for duel in same])
        yield f"is {words} {other} at {where}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _values(contest: Contest, scores: pl.DataFrame) -> dict[str, dict[float, float]]:
    """Method -> threshold or horizon -> value as printed, of the split that counts."""
    own = scores.filter(metric=contest.metric, style="all", input=contest.given)
    if "joint" in own.columns:
        own = own.filter(joint="all")
    own = without_ablations(over_seeds(own.filter(split=judged_split(scores))))
    values: dict[str, dict[float, float]] = {}
    for row in own.filter(pl.col("value").is_not_null()).iter_rows(named=True):
        at = next((p for p in contest.points if abs(p - row[contest.column]) < 1e-9), None)
        if at is not None:
            values.setdefault(row["method"], {})[at] = contest.factor * row["value"]
    return values


def _best(
    contest: Contest, values: dict[str, dict[float, float]], at: float, *, networks: bool
) -> str | None:
    """The best row of one cell, with or without a network; the first among equals."""
    names = [n for n in values if (n in NETWORKS) == networks and at in values[n]]
    return max(names, key=lambda name: contest.sign * values[name][at], default=None)


def _mean(contest: Contest, values: dict[float, float]) -> float:
    """What networks are ordered by: the smaller, the better."""
    return -contest.sign * sum(values.values()) / len(values)


def _meaning(name: str, best: set[str | None]) -> str:
    if name in NETWORKS:
        return "a trained network"
    told = MEANINGS.get(name, "")
    return ", ".join(filter(None, [told, "best without a network" if name in best else ""]))


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f}"
