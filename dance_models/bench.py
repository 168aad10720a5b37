"""How fast the stages are, as ratios and rates on a generated corpus: ``dance bench``."""

import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import av

from dance_models.config import EstimatorConfig, SamplingConfig
from dance_models.data.sampling import frame_share, plan_runs
from dance_models.estimators.base import make_estimator
from dance_models.estimators.tracks import estimate_track
from dance_models.video.decode import extract_frames, image_path
from dance_models.video.probe import probe_clip


def bare_decode(clips: Sequence[Path]) -> int:
    """Decode every clip once, sequentially, and throw the frames away; their number."""
    frames = 0
    for path in clips:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            frames += sum(1 for _ in container.decode(stream))
    return frames


def ingest(clips: Sequence[Path], folder: Path, config: SamplingConfig) -> list[Path]:
    """Probe, plan and extract every clip; the images."""
    share = frame_share(config, len(clips))
    images = []
    for path in clips:
        probe = probe_clip(path)
        runs = plan_runs(config, motion=probe.motion, share=share)
        wanted = [frame for run in runs for frame in range(run.start, run.stop)]
        images += [f.path for f in extract_frames(path, probe, wanted, folder / path.stem)]
    return images


def timed(work: Callable[[], object], repeats: int = 3) -> float:
    """The shortest of some wall times, seconds."""
    seconds = []
    for _ in range(repeats):
        started = perf_counter()
        work()
        seconds.append(perf_counter() - started)
    return min(seconds)


def bench_ingestion(
    clips: Sequence[Path], folder: Path, config: SamplingConfig
) -> dict[str, float]:
    """Ingestion against a bare decode of the same files, in one process one after the other."""
    frames = bare_decode(clips)  # also warms the page cache for both
    bare = timed(lambda: bare_decode(clips))
    ours = timed(lambda: ingest(clips, folder, config))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "frames": float(frames),
        "bare_decode_s": bare,
        "ingestion_s": ours,
        "ingestion_over_bare_decode": ours / bare,
        "peak_memory_mb": own / 1024,
        "peak_memory_of_a_decoder_mb": child / 1024,
    }


def bench_estimator(clip: Path, folder: Path, weights: Path, frames: int) -> float:
    """Frames a second of BlazePose on one thread, JPEG reading included."""
    probe = probe_clip(clip)
    wanted = list(range(min(frames, probe.decoded_frames)))
    extract_frames(clip, probe, wanted, folder)
    estimator = make_estimator(EstimatorConfig(), weights, clip.stem)
    images = [(0, f, image_path(folder, f)) for f in wanted]
    list(estimate_track(estimator, images[:5]))
    seconds = timed(lambda: list(estimate_track(estimator, images)), repeats=2)
    return len(wanted) / seconds
