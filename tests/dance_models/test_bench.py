"""What ``dance bench`` measures."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from dance_models.bench import bench_ingestion, spent
from dance_models.config import SamplingConfig
from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus

BUSY = "import time\nwhile time.process_time() < 0.4: pass"


def test_the_time_of_processes_that_ended_counts() -> None:
    busy = partial(subprocess.run, [sys.executable, "-c", BUSY], check=True)
    assert spent(busy) > 0.35


def test_waiting_does_not_count() -> None:
    assert spent(partial(subprocess.run, ["sleep", "0.5"], check=True)) < 0.3


def test_ingestion_is_compared_with_a_decode_of_the_same_files(tmp_path: Path) -> None:
    clips = write_demo_corpus(tmp_path, DemoCorpusConfig(clips=1, frames=60, size=(160, 120)))
    rows = bench_ingestion(clips, tmp_path / "frames", SamplingConfig(frame_budget=50), workers=1)
    assert rows["frames"] == 60
    ratio = rows["ingestion_cpu_s"] / rows["bare_decode_cpu_s"]
    assert rows["ingestion_over_bare_decode"] == pytest.approx(ratio)
    assert list((tmp_path / "frames").glob("*/*/*.jpg"))
