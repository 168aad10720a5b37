"""In place of a clip's stages: a worker that is killed, once or at every try."""

import os
import signal

from pipelines.execution.outcomes import StageOutcome
from pipelines.execution.request import Request


def run_clips(request: Request, clips: tuple[str, ...]) -> list[list[StageOutcome]] | None:
    """The first worker of a store is killed, and so is every worker of a clip called deadly.

    That of a clip called ended is told to end, the first time.
    """
    if "ended" in clips and not (ended := request.store / "told").exists():
        ended.touch()
        return None
    first = request.store / "killed"
    try:
        first.touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)
    except FileExistsError:
        pass
    if "deadly" in clips:
        os.kill(os.getpid(), signal.SIGKILL)
    return [[StageOutcome("clip_probe", clip, "made")] for clip in clips]


def run_clips_in_shards(
    request: Request, clips: tuple[str, ...]
) -> list[list[StageOutcome]] | None:
    """A worker of a clip called deadly is killed five times; the sixth leaves the clip out."""
    if "deadly" in clips:
        times = request.store / "times"
        before = int(times.read_text()) if times.exists() else 0
        times.write_text(str(before + 1))
        if before < 5:
            os.kill(os.getpid(), signal.SIGKILL)
    return [
        [StageOutcome("clip_probe", clip, "failed" if clip == "deadly" else "made")]
        for clip in clips
    ]
