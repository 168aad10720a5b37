"""``dance bench``: ratios and rates on a corpus generated for it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dance_models.processes import STARTER
from pipelines.commands import common
from pipelines.shown import saying

if TYPE_CHECKING:
    from pipelines.storage.store import Store


def bench(
    store: common.StoreOption = common.DEFAULT_STORE,
    clips: Annotated[int, typer.Option(help="Clips to generate.")] = 4,
    frames: Annotated[int, typer.Option(help="Frames a clip.")] = 1500,
    width: Annotated[int, typer.Option(help="Pixels.")] = 480,
    height: Annotated[int, typer.Option(help="Pixels.")] = 360,
    debug: common.DebugOption = False,
) -> None:
    """Time ingestion against a bare decode, the estimator and training steps."""
    with common.reported(debug):
        run_bench(common.opened(store), common.console(), clips, frames, (width, height))


def run_bench(
    store: "Store", console: Console, clips: int, frames: int, size: tuple[int, int]
) -> None:
    """Generate a corpus, time the stages and print the table. Machines differ: read the ratios."""
    from rich.table import Table

    from dance_models.bench import bench_estimator, bench_ingestion
    from dance_models.config import EstimatorConfig, SamplingConfig
    from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
    from pipelines.storage.weights import ready_weights

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
            weights = ready_weights(store, EstimatorConfig(), saying(console))
            rows["estimator_frames_per_s"] = bench_estimator(
                paths[0], folder / "estimator", weights, 200
            )
    table = Table("figure", "value", title=f"{clips} clips x {frames} frames, {size[0]}x{size[1]}")
    for name, value in rows.items():
        table.add_row(name, f"{value:.3g}" if value < 1000 else f"{value:.0f}")
    console.print(table)
    environment = {**os.environ, STARTER: str(os.getpid())}  # it ends when this process is killed
    subprocess.run([sys.executable, "-m", "dance_models", "bench"], check=True, env=environment)
