"""The proof on the CPU: the path that a GPU takes, with small networks."""

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dance_models.__main__ import main
from dance_models.errors import InputError
from dance_models.proof import parts
from dance_models.proof.measures import kernel_seconds
from dance_models.proof.run import FORMAT, QUICK, run_proof
from dance_models.proof.table import proof_tables, read_proof

ROOT = Path(__file__).parents[3]
# No installed package can be found but torch, numpy and what they declare that they need.
BLOCKED = """
import importlib.metadata, re, sys
from importlib.machinery import PathFinder

def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()

kept, queue = set(), ["torch", "numpy", "dance-pose-pipeline"]
while queue:
    name = plain(queue.pop())
    if name in kept:
        continue
    kept.add(name)
    try:
        needed = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        continue
    if name != "dance-pose-pipeline":
        queue += [re.match(r"[\\w.-]+", line)[0] for line in needed if "extra ==" not in line]
blocked = {
    module
    for module, owners in importlib.metadata.packages_distributions().items()
    if not kept & {plain(owner) for owner in owners}
}
assert {"polars", "cv2", "dagster", "mlflow", "pandas"} <= blocked

class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            return None
        return super().find_spec(name, path, target)

sys.meta_path[:] = [Bare if finder is PathFinder else finder for finder in sys.meta_path]
if __name__ == "__main__":  # and not in the process that measures, which is bare too
    from dance_models.__main__ import main

    sys.exit(main(sys.argv[1:]))
"""


def test_the_whole_path_with_torch_and_numpy_alone(tmp_path: Path) -> None:
    out, bare = tmp_path / "proof.json", tmp_path / "bare.py"
    bare.write_text(BLOCKED)
    arguments = ["gpu-proof", "--device", "cpu", "--quick", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, str(bare), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = read_proof(out)
    assert document["finished"]
    states = {name: part["state"] for name, part in document["parts"].items()}
    assert set(states.values()) == {"done"}, document["parts"]
    assert set(states) == {
        *(
            f"{part} {row}"
            for part in ("agreement", "speed", "launched", "busy", "training")
            for row in parts.ROWS
        ),
        *(f"folds {row}" for row in parts.ROWS[:2]),
        "bf16 stga_net",
    }
    for row in parts.ROWS:
        # The CPU against itself.
        assert document["parts"][f"agreement {row}"]["gaps"] == [0] * 4
        assert document["parts"][f"speed {row}"]["steps_per_second"] > 0
        assert document["parts"][f"training {row}"]["epochs"] == 2
    assert document["parts"]["folds stga_net.paper"]["folds"] == 5
    assert not list(tmp_path.glob(".*"))
    assert proof_tables(document) in done.stdout


def test_what_does_not_fit_is_left_out_and_said(tmp_path: Path) -> None:
    """Half a minute of an imaginary clock that runs ten seconds at each look."""
    ticks = iter(range(0, 10_000, 10))
    said: list[str] = []
    out = tmp_path / "proof.json"
    document = run_proof(
        out, 0.01, "cpu", said.append, quick=True, clock=lambda: float(next(ticks))
    )
    assert {part["state"] for part in document["parts"].values()} == {"skipped"}
    assert len(said) == 1 + len(document["parts"]) == 24
    assert json.loads(out.read_text()) == document
    shown = proof_tables(document)
    assert "* training stga_net: skipped (0 s were left, it needs 1)" in shown
    assert "| mkff_st_gcn.paper | - | - | - | - | - | - |" in shown


def _faked(
    monkeypatch: pytest.MonkeyPatch, out: Path, fail: Callable[[], Any], minutes: float = 9
) -> dict[str, Any]:
    """A proof whose parts do nothing but this, and whose agreements say which process they are."""

    def agreement(setting: object, row: str) -> dict[str, Any]:
        ends = os.environ.get("TEARDOWN_CUPTI")
        return {"steps": 1, "first_gap": 0.002, "process": os.getpid(), "cupti_ends": ends}

    for name in ("speed", "busy", "folds", "bf16", "training"):
        monkeypatch.setattr(parts, name, lambda *arguments, **more: fail())
    monkeypatch.setattr(parts, "agreement", agreement)
    seen: list[int] = []

    def say(line: str) -> None:
        seen.append(len(json.loads(out.read_text())["parts"]))  # written after each part

    document = run_proof(out, minutes, "cpu", say, quick=True, method="fork")
    assert seen == list(range(24))
    assert document["finished"]
    return document


def test_a_part_that_fails_is_recorded_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In other processes: an error of CUDA stays in its own."""

    def fail() -> None:
        warnings.warn("the step could not be captured", stacklevel=2)
        raise RuntimeError("CUDA error: out of memory")

    document = _faked(monkeypatch, tmp_path / "proof.json", fail)
    failed = document["parts"]["speed stga_net"]
    assert failed["reason"] == "RuntimeError: CUDA error: out of memory"
    assert "in fail" in failed["trace"]
    assert failed["warnings"] == ["the step could not be captured"]
    agreed = [document["parts"][f"agreement {row}"] for row in parts.ROWS]
    assert {part["state"] for part in agreed} == {"done"}
    assert len({part["process"] for part in agreed} - {os.getpid()}) == len(agreed)
    assert {part["cupti_ends"] for part in agreed} == {"0"}
    assert "* speed stga_net: failed (RuntimeError: CUDA error: out of memory)" in proof_tables(
        document
    )
    assert "| stga_net | - | - | - | - | 0.20% | - |" in proof_tables(document)


def test_a_process_that_dies_costs_its_part_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = _faked(monkeypatch, tmp_path / "proof.json", lambda: os._exit(7))
    assert document["parts"]["bf16 stga_net"]["reason"] == "its process ended (code 7)"
    assert document["parts"]["agreement stga_net"]["state"] == "done"


def test_a_part_without_an_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = replace(QUICK, longest_seconds=0.5, least_seconds=0.1)
    monkeypatch.setattr("dance_models.proof.run.QUICK", short)
    began = time.monotonic()
    document = _faked(monkeypatch, tmp_path / "proof.json", lambda: time.sleep(60), minutes=0.12)
    assert time.monotonic() - began < 20
    killed = document["parts"]["speed stga_net.paper"]
    assert killed["reason"].startswith("it came to no end in 0 s")
    assert document["parts"]["agreement stga_net"]["state"] == "done"
    assert document["parts"]["training stga_net.paper"]["state"] in {"failed", "skipped"}


def test_spans_over_kernels_do_not_count_twice() -> None:
    def event(device: str, microseconds: float, *, span: bool = False) -> SimpleNamespace:
        return SimpleNamespace(
            device_type=SimpleNamespace(name=device),
            self_device_time_total=microseconds,
            is_user_annotation=span,
        )

    events = [event("CUDA", 2e6), event("CUDA", 3e6, span=True), event("CPU", 5e6)]
    assert kernel_seconds(events) == 2


def test_the_first_losses_without_tf32_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a GPU: TF32 is rounding, and what the last steps make of a rounding is no error."""

    def losses(setting: object, row: str, device: str, *more: object, tf32: bool = True) -> Any:
        return [2.0] * 4 if device == "cpu" else [2.1] * 4 if tf32 else [2.002, 2.0, 2.1, 2.2]

    monkeypatch.setattr(parts, "_losses", losses)
    found = parts.agreement(parts.Setting(QUICK, [], "cuda", 1), "stga_net")
    assert found["first_gap"] == pytest.approx(0.05)
    assert found["first_gap_float32"] == pytest.approx(0.001)
    assert found["gaps_float32"][-1] == pytest.approx(0.1)
    assert found["within_tolerance"]


def test_a_slow_cpu_takes_fewer_steps_of_the_agreement() -> None:
    config = replace(QUICK, agreement_steps=8, agreement_seconds=0.0)
    setting = parts.Setting(config, parts.proof_runs(config), "cpu", 1, shrunk=True)
    found = parts.agreement(setting, "stga_net")
    assert found["steps"] == 2
    assert len(found["loss_cpu"]) == len(found["loss_device"]) == 1


def test_a_training_that_is_cut_says_how_long_it_would_have_taken(tmp_path: Path) -> None:
    setting = parts.Setting(QUICK, parts.proof_runs(QUICK), "cpu", 1, shrunk=True)
    found = parts.training(setting, "stga_net", tmp_path, until=0.0, clock=lambda: 1.0)
    assert found["stopped_for_time"]
    assert (found["epochs"], found["epochs_of_recipe"]) == (1, 2)
    assert found["seconds_of_recipe_projected"] == pytest.approx(2 * found["seconds"])


def test_a_gpus_figures_in_tables(tmp_path: Path) -> None:
    """Figures that nobody measured, to show where they go."""
    measured = {
        "is_captured": True,
        "steps_per_second": 500.0,
        "utilisation_percent": None,
        "peak_memory_mib": 321.0,
    }
    speed = {"state": "done", **measured}
    busy = {"state": "done", "busy_share": 0.42}
    launched = {**speed, "is_captured": False, "steps_per_second": 50.0}
    document = {
        "format": FORMAT,
        "quick": False,
        "finished": True,
        "host": {"gpu": "a made-up GPU", "torch": "2.13.0"},
        "data": {"clips": 40, "frames": 8000},
        "parts": {"speed stga_net": speed, "launched stga_net": launched, "busy stga_net": busy},
    }
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(document))
    shown = proof_tables(read_proof(path))
    assert "a made-up GPU, torch 2.13.0, 8,000 frames" in shown
    assert "| stga_net | 500.0 | 50.0 | 42% | 321 | - | - |" in shown
    assert "* speed stga_net: no utilisation by the driver (pynvml is absent)" in shown


def test_another_file_is_no_proof(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.json"
    path.write_text("[]")
    assert main(["gpu-proof", "--show", str(path)]) == 2
    assert "this is no proof" in capsys.readouterr().err
    path.write_text('{"format": 99, "parts": {}}')
    with pytest.raises(InputError, match="another version"):
        read_proof(path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gpu-proof", "--out", str(tmp_path / "proof.json")]) == 2
    assert "there is no CUDA device" in capsys.readouterr().err
