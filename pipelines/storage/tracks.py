"""What was not used of the files of ``--tracks``, from what the store holds now."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from dance_models.errors import DamagedFileError
from pipelines.storage.folders import registered_folders
from pipelines.storage.store import Store

# Key of the metadata of pose_tracks: the number of entries that the estimator left out of the files
# that it read, then what it said about them.
TRACK_NOTES: Final = "track_notes"


def track_notes(store: Store, clip: str) -> tuple[int, str] | None:
    """How much of a clip's files was left out, and what the estimator said; None for nothing."""
    path = store.table("pose_tracks", clip)
    try:
        stated = store.stated(path, TRACK_NOTES).get(TRACK_NOTES)
    except DamagedFileError:
        return None
    if stated is None:
        return None
    lost, first, *others = json.loads(stated)
    file = first.partition(": ")[0] + ": "  # named once
    return lost, "; ".join([first, *(note.removeprefix(file) for note in others)])


def unused_track_files(store: Store, clips: Sequence[str]) -> list[str]:
    """A line for each file or folder of ``--tracks`` that is read for none of the clips."""
    from dance_models.estimators.track_folder import unused_tracks

    folders = registered_folders(store).filter(content="tracks")["folder"]
    return [line for folder in folders for line in unused_tracks(Path(folder), clips)]


def track_lines(store: Store, clips: Sequence[str]) -> Iterator[str]:
    """What ``dance run`` said of the files of ``--tracks``, a line each."""
    yield from unused_track_files(store, clips)
    for clip in clips:
        if store.table("pose_tracks", clip).is_file():
            notes = track_notes(store, clip)
            if notes is not None:
                yield f"pose_tracks: {clip}: {notes[1]}"
