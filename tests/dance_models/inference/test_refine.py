from dataclasses import replace

import numpy as np
import pytest
import torch
from small_networks import SMALL, changed_after, one_run, small_forecaster, small_refiner

from dance_models.analysis.shipped import networks
from dance_models.batches.refine import RefineTensors
from dance_models.data.exchanged_sides import exchange
from dance_models.data.forecast_windows import cut_windows
from dance_models.data.refine_windows import refine_frames
from dance_models.geometry import mirror_keypoints
from dance_models.inference.forecast import forecast
from dance_models.inference.refine import mirrored_run, refine_observed, refine_runs, slice_run
from dance_models.metrics.torso import torso_scale, visible_annotation
from dance_models.nets.mkff_st_gcn import MkffStGcn


@pytest.mark.parametrize("changes", [{}, {"causal": True}, {"style_classes": 3}])
def test_an_untrained_refiner_returns_the_estimate(changes: dict[str, object]) -> None:
    runs = [one_run(40), one_run(5, seed=1)]
    refined = refine_runs(MkffStGcn(replace(SMALL, **changes)), runs)  # type: ignore[arg-type]
    for run, pose in zip(runs, refined, strict=True):
        np.testing.assert_allclose(pose, run.estimate, atol=0.01)


def test_windows_that_contain_a_frame_are_averaged() -> None:
    model, run = small_refiner(test_mirror=False), one_run(14)
    frames = refine_frames([run], SMALL)
    data = RefineTensors(frames, SMALL, torch.device("cpu"))
    outputs = []
    for start in (0, 1, 2):  # the windows that hold frame 2
        window = torch.arange(start, start + 11)[None]
        with torch.no_grad():
            pose = model(data.batch(window).packed)[0, 2 - start].numpy()
        outputs.append((pose + frames.centre[start + 5]) * frames.scale[0])
    (refined,) = refine_runs(model, [run])
    np.testing.assert_allclose(refined[2], np.mean(outputs, axis=0), rtol=1e-4)


@pytest.mark.parametrize(("frame", "start"), [(0, 0), (2, 0), (5, 0), (7, 2), (8, 3), (13, 3)])
def test_without_overlap_only_the_window_centred_on_a_frame_counts(frame: int, start: int) -> None:
    model, run = small_refiner(test_mirror=False), one_run(14)
    frames = refine_frames([run], SMALL)
    window = torch.arange(start, start + 11)[None]
    with torch.no_grad():
        batch = RefineTensors(frames, SMALL, torch.device("cpu")).batch(window)
        pose = model(batch.packed)[0, frame - start].numpy()
    expected = (pose + frames.centre[start + 5]) * frames.scale[0]
    (refined,) = refine_runs(model, [run], stride=3, overlap=False)
    np.testing.assert_allclose(refined[frame], expected, rtol=1e-4)


def test_runs_do_not_influence_each_other() -> None:
    model, run, other = small_refiner(), one_run(), one_run(seed=3)
    together = refine_runs(model, [other, run, other])[1]
    np.testing.assert_allclose(together, refine_runs(model, [run])[0], atol=1e-3)


@pytest.mark.parametrize("causal", [False, True])
def test_two_frames_close_together_do_not_throw_the_pose_away(causal: bool) -> None:
    """By the networks that come with the package; it was thousands of pixels."""
    model, run = networks(causal=causal).refiner, one_run(40)
    times = run.time_s.copy()
    times[20] = times[19] + 1e-5
    usual, close = refine_runs(model, [run, replace(run, time_s=times)])
    assert np.linalg.norm(close - usual, axis=-1).max() < 0.3 * torso_scale(run.estimate)


def test_mirroring_a_run_twice_is_the_identity() -> None:
    run = one_run()
    again = mirrored_run(mirrored_run(run))
    for name, values in vars(run).items():
        if isinstance(values, np.ndarray):
            np.testing.assert_allclose(getattr(again, name), values, atol=1e-3)


def test_with_the_mirrored_pass_refinement_commutes_with_mirroring() -> None:
    run = one_run()
    model = small_refiner(test_mirror=True)
    (plain,), (mirrored,) = refine_runs(model, [run]), refine_runs(model, [mirrored_run(run)])
    np.testing.assert_allclose(mirror_keypoints(mirrored, run.width), plain, atol=0.05)
    lopsided = small_refiner(test_mirror=False)
    (plain,), (other,) = refine_runs(lopsided, [run]), refine_runs(lopsided, [mirrored_run(run)])
    assert np.abs(mirror_keypoints(other, run.width) - plain).max() > 1


def test_refinement_follows_position_and_size() -> None:
    run = one_run()
    marks = run.landmarks * np.array([2, 2, 1]) + np.array([100, 50, 0])
    moved = replace(
        run,
        estimate=run.estimate * 2 + np.array([100, 50], np.float32),
        landmarks=marks.astype(np.float32),
    )
    model = small_refiner(test_mirror=False)
    (plain,), (other,) = refine_runs(model, [run]), refine_runs(model, [moved])
    np.testing.assert_allclose(other, plain * 2 + np.array([100, 50]), atol=0.05)


def test_a_run_without_a_person_stays_missing() -> None:
    run = one_run(30)
    undetected = replace(run, estimate=np.full_like(run.estimate, np.nan))
    refined = refine_runs(small_refiner(), [run, undetected])
    assert np.isfinite(refined[0]).all()
    assert np.isnan(refined[1]).all()
    assert refine_runs(small_refiner(), []) == []


@pytest.mark.parametrize("first_seen", [0, 4])
def test_a_causal_refiner_does_not_see_the_future(first_seen: int) -> None:
    """Bit for bit, whatever comes later: another size, another place, nobody, the first wrist."""
    model = small_refiner(causal=True, evidence=True)
    run = one_run(40)
    run.estimate[:first_seen] = np.nan
    run.estimate[:26, 6] = np.nan  # a wrist is not seen before frame 26
    later = replace(
        run,
        estimate=run.estimate.copy(),
        landmarks=run.landmarks.copy(),
        evidence=run.evidence.copy(),
        score=run.score.copy(),
    )
    for values in (later.estimate, later.landmarks, later.evidence, later.score):
        values[26:] *= 3
    later.estimate[33:] = np.nan
    (before,), (after,) = refine_runs(model, [run]), refine_runs(model, [later])
    np.testing.assert_array_equal(after[:26], before[:26])
    assert np.isnan(after[:first_seen]).all()
    assert np.isfinite(after[first_seen:]).all()
    assert np.abs(after[26:] - before[26:]).max() > 10


def test_slicing_a_run_slices_all_its_arrays() -> None:
    part = slice_run(one_run(30), 10, 16)
    assert len(part) == 6
    for values in vars(part).values():
        if isinstance(values, np.ndarray):
            assert len(values) == 6


# --- causality --------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [False, True])
def test_future_frames_cannot_change_a_forecast_from_refined_poses(causal: bool) -> None:
    refiner, forecaster, run = small_refiner(causal=causal), small_forecaster(), one_run(60)
    windows = cut_windows([run], [visible_annotation(run)], stride=4)
    expected = forecast(forecaster, refine_observed(refiner, [run], windows))
    for index in (0, len(windows) // 2, len(windows) - 1):
        later = changed_after(run, int(windows.anchor[index]))
        other = cut_windows([later], [visible_annotation(later)], stride=4)
        which = other.anchor.tolist().index(windows.anchor[index])
        changed = forecast(forecaster, refine_observed(refiner, [later], other))
        np.testing.assert_array_equal(changed[which], expected[index])


def test_refining_the_whole_run_does_depend_on_future_frames() -> None:
    """The counterexample that the test above guards against."""
    refiner, run = small_refiner(), one_run(60)
    anchor = 34
    (whole,), (changed,) = (
        refine_runs(refiner, [run]),
        refine_runs(refiner, [changed_after(run, anchor)]),
    )
    assert np.abs(whole[: anchor + 1] - changed[: anchor + 1]).max() > 0.1


def test_observed_frames_are_refined_on_the_grid() -> None:
    """An untrained refiner changes nothing: the output is the estimate at the grid's times."""
    run = one_run(60)
    windows = cut_windows([run], [run.estimate])
    refined = refine_observed(MkffStGcn(SMALL), [run], windows)
    np.testing.assert_allclose(refined, windows.observed, atol=0.02)
    assert refine_observed(MkffStGcn(SMALL), [], cut_windows([], [])).shape == (0, 27, 14, 2)


def test_a_window_that_is_mostly_exchanged_has_its_sides_restored() -> None:
    """By what came before it; and what comes after the window changes nothing."""
    model, run = small_refiner(), one_run(90)
    frames = np.arange(90)
    seen = exchange(run, "body", (frames >= 40) & (frames < 62))
    windows = cut_windows([run], [visible_annotation(run)])
    at = int(np.flatnonzero(windows.anchor == 60)[0])  # observes frames 28 to 60
    expected, restored = (refine_observed(model, [r], windows) for r in (run, seen))
    np.testing.assert_allclose(restored[at], expected[at], atol=1e-3)
    later = refine_observed(model, [changed_after(seen, 60)], windows)
    np.testing.assert_array_equal(later[at], restored[at])
