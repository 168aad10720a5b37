"""Grouped k-fold over pose runs: every clip is tested once, by a network not trained on its group.

The folds themselves are data (``fold`` in the split manifest). This module only reads them.
"""

from collections.abc import Sequence
from dataclasses import replace

from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError


def fold_count(runs: Sequence[PoseRun]) -> int:
    """How many folds the runs are in. Raises InputError on fewer than three.

    One is tested on, one supplies the validation groups, and something must be left to train on.
    """
    folds = {run.fold for run in runs}
    if len(folds) < 3:
        raise InputError(
            f"there are only {len(folds)} folds",
            hint="Cross-validation needs at least three groups (takes)",
        )
    return max(folds) + 1


def fold_runs(runs: Sequence[PoseRun], fold: int) -> list[PoseRun]:
    """The originals, with ``split`` set for fold ``fold``.

    The groups of the fold are "test". The first group of every style of the next fold that has any
    is "val", which leaves about as much to train on as the fixed split does. Everything else is
    "train". Augmented copies are left out: they were made for the fixed split. A fold whose clips
    were all taken away tests nothing.
    """
    originals = [run for run in runs if run.variant == 0]
    count = fold_count(originals)
    following = min({run.fold for run in originals} - {fold}, key=lambda f: (f - fold) % count)
    first: dict[str, str] = {}
    for run in sorted(originals, key=lambda run: run.group):
        if run.fold == following:
            first.setdefault(run.style, run.group)
    held = set(first.values())

    def split(run: PoseRun) -> str:
        if run.fold == fold:
            return "test"
        return "val" if run.group in held else "train"

    return [replace(run, split=split(run)) for run in originals]
