"""Trainings on two devices, here processes: they are those of one, and end together."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from network_cases import NETWORKS, all_kinds, kinds
from shared_trainings import (
    BATCH,
    FORECASTER,
    TRAINING,
    everything,
    fail_in_the_second,
    gappy_runs,
    train_both,
    wait_for_each_other,
)
from watched_process import note_of, wait_until

from dance_models.checkpoint import load_checkpoint
from dance_models.data.pose_runs import save_pose_runs
from dance_models.errors import InputError
from dance_models.training.prediction import train_prediction
from dance_models.training.ranks import Ranks, all_ranks

ROOT = Path(__file__).parents[3]
TWO = replace(TRAINING, devices=2)
# Of the tests that use what two processes did: made once, in one process of pytest-xdist.
together = pytest.mark.xdist_group("ranks")
needs_two = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes did everything."""
    folder = tmp_path_factory.mktemp("ranks")
    with all_ranks(TWO, everything, folder):
        everything(folder)
    return folder


@needs_two
@together
def test_parts_of_a_batch_give_the_gradients_and_statistics_of_the_whole(done: Path) -> None:
    """Of every network, in double precision, with the entries that count in one part."""
    gaps = json.loads((done / "gaps.json").read_text())
    assert kinds(NETWORKS[name] for name in gaps) == all_kinds()
    assert {name: gap for name, gap in gaps.items() if not gap < 1e-9} == {}


@needs_two
@together
def test_two_devices_train_what_one_trains(done: Path, tmp_path: Path) -> None:
    train_both(tmp_path, 1)
    for kind in ("recognition", "prediction"):
        for name in ("last.pt", "best.pt"):
            one, two = (load_checkpoint(folder / kind / name) for folder in (tmp_path, done))
            assert two["experiment"]["training"].pop("devices") == 2
            assert two["experiment"] == one["experiment"]  # with the rate that was chosen
            for key, value in one["model"].items():
                torch.testing.assert_close(two["model"][key], value, rtol=1e-3, atol=1e-4)
            for a, b in zip(one["history"], two["history"], strict=True):
                for measure in ("learning_rate", "train_loss", "score"):
                    assert b[measure] == pytest.approx(a[measure], rel=1e-4)
        assert sorted(p.name for p in (done / kind).iterdir()) == sorted(
            p.name for p in (tmp_path / kind).iterdir()
        )


@needs_two
@together
def test_a_training_on_two_devices_goes_on_bit_for_bit(done: Path) -> None:
    for name in ("last.pt", "best.pt"):
        assert (done / "resumed" / name).read_bytes() == (done / "whole" / name).read_bytes()


@needs_two
def test_the_death_of_one_process_ends_the_training(tmp_path: Path) -> None:
    hook = sys.excepthook

    def kill() -> None:
        os.kill(note_of(tmp_path / "second"), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    with (
        pytest.raises(InputError, match=r"process 2 of 2 of the training ended \(SIGKILL\)"),
        all_ranks(TWO, wait_for_each_other, tmp_path),
    ):
        wait_for_each_other(tmp_path)
    thread.join()
    assert not psutil.pid_exists(note_of(tmp_path / "second"))
    assert Ranks.present() == Ranks(0, 1)
    assert sys.excepthook is hook


@needs_two
@pytest.mark.slow
def test_the_error_of_another_process_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"process 2 of 2 .*ValueError: no room on its device"),
        all_ranks(TWO, fail_in_the_second, tmp_path),
    ):
        fail_in_the_second(tmp_path)


@needs_two
@pytest.mark.slow
def test_a_process_that_does_not_even_start_is_told(tmp_path: Path) -> None:
    """It is killed while it imports what it is to do, and there is more than a pipe holds."""
    data = bytes(10_000_000)

    def kill() -> None:
        wait_until(lambda: bool(_spawned()))
        _spawned()[0].kill()

    thread = threading.Thread(target=kill)
    thread.start()
    with (
        pytest.raises(InputError, match=r"process 2 of 2 .* \(SIGKILL\)"),
        all_ranks(TWO, everything, tmp_path, data),
    ):
        raise AssertionError("the training began")
    thread.join()
    assert _spawned() == []


def _spawned() -> list[psutil.Process]:
    found = psutil.Process().children()
    return [process for process in found if "spawn_main" in " ".join(process.cmdline())]


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Starts the command that trains for very long on two devices; ends what is left of it."""
    save_pose_runs(gappy_runs(), tmp_path / "runs.npz")
    settings = ["devices=2", "device=cpu", "epochs=9999", "steps_per_epoch=2"]
    what = [
        "train",
        "--task",
        "prediction",
        "--profile",
        "smoke",
        "--net",
        "channels=4",
        "hidden=8",
    ]
    files = ["--runs", str(tmp_path / "runs.npz"), "--out", str(tmp_path / "out")]
    started: list[subprocess.Popen[str]] = []

    def start() -> "subprocess.Popen[str]":
        words = [sys.executable, "-m", "dance_models", *what, *files, "--training", *settings]
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=ROOT
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@needs_two
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_first_process_ends_all_end_and_the_same_command_goes_on(
    number: signal.Signals, command: Callable[[], "subprocess.Popen[str]"]
) -> None:
    first = command()
    assert first.stdout is not None
    assert first.stdout.readline().startswith("epoch 1:")
    others = psutil.Process(first.pid).children(recursive=True)
    assert len(others) >= 1
    first.send_signal(number)
    assert first.wait() == -number
    assert psutil.wait_procs(others, timeout=120)[1] == []
    again = command()
    assert again.stdout is not None
    line = again.stdout.readline()
    assert line.startswith("epoch ") and not line.startswith("epoch 1:")


@pytest.mark.parametrize(
    ("devices", "complaint"),
    [
        (0, "devices is 0: a training needs at least one"),
        (1000, rf"devices is 1000, but there are {os.cpu_count()} CPU cores"),
    ],
)
def test_devices_that_are_not_there_are_refused(
    devices: int, complaint: str, tmp_path: Path
) -> None:
    config = replace(TRAINING, devices=devices)
    with pytest.raises(InputError, match=complaint):
        train_prediction(gappy_runs(), FORECASTER, config, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_each_device_needs_a_part_of_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    config = replace(TRAINING, devices=BATCH + 1)
    with pytest.raises(InputError, match="devices is 6, but a batch has only 5 windows"):
        train_prediction(gappy_runs(), FORECASTER, config, tmp_path)


def test_alone_a_process_is_the_first_and_keeps_its_seed() -> None:
    ranks = Ranks.present()
    assert (ranks, ranks.is_first, ranks.seed(5)) == (Ranks(0, 1), True, 5)
    assert ranks.by_first(lambda: "made") == "made"
    seeds = {Ranks(rank, 8).seed(5) % 2**32 for rank in range(8)}
    assert len(seeds) == 8  # of the generator on a CPU
