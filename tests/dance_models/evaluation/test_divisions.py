from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from dance_models.evaluation import divisions as dividing
from dance_models.evaluation.divisions import Trained, divisions, with_seeds
from dance_models.evaluation.scores import RECOGNITION_SCORES, over_seeds
from dance_models.training.synthetic import synthetic_runs


def test_further_seeds_join_their_network() -> None:
    base, one, two = (Trained(Path(name)) for name in ("base", "one", "two"))
    joined = with_seeds(
        {"stga_net.seed_2": two, "stga_net.seed_1": one, "stga_net": base, "stga_net.paper": two}
    )
    assert joined == {
        "stga_net": Trained(base.best, (), (one.best, two.best)),
        "stga_net.paper": two,
    }


def test_a_seed_without_its_network_is_left_out() -> None:
    assert with_seeds({"stga_net.seed_1": Trained(Path("one"))}) == {}


def test_each_fold_has_the_checkpoints_of_its_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three folds; only one of two networks was trained from further seeds."""
    runs = [
        replace(run, fold=i % 3, split=("train", "val", "test")[i % 3])
        for i, run in enumerate(synthetic_runs(6, 10))
    ]
    folds, second = ([Path(f"{seed}/{k}") for k in range(3)] for seed in ("a", "b"))
    ablation = Trained(Path("best"), tuple(folds), fold_seeds=(tuple(second),))
    headline = Trained(Path("other"), tuple(folds))
    networks = {"stga_net": headline, "stga_net.no_b": ablation}
    monkeypatch.setattr(dividing, "pose_runs_from_rows", lambda rows: runs)
    found = dict(divisions([pl.DataFrame({"variant": [0]})], networks))
    for fold, part in enumerate(found["folds"]):
        assert set(part.checkpoints) == set(networks)
        assert part.seeds == [{"stga_net.no_b": second[fold]}]
        assert {run.fold for run in part.scored} == {fold}
    assert found["test"][0].seeds == []


def test_several_seeds_share_one_row() -> None:
    def row(method: str, seed: int | None, value: float) -> dict[str, object]:
        return {
            "method": method, "input": "raw", "style": "all", "joint": "all",
            "metric": "pck_torso", "threshold": 0.05, "value": value, "ci_low": None,
            "ci_high": None, "n_clips": 3, "n_takes": 3, "n_frames": 9, "seed": seed,
            "split": "test",
        }  # fmt: skip

    rows = [row("net", 0, 0.4), row("net", 1, 0.6), row("net", None, 0.5), row("raw", None, 0.3)]
    kept = over_seeds(pl.DataFrame(rows, schema=dict(RECOGNITION_SCORES)))
    assert dict(zip(kept["method"], kept["value"], strict=True)) == {"net": 0.5, "raw": 0.3}
