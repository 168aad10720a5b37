"""What the commands share: options, consoles, exit codes, and errors as one line."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from dance_models.config import JointDefinition
from dance_models.errors import InputError, input_error_of
from pipelines.processes import EXIT_INTERRUPTED
from pipelines.shown import shown

if TYPE_CHECKING:
    from dance_models.config import EstimatorConfig
    from pipelines.storage.store import Store

EXIT_FAILED: Final = 1  # a stage failed
EXIT_INPUT: Final = 2  # the command or its input cannot be used
EXIT_NOT_USED: Final = 3  # with --strict: something that was given is not used

# What a path may be that was named and cannot be used, and what to do.
_PLACES: Final = {
    errno.ENAMETOOLONG: ("its name is too long", "Choose a shorter one"),
    errno.ELOOP: ("the link leads back to itself", "Mend the link, or name another path"),
    errno.EACCES: ("you may not do this here", "Change the rights, or name another path"),
    errno.EPERM: ("you may not do this here", "Change the rights, or name another path"),
    errno.EROFS: ("its disk cannot be written to", "Name a path on another disk"),
    errno.ENOSPC: ("the disk is full", "Free space on it, or name a path on another disk"),
    errno.EDQUOT: ("the quota is used up", "Free space, or name a path on another disk"),
    errno.ENOTDIR: ("a part of this path is no folder", "Name another path"),
}

OTHER_POSES: Final = "Poses that another program found"  # a group of options

PersonOption = Annotated[
    int | None,
    typer.Option(min=0, help="Whom to follow in each run of frames: 0 the largest, 1 the next."),
]
JointsOption = Annotated[
    JointDefinition,
    typer.Option(
        help="Where a joint lies: as the pose estimator places it, or as the people placed it who "
        "annotated the videos that the network was trained on."
    ),
]
LastProfileOption = Annotated[
    str | None,
    typer.Option(
        envvar="DANCE_PROFILE", help="smoke, demo, study or paper; default: that of the last run."
    ),
]
ProfileOption = Annotated[
    str, typer.Option(envvar="DANCE_PROFILE", help="smoke, demo, study or paper.")
]
DevicesOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        envvar="DANCE_DEVICES",
        help="Devices that share the batches of each training: CUDA devices, else cores; default: "
        "1.",
    ),
]
TracksOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder with a file, or a folder, of poses for each video, named after the video.",
        rich_help_panel=OTHER_POSES,
    ),
]
PoseModelOption = Annotated[
    str | None,
    typer.Option(
        help="Order of the joints in these files, such as body_25b or halpe_26. Default: "
        "recognised from the files.",
        rich_help_panel=OTHER_POSES,
    ),
]
StoreOption = Annotated[
    str,  # not a path: a URL has to reach the store as it is
    typer.Option("--store", envvar="ASSETS_STORE", help="Folder for all results."),
]
DEFAULT_STORE: Final = "assets_store"
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")]


def console() -> Console:
    """Standard output."""
    return Console()


def error_console() -> Console:
    """Standard error."""
    return Console(stderr=True)


def say_error(out: Console, error: Exception) -> None:
    """One line about something that stops one thing and not the rest."""
    told = input_error_of(error) or _of_a_place(error)
    _say(out, str(told) if told is not None else f"{type(error).__name__}: {error}")


def _say(out: Console, line: str) -> None:
    """An error in one line, also a long one: a path that is broken in two cannot be copied."""
    out.print(f"[bold red]error:[/] {shown(line)}", soft_wrap=True)


def _of_a_place(error: BaseException | None) -> InputError | None:
    """What an error of the system says of a path; None for any other error."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in _PLACES:
            message, hint = _PLACES[error.errno]
            if isinstance(error.filename, str | bytes | os.PathLike):  # else a number, or none
                return InputError(message, file=os.fsdecode(error.filename), hint=hint)
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def reported(debug: bool) -> Iterator[None]:
    """Turn errors into one line and an exit code; ``--debug`` lets the trace through."""
    try:
        yield
    except InputError as error:
        if debug:
            raise
        _say(error_console(), str(error))
        raise typer.Exit(EXIT_INPUT) from error
    except (KeyboardInterrupt, typer.Abort) as interrupt:  # Abort: Ctrl-C at a question
        error_console().print(
            "Interrupted. Finished results are kept; the same command continues from there."
        )
        raise typer.Exit(EXIT_INTERRUPTED) from interrupt
    except typer.Exit:
        raise
    except Exception as error:
        if debug:
            raise
        told = input_error_of(error)  # a framework may have wrapped the one that helps
        place = _of_a_place(error) if told is None else None
        if place is not None:
            _say(error_console(), str(place))
            raise typer.Exit(EXIT_INPUT) from error
        first = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        line = str(told) if told is not None else first
        _say(error_console(), f"{line} (--debug shows the trace)")
        raise typer.Exit(EXIT_FAILED) from error


def opened(store: str) -> "Store":
    """The store of that root; one that was moved is mended."""
    from pipelines.storage.store import Store

    return Store(root=store).settled()


def existing(store: str) -> "Store":
    """The store of that root. Raises InputError when there is none; creates nothing."""
    found = opened(store)
    require(found)
    return found


def require(store: "Store") -> None:
    """Raises InputError when nothing was ever kept in a store's folder."""
    if not store.exists():
        raise InputError(
            "there is no store here",
            file=store.path,
            hint="Start one with `dance run --clips DIR`, or name one with --store",
        )


def warn_once_of_rights(store: "Store", out: Console) -> None:
    """Say, once for each store, that other users of the machine can read it."""
    noted = store.dagster_home / ".rights_noted"
    if store.open_to_others() and not noted.exists():
        noted.touch()
        out.print(
            f"[yellow]warning:[/] other users of this machine can read {shown(str(store.path))}, "
            f"which holds pictures of people; `chmod 700` makes it private.",
            soft_wrap=True,
        )


def estimator_of(
    person: int | None = None,
    tracks: Path | None = None,
    onnx: Path | None = None,
    pose_model: str | None = None,
) -> "EstimatorConfig | None":
    """The estimator that the options select, None for the profile's own."""
    from dance_models.config import EstimatorConfig
    from dance_models.estimators.pose_models import named_model

    if pose_model is not None:
        if tracks is None:
            raise InputError("--pose-model says how to read --tracks, which is not given")
        named_model(pose_model)

    if tracks is not None and onnx is not None:
        raise InputError("--tracks and --onnx exclude each other")
    if tracks is not None and not tracks.exists():
        raise InputError("--tracks: there is no such folder", file=tracks)
    if onnx is not None and not onnx.is_file():
        raise InputError("--onnx: there is no such file", file=onnx)
    if tracks is not None:
        folder = str(tracks.resolve())
        return EstimatorConfig(
            name="precomputed", person=person, precomputed_dir=folder, pose_model=pose_model
        )
    if onnx is not None:
        description = str(onnx.resolve())
        return EstimatorConfig(name="onnx", person=person, onnx_description=description)
    return EstimatorConfig(person=person) if person is not None else None


def processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def estimator_threads() -> int:
    """Of the estimator: its two passes over a picture are made side by side."""
    return min(2, processors())
