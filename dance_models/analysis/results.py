"""Everything that is written for one video."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dance_models.analysis.document import summary, write_document
from dance_models.analysis.forecast_shown import ForecastCheck, check_forecasts
from dance_models.analysis.jitter import jitter_of
from dance_models.analysis.overlay import write_overlay
from dance_models.analysis.video import VideoPoses


@dataclass(frozen=True)
class Written:
    """The files that were written, and the summary of the video."""

    files: tuple[Path, ...]
    summary: Mapping[str, Any]


def write_results(
    poses: VideoPoses,
    models: Mapping[str, str],
    folder: Path,
    stem: str,
    *,
    video: Path | None,
    horizon_ms: int,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Write what is known of one video into ``folder``, under names that begin with ``stem``.

    ``video`` is what is drawn on, None for no drawing; the forecast for ``horizon_ms`` is drawn
    where it is better than the simple rules on this video. ``models`` names what made the poses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    check = check_forecasts(poses)
    files: list[Path] = []
    notes: list[str] = []
    if video is not None:
        files.append(overlay_path(folder, stem))
        shown = _horizon(check, horizon_ms)
        notes += write_overlay(video, poses, files[-1], shown, progress)
    found = summary(poses, check, jitter_of(poses), horizon_ms, notes)
    files.append(folder / f"{stem}.json")
    write_document(files[-1], poses, models, found)
    return Written(tuple(files), found)


def overlay_path(folder: Path, stem: str) -> Path:
    """Where the drawn video of a stem is written."""
    return folder / f"{stem}_overlay.mp4"


def _horizon(check: ForecastCheck, horizon_ms: int) -> int | None:
    return horizon_ms if check.is_shown(horizon_ms) else None
