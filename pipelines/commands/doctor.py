"""``dance doctor``: what this machine can do, and which options suit it."""

import platform
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from pipelines.commands import common
from pipelines.commands.pose_options import CacheOption
from pipelines.shown import saying, shown

if TYPE_CHECKING:
    from dance_models.chain import Chain, ChainTimes

CAMERA_FPS: Final = 30
LEAST_DISK_MB: Final = 1000  # results and the temporary overlay of a long video
LEAST_MEMORY_MB: Final = 1500  # what `dance analyze` may need of 720p
SMALL: Final = (480, 360)  # pixels
_PACKAGES: Final = ("torch", "numpy", "opencv-python-headless", "av", "ai-edge-litert")


def doctor(
    seconds: Annotated[
        float, typer.Option(min=1, max=60, help="About how long the video is that is made for it.")
    ] = 3.0,
    cache: CacheOption = None,
    debug: common.DebugOption = False,
) -> None:
    """Check what `dance analyze` needs, time it on a rendered clip, and name options to use."""
    with common.reported(debug):
        out = common.console()
        for line in checked(cache):
            out.print(line, soft_wrap=True)
        measure(out, cache, round(seconds * CAMERA_FPS))


def checked(cache: Path | None) -> Iterator[str]:
    """Lines on versions, encoders, weights, disk and memory; a problem begins with its colour."""
    from dance_models import __version__
    from dance_models.analysis.encode import has_encoder
    from dance_models.estimators.weights import BLAZEPOSE, MOVENET, missing_weights
    from pipelines.storage.disk import free_mb
    from pipelines.storage.weights import user_weights

    packages = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    yield f"dance {__version__}, Python {platform.python_version()}, {shown(packages)}"
    for codec, use in (("libx264", "the overlay"), ("aac", "its sound")):
        there = has_encoder(codec)
        yield f"encoder {codec}: there" if there else problem(f"no encoder {codec} for {use}")
    folder = user_weights(cache).path
    for name, source in (("BlazePose", BLAZEPOSE), ("MoveNet, for --person", MOVENET)):
        missing = missing_weights(folder, source)
        state = "fetched when first needed, with a network" if missing else "there"
        yield f"weights of {name}: {state}"
    disk, memory = free_mb(Path.cwd()), _memory_mb()
    for what, free, least in (
        ("disk of this folder", disk, LEAST_DISK_MB),
        ("memory", memory, LEAST_MEMORY_MB),
    ):
        line = f"{what}: {free:.0f} MB free"
        yield line if free >= least else problem(f"{line}, {least} MB may be needed")
    yield f"processors: {common.processors()}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # OpenCV has several packages
        return "under another name"


def problem(text: str) -> str:
    """A line that stands out."""
    return f"[yellow]problem:[/] {text}"


def _memory_mb() -> float:
    import psutil

    return float(psutil.virtual_memory().available) / 1e6


def measure(out: Console, cache: Path | None, frames: int) -> None:
    """Time the chain with and without the mirrored pass, and say which options to use."""
    from dance_models.chain import chain_times
    from pipelines.commands.chain_table import chain_table

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chains = both_chains(cache, out)
        with out.status("rendering a clip"):
            clip = rendered_clip(folder, SMALL, frames)
        with out.status("timing the chain"):
            times = {title: chain_times(clip, chain, folder) for title, chain in chains.items()}
    out.print(chain_table(f"rendered clip, 480x360, {frames} frames", times))
    for title, found in times.items():
        out.print(
            f"{title}: a frame is decoded, estimated, refined and forecast within "
            f"{found.latency_ms(50):.0f} ms (median), {found.latency_ms(95):.0f} ms (p95).",
            soft_wrap=True,
        )
    for line in advice(times["mirrored pass"], times["--fast"], common.processors()):
        out.print(line, soft_wrap=True)


def advice(full: "ChainTimes", fast: "ChainTimes", cores: int) -> list[str]:
    """Which options to use, from the median latency of a frame: the camera brings 30 a second."""
    lines = [f"Threads: {min(2, cores)} for the estimator (what the commands take by themselves)."]
    camera, budget_ms = f"a camera of {CAMERA_FPS} frames/s", 1000 / CAMERA_FPS
    if full.latency_ms(50) <= budget_ms:
        return [*lines, f"Options: none are needed; both passes keep up with {camera}."]
    if fast.latency_ms(50) <= budget_ms:
        return [*lines, f"Options: --fast keeps up with {camera}; both passes do not."]
    rate = 1000 / fast.latency_ms(50)
    return [
        *lines,
        f"Options: --fast, which reaches {rate:.0f} frames/s here, less than {camera}. For a video "
        "that may take its time, leave it out: it costs some accuracy.",
    ]


def both_chains(cache: Path | None, out: Console) -> dict[str, "Chain"]:
    """The shipped networks, with the estimator's mirrored pass and without. Fetches weights."""
    from dataclasses import replace

    from dance_models.analysis import shipped
    from dance_models.chain import Chain
    from dance_models.config import EstimatorConfig
    from dance_models.inference.loading import estimator_for
    from pipelines.storage.weights import user_weights

    networks = shipped.networks()
    config = EstimatorConfig(threads=common.estimator_threads())
    config = estimator_for(networks.refiner, config)
    weights = user_weights(cache).ready(config, saying(out))
    fast = replace(config, mirrored_pass=False)
    return {
        "mirrored pass": Chain(networks, config, weights),
        "--fast": Chain(networks, fast, weights),
    }


def rendered_clip(folder: Path, size: tuple[int, int], frames: int) -> Path:
    """A clip of the demo corpus, made on the spot."""
    from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus

    below = folder / f"{size[0]}x{size[1]}"
    return write_demo_corpus(below, DemoCorpusConfig(clips=1, frames=frames, size=size))[0]
