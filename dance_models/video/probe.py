"""Probing: one sequential decode that determines what a clip really contains.

PyAV reads every packet, so that time stamps, damage and the true number of frames are known before
anything is sampled. The decoder is first set to fail on everything it objects to, since a concealed
frame looks like a frame. A file that it objects to is decoded once more as a player does:
``damage`` tells whether pictures are damaged, or the decoder only remarked on something.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.errors import VideoError, guarded
from dance_models.video.damage import objections_noted, verdict
from dance_models.video.ending import share_there
from dance_models.video.orientation import Orientation, displayed_size, orientation_of
from dance_models.video.signature import SIZE, signature_of_frame
from dance_models.video.source import Mode, Source, hint_for, open_source
from dance_models.video.times import presentation_times

# A file with a smaller share of its declared frames was cut off.
MOST_FRAMES: Final = 1_000_000  # nine hours at 30 frames/s
ENOUGH: Final = 0.9
# Frame intervals may differ by this share of the median before a clip counts as variable.
RATE_TOLERANCE: Final = 0.1


@dataclass(frozen=True, eq=False)
class ClipProbe:
    """The content of one clip; T decoded frames. Field names as in ``tables.CLIP_PROBE``."""

    codec: str
    width: int  # as displayed
    height: int
    rotation: int  # degrees, counter-clockwise, that displaying applies after mirroring
    fps: float
    nominal_frames: int
    decoded_frames: int
    variable_rate: bool
    duration_s: float
    time_s: NDArray[np.float64]  # (T,) from the first frame on
    motion: NDArray[np.float32]  # (T,) mean luma change to the frame before, 0..255
    signature: NDArray[np.uint8]  # (T, 432), in the orientation in which the frames are coded
    warnings: list[str] = field(default_factory=list)
    mirrored: bool = False  # whether displaying mirrors the picture left to right
    coded_width: int = 0  # of the pictures in the file; 0 in tables from before, as displayed then
    coded_height: int = 0
    in_order: bool = False  # whether frames are told only by counting from the start of the file
    image_numbers: list[int] = field(default_factory=list)  # of a folder of images, (T,)
    remarks: list[str] = field(default_factory=list)  # the warnings that a person should look at

    @property
    def orientation(self) -> Orientation:
        """How displaying turns a coded picture."""
        return Orientation(self.rotation, self.mirrored)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as displayed, pixels."""
        return self.width, self.height

    @property
    def unstretched(self) -> tuple[int, int]:
        """Width and height of the upright picture with the pixels of the file."""
        return unstretched_size(self.size, (self.coded_width, self.coded_height), self.orientation)

    def as_row(self) -> dict[str, Any]:
        """Values for a row of ``tables.CLIP_PROBE``."""
        row = asdict(self)
        row["time_s"], row["motion"] = self.time_s.tolist(), self.motion.tolist()
        row["signature"] = [frame.tobytes() for frame in self.signature]
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "ClipProbe":
        """The probe that :meth:`as_row` stored; rows from before lack what was added later."""
        fields = cls.__dataclass_fields__.values()
        plain = {f.name: row[f.name] for f in fields if row.get(f.name) is not None}
        plain["time_s"] = np.array(row["time_s"], np.float64)
        plain["motion"] = np.array(row["motion"], np.float32)
        joined = b"".join(row["signature"])
        plain["signature"] = np.frombuffer(joined, np.uint8).reshape(-1, SIZE)
        return cls(**plain)


@dataclass
class ProbePass:
    """What one decode of the file ``path`` collects of its frames."""

    path: Path
    keep: bool = True  # the signatures of all frames, else of the newest alone
    pts: list[int | None] = field(default_factory=list)
    signatures: list[NDArray[np.uint8]] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)  # mean change of luma to the next frame
    orientation: Orientation = field(default_factory=Orientation)
    size: tuple[int, int] = (0, 0)

    def note(self, frame: Any) -> None:
        """Add the next PyAV frame. Raises VideoError for one too many or of another size."""
        if not self.pts:
            self.size = (frame.width, frame.height)
            self.orientation = orientation_of(frame)
        elif len(self.pts) >= MOST_FRAMES:
            raise VideoError(
                f"it has more than {MOST_FRAMES} frames",
                file=self.path,
                hint="Cut it into clips of a take each",
            )
        elif (frame.width, frame.height) != self.size:
            raise VideoError(
                f"the size changes from {self.size} to {(frame.width, frame.height)}",
                file=self.path,
                frame=len(self.pts),
                hint="Re-encode it to one size",
            )
        self.pts.append(frame.pts)
        signature = signature_of_frame(frame)
        if self.signatures:
            change = cv2.norm(signature, self.signatures[-1], cv2.NORM_L1)
            self.changes.append(change / SIZE)
        if not self.keep:
            self.signatures.clear()
        self.signatures.append(signature)


def probe_clip(path: Path, rate: float | None = None) -> ClipProbe:
    """Decode a video file or a folder of numbered images from start to end.

    ``rate`` is the frame rate of a folder that has none of its own. Raises VideoError when it
    cannot be opened, has no picture, is damaged or was cut off; what can be lived with (variable
    rate, rotation, a wrong frame count) becomes a warning.
    """
    with guarded("a video", path, VideoError):
        return _probed(path, rate)


def _probed(path: Path, rate: float | None) -> ClipProbe:
    source, done = _decode(path, rate, "strict")
    remarks = ""
    if source.reading.remarks or source.reading.corrupt:
        strict = source.reading
        source, done = _decode(path, rate, "careful")
        damaged, remarks = verdict(strict, source.reading, done.pts)
        if damaged and done.pts:
            raise VideoError(
                f"the stream is damaged (faults: {len(damaged)}, the first at this frame)",
                file=path,
                frame=damaged[0],
                hint="Copy it again from its source, or repair it by re-encoding",
            )
    return concluded(source, done, remarks)


def concluded(
    source: Source, done: ProbePass, remarks: str, *, refuse_parts: bool = True
) -> ClipProbe:
    """What a whole decode saw; ``remarks`` is what was to be said of the decoder's objections.

    Raises VideoError without frames, and with ``refuse_parts`` for a file that was cut off; that
    is a warning otherwise.
    """
    path = done.path
    count, declared = len(done.pts), source.declared
    if not count:
        raise VideoError("not a single frame could be decoded", file=path, hint=hint_for(OSError()))
    if declared > count:  # pictures that build on ones before the start are not shown
        declared = max(count, declared - source.reading.leading)
    whole = 1.0 if path.is_dir() else share_there(path)
    cut_off = (declared and count < ENOUGH * declared) or whole < ENOUGH
    if cut_off and refuse_parts:
        frames = f"{count} of {declared}" if declared > count else f"only {count}"
        raise VideoError(
            f"the file was cut off: {frames} frames are there",
            file=path,
            hint="Copy it again, or re-encode it to keep what is there",
        )
    time_s, repaired = presentation_times(done.pts, source.base, source.rate, path)
    ending = "" if whole == 1 else f"the file lacks {1 - whole:.1%} of its bytes, at its end"
    looked_at = [*source.warnings, *filter(None, (repaired, remarks, ending))]
    if 0 < source.reading.unkeyed < count:
        looked_at.append(
            f"the first {source.reading.unkeyed} frames build on pictures that are not in the file"
        )
    in_order = source.in_order or bool(repaired or remarks or declared != source.declared)
    return _describe(source, done, declared, time_s, looked_at, in_order=in_order)


def unstretched_size(
    shown: tuple[int, int], coded: tuple[int, int], orientation: Orientation
) -> tuple[int, int]:
    """Width and height of the upright picture with the pixels of the file.

    ``coded`` is (0, 0) in tables from before it was stored: ``shown`` then.
    """
    if not coded[0]:
        return shown
    return displayed_size(coded, Fraction(1), orientation)


def _decode(path: Path, rate: float | None, mode: Mode) -> tuple[Source, ProbePass]:
    done = ProbePass(path)
    with objections_noted(), open_source(path, rate, mode) as source:
        for frame in source.frames:
            done.note(frame)
    return source, done


def _describe(
    source: Source,
    done: ProbePass,
    nominal: int,
    time_s: NDArray[np.float64],
    remarks: list[str],
    *,
    in_order: bool,
) -> ClipProbe:
    count = len(time_s)
    steps = np.diff(time_s)
    typical = float(np.median(steps)) if count > 1 else 0.0
    jitter = max(RATE_TOLERANCE * typical, 2 * source.base)
    variable = bool(count > 1 and (np.abs(steps - typical) > jitter).any())
    width, height = displayed_size(done.size, source.aspect, done.orientation)
    remarks = [*remarks, *_stretched(source.aspect, done.size, (width, height))]
    warnings = [*_notes(done, nominal, steps, variable=variable), *remarks]
    return ClipProbe(
        codec=source.codec,
        width=width,
        height=height,
        rotation=done.orientation.rotation,
        fps=float((count - 1) / time_s[-1]) if count > 1 else 0.0,
        nominal_frames=nominal or count,
        decoded_frames=count,
        variable_rate=variable,
        duration_s=float(time_s[-1] + typical),
        time_s=time_s,
        motion=np.array([*done.changes[:1], *done.changes] or [0.0], np.float32),
        signature=np.stack(done.signatures),
        warnings=warnings,
        mirrored=done.orientation.mirrored,
        coded_width=done.size[0],
        coded_height=done.size[1],
        in_order=in_order,
        image_numbers=list(source.image_numbers),
        remarks=remarks,
    )


def _stretched(aspect: Fraction, coded: tuple[int, int], shown: tuple[int, int]) -> list[str]:
    if aspect == 1:
        return []
    return [
        f"pixels are not square ({aspect.numerator}:{aspect.denominator}): "
        f"{coded[0]}x{coded[1]} in the file, {shown[0]}x{shown[1]} as displayed"
    ]


def _notes(
    done: ProbePass, nominal: int, steps: NDArray[np.float64], *, variable: bool
) -> list[str]:
    """What is unusual and needs nobody's attention."""
    notes = []
    if nominal and nominal != len(done.pts):
        notes.append(f"the file claims {nominal} frames, {len(done.pts)} were decoded")
    if variable:
        notes.append(
            f"variable frame rate: {1000 * steps.min():.0f} to {1000 * steps.max():.0f} ms a frame"
        )
    if done.orientation.mirrored:
        notes.append("mirrored left to right when displayed")
    if done.orientation.rotation:
        notes.append(f"rotated by {done.orientation.rotation} degrees when displayed")
    return notes
