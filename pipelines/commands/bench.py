"""``dance bench``: ratios and rates on a corpus generated for it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dance_models.bench import bench_estimator, bench_ingestion
from dance_models.config import SamplingConfig
from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from dance_models.estimators.weights import fetch_weights
from pipelines.storage.store import Store


def run_bench(
    store: Store, console: Console, clips: int, frames: int, size: tuple[int, int]
) -> None:
    """Generate a corpus, time the stages and print the table. Machines differ: read the ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = DemoCorpusConfig(clips=clips, frames=frames, size=size, workers=2)
        with console.status(f"rendering {clips} clips of {frames} frames"):
            paths = write_demo_corpus(folder, config)
        # The share of the paper: 267 of 5,000 frames.
        sampling = SamplingConfig(frame_budget=max(clips * frames * 267 // 5000, 40 * clips))
        with console.status("ingestion"):
            rows = bench_ingestion(paths, folder / "frames", sampling, os.cpu_count() or 1)
        with console.status("estimator"):
            weights = fetch_weights(store.weights)
            rows["estimator_frames_per_s"] = bench_estimator(
                paths[0], folder / "estimator", weights, 200
            )
    table = Table("figure", "value", title=f"{clips} clips x {frames} frames, {size[0]}x{size[1]}")
    for name, value in rows.items():
        table.add_row(name, f"{value:.3g}" if value < 1000 else f"{value:.0f}")
    console.print(table)
    subprocess.run([sys.executable, "-m", "dance_models", "bench"], check=True)
