"""Checks on models: finite losses, exact exports, and rows that beat the trivial ones."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from dance_models.config import QualityConfig
from dance_models.quality.findings import Finding

# Not what was learnt: unknown of an epoch whose process was killed before it wrote it down.
_SPEED: Final = "steps_per_second"


def finite_losses(network: str, history: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Epochs (records with ``epoch`` and named values) in which a value is not finite.

    The speed of an epoch may be unknown, which is NaN.
    """
    return [
        Finding(
            check="finite_loss",
            clip=network,
            message=f"epoch {record['epoch']}: {name} is {value}",
            value=float(value),
            limit=math.inf,
            severity="error",
        )
        for record in history
        for name, value in record.items()
        if name != _SPEED and isinstance(value, float) and not math.isfinite(value)
    ]


def training_history(checkpoint: Path) -> list[dict[str, Any]]:
    """The records of all epochs that a training's last checkpoint holds.

    Raises InputError when it cannot be read.
    """
    from dance_models.checkpoint import load_checkpoint

    return list(load_checkpoint(checkpoint)["history"])


def export_difference(checkpoint: Path, program: Path | None = None) -> float:
    """Largest absolute difference of exported program and network over a batch of three windows.

    ``program`` is a ``.pt2`` file; without one, the network is exported here. Raises InputError
    when the checkpoint cannot be read.
    """
    import torch

    from dance_models.export.program import exportable

    network, example = exportable(checkpoint)
    if program is not None:
        exported = torch.export.load(program)
    else:
        batch = torch.export.Dim("batch")
        exported = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
    # Another batch size than it was exported with: a frozen one would fail here.
    windows = torch.cat([example, example[:1].flip(1)])
    with torch.no_grad():
        return float((exported.module()(windows) - network(windows)).abs().max())


def export_parity(network: str, difference: float, config: QualityConfig) -> list[Finding]:
    """Whether the exported program returns what the network returns; NaN fails."""
    if difference <= config.export_difference:
        return []
    message = f"the exported program differs from the network by up to {difference:.2g}"
    limit = config.export_difference
    return [Finding("export_parity", network, message, difference, limit, "error")]


def below_raw(
    scores: pl.DataFrame, paired: pl.DataFrame, networks: Iterable[str], config: QualityConfig
) -> list[Finding]:
    """Recognition networks that are not above the raw estimator in PCK on the test split."""
    at = pl.col("threshold").is_close(config.pck_threshold)
    value = _values(scores.filter(at, metric="pck_torso", style="all", joint="all", split="test"))
    compared = paired.filter(at, metric="pck_torso", style="all", split="test", other="raw")
    name = f"PCK@{config.pck_threshold:g}"
    return [
        Finding(
            check="beats_trivial",
            clip=method,
            message=f"{name} {value[method]:.3f} is not above {value['raw']:.3f} of the raw "
            f"estimator ({_interval(compared.filter(method=method))})",
            value=value[method],
            limit=value["raw"],
        )
        for method in networks
        if method in value and "raw" in value and not value[method] > value["raw"]
    ]


def above_standing_still(
    scores: pl.DataFrame, paired: pl.DataFrame, networks: Iterable[str], config: QualityConfig
) -> list[Finding]:
    """Prediction networks whose error is not below that of zero velocity on the test split."""
    found = []
    fixed = {"metric": "mpjpe_torso", "style": "all", "input": "annotated", "split": "test"}
    for horizon in config.horizons_ms:
        value = _values(scores.filter(**fixed, horizon_ms=horizon))
        still = value.get("zero_velocity")
        compared = paired.filter(**fixed, horizon_ms=horizon, other="zero_velocity")
        for method in networks:
            if method not in value or still is None or value[method] < still:
                continue
            message = (
                f"at {horizon} ms the error of {value[method]:.1f} % of the torso is not below "
                f"{still:.1f} % of standing still ({_interval(compared.filter(method=method))})"
            )
            found.append(Finding("beats_trivial", method, message, value[method], still))
    return found


def _values(scores: pl.DataFrame) -> dict[str, float]:
    """Value of every method; rows over all seeds take precedence over rows of one seed.

    Methods without a value are left out: no clip shows the torso that it is measured in.
    """
    known = scores.filter(pl.col("value").is_not_null()).sort("seed", nulls_last=True)
    return dict(known.select("method", "value").iter_rows())


def _interval(compared: pl.DataFrame) -> str:
    """The paired difference with its 95 % interval, in words."""
    if not compared.height:
        return "no paired interval"
    row = compared.row(0, named=True)
    if row["ci_low"] is None or row["ci_high"] is None:
        return f"paired difference {row['difference']:+.3g} on one take, no interval"
    return (
        f"paired difference {row['difference']:+.3g}, 95 % interval {row['ci_low']:+.3g} to "
        f"{row['ci_high']:+.3g} over {row['n_takes']} takes"
    )
