"""The speed of the stages, as ratios and rates on a generated corpus: ``dance bench``."""

import resource
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import count, repeat
from pathlib import Path
from time import perf_counter, thread_time
from typing import Final

import numpy as np
import psutil

from dance_models.config import EstimatorConfig, SamplingConfig
from dance_models.data.sampling import frame_share, pauses, plan_runs
from dance_models.estimators.factory import make_estimator
from dance_models.estimators.tracks import estimate_track
from dance_models.export.program import exportable
from dance_models.export.sessions import fast_forecaster, fast_refiner
from dance_models.export.timing import window_times
from dance_models.nets.build import is_refiner
from dance_models.processes import DECODING, start_fork_server, worker_pool
from dance_models.video.decode import extract_frames, image_path
from dance_models.video.probe import probe_clip
from dance_models.video.source import open_source

REPEATS: Final = 3


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
    runs = plan_runs(
        config, motion=probe.motion, fps=probe.fps, share=share, pauses=pauses(probe.time_s)
    )
    wanted = [frame for run in runs for frame in range(run.start, run.stop)]
    return [f.path for f in extract_frames(path, probe, wanted, folder / path.stem)]


def timed(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """The shortest of some wall times, seconds."""
    seconds = []
    for _ in range(repeats):
        started = perf_counter()
        work()
        seconds.append(perf_counter() - started)
    return min(seconds)


def family_time() -> float:
    """Seconds of processor time of this process and of all that it started, ended ones included.

    On Linux; elsewhere without those that have ended.
    """
    own = psutil.Process()
    seconds = 0.0
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            seconds += sum(process.cpu_times()[:4])  # user, system, and those of ended children
    return seconds


def spent(work: Callable[[], object]) -> float:
    """Seconds of processor time of one call, in all processes."""
    before = family_time()
    work()
    return family_time() - before


def bench_ingestion(
    clips: Sequence[Path],
    folder: Path,
    config: SamplingConfig,
    workers: int,
    preloaded: Sequence[str] = (),
) -> dict[str, float]:
    """Ingestion against a bare sequential decode of the same files.

    ``preloaded`` are the modules that a run imports before it forks the decoders of its clips.

    The ratio is of processor time, one clip after the other and both in turns, so that what else
    the machine does counts little. ``ingestion_s`` is the wall time by ``workers`` processes over
    the clips, as ``dance run`` works.
    """
    frames = bare_decode(clips)  # also warms the page cache
    start_fork_server((*DECODING, *preloaded))
    # Each time into a new folder: writing over a file takes longer than writing it.
    folders = (folder / str(number) for number in count())
    ingest(clips[0], next(folders), config, len(clips))  # the server has imported them then
    bare = ours = 0.0
    for one in [clip for clip in clips for _ in range(REPEATS)]:
        bare += spent(partial(bare_decode, [one]))
        ours += spent(partial(ingest, one, next(folders), config, len(clips)))

    def all_clips() -> None:
        list(pool.map(ingest, clips, repeat(next(folders)), repeat(config), repeat(len(clips))))

    with worker_pool(workers) as pool:
        many = timed(all_clips)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "frames": float(frames),
        "bare_decode_cpu_s": bare / REPEATS,
        "ingestion_cpu_s": ours / REPEATS,
        "ingestion_over_bare_decode": ours / bare,
        "workers": float(workers),
        "ingestion_s": many,
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
