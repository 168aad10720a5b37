"""The overlay at the end of ``dance demo``: the one place that calls what draws a video."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from dance_models.errors import InputError

if TYPE_CHECKING:
    from pipelines.storage.store import Store

HORIZON_MS: Final = 160  # of the drawn forecast


def overlay_of_test_clip(store: "Store") -> Path | None:
    """``reports/demo_CLIP.mp4``: the first test clip, drawn with the networks of the store.

    None when there is no test clip. Raises InputError when the clip cannot be read or nobody is
    found in it.
    """
    from pipelines.storage.clips import registered_clips

    tested = set(store.read("test_split")["clip"])
    for row in registered_clips(store).sort("clip").iter_rows(named=True):
        if row["clip"] in tested:
            target = store.reports / f"demo_{row['clip']}.mp4"
            refiner, forecaster = (_checkpoint(store, name) for name in ("mkff_st_gcn", "stga_net"))
            _draw(store, Path(row["path"]), refiner, forecaster, target)
            return target
    return None


def _checkpoint(store: "Store", asset: str) -> Path:
    path: str = store.training(asset)["best"]["path"]
    return store.path / path


def _draw(store: "Store", video: Path, refiner: Path, forecaster: Path, target: Path) -> None:
    from dance_models.analysis import shipped
    from dance_models.analysis.forecast_shown import check_forecasts
    from dance_models.analysis.overlay import write_overlay
    from dance_models.analysis.video import poses_of, see_video
    from dance_models.config import EstimatorConfig
    from dance_models.estimators.factory import make_estimator
    from dance_models.inference.loading import estimator_for
    from dance_models.video.names import clip_slug

    if not video.is_file():
        raise InputError("the clip has gone", file=video)
    networks = shipped.networks(refiner, forecaster)
    estimator = make_estimator(
        estimator_for(networks.refiner, EstimatorConfig()), store.weights, clip_slug(video)
    )
    poses = poses_of(see_video(video, estimator), networks)
    shown = check_forecasts(poses).is_shown(HORIZON_MS)
    write_overlay(video, poses, target, HORIZON_MS if shown else None)
