"""``dance bench``: ratios and rates on a corpus generated for it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from dance_models.processes import STARTER
from pipelines.commands import common
from pipelines.shown import saying

if TYPE_CHECKING:
    from pipelines.storage.store import Store

SIZES: Final = ((480, 360), (1280, 720))
CHAIN_FRAMES: Final = 150


def bench(
    store: common.StoreOption = common.DEFAULT_STORE,
    clips: Annotated[int, typer.Option(min=1, help="Clips to generate.")] = 4,
    frames: Annotated[int, typer.Option(min=2, help="Frames per clip.")] = 1500,
    width: Annotated[int, typer.Option(min=64, max=7680, help="Pixels.")] = 480,
    height: Annotated[int, typer.Option(min=64, max=7680, help="Pixels.")] = 360,
    debug: common.DebugOption = False,
) -> None:
    """Time ingestion against a bare decode, the chain of `dance analyze` and training steps."""
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
    from pipelines.executors import PRELOADED
    from pipelines.storage.weights import ready_weights

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = DemoCorpusConfig(clips=clips, frames=frames, size=size, workers=2)
        with console.status(f"rendering {clips} clips of {frames} frames"):
            paths = write_demo_corpus(folder, config)
        # The share of the paper: 267 of 5,000 frames.
        sampling = SamplingConfig(frame_budget=clips * frames * 267 // 5000)
        with console.status("ingestion"):
            rows = bench_ingestion(
                paths, folder / "frames", sampling, os.cpu_count() or 1, PRELOADED
            )
        with console.status("estimator"):
            weights = ready_weights(store, EstimatorConfig(), saying(console))
            rows["estimator_frames_per_s"] = bench_estimator(
                paths[0], folder / "estimator", weights, 200
            )
    table = Table("figure", "value", title=f"{clips} clips x {frames} frames, {size[0]}x{size[1]}")
    for name, value in rows.items():
        table.add_row(name, f"{value:.3g}" if value < 1000 else f"{value:.0f}")
    console.print(table)
    bench_chain(console)
    environment = {**os.environ, STARTER: str(os.getpid())}  # it ends when this process is killed
    subprocess.run([sys.executable, "-m", "dance_models", "bench"], check=True, env=environment)


def bench_chain(console: Console) -> None:
    """The chain of ``dance analyze`` on two sizes, by stage, and one window of each network."""
    from dance_models.analysis import shipped
    from dance_models.bench import bench_windows
    from dance_models.chain import chain_rate, chain_times
    from pipelines.commands.chain_table import chain_table
    from pipelines.commands.doctor import both_chains, rendered_clip

    chains = both_chains(None, console)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in SIZES:
            with console.status(f"the chain at {size[0]}x{size[1]}"):
                clip = rendered_clip(folder, size, CHAIN_FRAMES)
                times = {title: chain_times(clip, chain, folder) for title, chain in chains.items()}
                rates = {title: chain_rate(clip, chain, folder) for title, chain in chains.items()}
            console.print(chain_table(f"{size[0]}x{size[1]}, {CHAIN_FRAMES} frames", times))
            both, fast = times.values()
            console.print(f"ratio, both passes to --fast: {both.total_ms / fast.total_ms:.2f}")
            for title, (poses, overlay) in rates.items():
                console.print(
                    f"{title}: {poses:.1f} frames/s to poses, {overlay:.1f} with the overlay"
                )
    paths = {
        "recognition": shipped.RECOGNITION,
        "recognition_causal": shipped.RECOGNITION_CAUSAL,
        "prediction": shipped.PREDICTION,
    }
    for row, value in bench_windows(paths).items():
        console.print(f"one window, {row}: {value:.2f}")
