"""The table of rows: the properties of a row follow from its kind, never from its id."""

import pytest

from dance_models.errors import InputError
from dance_models.rows import (
    FRAME_SPLIT,
    HEADLINE,
    ROW_OF_ASSET,
    ROW_OF_PRETRAINING,
    ROWS,
    row_of,
    rows_of,
)

BY_KIND = {
    "headline": ["mkff_st_gcn", "stga_net"],
    "frame_split": ["mkff_st_gcn.frame_split"],
    "as_printed": [
        "mkff_st_gcn.paper", "mkff_st_gcn.faithful", "stga_net.paper", "stga_net.faithful",
    ],
    "seed": [
        "mkff_st_gcn.seed_1", "mkff_st_gcn.seed_2", "stga_net.seed_1", "stga_net.seed_2",
    ],
    "whole": ["mkff_st_gcn.whole", "stga_net.whole"],
    "annotated": ["simlpe.annotated", "stga_net.annotated"],
    "pretrained": ["mkff_st_gcn.pretrained", "stga_net.pretrained"],
}  # fmt: skip


def test_ids_and_assets_are_unique() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert len(ROW_OF_ASSET) == len(ROWS)
    assert not ROW_OF_ASSET.keys() & ROW_OF_PRETRAINING.keys()


@pytest.mark.parametrize("kind", BY_KIND)
def test_the_rows_of_a_kind(kind: str) -> None:
    assert [row.id for row in ROWS if row.kind == kind] == BY_KIND[kind]


def test_recognition_comes_first_and_the_headline_network_last() -> None:
    recognition, prediction = rows_of("recognition"), rows_of("prediction")
    assert (*recognition, *prediction) == ROWS
    assert (recognition[-1].id, prediction[-1].id) == HEADLINE


def test_a_variant_has_the_task_of_its_network_and_is_named_after_it() -> None:
    for row in ROWS:
        network = row_of(row.network)
        assert network.base is None, "a variant of a variant"
        assert network.task == row.task
        assert row.base is None or row.id.startswith(f"{row.base}.")
        assert (row.base is None) == (row.kind in ("headline", "baseline"))


def test_seeds_are_those_of_the_recipe() -> None:
    seeds = {row.id: row.seed for row in ROWS if row.seed}
    assert seeds == {
        f"{network}.seed_{seed}": seed for network in ("mkff_st_gcn", "stga_net") for seed in (1, 2)
    }
    for row in ROWS:
        assert row.experiment.training.seed == row.seed


def test_a_further_seed_differs_from_its_network_in_nothing_else() -> None:
    for row in ROWS:
        if row.kind in ("seed", "frame_split", "pretrained", "whole"):
            assert row.experiment.net == row_of(row.network).experiment.net


def test_a_fine_tuned_row_refers_to_its_pre_trained_weights() -> None:
    assert {asset: row.id for asset, row in ROW_OF_PRETRAINING.items()} == {
        "pretrained_mkff_st_gcn": "mkff_st_gcn",
        "pretrained_stga_net": "stga_net",
    }
    assert ROW_OF_ASSET["stga_net_pretrained"].pretraining_asset == "pretrained_stga_net"
    assert ROW_OF_ASSET["stga_net"].pretraining_asset is None


def test_what_single_rows_need() -> None:
    assert [row.id for row in ROWS if row.needs_crops] == ["hrnet"]
    assert (FRAME_SPLIT.asset, FRAME_SPLIT.network) == ("mkff_st_gcn_frame_split", "mkff_st_gcn")


def test_which_variants_are_trained_on_folds() -> None:
    variants = {row.kind for row in ROWS if row.folded and row.base}
    assert variants == {"ablation", "whole", "annotated", "pretrained"}
    assert all(row.folded for row in ROWS if row.base is None)


def test_ablations_differ_from_the_network_they_are_compared_with_in_their_part_alone() -> None:
    for row in ROWS:
        seeds = row.experiment.seeds
        if row.whole is None:
            assert seeds == (3 if row.kind == "whole" else 1)
            continue
        whole = row_of(row.whole)
        assert (row.short, whole.short, whole.kind) == (True, True, "whole")
        assert seeds == whole.experiment.seeds == 3
        own, other = row.experiment.training, whole.experiment.training
        lengths = [(t.epochs, t.steps_per_epoch, t.warmup_steps, t.ema_decay) for t in (own, other)]
        assert lengths[0] == lengths[1]
        headline = row_of(row.network).experiment.training
        assert 4 * other.steps_per_epoch == pytest.approx(headline.steps_per_epoch, abs=2)
        assert 1 - other.ema_decay == pytest.approx(4 * (1 - headline.ema_decay))


def test_an_unknown_row_is_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"there is no row 'stga'. Known: smoothnet, hbrnn"):
        row_of("stga")
