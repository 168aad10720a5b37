"""How the runs are divided for a report, and which checkpoint was trained on which part.

There are two divisions when networks were trained on folds. "folds" is over all clips, each scored
by networks that never saw its group. "test" is the fixed split. In both, networks may come from
several seeds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from dance_models.data.assemble import pose_runs_from_rows
from dance_models.data.folds import fold_count, fold_runs
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.rows import row_of

TEST: Final = "test"
FOLDS: Final = "folds"


@dataclass(frozen=True)
class Trained:
    """Checkpoints of one network: of the fixed split, of the folds, and of further seeds."""

    best: Path
    folds: tuple[Path, ...] = ()  # in order
    seeds: tuple[Path, ...] = ()  # 1, 2, ... on the fixed split
    fold_seeds: tuple[tuple[Path, ...], ...] = ()  # 1, 2, ..., each the folds in order


@dataclass(frozen=True, eq=False)
class Part:
    """One division of the runs, and the checkpoints that were trained on it."""

    train: list[PoseRun]  # trivial rows are fitted on it
    validation: list[PoseRun]  # and tuned on it
    scored: list[PoseRun]
    checkpoints: dict[str, Path]
    seeds: list[dict[str, Path]]  # of the networks that were trained from further seeds


def with_seeds(networks: Mapping[str, Trained]) -> dict[str, Trained]:
    """One entry a network, by row id: further seeds join the network that they are seeds of.

    Raises InputError when an id is not that of a row.
    """
    rows = {method: row_of(method) for method in networks}
    seeds: dict[str, dict[int, Path]] = {}
    for method, trained in networks.items():
        row = rows[method]
        if row.seed and row.network in networks:
            seeds.setdefault(row.network, {})[row.seed] = trained.best
    return {
        name: replace(trained, seeds=tuple(path for _, path in sorted(seeds.get(name, {}).items())))
        for name, trained in networks.items()
        if not rows[name].seed
    }


def _further_seeds(seeds: Mapping[str, Sequence[Path]]) -> list[dict[str, Path]]:
    """For each further seed the checkpoints of the networks that were trained from it."""
    most = max((len(paths) for paths in seeds.values()), default=0)
    return [
        {name: paths[k] for name, paths in seeds.items() if k < len(paths)} for k in range(most)
    ]


def _fold(runs: Sequence[PoseRun], networks: Mapping[str, Trained], fold: int) -> Part:
    """One fold, and the networks that were trained on folds."""
    folded = {name: trained for name, trained in networks.items() if trained.folds}
    return _part(
        fold_runs(runs, fold),
        {name: trained.folds[fold] for name, trained in folded.items()},
        _further_seeds(
            {name: [seed[fold] for seed in trained.fold_seeds] for name, trained in folded.items()}
        ),
    )


def _part(
    runs: Sequence[PoseRun],
    checkpoints: Mapping[str, Path],
    seeds: Sequence[dict[str, Path]] = (),
) -> Part:
    by_split = {s: [run for run in runs if run.split == s] for s in ("train", "val", "test")}
    scored = [run for run in by_split["test"] if run.annotated.any()]
    # A corpus too small for a validation split is tuned on its training split.
    validation = by_split["val"] or by_split["train"]
    return Part(by_split["train"], validation, scored, dict(checkpoints), list(seeds))


def divisions(
    splits: Sequence[pl.DataFrame], networks: Mapping[str, Trained]
) -> Iterator[tuple[str, list[Part]]]:
    """("folds", its parts) when there are networks of folds, then ("test", [the fixed split]).

    Raises InputError when the test split has no annotated clip.
    """
    rows = pl.concat([table.filter(pl.col("variant") == 0) for table in splits])
    runs = pose_runs_from_rows(rows)
    if any(trained.folds for trained in networks.values()):
        yield FOLDS, [_fold(runs, networks, fold) for fold in range(fold_count(runs))]
    best = {name: trained.best for name, trained in networks.items()}
    seeds = _further_seeds({name: trained.seeds for name, trained in networks.items()})
    fixed = _part(runs, best, seeds)
    if not fixed.scored:
        raise InputError(
            "there is no annotated clip in the test split",
            hint="Annotate at least three clips (takes) of a style",
        )
    yield TEST, [fixed]
