"""Folders outside of the store, looked at within a time limit: large ones in parts.

A sensor's tick has a minute, and these folders may have any number of files or lie on a mount that
does not answer. So each is looked at by a thread of its own, for a share of the time, and the next
look goes on where it ended. Nothing can end a thread that a mount holds: its folder is passed over
until it comes back, and what it saw counts then.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Final

from dance_models.files import is_hidden
from dance_models.video.images import may_count
from pipelines.automation.folders import State, watched_state

LOOK_S: Final = 20.0  # for all folders of a tick
_GRACE_S: Final = 0.5  # for a look to end in

# A file's place in the order of a walk: the folders below the root, then its name.
Place = tuple[tuple[str, ...], str]
START: Final[Place] = ((), "")


def nothing(path: Path) -> bool:
    """No file or folder."""
    return False


@dataclass(frozen=True)
class Watched:
    """A folder to look at: the files below it that are ``wanted``, and the clips ``alone``."""

    root: Path
    wanted: Callable[[Path], bool] = nothing
    passed_over: Callable[[Path], bool] = nothing  # folders below it
    alone: tuple[Path, ...] = ()  # files, or folders of images


@dataclass
class Look:
    """One look at a folder. All but the first three are of a look that ``ended``."""

    watched: Watched
    first: Place
    until: float  # of the monotonic clock
    states: State = field(default_factory=dict)
    stop: Place | None = None  # the first file that was not looked at; None: there is none
    away: str = ""  # why nothing could be looked at
    ended: bool = False

    def run(self) -> None:
        """Look until the time is over."""
        try:
            if self.watched.root.is_dir():
                self._look()
            else:
                self.away = "is not there; its clips are kept"
        except OSError as error:
            self.away = f"cannot be read ({error.strerror}); its clips are kept"
        self.ended = True

    def covers(self, path: Path) -> bool:
        """Whether a file below the folder would have been seen, if it were there."""
        if not self.ended:
            return False
        if path in self.watched.alone or path.parent in self.watched.alone:
            return True
        place = _place(path, self.watched.root)
        return place >= self.first and (self.stop is None or place < self.stop)

    def _look(self) -> None:
        for path in self.watched.alone:
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                self._note(file)
        # A folder of clips that are named alone has no others to look for.
        files = self._below() if self.watched.wanted is not nothing else iter(())
        images: Path | None = None  # a folder of which one was seen: a clip is not seen in parts
        for number, file in enumerate(files):
            if number and file.parent != images and monotonic() > self.until:
                self.stop = _place(file, self.watched.root)
                return
            images = file.parent if may_count(file) else images
            if self.watched.wanted(file):
                self._note(file)

    def _note(self, file: Path) -> None:
        if (state := watched_state(file)) is not None:
            self.states[str(file)] = state

    def _below(self) -> Iterator[Path]:
        """The files from ``first`` on, in the order of their places."""
        root, (begin, _) = self.watched.root, self.first
        for name, folders, files in os.walk(root):
            here = Path(name)
            parts = here.relative_to(root).parts
            folders[:] = sorted(
                folder
                for folder in folders
                if not is_hidden(folder)
                and (*parts, folder) >= begin[: len(parts) + 1]
                and not self.watched.passed_over(here / folder)
            )
            yield from (here / file for file in sorted(files) if (parts, file) >= self.first)


@dataclass(frozen=True)
class Looks:
    """What a tick saw of all folders."""

    looks: tuple[Look, ...]

    @property
    def states(self) -> State:
        """Of the files that were seen."""
        ended = [look for look in self.looks if look.ended]
        return {path: state for look in ended for path, state in look.states.items()}

    def covers(self, path: str) -> bool:
        """Whether a file that was not seen is gone; those in no folder here are."""
        file = Path(path)
        below = (look for look in self.looks if file.is_relative_to(look.watched.root))
        return all(look.covers(file) for look in below)

    def resume(self) -> dict[str, str]:
        """Root -> the file below it at which the next look begins, where that is not the start."""
        places = {
            str(look.watched.root): look.stop if look.ended else look.first for look in self.looks
        }
        return {
            root: "/".join((*place[0], place[1]))
            for root, place in places.items()
            if place is not None and place != START
        }

    def away(self) -> dict[str, str]:
        """Root -> why it could not be looked at."""
        why = {
            str(look.watched.root): look.away
            if look.ended
            else "does not answer; it is looked at again when it does"
            for look in self.looks
        }
        return {root: reason for root, reason in why.items() if reason}

    def news(self, before: Mapping[str, str]) -> list[str]:
        """What has changed of the folders that are :meth:`away`, each said once."""
        away, roots = self.away(), {str(look.watched.root) for look in self.looks}
        back = [root for root in before if root in roots and root not in away]
        return [
            *(f"{root} {why}" for root, why in away.items() if before.get(root) != why),
            *(f"{root} can be looked at again" for root in back),
        ]

    def parts(self) -> list[str]:
        """What is said of the looks that did not get to the end."""
        resume = self.resume()
        return [
            f"{len(look.states)} files of {root} were looked at in this tick; the next one goes on "
            f"at {resume[root]}"
            for look in self.looks
            if look.ended and (root := str(look.watched.root)) in resume
        ]


class FarFolders:
    """Looks at folders, and keeps the threads that did not come back."""

    def __init__(self, seconds: float = LOOK_S) -> None:
        self._seconds = seconds
        self._late: dict[Path, tuple[Thread, Look]] = {}

    def look(self, folders: Sequence[Watched], resume: Mapping[str, str]) -> Looks:
        """Look at each folder for its share of the time; ``resume`` is of the looks before."""
        end, looks = monotonic() + self._seconds, []
        for number, watched in enumerate(folders):
            share = max(0.0, end - monotonic()) / (len(folders) - number)
            *parts, name = resume.get(str(watched.root), "").split("/")
            looks.append(self._look(watched, (tuple(parts), name), share))
        return Looks(tuple(looks))

    def _look(self, watched: Watched, first: Place, seconds: float) -> Look:
        if (late := self._late.get(watched.root)) is not None:
            if late[0].is_alive():
                return Look(watched, first, 0.0)
            return self._late.pop(watched.root)[1]
        look = Look(watched, first, monotonic() + seconds)
        thread = Thread(target=look.run, daemon=True)
        thread.start()
        thread.join(seconds + _GRACE_S)
        if thread.is_alive():
            self._late[watched.root] = (thread, look)
            return Look(watched, first, 0.0)
        return look


def _place(path: Path, root: Path) -> Place:
    *folders, name = path.relative_to(root).parts
    return tuple(folders), name
