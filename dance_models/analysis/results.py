"""Everything that is written for one person in one video."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dance_models.analysis.document import summary, write_document
from dance_models.analysis.figures import Figures, figures_of
from dance_models.analysis.files.measured import Measured
from dance_models.analysis.files.write import DEFAULT_FORMATS, file_paths, write_files
from dance_models.analysis.forecast_shown import ForecastCheck, check_forecasts
from dance_models.analysis.overlay import write_overlay
from dance_models.analysis.page.write import write_page
from dance_models.analysis.video import VideoPoses
from dance_models.analysis.video_page import video_page
from dance_models.files import replacing_together


@dataclass(frozen=True)
class Written:
    """The files that were written, the page first, and the summary of the video."""

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
    formats: Sequence[str] = DEFAULT_FORMATS,
    metres_per_pixel: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    title: str = "",
) -> Written:
    """Write what is known of one video into ``folder``, under names that begin with ``stem``.

    ``video`` is what is drawn on, None for no drawing; the forecast for ``horizon_ms`` is drawn
    where it is better than the simple rules on this video. ``models`` names what made the poses,
    ``formats`` the files for other tools, ``title`` the page where that is not to be ``stem``. The
    files of an earlier run are replaced together, so that no page stands beside those of another
    run. Raises InputError where the disk is full, and OSError.
    """
    check, figures = check_forecasts(poses), figures_of(poses)
    notes: list[str] = []
    overlay = None
    with replacing_together(folder, stem, _page_path(folder, stem).name) as part:
        if video is not None:
            overlay = overlay_path(part, stem)
            notes += write_overlay(video, poses, overlay, _horizon(check, horizon_ms), progress)
        found = summary(poses, check, figures, horizon_ms, notes)
        write_document(_document_path(part, stem), poses, models, found)
        write_files(part, stem, _measured(poses, figures, metres_per_pixel), formats)
        drawn = overlay.name if overlay else None
        page = video_page(poses, figures, found, drawn, models, title or stem)
        write_page(page, _page_path(part, stem))
    return Written(result_paths(folder, stem, formats, draw=video is not None), found)


def result_paths(
    folder: Path, stem: str, formats: Sequence[str] = DEFAULT_FORMATS, *, draw: bool
) -> tuple[Path, ...]:
    """What :func:`write_results` writes, the page first; with ``draw`` the overlay, too."""
    drawn = (overlay_path(folder, stem),) if draw else ()
    others = _document_path(folder, stem), *file_paths(folder, stem, formats)
    return (_page_path(folder, stem), *drawn, *others)


def _page_path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.html"


def _document_path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.json"


def overlay_path(folder: Path, stem: str) -> Path:
    """Where the drawn video of a stem is written."""
    return folder / f"{stem}_overlay.mp4"


def _horizon(check: ForecastCheck, horizon_ms: int) -> int | None:
    return horizon_ms if check.is_shown(horizon_ms) else None


def _measured(poses: VideoPoses, figures: Figures, metres_per_pixel: float | None) -> Measured:
    run = poses.run
    return Measured(
        clip=run.clip,
        width=run.width,
        height=run.height,
        fps=poses.seen.fps,
        time_s=run.time_s,
        poses=poses.refined,
        score=poses.restored.score,
        landmarks=poses.restored.landmarks,
        angles={name: curve.refined for name, curve in figures.angles.items()},
        metres_per_pixel=metres_per_pixel,
    )
