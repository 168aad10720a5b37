"""Jobs of the page of ``dance live``: videos that are analyzed or compared, one at a time.

Each is done by a process of its own, which is killed when the job is cancelled, when the page that
asked for it is closed, and when the server ends. Files lie in a private folder that is removed with
the server. What the browser calls a file is shown and is never a path.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from dance_models.config import PageConfig
from dance_models.errors import InputError
from dance_models.files import replacing
from dance_models.processes import STARTER
from dance_models.text import brief, printable
from pipelines.web.private_folders import private_folder, remove_left_folders

Kind = Literal["analyze", "compare"]
State = Literal["uploading", "waiting", "running", "done", "failed", "cancelled"]

STEMS: Final[Mapping[str, tuple[str, ...]]] = {
    "analyze": ("video",),
    "compare": ("reference", "practice"),
}
PEOPLE: Final = ("", "largest", "centre", "moving", "all")  # rules of --person; "": none
OPEN: Final = ("uploading", "waiting", "running")
PREFIX: Final = "dance-page-"  # of the temporary folder
SHOWN_NAME: Final = 120  # characters of a name


@dataclass(eq=False)
class Page:
    """A page that is open: told when anything changes."""

    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class Job:
    """One video to analyze, or two to compare."""

    id: str
    kind: Kind
    names: tuple[str, ...]  # as the browser has them
    person: str
    owner: Page
    key: int  # the page's own number for it
    folder: Path
    state: State = "uploading"
    awaited: set[int] = field(default_factory=set)  # videos of which nothing has come
    received: int = 0  # videos that are whole and can be used
    stage: str = ""
    done: int = 0
    total: int = 0
    problem: str = ""
    ended_as: int = 0  # how many jobs had ended when this one did
    files: dict[str, Path] = field(default_factory=dict)  # by the name in their address
    process: asyncio.subprocess.Process | None = None
    zipping: asyncio.Lock = field(default_factory=asyncio.Lock)
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # done, failed or cancelled

    def video(self, part: int) -> Path:
        """Where the server keeps an uploaded video."""
        return self.folder / f"{STEMS[self.kind][part]}.mp4"

    @property
    def running(self) -> bool:
        """Whether it is being worked on; it may be cancelled at any await."""
        return self.state == "running"

    @property
    def out(self) -> Path:
        """The folder of the results."""
        return self.folder / "out"


class Jobs:
    """All jobs of one server.

    ``command`` gives the command line of a job's process, ``check`` raises InputError for a file
    that cannot be used.
    """

    def __init__(
        self,
        command: Callable[[Job], Sequence[str]],
        check: Callable[[Path], None],
        limits: PageConfig,
    ) -> None:
        self.command, self.check, self.limits = command, check, limits
        self.pages: set[Page] = set()
        self._jobs: dict[str, Job] = {}  # in the order in which they were asked for
        self._queue: list[Job] = []
        self._ended = 0  # jobs so far
        self._ready = asyncio.Event()
        self._folder = Path()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """The folder and the work of the jobs, while the block lasts."""
        remove_left_folders(PREFIX)
        with private_folder(PREFIX) as self._folder:
            working = asyncio.create_task(self._work())
            try:
                yield
            finally:
                working.cancel()
                jobs = list(self._jobs.values())  # a cancelled one may be forgotten
                for job in jobs:
                    self.cancel(job.id)
                for job in jobs:
                    if job.process is not None:
                        await job.process.wait()

    # --- what a page asks for ---------------------------------------------------------------------

    def add(self, owner: Page, asked: Mapping[str, Any]) -> Job:
        """A new job whose videos come next. Raises InputError for one that is not taken."""
        kind: Kind = "compare" if asked.get("kind") == "compare" else "analyze"
        person = asked.get("person") or ""
        if (
            asked.get("kind") != kind
            or person not in PEOPLE
            or (kind, person) == ("compare", "all")
        ):
            raise InputError("this page and its server are not of one version; load the page again")
        files = asked.get("files")
        if not isinstance(files, list) or len(files) != len(STEMS[kind]):
            raise InputError(f"{len(STEMS[kind])} videos are needed")
        most = self.limits.most_video_mb
        for name, size in files:
            if size > most * 1e6:
                raise InputError(
                    f"{_shown(name)}: the video is larger than {most:g} MB",
                    hint="Send it in shorter parts, or use the command, which has no limit",
                )
        if sum(job.state in OPEN for job in self._jobs.values()) >= self.limits.most_open:
            raise InputError("enough jobs are waiting", hint="Wait for one, or cancel one")
        token = secrets.token_urlsafe(12)
        folder = self._folder / token
        try:
            folder.mkdir()
        except OSError as error:
            raise InputError(
                f"the videos cannot be kept: {error.strerror}",
                file=folder,
                hint="Free space on the disk of temporary files",
            ) from error
        names = tuple(_shown(name) for name, _ in files)
        job = Job(token, kind, names, person, owner, int(asked.get("key", 0)), folder)
        job.awaited = set(range(len(names)))
        self._jobs[token] = job
        self._changed()
        return job

    async def arrived(self, job: Job, part: int) -> None:
        """A video is there; the job is queued with the last. Raises InputError for a bad one."""
        if job.state != "uploading":
            return
        try:
            await asyncio.to_thread(self.check, job.video(part))
        except InputError as error:
            wrong = InputError(error.advice, file=job.names[part])
            if job.state == "uploading":  # cancelled meanwhile, its video is gone
                self._end(job, "failed", str(wrong))
            raise wrong from error
        job.received += 1
        if job.state == "uploading" and job.received == len(job.names):
            job.state = "waiting"
            self._queue.append(job)
            self._ready.set()
            self._changed()

    def cancel(self, job_id: str) -> None:
        """End a job that is not finished; nothing of it is kept."""
        job = self._jobs.get(job_id)
        if job is not None and job.state in OPEN:
            self._end(job, "cancelled")

    def fail(self, job: Job, problem: str) -> None:
        """A video of the job did not come."""
        if job.state in OPEN:
            self._end(job, "failed", problem)

    def leave(self, page: Page) -> None:
        """A page was closed: its unfinished jobs end."""
        self.pages.discard(page)
        for job in [job for job in self._jobs.values() if job.owner is page]:
            self.cancel(job.id)

    def claim(self, job_id: str, part: int) -> Job | None:
        """The job that waits for this video, which from now on only the caller brings."""
        job = self._jobs.get(job_id)
        if job is None or job.state != "uploading" or part not in job.awaited:
            return None
        job.awaited.discard(part)
        return job

    def file(self, job_id: str, name: str) -> Path | None:
        """A result, by a name that :meth:`told` gave."""
        job = self._jobs.get(job_id)
        return job.files.get(name) if job is not None else None

    async def archive(self, job_id: str) -> Path | None:
        """All results in one file; None when there are none. Raises OSError."""
        job = self._jobs.get(job_id)
        if job is None or not job.files:
            return None
        async with job.zipping:
            target = job.folder / "all.zip"
            if not target.exists():
                await asyncio.to_thread(_zip, job.out, target)
            return target

    def told(self, page: Page) -> list[dict[str, Any]]:
        """What a page shows of each job, the newest first."""
        return [self._told(job, page) for job in reversed(self._jobs.values())]

    def _told(self, job: Job, page: Page) -> dict[str, Any]:
        sizes = {name: path.stat().st_size for name, path in job.files.items() if path.exists()}
        running = any(other.state == "running" for other in self._jobs.values())
        return {
            "id": job.id,
            "key": job.key if job.owner is page else None,
            "kind": job.kind,
            "names": job.names,
            "state": job.state,
            "before": self._queue.index(job) + running if job in self._queue else 0,
            "stage": job.stage,
            "done": job.done,
            "total": job.total,
            "problem": job.problem,
            "files": [[name, size] for name, size in sizes.items() if "/" not in name],
        }

    # --- the work ---------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._queue:
                job = self._queue.pop(0)
                try:
                    await self._do(job)
                except Exception as error:  # without this loop no other job is ever done
                    self._end(job, "failed", f"the work could not be done: {brief(error)}")

    async def _do(self, job: Job) -> None:
        job.state = "running"
        self._changed()
        job.process = await asyncio.create_subprocess_exec(
            *self.command(job),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, STARTER: str(os.getpid())},
            start_new_session=True,  # a Ctrl-C in the terminal is for the server, which ends it
        )
        if not job.running:  # cancelled while it started
            _kill(job.process)
        assert job.process.stdout is not None
        async for line in _lines(job.process.stdout):
            with contextlib.suppress(ValueError):  # not ours: a library printed it
                self._note(job, json.loads(line))
        code = await job.process.wait()
        if not job.running:
            shutil.rmtree(job.folder, ignore_errors=True)  # what it wrote until it was gone
            return
        if code or job.problem:
            words = f"the process of this job ended with {code}; the server's terminal says more"
            self._end(job, "failed", job.problem or words)
        else:
            found = sorted(path for path in job.out.rglob("*") if path.is_file())
            job.files = {path.relative_to(job.out).as_posix(): path for path in found}
            self._end(job, "done")

    def _note(self, job: Job, line: Any) -> None:
        if not isinstance(line, dict) or not job.running:
            return
        job.problem = str(line.get("problem", job.problem))
        if "stage" in line:
            job.stage, job.done, job.total = line["stage"], line["done"], line["total"]
        self._changed()

    def _end(self, job: Job, state: State, problem: str = "") -> None:
        """No work goes on; only the results of a finished job stay, of the newest jobs alone."""
        job.state, job.problem = state, problem
        self._ended += 1
        job.ended_as = self._ended
        job.ended.set()
        if job in self._queue:
            self._queue.remove(job)
        if job.process is not None:
            _kill(job.process)
        if state == "done":
            for part in range(len(job.names)):
                job.video(part).unlink()
        else:
            shutil.rmtree(job.folder, ignore_errors=True)
        self._forget([other for other in self._jobs.values() if other.state == "done"])
        self._forget([other for other in self._jobs.values() if other.state not in (*OPEN, "done")])
        self._changed()

    def _forget(self, ended: Sequence[Job]) -> None:
        """All but those that ended last, whichever were asked for first.

        Results are counted apart: jobs without any do not push them out.
        """
        for old in sorted(ended, key=lambda job: job.ended_as)[: -self.limits.most_kept]:
            del self._jobs[old.id]
            shutil.rmtree(old.folder, ignore_errors=True)

    def _changed(self) -> None:
        for page in self.pages:
            page.changed.set()


def _zip(folder: Path, target: Path) -> None:
    """Every file below a folder in one, which is whole or not there."""
    with replacing(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))


def _shown(name: object) -> str:
    return printable(str(name))[:SHOWN_NAME]


async def _lines(output: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a process, without those longer than a stream holds, which are not ours."""
    while True:
        try:
            line = await output.readline()
        except ValueError:  # asyncio drops what it has of such a line
            continue
        if not line:
            return
        yield line


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
