"""Which clip and frame the name of an annotated image stands for, and which clip a video's name.

Tools rename what they are given: they add folders, prefixes and hashes, encode, pad frame numbers
or keep the base name alone. Only the last parts of a name are read. Among the clips that a name may
stand for, a registered one is preferred, the longest first, and no word that tools use for any
image (``frame``, ``images``, ``default``, an upload's number) names a clip unless one is registered
under it.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal
from urllib.parse import parse_qs, unquote, urlparse

from dance_models.annotations.canonical import shown
from dance_models.annotations.clip_names import ClipNames
from dance_models.errors import InputError
from dance_models.video.names import clip_slug

_FRAME_WORDS: Final = (
    "frame", "frm", "fr", "f", "image", "img", "im", "picture", "pic", "photo", "still", "shot",
    "screenshot", "snapshot", "snap", "vlcsnap", "capture", "thumbnail", "thumb", "output", "out",
    "video", "vid", "scene", "file",
)  # fmt: skip
_GENERIC: Final = re.compile(
    r"(frame|image|img|picture|pic|photo|video|vid|clip|still|screenshot|file|label|annotation|ann"
    r"|export|upload|output|result|dataset|jpegimage|keypoint)s?"
    r"|train|valid|val|validation|test|eval|default|data|out|media|obj_\w+_data|raw|rgb|tmp|temp"
    r"|local-files|label-studio|person_keypoints_\w+|instances_\w+|_?annotations[-.]coco"
    r"|(task|job|project|batch|subset|part|set|annotations)[_-]?\d+|\d+|[a-z]"
)
_IMAGE_SUFFIX: Final = re.compile(
    r"\.(jpe?g|jpe|jfif|png|bmp|webp|tiff?|gif|avif|heic|json|xml|txt)$", re.IGNORECASE
)
_VIDEO_SUFFIX: Final = re.compile(
    r"[._-](mp4|m4v|mov|mkv|webm|avi|mpe?g|mts|m2ts|ts|wmv|flv|3gp|gif|webp)$", re.IGNORECASE
)
# NAME_jpg.rf.HASH.jpg, as Roboflow writes NAME.jpg
_ROBOFLOW: Final = re.compile(r"^(.+?)((_(jpe?g|png|bmp|webp|tiff?))*)\.rf\.[\w-]+$", re.IGNORECASE)
_UPLOAD: Final = re.compile(r"^[0-9a-f]{8}-(?=.)")  # Label Studio
# What CVAT calls the download of a task; before 2.4 task_NAME-DATE-FORMAT
_CVAT_TASK: Final = re.compile(
    r"^task_(.+?)(?:_(?:annotations|dataset|backup)(?:_.*)?|-\d{4}(?:_\d\d){5}-.*)$", re.IGNORECASE
)
# A frame number has at most 18 digits; Python refuses to convert very long ones.
_NUMBER: Final = re.compile(r"^(.*?)[\s_.\-(#]*?(\d+)\)?$", re.DOTALL)
_WORD: Final = re.compile(rf"(?:^|(?<=[^a-z]))({'|'.join(_FRAME_WORDS)})$", re.IGNORECASE)
_SEPARATORS: Final = " _.-(#"
_LONGEST_NUMBER: Final = 18
_LONGEST_NAME: Final = 255
_MOST_ASKED: Final = 200
_SURE_DIGITS: Final = 4
_FOLDERS_UP: Final = 4  # from an annotation file: CLIP/annotations/train/labels/FILE
FirstFrame = Literal[0, 1]


@dataclass(frozen=True)
class Reading:
    """What is known before an annotation file is read: the clips, and what the user said of it.

    ``clips`` gives the key of a registered clip by its key or by the slug of its file's name; with
    None any name is taken for a clip's. Readings of many files share one :class:`ClipNames`.
    """

    clips: Mapping[str, str] | None = None
    clip: str | None = None  # the key of the clip of images that name none
    first_frame: FirstFrame | None = None  # the number of a clip's first frame; None: found out

    @cached_property
    def names(self) -> ClipNames:
        """The registered clips; those that several readings share are looked through once."""
        return self.clips if isinstance(self.clips, ClipNames) else ClipNames(self.clips or {})

    def registered(self, text: str) -> str | None:
        """The key of the registered clip of that name, also where a tool exchanged - and _."""
        if not text or self.clips is None:
            return None
        slug = clip_slug(text + ".x")
        return self.clips.get(slug) or self.names.alike(slug)

    @cached_property
    def _asked(self) -> dict[str, str | None]:
        """What :meth:`nearest` found."""
        return {}

    def nearest(self, text: str) -> str | None:
        """The registered clip whose name is most like a text; None when none is."""
        slug = clip_slug(text[:_LONGEST_NAME] + ".x")
        if slug not in self._asked:
            if len(self._asked) >= _MOST_ASKED:  # comparing is slow, and a few hints are enough
                return None
            self._asked[slug] = self.names.nearest(slug)
        return self._asked[slug]

    def hint(self, clip: str | None = None) -> str:
        """What to do about images that name no clip, or one that is not registered."""
        nearest = self.nearest(clip) if clip else None
        if nearest:
            return f"The nearest registered clip is {nearest!r}: rename one of them"
        names = self.names.listed
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        known = f" (registered: {', '.join(names[:3])}{more})" if names else ""
        if clip:
            return f"Register it with --clips, or read the file as another with --clip NAME{known}"
        return (
            "Put the file into a folder named like its clip, call it like the clip, or run with "
            f"--clip NAME{known}"
        )


class UnnamedImageError(InputError):
    """A name gives no clip, or no frame; ``what`` is the same for all such names."""

    def __init__(self, name: object, what: str, hint: str | None) -> None:
        super().__init__(f"the name {shown(name)} gives no {what}", hint=hint)
        self.name, self.what = name, what

    def __reduce__(self) -> tuple[object, ...]:
        return (UnnamedImageError, (self.name, self.what, self.hint))


def identity_of(
    name: object,
    reading: Reading | None = None,
    *,
    file: str = "",
    others: Sequence[object] = (),
    videos: Sequence[object] = (),
) -> tuple[str, int]:
    """Clip and frame of an image.

    ``others`` are further names of the same image, ``videos`` names of the video that it is from
    (the first is its file's), and ``file`` is the annotation file. In this order, the clip is: a
    registered one that the base name begins with; one that is not registered but stands there; for
    a bare number a registered one that a folder or a video is called like; one that is called like
    a word that tools use, where neither the user nor the annotation file's name says another; an
    unregistered one; ``reading.clip``; a registered one that the annotation file or a folder of it
    is called like. Raises UnnamedImageError when there is none.
    """
    reading = reading or Reading()
    if not isinstance(name, str):
        raise InputError(f"{shown(name)} is not an image name")
    texts = [name, *(other for other in others if isinstance(other, str))]
    ways = [list(_readings(text)) for text in texts]
    every = [one for group in ways for one in group]
    found = _registered(every, reading, generic=False)
    if found is not None:
        return found
    likely = [group[0] for group in ways if group]
    named = next((one for one in likely if one.text and one.sure), None)
    if named is not None:
        return clip_slug(f"{named.text}.x"), named.frame
    bare = [one for one in likely if not one.text]
    if not bare:
        stem = likely[0].text if likely else "".join(_parts(name)[-1:])
        raise UnnamedImageError(name, "clip and frame", _expected(reading, stem or ""))
    clip = _registered_video(videos, reading)
    word = None if clip or reading.clip else _registered(every, reading, generic=True)
    if word is not None and _of_file(file, reading, generic=False) is None:
        return word
    clip = (
        clip
        or next((clip_slug(f"{one.folder}.x") for one in bare if one.folder), None)
        or _other_video(videos, reading)
        or reading.clip
        or _of_file(file, reading)
    )
    if clip is None:
        raise UnnamedImageError(name, "clip", reading.hint())
    return clip, bare[0].frame


def frame_numbers(name: str) -> set[int]:
    """The frame numbers that an image's name may stand for."""
    return {one.frame for one in _readings(name)}


def _expected(reading: Reading, text: str) -> str:
    nearest = reading.nearest(text) if text else None
    near = f"; the nearest registered clip is {nearest!r}" if nearest else ""
    return f"Expected CLIP_000123.jpg or CLIP/000123.jpg{near}"


def clip_of(names: Sequence[object], reading: Reading | None = None, *, file: str = "") -> str:
    """The clip that the names of a video stand for; the first is its file's.

    As :func:`identity_of` decides for a bare frame number. Raises UnnamedImageError when there is
    none.
    """
    reading = reading or Reading()
    clip = (
        _registered_video(names, reading)
        or _other_video(names, reading)
        or reading.clip
        or _of_file(file, reading)
    )
    if clip is None:
        given = next((name for name in names if name), "")
        raise UnnamedImageError(given, "clip", reading.hint())
    return clip


@dataclass(frozen=True)
class _NameReading:
    """One way to read an image's name: what may name the clip, and the frame."""

    texts: tuple[str, ...]  # the base name before the frame number, the longest first
    sure: bool  # whether the number is a frame's for certain: four digits, or after "frame"
    folders: tuple[str, ...]  # the nearest first
    frame: int

    @property
    def text(self) -> str | None:
        """What the base name has of a clip's name; None when it is a bare number."""
        return next((t for t in reversed(self.texts) if not _is_generic(t)), None)

    @property
    def folder(self) -> str | None:
        """The nearest folder that may be named like a clip."""
        return next((f for f in self.folders if not _is_generic(f)), None)

    def heads(self) -> list[str]:
        """What a registered clip may be called, the likeliest first."""
        folders = (name for f in self.folders for name in (f, _VIDEO_SUFFIX.sub("", f)))
        return [*self.texts, *(() if self.text else dict.fromkeys(folders))]


def _registered(
    ways: Sequence[_NameReading], reading: Reading, *, generic: bool
) -> tuple[str, int] | None:
    """A registered clip that a name begins with or is in, and the frame.

    ``generic`` asks for those called like a word that tools use for any image.
    """
    for one in ways:
        for head in one.heads():
            key = reading.registered(head) if _is_generic(head) is generic else None
            if key is not None:
                return key, one.frame
    return None


def _is_generic(text: str) -> bool:
    return _GENERIC.fullmatch(text.lower()) is not None


def _readings(name: str) -> Iterator[_NameReading]:
    """The ways to read an image's name; none when it has no frame number."""
    parts = _parts(name)
    if not parts or len(parts[-1]) > _LONGEST_NAME:
        return
    folders = tuple(reversed(_own_folders(parts)))
    for stem in _stems(parts[-1]):
        found = _NUMBER.match(stem)
        if not found or len(found[2]) > _LONGEST_NUMBER:
            continue
        rest = found[1].rstrip(_SEPARATORS)
        word = _WORD.search(rest)
        texts = [rest, rest[: word.start()].rstrip(_SEPARATORS)] if word else [rest]
        texts += [_VIDEO_SUFFIX.sub("", text) for text in texts]
        unique = sorted({text for text in texts if text}, key=len, reverse=True)
        sure = word is not None or len(found[2]) >= _SURE_DIGITS
        yield _NameReading(tuple(unique), sure, folders, int(found[2]))


def _own_folders(parts: Sequence[str]) -> Sequence[str]:
    """The folders of a name without those of an upload to Label Studio, which have its number."""
    *folders, base = parts
    uploaded = folders[-2:-1] == ["upload"] and folders[-1].isdecimal() and _UPLOAD.match(base)
    return folders[:-2] if uploaded else folders


def _stems(base: str) -> Iterator[str]:
    """The base name without suffixes and without what Roboflow and Label Studio add."""
    base = _without_suffix(base)
    roboflow = _ROBOFLOW.match(base)
    if roboflow:
        base = _without_suffix(roboflow[1])
    plain = _UPLOAD.sub("", base)
    yield plain
    if plain != base:
        yield base


def _without_suffix(base: str) -> str:
    while _IMAGE_SUFFIX.search(base):
        base = _IMAGE_SUFFIX.sub("", base)
    return base


def _parts(name: str) -> list[str]:
    """Folders and base name of a path or an address, without ``..`` and drive letters."""
    text = name.strip()
    if re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE) or (
        "?" in text and text.startswith(("/", "."))
    ):
        try:
            url = urlparse(text)
            values = [value for many in parse_qs(url.query).values() for value in many]
        except ValueError as error:
            raise InputError(f"{shown(name)} is not an address") from error
        paths = [v for v in values if _IMAGE_SUFFIX.search(v) or _VIDEO_SUFFIX.search(v)]
        text = paths[0] if paths and not _IMAGE_SUFFIX.search(url.path) else url.path
    for _ in range(2):  # some tools encode twice
        text = unquote(text)
    path = posixpath.normpath(text.replace("\\", "/"))
    parts = [part.strip() for part in path.split("/")]
    return [p for p in parts if p not in {"", ".", ".."} and not re.fullmatch(r"[a-zA-Z]:", p)]


def _registered_video(names: Sequence[object], reading: Reading) -> str | None:
    stems = (stem for name in names for stem in _video_stems(name))
    return next((key for stem in stems if (key := reading.registered(stem)) is not None), None)


def _other_video(names: Sequence[object], reading: Reading) -> str | None:
    """What the video's file is called, where no clip is registered under that name."""
    stems = _video_stems(names[0]) if names else []
    if not stems or (reading.clips is not None and _is_generic(stems[0])):
        return None
    return clip_slug(stems[0] + ".x")


def _video_stems(name: object) -> list[str]:
    parts = _parts(name) if isinstance(name, str) else []
    if not parts:
        return []
    base = _VIDEO_SUFFIX.sub("", parts[-1]) or parts[-1]
    return list(dict.fromkeys([_UPLOAD.sub("", base), base]))


def _of_file(file: str, reading: Reading, *, generic: bool = True) -> str | None:
    """The registered clip that an annotation file, its archive or a folder of it is called like.

    Without ``generic``, not by a word that tools use.
    """
    parts = [part for part in re.split(r"[/\\!]", file) if part]
    if not parts:
        return None
    own = parts[-1]
    names = [own.rpartition(".")[0], own.partition(".")[0]]
    for folder in reversed(parts[-1 - _FOLDERS_UP : -1]):
        names += [folder, re.sub(r"\.zip$", "", folder, flags=re.IGNORECASE)]
    names += [task[1] for name in names if (task := _CVAT_TASK.match(name))]
    likely = [name for name in names if generic or not _is_generic(name)]
    return next((key for name in likely if (key := reading.registered(name)) is not None), None)
