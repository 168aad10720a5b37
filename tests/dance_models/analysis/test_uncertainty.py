"""The errors of the angles: known ones, by fold, to a file, and those of the package."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import figure, make_run
from small_networks import small_refiner

from dance_models.__main__ import main
from dance_models.analysis.angles import ANGLES
from dance_models.analysis.uncertainty import (
    angle_errors,
    measured_errors,
    run_errors,
    write_errors,
)
from dance_models.data.pose_runs import PoseRun, save_pose_runs
from dance_models.errors import InputError
from dance_models.skeleton import DANCE_14
from dance_models.training.synthetic import synthetic_runs

BANDS = {angle.name for angle in ANGLES if not angle.of_feet}
WRIST, ELBOW, NECK = (DANCE_14.index[n] for n in ("left_wrist", "left_elbow", "neck"))


def three_folds() -> list[PoseRun]:
    runs = synthetic_runs(3, 24, seed=2)
    return [
        replace(run, clip=f"clip{i}", group=f"take{i}", fold=i, variant=0)
        for i, run in enumerate(runs)
    ]


def test_known_errors_in_frames_where_all_is_known() -> None:
    truth = np.tile(figure(), (6, 1, 1))
    refined = truth.astype(np.float32)
    turned = truth.copy()  # the forearm by 90 degrees
    x, y = (turned[:, WRIST] - turned[:, ELBOW]).T
    turned[:, WRIST] = turned[:, ELBOW] + np.stack([-y, x], axis=1)
    truth[0, WRIST] = np.nan
    turned[1] = np.nan
    refined[2, NECK] = np.nan
    found = run_errors(make_run(truth, turned), refined)
    assert found.keys() == BANDS
    raw, after = found["left_elbow"]
    np.testing.assert_allclose(after, 0, atol=1e-4)
    assert len(raw) == 4  # without frames 0 and 1: the neck is not of the elbow
    assert len(found["trunk"][0]) == 4  # without frames 1 and 2
    straight = run_errors(make_run(np.tile(figure(), (6, 1, 1))), np.tile(figure(), (6, 1, 1)))
    assert max(float(np.max(both)) for both in straight.values()) < 1e-4


def test_every_fold_is_refined_by_its_own_network(tmp_path: Path) -> None:
    runs, networks = three_folds(), [small_refiner() for _ in range(3)]
    errors = angle_errors(runs, networks, "three clips")
    assert (errors.clips, errors.frames) == (3, sum(int(r.annotated.sum()) for r in runs))
    assert errors.angles.keys() <= BANDS
    for error in errors.angles.values():
        assert 0 <= error.raw_median <= error.raw_p90 <= 180
        assert 0 <= error.refined_median <= error.refined_p90 <= 180
    with pytest.raises(InputError, match="2 networks for 3 folds"):
        angle_errors(runs, networks[:2], "three clips")
    write_errors(errors, tmp_path / "errors.json")
    assert json.loads((tmp_path / "errors.json").read_text())["corpus"] == "three clips"


def test_the_command_writes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_pose_runs(three_folds(), tmp_path / "runs.npz")
    network = small_refiner()
    monkeypatch.setattr("dance_models.inference.loading.load_refiner", lambda path: network)
    out = tmp_path / "errors.json"
    words = ["uncertainty", "--runs", str(tmp_path / "runs.npz"), "--out", str(out)]
    assert main([*words, "--checkpoints", "a", "b", "c", "--corpus", "my clips"]) == 0
    assert json.loads(out.read_text())["corpus"] == "my clips"
    assert "left_knee: raw" in capsys.readouterr().out


def test_the_package_brings_errors_of_the_rendered_corpus() -> None:
    errors = measured_errors()
    assert errors.angles.keys() == BANDS
    assert "rendered" in errors.corpus
    assert f"{errors.clips} clips, {errors.frames} frames" in errors.words
    for error in errors.angles.values():
        assert 0 < error.refined_median < error.refined_p90
        assert 0 < error.raw_median < error.raw_p90
        assert 0 < error.frames <= errors.frames
