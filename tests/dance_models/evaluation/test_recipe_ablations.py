"""Ablations are scored on clips held out of the training clips; the test split is not read."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dance_models.__main__ import main
from dance_models.checkpoint import Initial, load_checkpoint
from dance_models.config import (
    EvaluationConfig,
    PredictionExperiment,
    RecognitionExperiment,
    StgaNetConfig,
    TrainingConfig,
)
from dance_models.data.pose_runs import PoseRun, save_pose_runs
from dance_models.errors import InputError
from dance_models.evaluation.recipe_ablations import (
    FORECAST,
    MISSED,
    RECIPE_CHANGES,
    WHOLE,
    ClipErrors,
    RecipeChange,
    ablation_table,
    cross_validate,
    run_ablations,
    training_clips,
)
from dance_models.profiles import PROFILES
from dance_models.recipes import at_share
from dance_models.training.prediction import train_prediction
from dance_models.training.synthetic import synthetic_runs

CONFIG = EvaluationConfig()
SHORT = TrainingConfig(epochs=1, steps_per_epoch=3, batch_size=8, warmup_steps=0)
SMALL = PredictionExperiment(StgaNetConfig(channels=4, hidden=8), SHORT)


def _runs() -> list[PoseRun]:
    return [replace(run, fold=i % 3) for i, run in enumerate(synthetic_runs(7, 60))]


def _quiet(line: str) -> None:
    pass


def _annotated(found: dict[str, ClipErrors]) -> ClipErrors:
    return found[FORECAST.format("annotated")]


def _errors(*values: float) -> ClipErrors:
    """Of takes of one clip each."""
    clips = tuple(f"clip_{i}" for i in range(len(values)))
    return ClipErrors(clips, clips, np.array(values) * 10, np.full(len(values), 10.0))


def test_each_training_clip_is_scored_once_and_test_clips_never(tmp_path: Path) -> None:
    runs = _runs()
    test = [run.clip for run in runs if run.split == "test"]
    assert test
    found = _annotated(cross_validate(training_clips(runs), SMALL, 3, tmp_path / "a", _quiet))
    assert found.clips == tuple(sorted(run.clip for run in runs if run.clip not in test))
    assert np.isfinite(found.pooled)
    assert found.pooled > 0
    # The content of the test clips changes nothing.
    altered = [
        replace(run, annotation=run.annotation * 7) if run.split == "test" else run for run in runs
    ]
    again = _annotated(cross_validate(training_clips(altered), SMALL, 3, tmp_path / "b", _quiet))
    np.testing.assert_array_equal(again.sums, found.sums)


def test_a_missing_joint_counts_as_a_miss(tmp_path: Path) -> None:
    """Recognition pools joints; where no person was detected, all joints count as missed."""
    profile = PROFILES["smoke"].recognition
    experiment = RecognitionExperiment(profile.net, SHORT)
    runs = training_clips(_runs())
    whole = cross_validate(runs, experiment, 1, tmp_path / "whole", _quiet)[MISSED]
    lost = [replace(run, estimate=run.estimate * np.nan) if run.fold == 0 else run for run in runs]
    none = cross_validate(lost, experiment, 1, tmp_path / "lost", _quiet)[MISSED]
    assert none.clips == whole.clips
    assert none.pooled == 100 > whole.pooled


def test_the_interval_is_paired_over_takes() -> None:
    easy, hard = _errors(1, 2, 3, 4, 5, 6), _errors(11, 12, 13, 14, 15, 16)
    found = hard.minus(easy, CONFIG)
    assert found.value == pytest.approx(10)
    assert [float(end) for end in found.bounds] == pytest.approx([10, 10]), "the pairs are alike"
    assert (found.p_values, found.takes) == (2 / 2**6, 6)
    with pytest.raises(ValueError, match="other clips"):
        easy.minus(_errors(1, 2), CONFIG)
    pairs = tuple(f"take_{i // 2}" for i in range(6))
    found = replace(hard, groups=pairs).minus(replace(easy, groups=pairs), CONFIG)
    assert (found.p_values, found.takes, found.clips) == (2 / 2**3, 3, 6)


def test_the_table_reports_worse_better_or_neither() -> None:
    found = {
        WHOLE: {"near": _errors(*[5] * 8), "far": _errors(*[9] * 8)},
        "up": {"near": _errors(*[6, 7] * 4), "far": _errors(*[8] * 8)},
        "down": {"near": _errors(*[4, 3] * 4), "far": _errors(*[8] * 8)},
        "both": {"near": _errors(*[4, 6, 3, 7] * 2), "far": _errors(*[8] * 8)},
    }
    near, near_floor, far, _ = (
        part.splitlines() for part in ablation_table(found, CONFIG).strip().split("\n\n")
    )
    assert near_floor == ["8 takes and 3 changes: after Holm's correction p cannot go below 0.023."]
    assert near[0].startswith("| lever | near |")
    assert near[2] == "| whole recipe | 5.00 | | | |"
    assert near[3] == "| up | 6.50 | +1.50 [+1.12, +1.88] | 0.023 | worse |"
    assert [line.split(" | ")[-1].strip(" |") for line in near[3:]] == [
        "worse", "better", "inconclusive",
    ]  # fmt: skip
    assert far[0].startswith("| lever | far |")
    assert [line.split(" | ")[-1].strip(" |") for line in far[3:]] == ["better"] * 3


def test_few_takes_are_inconclusive_whatever_the_interval() -> None:
    found = {WHOLE: {"near": _errors(*[5] * 5)}, "up": {"near": _errors(*[6] * 5)}}
    table = ablation_table(found, CONFIG)
    assert "| up | 6.00 | +1.00 [+1.00, +1.00] | 0.062 | inconclusive |" in table


def test_several_seeds_are_pooled_inside_each_clip(tmp_path: Path) -> None:
    runs = training_clips(_runs())
    one = _annotated(cross_validate(runs, SMALL, 1, tmp_path / "one", _quiet))
    both = _annotated(cross_validate(runs, SMALL, 1, tmp_path / "two", _quiet, seeds=2))
    other = replace(SMALL, training=replace(SHORT, seed=1))
    second = _annotated(cross_validate(runs, other, 1, tmp_path / "other", _quiet))
    assert both.clips == one.clips
    np.testing.assert_allclose(both.sums, one.sums + second.sums)
    assert (tmp_path / "two" / "seed_1" / "fold_0" / "best.pt").is_file()


@pytest.mark.parametrize("task", sorted(RECIPE_CHANGES))
def test_every_change_changes_the_headline_network(task: str) -> None:
    """A change that equals the recipe would compare a network with itself."""
    study = PROFILES["study"]
    whole = getattr(study, task)
    for name, change in RECIPE_CHANGES[task].items():
        assert (change.applied_to(whole) == whole) == change.needs_no_training, name
        assert change != RecipeChange(), name
    short = at_share(whole.training, 0.1)
    assert short.steps_per_epoch * 10 == whole.training.steps_per_epoch
    assert short.warmup_steps * 10 == whole.training.warmup_steps
    assert short.ema_decay == pytest.approx(1 - 10 * (1 - whole.training.ema_decay))
    assert RecipeChange().applied_to(whole) == whole


def test_an_empty_fold_is_an_error(tmp_path: Path) -> None:
    runs = [replace(run, fold=run.fold + 1) for run in training_clips(_runs())]
    with pytest.raises(InputError, match="no fold holds out"):
        cross_validate(runs, SMALL, 1, tmp_path, _quiet)


def test_without_overlap_the_same_network_is_applied_differently(tmp_path: Path) -> None:
    longer = replace(SHORT, steps_per_epoch=30)  # until the corrections are seen in the score
    experiment = RecognitionExperiment(PROFILES["smoke"].recognition.net, longer)
    runs = [replace(run, fold=i % 3) for i, run in enumerate(synthetic_runs(5, 40))]
    found = run_ablations(
        runs, experiment, {"alone": RecipeChange(overlap=False)}, 1, tmp_path, _quiet
    )
    assert [folder.name for folder in tmp_path.iterdir()] == ["whole_recipe"]
    assert found["alone"][MISSED].clips == found[WHOLE][MISSED].clips
    assert found["alone"][MISSED].pooled != found[WHOLE][MISSED].pooled


def test_a_change_may_be_initial_weights(tmp_path: Path) -> None:
    runs = [replace(run, fold=i % 3) for i, run in enumerate(synthetic_runs(5, 80))]
    first = train_prediction(runs, SMALL.net, SHORT, tmp_path / "first")
    lines: list[str] = []
    found = run_ablations(
        runs,
        SMALL,
        {"started": RecipeChange(initial=first.best)},
        1,
        tmp_path / "out",
        lines.append,
    )
    assert set(found) == {WHOLE, "started"}
    assert set(found["started"]) == {FORECAST.format("annotated"), FORECAST.format("raw")}
    state = load_checkpoint(tmp_path / "out" / "started" / "fold_0" / "best.pt")
    assert state["initial"] == Initial(first.best).digest()
    assert lines == [WHOLE, "  fold 0: 2 clips", "started", "  fold 0: 2 clips"]


def test_the_command_prints_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"none": RecipeChange(training={"velocity_weight": 0.0}), "other": RecipeChange()}
    monkeypatch.setitem(RECIPE_CHANGES, "prediction", changes)
    save_pose_runs(_runs(), tmp_path / "runs.npz")
    arguments = ["levers", "--task", "prediction", "--runs", str(tmp_path / "runs.npz")]
    arguments += ["--profile", "smoke", "--folds", "2", "--length", "0.2", "--only", "none"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "other" not in printed
    assert re.search(r"\| none \| \d+\.\d\d \| [+-]\d+\.\d\d \[.*\] \| ", printed)
    # A second call trains nothing and gives the same result.
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("best.pt")}
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == printed
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("best.pt")} == before


def test_an_unknown_change_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_pose_runs(_runs(), tmp_path / "runs.npz")
    arguments = ["levers", "--task", "prediction", "--runs", str(tmp_path / "runs.npz")]
    assert main([*arguments, "--only", "magic", "--out", str(tmp_path / "out")]) == 2
    assert "there is no lever magic" in capsys.readouterr().err
