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
USUAL: Final = "without --fast"  # the chains that are timed
FAST: Final = "with --fast"
_PACKAGES: Final = ("torch", "numpy", "opencv-python-headless", "av", "ai-edge-litert")


def doctor(
    seconds: Annotated[
        float,
        typer.Option(min=1, max=60, help="About how many seconds of video to render."),
    ] = 3.0,
    cache: CacheOption = None,
    debug: common.DebugOption = False,
) -> None:
    """Check that this machine has what `dance analyze` needs, and time it on a rendered clip.

    The last line says which options to use.
    """
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
    for codec, use in (("libx264", "the video with the skeleton"), ("aac", "its sound")):
        there = has_encoder(codec)
        what = f"encoder {codec}, for {use}"
        yield f"{what}: there" if there else problem(f"there is no {what}")
    folder = user_weights(cache).path
    for name, source in (("BlazePose", BLAZEPOSE), ("MoveNet, for --person", MOVENET)):
        missing = missing_weights(folder, source)
        state = "fetched when first needed, which takes a network" if missing else "there"
        yield f"files (weights) of the pose estimator {name}: {state}"
    disk, memory = free_mb(Path.cwd()), _memory_mb()
    for what, free, least in (
        ("disk space for results in this folder", disk, LEAST_DISK_MB),
        ("memory", memory, LEAST_MEMORY_MB),
    ):
        line = f"{what}: {free:.0f} MB free"
        yield line if free >= least else problem(f"{line}, {least} MB may be needed")
    yield f"processor cores: {common.processors()}"


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
        with out.status("timing the work on it"):
            times = {title: chain_times(clip, chain, folder) for title, chain in chains.items()}
    out.print(chain_table(f"A rendered clip, 480x360, {frames} frames", times))
    for title, found in times.items():
        out.print(
            f"{title}: from a frame of the video to its pose and forecast it takes "
            f"{found.latency_ms(50):.0f} ms (median), and at most {found.latency_ms(95):.0f} ms in "
            "95 of 100 frames.",
            soft_wrap=True,
        )
    for line in advice(times[USUAL], times[FAST], common.processors()):
        out.print(line, soft_wrap=True)


def advice(full: "ChainTimes", fast: "ChainTimes", cores: int) -> list[str]:
    """Which options to use, from the median latency of a frame: the camera brings 30 a second."""
    threads = min(2, cores)
    lines = [
        f"The pose estimator uses {threads} of the processor's cores by itself: nothing to choose."
    ]
    camera, budget_ms = f"a camera of {CAMERA_FPS} frames a second", 1000 / CAMERA_FPS
    if full.latency_ms(50) <= budget_ms:
        return [*lines, f"Use no option: this machine keeps up with {camera} without --fast."]
    if fast.latency_ms(50) <= budget_ms:
        return [
            *lines,
            f"Use --fast to keep up with {camera}. Leave it out where a video may take longer: it "
            "costs some accuracy.",
        ]
    rate = 1000 / fast.latency_ms(50)
    return [
        *lines,
        f"Use --fast where it has to be quick: it reaches {rate:.0f} frames a second here, less "
        f"than {camera}. Leave it out where a video may take longer: it costs some accuracy.",
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
        USUAL: Chain(networks, config, weights),
        FAST: Chain(networks, fast, weights),
    }


def rendered_clip(folder: Path, size: tuple[int, int], frames: int) -> Path:
    """A clip of the demo corpus, made on the spot."""
    from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus

    below = folder / f"{size[0]}x{size[1]}"
    return write_demo_corpus(below, DemoCorpusConfig(clips=1, frames=frames, size=size))[0]
