"""Which clips the data set may contain, and the table that says what became of each."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from dance_models.config import QualityConfig
from dance_models.errors import DamagedFileError, InputError
from dance_models.tables import DATASET_CLIPS, read_table, write_table
from pipelines.checks.annotations import pair_findings
from pipelines.checks.asset_checks import written_findings
from pipelines.storage.clips import registered_clips
from pipelines.storage.store import MADE_OF, Store

if TYPE_CHECKING:
    from dance_models.quality.findings import Finding

PARTS: Final = ("sampled_frames", "pose_tracks", "pose_annotations")
CHECKED_PARTS: Final = ("clip_probe", *PARTS)
CLIPS: Final = "dataset_clips"  # the table beside the data set
MADE_WITH: Final = "made_with"  # in its metadata: a digest of the code and the limits


@dataclass(frozen=True)
class DatasetClip:
    """A row of the table: a registered clip, and what was found of it."""

    clip: str
    made_of: str | None = None  # sha256 over its tables, None where they do not fit together
    left_out: str | None = None  # why it is not in the data set
    findings: "Sequence[Finding]" = ()


def written_clips(store: Store) -> list[DatasetClip]:
    """The table as the data set was made last. Raises InputError when it is lost or damaged."""
    from dance_models.quality.findings import Finding

    path = store.made(CLIPS)
    try:
        return [
            DatasetClip(**{**row, "findings": tuple(Finding(**one) for one in row["findings"])})
            for row in read_table(path).to_dicts()
        ]
    except (KeyError, TypeError) as error:  # one wrong bit renames a column
        raise DamagedFileError(
            "the table has other columns than it was written with, it is damaged",
            file=path,
            hint="`dance run` makes it again",
        ) from error


def write_clips(store: Store, clips: Sequence[DatasetClip], made_with: str) -> None:
    """Write the table, beside the data set that was made of the clips."""
    rows = [
        vars(one) | {"findings": [asdict(finding) for finding in one.findings]} for one in clips
    ]
    write_table(
        pl.DataFrame(rows, schema=DATASET_CLIPS), store.table(CLIPS), {MADE_WITH: made_with}
    )


def made_of(store: Store, clip: str) -> str:
    """sha256 over the tables of a clip that the data set is made of."""
    digests = " ".join(store.digest(part, clip) for part in CHECKED_PARTS)
    return hashlib.sha256(digests.encode()).hexdigest()


def complete_clips(store: Store) -> tuple[list[str], dict[str, str]]:
    """Clips with all tables, of one and the same clip, that passed their checks; why others not."""
    clips = registered_clips(store)["clip"].to_list()
    reasons = {clip: _incomplete(store, clip) for clip in clips}
    left_out = {clip: reason for clip, reason in reasons.items() if reason}
    return [clip for clip in clips if clip not in left_out], left_out


def unusable(store: Store, config: QualityConfig, clip: str) -> str | None:
    """Why the data set could not contain a clip as its tables are now; None when it could."""
    from dance_models.quality.findings import errors, lines

    incomplete = _incomplete(store, clip)
    wrong = [] if incomplete else lines(errors(pair_findings(store, config, clip)))
    return wrong[0] if wrong else incomplete


def _incomplete(store: Store, clip: str) -> str | None:
    lacking = [part for part in PARTS if not store.table(part, clip).is_file()]
    if stopped := _stopped(store, clip):
        return stopped
    if lacking:
        return f"{clip}: has no table {lacking[0]}: its run failed, or was not asked for"
    others = misfit(store, clip)
    return f"{clip}: {others}" if others else None


def misfit(store: Store, clip: str) -> str | None:
    """Why tables of a clip do not fit together; None when they do, or are of an earlier version.

    After a clip was replaced a stage may fail, and leave its table of the clip before.
    """
    today = store.made_of("clip_probe", clip) | store.made_of("sampled_frames", clip)
    for part in PARTS:
        path = store.table(part, clip)
        if not path.is_file():
            continue
        try:
            recorded = store.stated(path, *today)
        except InputError as error:
            return str(error)
        for name, digest in today.items():
            if recorded.get(name, digest) != digest:
                other = name.removeprefix(MADE_OF)
                return f"its {part} are of other {other}: its run failed, or was not asked for"
    return None


def _stopped(store: Store, clip: str) -> str | None:
    """The first error that the checks on a clip's own tables found, None without one."""
    from dance_models.quality.findings import errors, lines

    for asset in CHECKED_PARTS:
        path = store.findings(asset, clip)
        if path.is_file():
            wrong = errors(written_findings(store, path))
            if wrong:
                return f"{asset}: {lines(wrong)[0]}"
    return None
