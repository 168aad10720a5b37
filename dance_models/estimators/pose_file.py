"""From a file or a folder of any known form to the people of a clip; the content decides.

:data:`dance_models.estimators.formats.POSE_FORMATS` lists the forms. A folder holds one JSON a
frame, one JSON for the clip, Ultralytics' text, or TRC. Frames count from 0, coordinates are
pixels, joints are matched by name.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from dance_models.documents import Document, read_json
from dance_models.errors import InputError, guarded
from dance_models.estimators.formats import POSE_FORMATS
from dance_models.estimators.pose_forms import (
    coco_json,
    mediapipe,
    mmpose,
    openpose,
    own_json,
    sleap,
    tables,
    trc,
    ultralytics,
)
from dance_models.estimators.pose_forms.fields import (
    Stated,
    frame_entries,
    numbers_in,
    stated_frame,
)
from dance_models.estimators.pose_track import People, PoseTrack, Reading, finished
from dance_models.files import is_hidden, open_file
from dance_models.formats import not_read

POSE_SUFFIXES: Final = (".json", ".csv", ".h5", ".hdf5", ".slp", ".trc", ".txt")
READ: Final = "Known are " + ", ".join(
    sorted({f"{entry.tool} ({entry.export})" for entry in POSE_FORMATS if entry.read})
)

_NOBODY: Final[tuple[Any, ...]] = (None, [], {})  # what tools write for a frame without a person

ReadFrame = Callable[[Any, int, Reading], None]
# How a frame of each form is told from others and read; the stricter test first.
_FRAME_FORMS: Final[tuple[tuple[Callable[[Any], bool], ReadFrame], ...]] = (
    (openpose.is_frame, openpose.read_frame),
    (mmpose.is_frame, mmpose.read_frame),
    (ultralytics.is_frame, ultralytics.read_frame),
    (mediapipe.is_frame, mediapipe.read_frame),
)
# Forms of a whole clip that are not a list of frames of the above.
_CLIP_FORMS: Final[tuple[tuple[Callable[[Any], bool], Callable[[Any, Reading], None]], ...]] = (
    (own_json.is_track, own_json.read_track),
    (coco_json.is_keypoints_file, coco_json.read_keypoints_file),
    (coco_json.is_results, coco_json.read_results),
)


def read_track(
    path: Path,
    pose_model: str | None = None,
    num_frames: int | None = None,
    files: Sequence[Path] | None = None,
) -> PoseTrack:
    """The people in one file or folder, of a clip with ``num_frames`` frames (None: not known).

    ``files`` are those of the folder that belong to the clip; None: :func:`track_files`.

    ``pose_model``, a key of :data:`pose_models.POSE_MODELS`, is the order of joints that the files
    do not name; None: it is found out. Raises InputError, naming file, frame and joint, when
    nothing of it can be read.
    """
    reading = Reading(path)
    try:
        with guarded("poses", path):
            if path.is_dir():
                _read_folder(track_files(path) if files is None else files, reading)
            else:
                _read_file(path, reading)
            return finished(reading, pose_model, num_frames)
    except InputError as error:
        if error.file is not None:
            raise
        raise InputError(
            error.message, file=path, frame=error.frame, joint=error.joint, hint=error.hint
        ) from error


def read_people(path: Path) -> People:
    """The people of a clip whose images are not at hand, in pixels. Raises InputError."""
    people = read_track(path).people
    if any(person.size == (1.0, 1.0) for persons in people.values() for person in persons):
        raise InputError(
            "coordinates are fractions of the image, not pixels",
            file=path,
            hint="Export the track in pixels",
        )
    return people


def track_files(path: Path) -> list[Path]:
    """The files that make the track of a file or a folder, sorted.

    Of a folder, all JSON or else all text or else all TRC in it; where it has none, of the only
    folder in it that has.
    """
    if not path.is_dir():
        return [path]
    entries = sorted(e for e in path.iterdir() if not is_hidden(e.name))
    for suffix in (".json", ".trc", ".txt", ".csv", ".slp", ".h5"):
        files = [e for e in entries if e.is_file() and e.suffix.lower() == suffix]
        if files:
            return files
    inner = [found for e in entries if e.is_dir() and (found := track_files(e))]
    return inner[0] if len(inner) == 1 else []


# --- folders ----------------------------------------------------------------------------------


def _read_folder(files: Sequence[Path], reading: Reading) -> None:
    if not files:
        raise InputError("the folder holds no JSON and no other known pose file")
    suffix = files[0].suffix.lower()
    if suffix == ".txt":
        ultralytics.read_texts(files, reading)
    elif suffix == ".trc":
        _read_trc(files, reading)
    elif suffix == ".json":
        _read_json_files(files, reading)
    elif len(files) == 1:
        _read_file(files[0], reading)
    else:
        listed = ", ".join(file.name for file in files[:4])
        raise InputError(f"the folder holds {len(files)} tracks ({listed}), not one")


def _read_trc(files: Sequence[Path], reading: Reading) -> None:
    """Sports2D writes each person in pixels and in metres; those in pixels are read."""
    pixels = [file for file in files if "_px_" in file.name]
    trc.read_files(pixels or files, reading)


def _read_json_files(files: Sequence[Path], reading: Reading) -> None:
    documents: dict[Path, Any] = {}
    broken: list[tuple[Path, InputError]] = []
    for file in files:
        try:
            documents[file] = _noted(read_json(file), reading)
        except InputError as error:
            broken.append((file, error))
    clips = [file for file, document in documents.items() if _is_clip(document)]
    if len(clips) > 1:
        listed = ", ".join(file.name for file in clips[:4])
        raise InputError(f"the folder holds {len(clips)} tracks ({listed}), not one")
    if clips:
        _read_document(documents[clips[0]], reading)
        return
    frames = _frames_of_files(files, reading)
    documents = {file: document for file, document in documents.items() if file in frames}
    for file, found in ((file, found) for file, found in broken if file in frames):
        reading.frames.add(frames[file])
        reading.bad.append(InputError(found.message, file=file, frame=frames[file]))
    entries = [(frames[file], document, file) for file, document in documents.items()]
    taken: set[int] = set()
    single: list[tuple[Stated, Any, Path | None]] = []
    for frame, document, file in entries:
        if frame in taken:
            reading.bad.append(InputError("a second file for the frame", file=file, frame=frame))
        else:
            taken.add(frame)
            single.append((frame, _of_one_frame(document), file))
    _read_frames(single, reading)


def _frames_of_files(files: Sequence[Path], reading: Reading) -> dict[Path, int]:
    """The frame of each file; those without a number in the name are noted and left out."""
    numbered = [file for file in files if re.search(r"\d", file.stem)]
    for file in sorted(set(files) - set(numbered)):
        reading.bad.append(InputError(f"{file.name!r} holds no frame number", file=file))
    return dict(zip(numbered, numbers_in([file.name for file in numbered]), strict=True))


def _is_clip(document: Any) -> bool:
    """Whether it is a whole clip, so that a folder holds it alone."""
    if any(looks(document) for looks, _ in _CLIP_FORMS[:2]):
        return True
    if coco_json.is_results(document):
        return len({str(e.get("image_id")) for e in document if isinstance(e, dict)}) > 1
    return mmpose.is_track(document) and len(document["instance_info"]) > 1


def _of_one_frame(document: Any) -> Any:
    """The only frame of a video that has one, as some save every frame of a clip."""
    return document["instance_info"][0] if mmpose.is_track(document) else document


# --- files ------------------------------------------------------------------------------------


def _read_file(path: Path, reading: Reading) -> None:
    try:
        with open_file(path) as handle:
            head = handle.read(512)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})") from error
    text = head.decode("utf-8-sig", "replace").lstrip()
    if head.startswith(sleap.HDF5):
        _read_hdf5(path, reading)
    elif text.startswith(trc.MAGIC.decode()):
        trc.read_files([path], reading)
    elif path.suffix.lower() == ".csv":
        _read_csv(path, reading)
    elif text.startswith(("[", "{")) or path.suffix.lower() == ".json":
        _read_document(_noted(read_json(path), reading), reading)
    else:
        raise unknown_form(_binary_form(head, text))


def _read_hdf5(path: Path, reading: Reading) -> None:
    kind = sleap.kind_of_hdf5(path)
    if kind == "sleap-slp":
        sleap.read_project(path, reading)
    elif kind == "sleap-h5":
        sleap.read_analysis(path, reading)
    elif kind == "deeplabcut-h5":
        tables.read_deeplabcut_h5(path, reading)
    else:
        raise unknown_form("")


def _read_csv(path: Path, reading: Reading) -> None:
    rows = tables.rows_of(path)
    if tables.is_deeplabcut(rows):
        tables.read_deeplabcut(rows, reading)
    elif tables.is_sleap(rows):
        tables.read_sleap(rows, reading)
    else:
        raise unknown_form("")


def _binary_form(head: bytes, text: str) -> str:
    """The id of a form that is recognised and not read, or ""."""
    if head.startswith(b"\x80") or head[:2] == b"\x1f\x8b":
        return "pickle"
    if text.startswith("%YAML") or "<opencv_storage>" in text:
        return "openpose-keypoint"
    if head.startswith(b"\x93NUMPY") or head.startswith(b"PK"):
        return "numpy"
    if len(head) > 1 and head[1] == 0x50 and head[0] < 8:
        return "c3d"
    return "bvh" if text.startswith("HIERARCHY") else ""


def _noted(document: Document, reading: Reading) -> Any:
    """The loaded document; what is to be known of its keys and texts goes to the notes."""
    if document.said:
        reading.notes.append(document.said)
    return document.value


def _read_document(document: Any, reading: Reading) -> None:
    for looks, read in _CLIP_FORMS:
        if looks(document):
            read(document, reading)
            return
    if mmpose.is_track(document):
        names = mmpose.names_of(document)
        listed = frame_entries(document["instance_info"]) or iter(())
        _read_all(
            lambda entry, frame, into: mmpose.read_frame(entry, frame, into, names),
            [(frame, entry, None) for frame, entry in listed],
            reading,
        )
        return
    if mediapipe.holds_frames(document):
        document = mediapipe.frames_below(document)
    elif _frame_reader([document]) is not None and not _is_list_of_frames(document):
        _read_frames([(stated_frame(document) or 0, document, None)], reading)
        return
    entries = frame_entries(document)
    refused = _json_form(document)
    if entries is None or refused:
        raise unknown_form(refused)
    _read_frames([(frame, entry, None) for frame, entry in entries], reading)


def _is_list_of_frames(document: Any) -> bool:
    """Whether the entries of a list, or of an object's list, are frames themselves."""
    entries = frame_entries(document)
    return entries is not None and _frame_reader([entry for _, entry in entries]) is not None


def _frame_reader(documents: Iterable[Any]) -> ReadFrame | None:
    """The reader of the form that most documents have, None when they have none."""
    votes: Counter[int] = Counter()
    for document in documents:
        for place, (looks, _) in enumerate(_FRAME_FORMS):
            if looks(document):
                votes[place] += 1
                break
    return _FRAME_FORMS[votes.most_common(1)[0][0]][1] if votes else None


def _read_frames(entries: Sequence[tuple[Stated, Any, Path | None]], reading: Reading) -> None:
    """Frames of one form, each with its number (None: its position) and its file."""
    documents = [document for _, document, _ in entries]
    read = _frame_reader(documents)
    if read is None:
        if documents and all(document in _NOBODY for document in documents):
            placed = [i if f is None else f for i, (f, _, _) in enumerate(entries)]
            reading.frames |= {frame for frame in placed if isinstance(frame, int)}
            return
        if reading.bad:
            return
        raise unknown_form(_json_form(documents))
    _read_all(read, entries, reading)


def _read_all(
    read: ReadFrame, entries: Sequence[tuple[Stated, Any, Path | None]], reading: Reading
) -> None:
    stated = any(frame is not None for frame, _, _ in entries)
    for position, (given, document, file) in enumerate(entries):
        if stated and given is None and document in _NOBODY:
            continue
        frame = given if stated else position
        where = frame if isinstance(frame, int) else None
        with reading.attempt(where, file):
            if isinstance(frame, InputError):
                raise frame
            if frame is None:
                raise InputError(f"entry {position} does not say its frame")
            reading.frames.add(frame)
            if document not in _NOBODY:
                read(document, frame, reading)


def _json_form(document: Any) -> str:
    """The id of a JSON form that is recognised and not read, or ""."""
    data = document.get("data") if isinstance(document, dict) else None
    if isinstance(data, list) and any(isinstance(e, dict) and "skeleton" in e for e in data):
        return "kinetics-skeleton"
    if isinstance(document, dict) and {"shapes", "imagePath"} <= document.keys():
        return "annotation"
    if isinstance(document, list) and any(
        isinstance(e, dict) and {"annotations", "data"} <= e.keys() for e in document
    ):
        return "annotation"
    return ""


def unknown_form(looks_like: str) -> InputError:
    """The error for a file that is not read; ``looks_like`` is a Format's id or ""."""
    found = next((entry for entry in POSE_FORMATS if entry.id == looks_like), None)
    if found is None:
        return InputError("unknown form of pose track", hint=READ)
    return InputError(not_read(found))
