"""The speed of the stages, as ratios and rates on a generated corpus: ``dance bench``."""

import resource
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from time import perf_counter, thread_time

import numpy as np

from dance_models.config import EstimatorConfig, SamplingConfig
from dance_models.data.sampling import frame_share, plan_runs
from dance_models.estimators.factory import make_estimator
from dance_models.estimators.tracks import estimate_track
from dance_models.export.program import exportable
from dance_models.export.sessions import fast_forecaster, fast_refiner
from dance_models.export.timing import window_times
from dance_models.nets.build import is_refiner
from dance_models.processes import worker_pool
from dance_models.video.decode import extract_frames, image_path
from dance_models.video.probe import probe_clip
from dance_models.video.source import open_source


def bare_decode(clips: Sequence[Path]) -> int:
    """Decode every clip once, in order, and return the number of frames."""
    frames = 0
    for path in clips:
        with open_source(path, mode="careful") as source:
            frames += sum(1 for _ in source.frames)
    return frames


def ingest(path: Path, folder: Path, config: SamplingConfig, clips: int) -> list[Path]:
    """Probe, plan and extract one of ``clips`` clips; the images."""
    probe = probe_clip(path)
    share = frame_share(config, clips, probe.fps)
    runs = plan_runs(config, motion=probe.motion, fps=probe.fps, share=share)
    wanted = [frame for run in runs for frame in range(run.start, run.stop)]
    return [f.path for f in extract_frames(path, probe, wanted, folder / path.stem)]


def timed(work: Callable[[], object], repeats: int = 3) -> float:
    """The shortest of some wall times, seconds."""
    seconds = []
    for _ in range(repeats):
        started = perf_counter()
        work()
        seconds.append(perf_counter() - started)
    return min(seconds)


def bench_ingestion(
    clips: Sequence[Path], folder: Path, config: SamplingConfig, workers: int
) -> dict[str, float]:
    """Ingestion against a bare sequential decode of the same files.

    By ``workers`` processes over the clips, as ``dance run`` works, and by one. The shortest of
    some repeats, so starting the processes does not count.
    """
    frames = bare_decode(clips)  # also warms the page cache for all
    bare = timed(lambda: bare_decode(clips))
    arguments = (clips, repeat(folder), repeat(config), repeat(len(clips)))
    one = timed(lambda: list(map(ingest, *arguments)))
    with worker_pool(workers) as pool:
        many = timed(lambda: list(pool.map(ingest, *arguments)))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "frames": float(frames),
        "bare_decode_s": bare,
        "ingestion_s": many,
        "ingestion_over_bare_decode": many / bare,
        "workers": float(workers),
        "ingestion_over_bare_decode_one_worker": one / bare,
        "peak_memory_mb": own / 1024,
        "peak_memory_of_a_worker_mb": child / 1024,
    }


def bench_windows(checkpoints: Mapping[str, Path]) -> dict[str, float]:
    """Median ms of processor time for one window at batch 1 on one thread, by network.

    In torch, and in ONNX Runtime as ``dance analyze`` and ``dance live`` run it.
    """
    rows = {}
    for name, checkpoint in checkpoints.items():
        module, example = exportable(checkpoint)
        fast = fast_refiner(module) if is_refiner(module) else fast_forecaster(module)
        for how, run in (("torch", module), ("onnx", fast)):
            rows[f"{name}_{how}_ms"] = float(
                np.median(window_times(run, example[:1], 1, thread_time))
            )
    return rows


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
