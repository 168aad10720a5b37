"""Assigning clips to splits: 70/15/15 by group and grouped k-fold, stored as data.

The unit is the **group** (the take when the manifest names one, else the clip), so that two views
of one take, or the two dancers of a couple, are never in different splits. Groups are
ranked by a hash of their name, not by a random generator, whose stream may change with its
library. Assignments of an earlier manifest are kept: new clips only fill what is missing. So are
those of clips that are away for a while: a clip that was trained on must not come back as a test.
Of one from which nothing can have been trained (:func:`lacks_a_split`) they need not be.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import polars as pl

from dance_models.config import SplitConfig
from dance_models.errors import InputError
from dance_models.tables import SPLIT_MANIFEST, conform

SPLITS: Final = ("train", "val", "test")
_MIN_GROUPS: Final = 3  # a style with this many groups or more is in every split


def assign_splits(
    clips: pl.DataFrame,
    config: SplitConfig,
    previous: pl.DataFrame | None = None,
    folds_before: int | None = None,
) -> pl.DataFrame:
    """Assign every clip a group, a split and a fold; SPLIT_MANIFEST sorted by clip.

    ``clips`` has clip, style, performer and take (null or empty where unknown). ``previous`` is
    an earlier manifest, or :func:`all_assigned`: its groups keep their split and fold, and a new
    clip of a known group follows its group. When a changed take joins clips that were in different
    splits, the group goes to training if any of it was trained on, else to validation. Folds are
    assigned anew when there were another number of them (``folds_before``; None: as ``previous``
    shows).

    A style with at least three groups has one in validation and one in test (as far as groups
    that may not move allow); the rest follows 70/15/15 by largest remainder, in groups. One or
    two groups in all go to training: there is nothing to hold out.

    Raises InputError on duplicate clips or impossible ratios.
    """
    _check(clips, config)
    table = clips.select("clip", "style", "performer", "take").sort("clip")
    table = table.with_columns(group=group_column())
    styles = _group_styles(table)
    known_split = _known(table, previous, "split")
    splits = _assign(styles, known_split, config)
    known_fold = (
        _known_folds(table, previous) if _same_folds(previous, config, folds_before) else {}
    )
    folds = _assign_folds(styles, known_fold, config)
    return conform(
        table.with_columns(
            split=pl.col("group").replace_strict(splits, return_dtype=pl.String),
            fold=pl.col("group").replace_strict(folds, return_dtype=pl.Int32),
        ),
        SPLIT_MANIFEST,
    )


def all_assigned(
    manifest: pl.DataFrame,
    config: SplitConfig,
    previous: pl.DataFrame | None = None,
    folds_before: int | None = None,
) -> pl.DataFrame:
    """What every clip was assigned last, also those that are away; SPLIT_MANIFEST sorted by clip.

    ``manifest`` is what :func:`assign_splits` made of the other arguments. The fold of a clip that
    is away is null when there were another number of folds.
    """
    if previous is None:
        return manifest
    away = previous.join(manifest, on="clip", how="anti")
    if not _same_folds(previous, config, folds_before):
        away = away.with_columns(fold=pl.lit(None))
    return pl.concat([conform(away, SPLIT_MANIFEST), manifest]).sort("clip")


def lacks_a_split(manifest: pl.DataFrame, config: SplitConfig) -> bool:
    """Whether a split that should have clips has none; SPLIT_MANIFEST.

    As of the first clips that come one by one: each goes to training, where all would stay.
    """
    ratios = zip(SPLITS, (config.train, config.val, config.test), strict=True)
    wanted = {split for split, ratio in ratios if ratio > 0}
    return not wanted <= set(manifest["split"].to_list())


def _check(clips: pl.DataFrame, config: SplitConfig) -> None:
    ratios = (config.train, config.val, config.test)
    if min(ratios) < 0 or config.train <= 0 or abs(sum(ratios) - 1) > 1e-6:
        raise InputError(
            f"split ratios {ratios} cannot be used",
            hint="They must be 0 or more, sum to 1, and leave something to train on",
        )
    if config.folds < 2:
        raise InputError(f"{config.folds} folds cannot be used", hint="Ask for 2 or more")
    twice = clips.filter(pl.col("clip").is_duplicated())["clip"].unique().sort().to_list()
    if twice:
        raise InputError(f"clips listed more than once: {', '.join(twice)}")


def group_column() -> pl.Expr:
    """The group of a clip from the columns ``take`` and ``clip``: the take, if it is known."""
    take = pl.col("take").cast(pl.String).str.strip_chars()
    return pl.when(take != "").then(take).otherwise(pl.col("clip"))


def _group_styles(table: pl.DataFrame) -> dict[str, str]:
    """The style a group is stratified by: that of most of its clips, ties by name."""
    styles: dict[str, Counter[str]] = {}
    for group, style in table.select("group", pl.col("style").fill_null("unknown")).iter_rows():
        styles.setdefault(group, Counter())[style] += 1
    return {g: min(c, key=lambda s: (-c[s], s)) for g, c in sorted(styles.items())}


def _rank(groups: Iterable[str], seed: int, salt: str) -> list[str]:
    def key(group: str) -> str:
        return hashlib.sha256(f"{salt}:{seed}:{group}".encode()).hexdigest()

    return sorted(groups, key=key)


def _known(table: pl.DataFrame, previous: pl.DataFrame | None, column: str) -> dict[str, str]:
    """Split of every group of ``table`` that the previous manifest assigns."""
    if previous is None or previous.is_empty():
        return {}
    by_clip = dict(previous.select("clip", column).iter_rows())
    by_group = dict(previous.sort("clip").select("group", column).iter_rows())
    known: dict[str, str] = {}
    for clip, group in table.select("clip", "group").iter_rows():
        current = [v for v in (by_clip.get(clip), by_group.get(group), known.get(group)) if v]
        if current:
            known[group] = min(current, key=SPLITS.index)
    return known


def _same_folds(
    previous: pl.DataFrame | None, config: SplitConfig, folds_before: int | None
) -> bool:
    """Whether an earlier manifest had as many folds.

    Balanced assignment uses folds 0 .. min(k, groups) - 1, so fewer or more of them mean another k.
    A fold between others that has no group lost it: its clips were taken away.
    """
    if previous is None or previous.is_empty():
        return False
    if folds_before is not None:
        return folds_before == config.folds
    used, most = set(previous["fold"].to_list()), min(config.folds, previous["group"].n_unique())
    fewer = used == set(range(len(used))) and len(used) < most
    return not fewer and max(used) < config.folds


def _known_folds(table: pl.DataFrame, previous: pl.DataFrame | None) -> dict[str, int]:
    """Fold of every group of ``table`` that the previous manifest assigns one."""
    if previous is None:
        return {}
    previous = previous.filter(pl.col("fold").is_not_null())
    by_clip = dict(previous.select("clip", "fold").iter_rows())
    by_group = dict(previous.sort("clip").select("group", "fold").iter_rows())
    known: dict[str, int] = {}
    for clip, group in table.select("clip", "group").iter_rows():
        fold = by_group.get(group, by_clip.get(clip))
        if fold is not None:
            known.setdefault(group, fold)
    return known


def largest_remainder(total: int, ratios: Sequence[float]) -> list[int]:
    """Integer parts of ``total`` in proportion to ``ratios``; ties go to the earlier part."""
    exact = [total * r for r in ratios]
    parts = [int(e + 1e-9) for e in exact]
    order = sorted(range(len(parts)), key=lambda i: (-round(exact[i] - parts[i], 9), i))
    for i in order[: total - sum(parts)]:
        parts[i] += 1
    return parts


def _held_out_targets(sizes: Mapping[str, int], config: SplitConfig) -> dict[str, list[int]]:
    """Groups a style should have in [train, val, test], from its number of groups."""
    ratios = (config.train, config.val, config.test)
    total = sum(sizes.values())
    wanted = largest_remainder(total, ratios)
    target = {style: [n, 0, 0] for style, n in sizes.items()}

    def move(style: str, part: int) -> None:
        target[style][0] -= 1
        target[style][part] += 1

    for part in (1, 2):
        if ratios[part] <= 0:
            continue
        for style, n in sizes.items():
            least = 1 if n >= _MIN_GROUPS else 0
            for _ in range(max(int(n * ratios[part] + 1e-9), least)):
                move(style, part)
        goal = max(wanted[part], 1 if total >= _MIN_GROUPS else 0)
        while sum(t[part] for t in target.values()) < goal:
            # Prefer styles that keep a training group, then the one furthest below its share.
            move(
                min(
                    (s for s in sizes if target[s][0] > 0),
                    key=lambda s: (
                        target[s][0] < 2,
                        round(target[s][part] - sizes[s] * ratios[part], 9),
                        s,
                    ),
                ),
                part,
            )
    return target


def _assign(
    styles: Mapping[str, str], known: Mapping[str, str], config: SplitConfig
) -> dict[str, str]:
    """Split of every group: known ones stay, new ones go where their style lacks most groups."""
    sizes = dict(sorted(Counter(styles.values()).items()))
    target = _held_out_targets(sizes, config)
    lack = {style: list(parts) for style, parts in target.items()}
    for group, split in known.items():
        lack[styles[group]][SPLITS.index(split)] -= 1
    splits = dict(known)
    for group in _rank((g for g in styles if g not in known), config.seed, "split"):
        parts = lack[styles[group]]
        part = max(range(3), key=lambda i: (parts[i], i))
        parts[part] -= 1
        splits[group] = SPLITS[part]
    return splits


def _assign_folds(
    styles: Mapping[str, str], known: Mapping[str, int], config: SplitConfig
) -> dict[str, int]:
    """Fold of every group: the one with fewest groups of its style, then with fewest at all."""
    in_style = Counter((styles[g], f) for g, f in known.items())
    in_fold = Counter(known.values())
    folds = dict(known)
    for group in _rank((g for g in styles if g not in known), config.seed, "fold"):
        style = styles[group]
        fold = min(range(config.folds), key=lambda f: (in_style[style, f], in_fold[f], f))
        in_style[style, fold] += 1
        in_fold[fold] += 1
        folds[group] = fold
    return folds
