"""Splits by group: representation, ratios, stability, folds."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dance_models.config import SplitConfig
from dance_models.data.splits import all_assigned, assign_splits, largest_remainder
from dance_models.errors import InputError
from dance_models.tables import SPLIT_MANIFEST

PINNED_SPLITS = ["test", "train", "train", "train", "train", "train", "train", "val"]
PINNED_FOLDS = [2, 1, 0, 3, 2, 1, 4, 0]
CORPUS = Path(__file__).parents[4] / "shared" / "dance_corpus" / "clips.csv"


def clip_table(rows: list[tuple[str, str, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"clip": c, "style": s, "performer": "", "take": t} for c, s, t in rows],
        schema=dict.fromkeys(("clip", "style", "performer", "take"), pl.String),
    )


def plain(style: str, count: int) -> list[tuple[str, str, str | None]]:
    return [(f"{style}_{i:03d}", style, None) for i in range(count)]


def groups_per_split(manifest: pl.DataFrame, style: str | None = None) -> Counter[str]:
    rows = manifest if style is None else manifest.filter(style=style)
    return Counter(rows.unique("group")["split"].to_list())


def test_thirty_clips_of_one_style_are_split_21_5_4() -> None:
    manifest = assign_splits(clip_table(plain("ballet", 30)), SplitConfig())
    assert dict(manifest.schema) == {
        k: v() if isinstance(v, type) else v for k, v in SPLIT_MANIFEST.items()
    }
    assert groups_per_split(manifest) == {"train": 21, "val": 5, "test": 4}
    assert manifest["clip"].is_sorted()


def test_totals_follow_the_ratio_although_styles_are_rounded() -> None:
    rows = plain("a", 10) + plain("b", 10) + plain("c", 10)
    manifest = assign_splits(clip_table(rows), SplitConfig())
    assert groups_per_split(manifest) == {"train": 21, "val": 5, "test": 4}
    for style in "abc":
        assert {1, 2} >= {groups_per_split(manifest, style)[s] for s in ("val", "test")}


def test_styles_of_one_group_each_still_fill_validation_and_test() -> None:
    rows = [(f"clip{i}", f"style{i}", None) for i in range(20)]
    assert groups_per_split(assign_splits(clip_table(rows), SplitConfig())) == {
        "train": 14,
        "val": 3,
        "test": 3,
    }


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_groups_go_to_training(count: int) -> None:
    manifest = assign_splits(clip_table(plain("ballet", count)), SplitConfig())
    assert manifest["split"].to_list() == ["train"] * count


def test_three_groups_are_one_each() -> None:
    manifest = assign_splits(clip_table(plain("ballet", 3)), SplitConfig())
    assert groups_per_split(manifest) == {"train": 1, "val": 1, "test": 1}


def test_no_clips_give_an_empty_manifest() -> None:
    assert assign_splits(clip_table([]), SplitConfig()).height == 0


def test_both_dancers_of_a_take_stay_together() -> None:
    rows: list[tuple[str, str, str | None]] = []
    for i in range(12):
        take = f"CMU-60/61-{i:02d}"
        rows += [(f"lead_{i:02d}", "salsa", take), (f"follow_{i:02d}", "salsa", take)]
    manifest = assign_splits(clip_table(rows), SplitConfig())
    together = manifest.group_by("group").agg(pl.col("split", "fold").n_unique())
    assert together["split"].to_list() == together["fold"].to_list() == [1] * 12
    assert groups_per_split(manifest) == {"train": 8, "val": 2, "test": 2}


def test_blank_take_counts_as_none() -> None:
    manifest = assign_splits(
        clip_table([("a", "s", " "), ("b", "s", ""), ("c", "s", None)]), SplitConfig()
    )
    assert manifest["group"].to_list() == ["a", "b", "c"]


def test_the_order_of_the_clips_does_not_matter_and_the_seed_does() -> None:
    clips = clip_table(plain("a", 20) + plain("b", 9))
    one = assign_splits(clips, SplitConfig())
    assert one.equals(assign_splits(clips.reverse(), SplitConfig()))
    assert not one.equals(assign_splits(clips, SplitConfig(seed=1)))


def test_assignment_is_pinned() -> None:
    """A manifest must not change with a library or a Python version."""
    manifest = assign_splits(clip_table(plain("a", 8)), SplitConfig())
    assert manifest["split"].to_list() == PINNED_SPLITS
    assert manifest["fold"].to_list() == PINNED_FOLDS


def test_folds_stay_when_one_of_them_lost_its_clips() -> None:
    config = SplitConfig(folds=5)
    first = assign_splits(clip_table(plain("s", 5)), config)
    for gone in range(5):
        left = first.filter(pl.col("fold") != gone)
        rows = [(clip, "s", None) for clip in left["clip"]]
        once = assign_splits(clip_table(rows), config, first)
        again = assign_splits(clip_table(rows), config, once)
        assert again.select("clip", "fold").equals(left.select("clip", "fold"))
        grown = assign_splits(clip_table([*rows, ("new", "s", None)]), config, again)
        assert grown.filter(clip="new")["fold"][0] == gone


@pytest.mark.parametrize(("before", "after"), [(3, 5), (5, 3)])
def test_another_number_of_folds_assigns_them_anew(before: int, after: int) -> None:
    clips = clip_table(plain("s", 12))
    first = assign_splits(clips, SplitConfig(folds=before))
    again = assign_splits(clips, SplitConfig(folds=after), first)
    assert set(again["fold"]) == set(range(after))


def test_a_new_clip_of_a_known_take_follows_it() -> None:
    rows: list[tuple[str, str, str | None]] = [(f"c{i}", "s", f"take{i}") for i in range(10)]
    first = assign_splits(clip_table(rows), SplitConfig())
    tested = first.filter(split="test").row(0, named=True)
    again = assign_splits(
        clip_table([*rows, ("second_view", "s", tested["group"])]), SplitConfig(), first
    )
    view = again.filter(clip="second_view").row(0, named=True)
    assert (view["split"], view["fold"]) == ("test", tested["fold"])


@pytest.mark.parametrize("later", [True, False])
def test_joining_clips_of_two_splits_into_one_take_moves_them_to_training(later: bool) -> None:
    first = assign_splits(clip_table(plain("s", 30)), SplitConfig())
    in_test = first.filter(split="test")["clip"][1]
    in_train = first.filter(split="train")["clip"].sort()[-1 if later else 0]
    assert (in_train > in_test) == later
    rows = [(c, s, "joint" if c in (in_test, in_train) else None) for c, s, _ in plain("s", 30)]
    again = assign_splits(clip_table(rows), SplitConfig(), first)
    assert set(again.filter(group="joint")["split"]) == {"train"}


def test_small_styles_keep_a_training_group_when_others_can_spare_one() -> None:
    rows = plain("a", 8) + plain("b", 2) + plain("c", 2) + plain("d", 2)
    manifest = assign_splits(clip_table(rows), SplitConfig())
    assert groups_per_split(manifest) == {"train": 10, "val": 2, "test": 2}
    for style in "abcd":
        assert groups_per_split(manifest, style)["train"] >= 1


def test_a_removed_clip_is_not_in_the_manifest() -> None:
    first = assign_splits(clip_table(plain("s", 10)), SplitConfig())
    again = assign_splits(clip_table(plain("s", 9)), SplitConfig(), first)
    assert again.equals(first.filter(pl.col("clip") != "s_009"))


def test_clips_that_were_away_come_back_to_where_they_were() -> None:
    """Of 20 clips 17 went and came back with three new ones: all 20 are where they were."""
    config, every = SplitConfig(), plain("s", 20)
    first = assign_splits(clip_table(every), config)
    few = assign_splits(clip_table(every[:3]), config, first, 5)
    known = all_assigned(few, config, first, 5)
    assert known.equals(first)
    again = assign_splits(clip_table(plain("s", 23)), config, known, 5)
    assert again.filter(pl.col("clip").is_in(first["clip"].to_list())).equals(first)
    assert all_assigned(again, config, known, 5).equals(again)


def test_a_fold_of_another_division_is_forgotten_while_its_clip_is_away() -> None:
    every = plain("s", 20)
    first = assign_splits(clip_table(every), SplitConfig(folds=5))
    ten = SplitConfig(folds=10)
    few = assign_splits(clip_table(every[:12]), ten, first, 5)
    assert set(few["fold"]) == set(range(10))
    known = all_assigned(few, ten, first, 5)
    assert known["split"].equals(first["split"])
    assert known.filter(pl.col("fold").is_null())["clip"].to_list() == first["clip"][12:].to_list()
    again = assign_splits(clip_table(every), ten, known, 10)
    assert again["split"].equals(first["split"])
    assert again.head(12).equals(few)
    assert Counter(again["fold"].to_list()) == dict.fromkeys(range(10), 2)


def test_another_number_of_folds_redistributes_folds_and_leaves_splits() -> None:
    clips = clip_table(plain("s", 20))
    first = assign_splits(clips, SplitConfig(folds=5))
    again = assign_splits(clips, SplitConfig(folds=10), first)
    assert set(again["fold"]) == set(range(10))
    assert again["split"].equals(first["split"])


def test_fewer_groups_than_folds() -> None:
    manifest = assign_splits(clip_table(plain("s", 3)), SplitConfig(folds=5))
    assert sorted(manifest["fold"]) == [0, 1, 2]


@pytest.mark.parametrize(
    "config",
    [SplitConfig(train=0.9), SplitConfig(train=0, val=0.5, test=0.5), SplitConfig(folds=1)],
)
def test_impossible_configurations_are_refused(config: SplitConfig) -> None:
    with pytest.raises(InputError):
        assign_splits(clip_table(plain("s", 4)), config)


def test_duplicate_clips_are_named() -> None:
    with pytest.raises(InputError, match="twin"):
        assign_splits(clip_table([("twin", "a", None), ("twin", "b", None)]), SplitConfig())


def test_ratio_without_validation_holds_nothing_out_for_it() -> None:
    config = SplitConfig(train=0.8, val=0.0, test=0.2)
    assert groups_per_split(assign_splits(clip_table(plain("s", 10)), config)) == {
        "train": 8,
        "test": 2,
    }


def test_largest_remainder_by_hand() -> None:
    assert largest_remainder(30, (0.7, 0.15, 0.15)) == [21, 5, 4]
    assert largest_remainder(3, (0.7, 0.15, 0.15)) == [2, 1, 0]
    assert largest_remainder(0, (0.7, 0.15, 0.15)) == [0, 0, 0]


corpora = st.lists(
    st.tuples(st.integers(0, 15), st.sampled_from("abcd")), min_size=1, max_size=60
).map(lambda rows: clip_table([(f"clip{i}", s, f"{s}{g}") for i, (g, s) in enumerate(rows)]))


@settings(max_examples=60, deadline=None)
@given(corpora, st.data())
def test_splits_satisfy_their_invariants_for_any_corpus(
    clips: pl.DataFrame, data: st.DataObject
) -> None:
    config = SplitConfig()
    manifest = assign_splits(clips, config)
    assert manifest.height == clips.height
    assert manifest.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1
    for style in manifest["style"].unique():
        counts = groups_per_split(manifest, style)
        if counts.total() >= 3:
            assert counts["train"] >= 1 and counts["val"] >= 1 and counts["test"] >= 1
        folds = Counter(manifest.filter(style=style).unique("group")["fold"].to_list())
        assert max(folds.values()) - min(folds.get(f, 0) for f in range(config.folds)) <= 1
    # Growing the corpus step by step moves and loses nothing.
    size = data.draw(st.integers(1, clips.height))
    early = assign_splits(clips.head(size), config)
    late = assign_splits(clips, config, early)
    kept = late.join(early.select("clip"), on="clip", how="semi")
    assert kept.equals(early)
    assert late.group_by("group").agg(pl.col("split", "fold").n_unique()).select(
        "split", "fold"
    ).max().row(0) == (1, 1)
    # So does shrinking and growing it again.
    few = assign_splits(clips.head(size), config, manifest, config.folds)
    known = all_assigned(few, config, manifest, config.folds)
    assert assign_splits(clips, config, known, config.folds).equals(manifest)


def test_real_corpus() -> None:
    if not CORPUS.is_file():
        pytest.skip("the dance corpus is not here")
    manifest = assign_splits(pl.read_csv(CORPUS), SplitConfig())
    for style in ("ballet", "indian", "salsa"):
        assert set(groups_per_split(manifest, style)) == {"train", "val", "test"}
    assert manifest.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1
    assert manifest.filter(group="CMU-60/61-01").height == 2
