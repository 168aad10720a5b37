"""The overlay at the end of ``dance demo``: the one place that calls what draws a video."""

from pathlib import Path
from typing import TYPE_CHECKING

from dance_models.errors import InputError

if TYPE_CHECKING:
    from pipelines.storage.store import Store


def overlay_of_test_clip(store: "Store") -> Path | None:
    """``reports/demo_CLIP.mp4``: the first test clip, drawn with the networks of the store.

    None when there is no test clip. Kept when it is newer than both networks. Raises InputError
    when the clip cannot be read or nobody is found in it.
    """
    from pipelines.storage.clips import registered_clips

    tested = set(store.read("test_split")["clip"])
    for row in registered_clips(store).sort("clip").iter_rows(named=True):
        if row["clip"] in tested:
            target = store.reports / f"demo_{row['clip']}.mp4"
            refiner, forecaster = (_checkpoint(store, name) for name in ("mkff_st_gcn", "stga_net"))
            newest = max(path.stat().st_mtime for path in (refiner, forecaster))
            if not target.is_file() or target.stat().st_mtime < newest:
                _draw(store, Path(row["path"]), refiner, forecaster, target)
            return target
    return None


def _checkpoint(store: "Store", asset: str) -> Path:
    path: str = store.training(asset)["best"]["path"]
    return store.path / path


def _draw(store: "Store", video: Path, refiner: Path, forecaster: Path, target: Path) -> None:
    from dance_models.apply.overlay_video import write_overlay
    from dance_models.apply.poses import poses_of_video
    from dance_models.config import EstimatorConfig
    from dance_models.estimators.factory import make_estimator
    from dance_models.inference.loading import estimator_for, load_forecaster, load_refiner
    from dance_models.video.names import clip_slug

    networks = load_refiner(refiner), load_forecaster(forecaster)
    estimator = make_estimator(
        estimator_for(networks[0], EstimatorConfig()), store.weights, clip_slug(video)
    )
    if not video.is_file():
        raise InputError("the clip has gone", file=video)
    write_overlay(video, poses_of_video(video, estimator, *networks), target)
