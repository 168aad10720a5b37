"""The figures of a video, its page and its document."""

import contextlib
import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from video_poses import swinging

from dance_models.analysis.angles import ANGLES, angles
from dance_models.analysis.camera import CameraPath
from dance_models.analysis.document import summary
from dance_models.analysis.figures import FOLLOWED, figures_of
from dance_models.analysis.files.write import FILE_FORMATS
from dance_models.analysis.forecast_shown import check_forecasts
from dance_models.analysis.results import write_results
from dance_models.analysis.video import VideoPoses
from dance_models.analysis.video_page import video_page
from dance_models.data.exchanged_sides import Span
from dance_models.errors import InputError


def shaken() -> VideoPoses:
    """The swinging dancer, whose estimate is off by white noise of one pixel."""
    poses = swinging()
    noise: NDArray[np.float32] = np.random.default_rng(0).normal(0, 1, poses.refined.shape)
    noisy = replace(poses.run, estimate=(poses.refined + noise).astype(np.float32))
    return replace(poses, restored=noisy)


def panned(poses: VideoPoses, pixels_a_frame: float) -> VideoPoses:
    """The same as a camera shows it that turns to the left."""
    count = len(poses.run)
    moved = (pixels_a_frame * np.arange(count, dtype=np.float32))[:, None, None] * [1, 0]
    steps = np.tile(np.array([[1.0, 0, pixels_a_frame], [0, 1, 0]]), (count, 1, 1))
    steps[0, 0, 2] = 0
    known = np.arange(count) > 0
    path = CameraPath(steps, known, poses.run.width, poses.run.height)
    run = replace(poses.restored, estimate=(poses.restored.estimate + moved).astype(np.float32))
    seen = replace(poses.seen, camera=path)
    return replace(
        poses, seen=seen, restored=run, refined=(poses.refined + moved).astype(np.float32)
    )


def test_jitter_is_that_of_the_noise_and_the_filter_lowers_it() -> None:
    rows = figures_of(shaken()).jitter
    assert list(rows) == ["estimate", "one_euro", "refined"]
    for part in ("rest", "motion"):
        refined, filtered, estimate = (
            getattr(rows[name], part) for name in ("refined", "one_euro", "estimate")
        )
        assert refined < filtered < estimate
    # The second difference of white noise of 1 pixel has sqrt(6) in x and in y; the median length
    # of two such normals is sqrt(2 ln 2) of that; on 60 pixels, and per 1/25 s at 30 frames/s.
    expected = 100 * np.sqrt(6) * np.sqrt(2 * np.log(2)) / 60 * (30 / 25) ** 2
    assert rows["estimate"].rest == pytest.approx(expected, rel=0.1)


def test_angles_are_those_in_the_picture_and_have_their_estimate_beside_them() -> None:
    poses = shaken()
    found = figures_of(poses)
    assert list(found.angles) == [angle.name for angle in ANGLES]
    exact = angles(poses.refined, poses.run.landmarks)["left_knee"]
    np.testing.assert_array_equal(found.angles["left_knee"].refined, exact)
    assert not np.allclose(found.angles["left_knee"].estimate, exact, equal_nan=True)
    assert {row.name for row in found.ranges} <= set(found.angles)


def test_a_camera_that_moves_is_taken_out_of_speeds_and_not_of_angles() -> None:
    still = swinging()
    moving = panned(still, 4.0)
    one, other = figures_of(still), figures_of(moving)
    assert "The camera moves" in other.camera
    for name in FOLLOWED:
        np.testing.assert_allclose(
            other.speed[name].refined, one.speed[name].refined, atol=1e-3, equal_nan=True
        )
    for name, curve in one.angles.items():
        np.testing.assert_allclose(
            other.angles[name].refined, curve.refined, atol=0.05, equal_nan=True
        )


def test_nothing_is_measured_across_a_cut() -> None:
    found = figures_of(swinging())
    speed = found.speed["left_wrist"].refined
    assert np.isnan(speed[149:151]).all()
    assert np.isfinite(speed[100:140]).all()


def test_the_page_says_what_the_document_says() -> None:
    poses = replace(shaken(), exchanged=(Span("legs", 20, 30),))
    found = figures_of(poses)
    said = summary(poses, check_forecasts(poses), found, 160)
    page = video_page(poses, found, said, "a_overlay.mp4", {"estimator": "x"}, "a dance")
    assert page.title == "a dance"
    assert page.video == "a_overlay.mp4"
    assert ("green: forecast for 160 ms" in page.video_label) == said["forecast_shown"]["shown"]
    for word in ("Trunk lean", "Leg opening", "Knee", "Jitter", "Forecast"):  # all are explained
        assert page.terms[word].endswith("."), word
    assert said["forecast_shown"]["why"] in page.summary
    assert any("mixed up in 10 frames" in sentence for sentence in page.summary)
    assert any(sentence.startswith("Cuts") for sentence in page.summary)
    knee = next(series for series in page.series if series.name == "left knee")
    assert knee.band is not None
    assert "rendered" in knee.band_source
    pointe = next(series for series in page.series if series.name == "left pointe")
    assert pointe.band is None  # no truth of feet, so no claim
    assert [cell.text for cell in page.tables[0].rows[2]] == [
        "refined", *(f"{v:.2f}" for v in (found.jitter["refined"].rest,
                                           found.jitter["refined"].motion)),
    ]  # fmt: skip


def test_everything_is_written_beside_the_page(tmp_path: Path) -> None:
    written = write_results(
        swinging(), {}, tmp_path, "dance", video=None, horizon_ms=160, formats=("csv", "trc")
    )
    names = ["dance.html", "dance.json", "dance.csv", "dance.trc"]
    assert [path.name for path in written.files] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    summed = json.loads((tmp_path / "dance.json").read_text())["summary"]
    assert summed["ranges_degrees"].keys() == {r.name for r in figures_of(swinging()).ranges}


def test_a_c3d_of_every_name_that_fits_can_be_written(tmp_path: Path) -> None:
    pytest.importorskip("ezc3d")
    for length in (226, 230, 250):  # the temporary name is longer, or a digest
        written = write_results(
            swinging(), {}, tmp_path, "x" * length, video=None, horizon_ms=160, formats=("c3d",)
        )
        assert written.files[-1].stat().st_size
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), MemoryError()])
def test_a_run_that_fails_half_way_leaves_the_results_of_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    write_results(swinging(), {}, tmp_path, "dance", video=None, horizon_ms=160)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setitem(FILE_FORMATS, "mot", replace(FILE_FORMATS["mot"], write=fails))
    with pytest.raises((InputError, MemoryError)) as raised:
        write_results(swinging(5.0), {}, tmp_path, "dance", video=None, horizon_ms=160)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    if isinstance(error, OSError):
        assert f"{tmp_path}: the disk is full" in str(raised.value)


def test_no_page_stands_beside_files_of_another_run_whenever_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, moves = Path.replace, 0

    def killed(self: Path, target: Path) -> Path:
        nonlocal moves
        if target.parent == tmp_path:
            moves -= 1
            if moves < 0:
                raise KeyboardInterrupt
        return whole(self, target)

    for at in range(5):
        monkeypatch.setattr(Path, "replace", whole)
        write_results(
            swinging(), {"estimator": "old"}, tmp_path, "a", video=None, horizon_ms=160,
            formats=("csv", "openpose"),
        )  # fmt: skip
        moves = at
        monkeypatch.setattr(Path, "replace", killed)
        with contextlib.suppress(KeyboardInterrupt):
            write_results(
                swinging(), {"estimator": "new"}, tmp_path, "a", video=None, horizon_ms=160,
                formats=("csv", "openpose"),
            )  # fmt: skip
        page, plain = tmp_path / "a.html", json.loads((tmp_path / "a.json").read_text())
        said = page.read_text() if page.exists() else ""
        assert (plain["models"]["estimator"] in said) == page.exists()
        assert page.exists() == (at == 4)
        assert not list(tmp_path.glob(".*"))
