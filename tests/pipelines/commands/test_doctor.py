"""``dance doctor`` and the option that it may advise; no weights are fetched."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dance_models.analysis import encode
from dance_models.chain import OVERLAY, STAGES, ChainTimes, Stopwatch
from dance_models.errors import InputError
from pipelines.cli import make_app
from pipelines.commands import doctor
from pipelines.commands.chain_table import chain_table
from pipelines.commands.video_poses import PoseOptions, check_pose_options


def times(waited_ms: float) -> ChainTimes:
    """Each stage takes 1 ms of CPU a frame, and each frame waits so long for its estimate."""
    return ChainTimes(10, (480, 360), dict.fromkeys(STAGES, 1.0), np.full(9, waited_ms))


def test_figures_of_the_chain() -> None:
    found = times(20)
    assert found.total_ms == len(STAGES)
    assert found.poses_ms == len(STAGES) - len(OVERLAY)
    assert found.share("decode") == 1 / len(STAGES)
    assert found.latency_ms(95) == 22  # and refining and forecasting, 1 ms each


def test_a_stopwatch_adds_up_even_when_a_stage_fails() -> None:
    watch, ticks = Stopwatch(), iter([0.0, 1.0, 5.0, 7.0])
    with watch.stage("one", ticks.__next__):
        pass
    with pytest.raises(ValueError, match="stop"), watch.stage("one", ticks.__next__):
        raise ValueError("stop")
    assert watch.taken_s == {"one": 3.0}


@pytest.mark.parametrize(
    ("full_ms", "fast_ms", "says"),
    [
        (20, 12, "Use no option"),
        (40, 20, "Use --fast to keep up"),
        (98, 48, "it reaches 20 frames a second here"),
    ],
)
def test_the_advice_goes_by_what_a_camera_brings(full_ms: float, fast_ms: float, says: str) -> None:
    lines = doctor.advice(times(full_ms), times(fast_ms), 4)
    assert " 2 of the processor's cores" in lines[0]
    assert says in lines[-1]
    assert " 1 of the processor's cores" in doctor.advice(times(1), times(1), 1)[0]


def test_what_is_missing_is_said_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not encode.has_encoder("no such codec")
    monkeypatch.setattr(encode, "has_encoder", "aac".__eq__)
    monkeypatch.setattr(doctor, "_memory_mb", lambda: 100.0)
    lines = list(doctor.checked(tmp_path / "cache"))
    assert doctor.problem("there is no encoder libx264, for the video with the skeleton") in lines
    assert "encoder aac, for its sound: there" in lines
    assert any("BlazePose: fetched when first needed" in line for line in lines)
    assert doctor.problem("memory: 100 MB free, 1500 MB may be needed") in lines
    assert not list(tmp_path.iterdir())


def test_the_table_has_a_row_for_each_stage() -> None:
    table = chain_table("title", {"one": times(1), "other": times(1)})
    assert list(table.columns[0].cells)[: len(STAGES)] == list(STAGES)
    assert next(iter(table.columns[1].cells)) == "1.00 (11%)"


def test_fast_is_about_the_own_estimator(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--fast is about our estimator"):
        check_pose_options(PoseOptions(fast=True, tracks=tmp_path), with_video=True)
    done = CliRunner().invoke(make_app(), ["analyze", "--help"])
    assert "--fast" in done.output
