from pathlib import Path

import polars as pl

from dance_models.evaluation.divisions import Trained, with_seeds
from dance_models.evaluation.scores import RECOGNITION_SCORES, over_seeds


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


def test_several_seeds_share_one_row() -> None:
    def row(method: str, seed: int | None, value: float) -> dict[str, object]:
        return {
            "method": method, "input": "raw", "style": "all", "joint": "all",
            "metric": "pck_torso", "threshold": 0.05, "value": value, "ci_low": None,
            "ci_high": None, "n_clips": 3, "n_frames": 9, "seed": seed, "split": "test",
        }  # fmt: skip

    rows = [row("net", 0, 0.4), row("net", 1, 0.6), row("net", None, 0.5), row("raw", None, 0.3)]
    kept = over_seeds(pl.DataFrame(rows, schema=dict(RECOGNITION_SCORES)))
    assert dict(zip(kept["method"], kept["value"], strict=True)) == {"net": 0.5, "raw": 0.3}
