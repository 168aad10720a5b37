"""A step over one shard: the clips in it that have to be made, and what is recorded of all of them.

Each clip is committed by its own manifest as soon as it is made, so what a killed step did is not
done again. An error in one clip is reported, by the check ``clips_made`` and by the commands, and
does not stop the others, nor what is made of them; only where nothing could be made does the step
fail. A clip at which the process was killed is made after all others the next time, and left out
once when it was killed there again.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
from polars.exceptions import PanicException

from dance_models.errors import InputError
from dance_models.tables import write_text
from dance_models.text import first_lines
from pipelines import previews
from pipelines.checks.asset_checks import AssetChecks
from pipelines.materializations import last_materialization
from pipelines.storage.shards import version_of
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from dance_models.quality.findings import Finding

CLIPS: Final = "dance/clips"  # what became of those clips of a shard that were not only reused
CLIPS_MADE: Final = "clips_made"  # the check
PICTURED: Final = 4  # clips of a shard, the first ones, that the web UI has pictures of
MOST_NAMED: Final = 300  # clips
SENT_AT_ONCE: Final = 16  # clips: a node of a cluster that is lost takes no more with it
KILLS: Final = 2  # of the process at one clip, before that is left out
KILLED: Final = (
    "the process was killed twice while it worked on this clip. Probably the memory ran out: "
    "close other programs and run again"
)
Metadata = dict[str, Any]


@dataclass
class ClipsOfStep:
    """What became of the clips of a step, by clip."""

    made: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # the error
    left_out: dict[str, str] = field(default_factory=dict)  # why
    made_again: dict[str, list[str]] = field(default_factory=dict)  # lines on damaged files
    reused: int = 0

    def plain(self) -> dict[str, Any]:
        """For the metadata of a materialization."""
        return {
            "made": self.made,
            "failed": self.failed,
            "left_out": self.left_out,
            "made_again": self.made_again,
        }

    def lines(self) -> list[str]:
        """A line for each clip that is not there, and why."""
        return _lines({**self.failed, **self.left_out})


@dataclass(frozen=True)
class MadeClip:
    """One clip of a stage that is in its place."""

    metadata: Metadata  # for the web UI
    findings: "Sequence[Finding]"
    reused: bool
    made_again: Sequence[str] = ()


@dataclass(frozen=True)
class ShardStep:
    """One stage on one shard."""

    asset: str
    shard: str
    store: Store
    instance: dg.DagsterInstance
    log: logging.Logger
    checks: AssetChecks | None
    make: Callable[[str, bool], MadeClip]  # of a clip; whether to draw pictures for the web UI
    left_out: Callable[[str], str | None]  # why a clip cannot be made, None when it can

    def run(self, clips: Sequence[str]) -> "dg.MaterializeResult[Any]":
        """Make the clips, sorted, and what is recorded of the shard.

        Raises dagster.Failure when clips failed and none could be made or reused.
        """
        became = ClipsOfStep()
        findings: list[Finding] = []
        pictures: Metadata = {}
        there: list[str] = []
        with self._order(clips, became) as order:
            for clip in order:
                made = self._made(clip, clip in clips[:PICTURED], became)
                if made is not None:
                    there.append(clip)
                    findings += made.findings
                    pictures |= _named(previews.pictures_in(made.metadata), clip)
                if made is not None and not made.reused and len(became.made) % SENT_AT_ONCE == 0:
                    self._send(there[-SENT_AT_ONCE:])
        self._send(there)  # also what a step made that was killed
        if became.failed and not became.made and not became.reused:
            told = "\n".join(first_lines(became.lines(), "clips that were not made"))
            raise dg.Failure(told, {CLIPS: became.plain()})
        findings.sort(key=lambda finding: finding.clip)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(
                version_of(digests_of(self.store, self.asset, clips).items())
            ),
            metadata={
                "clips": len(clips),
                "made": len(became.made),
                "reused": became.reused,
                "not made": previews.markdown_list(became.lines()),
                **self._pictures(clips, pictures),
                "names": previews.markdown_list(clips, limit=MOST_NAMED),
                CLIPS: became.plain(),
            },
            check_results=[*self._checked(findings), clips_made_result(became)],
        )

    def _send(self, clips: Sequence[str]) -> None:
        """Send what was made of clips to the bucket of the store, if it has one.

        Before the materialization is recorded: what Dagster knows of is in the bucket.
        """
        if (remote := self.store.remote) is not None:
            remote.commit_clips(self.asset, clips)

    def _made(self, clip: str, pictured: bool, became: ClipsOfStep) -> MadeClip | None:
        """One clip, None when it is left out or failed."""
        try:
            reason = self.left_out(clip)
            if reason:
                self.log.warning(f"{clip} is left out: {reason}")
                became.left_out[clip] = reason
                return None
            made = self.make(clip, pictured)
        except (Exception, PanicException) as error:  # polars's own is no Exception
            self.log.exception(f"{clip} failed")
            ours = isinstance(error, InputError)  # says what is wrong and what to do
            became.failed[clip] = str(error) if ours else f"{type(error).__name__}: {error}"
            return None
        if made.reused:
            became.reused += 1
        else:
            became.made.append(clip)
        if made.made_again:
            became.made_again[clip] = list(made.made_again)
        return made

    @contextmanager
    def _order(self, clips: Sequence[str], became: ClipsOfStep) -> Iterator[Iterator[str]]:
        """The clips to make, those last at which a process was killed.

        Which clip is worked on stands in a note beside the lock, which only a process that is
        killed leaves.
        """
        note = _note_of(self.store, self.asset, self.shard)
        kills = {clip: times for clip, times in _noted(note).items() if clip in clips}
        for clip in [clip for clip, times in kills.items() if times >= KILLS]:
            self.log.error(f"{clip} failed: {KILLED}")
            became.failed[clip] = KILLED
            del kills[clip]
        wanted = [clip for clip in clips if clip not in became.failed]
        order = [clip for clip in wanted if clip not in kills] + sorted(kills)

        def noting() -> Iterator[str]:
            for clip in order:
                write_text(note, json.dumps({**kills, clip: kills.get(clip, 0) + 1}))
                yield clip
                kills.pop(clip, None)

        try:
            yield noting()
        finally:
            note.unlink(missing_ok=True)

    def _pictures(self, clips: Sequence[str], drawn: Metadata) -> Metadata:
        """The pictures of the first clips: those that were drawn now, and those from before."""
        last = last_materialization(self.instance, self.asset, self.shard)
        before = previews.pictures_in(last.metadata) if last is not None else {}
        shown = clips[:PICTURED]
        kept = {name: value for name, value in before.items() if _clip_named(name) in shown}
        return dict(sorted({**kept, **drawn}.items()))

    def _checked(self, findings: "Sequence[Finding]") -> list[dg.AssetCheckResult]:
        return self.checks.results_of_shard(self.store, findings, self.shard) if self.checks else []


def digests_of(store: Store, asset: str, clips: Sequence[str]) -> dict[str, str]:
    """The data versions of those clips that are there; an asset's shard has the one of them all."""
    digests = {clip: store.digest(asset, clip) for clip in clips}
    return {clip: digest for clip, digest in digests.items() if digest}


def failed_in(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str, str, str]]:
    """Asset, clip and error of the clips of shards that failed in a run, which went on."""
    made = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [record.dagster_event for record in made if record.dagster_event is not None]
    found = []
    for event in events:
        metadata = event.materialization.metadata
        became: Any = metadata[CLIPS].value if CLIPS in metadata else {}
        for clip, error in became.get("failed", {}).items():
            found.append((str(event.step_key), clip, f"{clip}: {error}"))
    return found


def error_of(instance: dg.DagsterInstance, asset: str, shard: str, clip: str) -> str | None:
    """The error of a clip in the last step over its shard that made any clip, None without one."""
    last = last_materialization(instance, asset, shard)
    became: Any = last.metadata[CLIPS].value if last is not None and CLIPS in last.metadata else {}
    error = became.get("failed", {}).get(clip)
    return None if error is None else str(error)


def clips_made_spec(asset: str, partitions: "dg.PartitionsDefinition[str]") -> dg.AssetCheckSpec:
    """The check that every clip of a shard is made."""
    return dg.AssetCheckSpec(
        CLIPS_MADE,
        asset=asset,
        description="Every clip of the shard is made, unless a check stopped it or an asset before "
        "failed for it. One that fails stops no other clip; the next run tries it again.",
        partitions_def=partitions,
    )


def clips_made_result(became: ClipsOfStep) -> dg.AssetCheckResult:
    """Its result."""
    lines = _lines(became.failed)
    return dg.AssetCheckResult(
        check_name=CLIPS_MADE,
        passed=not lines,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join(first_lines(lines, "clips that failed")) or None,
        metadata={"failed": len(lines)},
    )


def _lines(reasons: Mapping[str, str]) -> list[str]:
    """A line for each clip."""
    return [f"{clip}: {reason}" for clip, reason in sorted(reasons.items())]


def _named(pictures: Mapping[str, Any], clip: str) -> Metadata:
    return {f"{name} of {clip}": value for name, value in pictures.items()}


def _clip_named(name: str) -> str:
    return name.rpartition(" of ")[2]


def forget_kills(store: Store, assets: Iterable[str], shards: Collection[str]) -> None:
    """Count no kill against a clip: a command that was interrupted killed its own workers."""
    for asset in assets:
        for shard in shards:
            _note_of(store, asset, shard).unlink(missing_ok=True)


def _note_of(store: Store, asset: str, shard: str) -> Path:
    return store.lock(asset, shard).with_suffix(".at")


def _noted(note: Path) -> dict[str, int]:
    """How often the process was killed at each clip."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        return {str(clip): int(times) for clip, times in json.loads(note.read_text()).items()}
    return {}
