"""What happened in a video, in sentences for a terminal and for the page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from dance_models.text import frame_count

MOST_TIMES: Final = 8  # in a sentence; half an hour may have hundreds, which the document lists


def sentences(summary: Mapping[str, Any]) -> Iterator[str]:
    """Sentences about the summary of a video, without its warnings."""
    yield f"A person is seen in {summary['frames_with_somebody']} of {summary['frames']} frames."
    if summary["cuts"]:
        cuts = _listed([f"{cut['from_s']:.2f} s" for cut in summary["cuts"]])
        yield f"Cuts in the video, at {cuts}: what is before and after is measured apart."
    if summary["nobody"]:
        gaps = [f"{gap['from_s']:.1f}-{gap['to_s']:.1f} s" for gap in summary["nobody"]]
        yield f"Nobody is seen: {_listed(gaps)}."
    if missing := summary["missing_joints"]:
        seen = summary["frames_with_somebody"]
        joints = [
            name.replace("_", " ") + (f" ({frame_count(frames)})" if frames < seen else "")
            for name, frames in missing.items()
        ]
        yield (
            "Not seen for more than half a second, and neither drawn nor measured there: "
            f"{', '.join(joints)}."
        )
    if unsure := summary["unsure"]:
        when = [f"{span['from_s']:.2f} s ({_frames(span)})" for span in unsure]
        yield (
            f"The estimated body turns over and back faster than a body can, at {_listed(when)}: "
            "that is drawn pale and counts in no range."
        )
    if summary["camera"]:
        yield summary["camera"]
    if exchanged := summary["exchanged_sides"]:
        spans = (range(s["first_frame"], s["last_frame"] + 1) for s in exchanged)
        count = len({frame for span in spans for frame in span})
        yield f"Left and right had been mixed up in {frame_count(count)}; that was put right."
    contacts = summary["foot_contacts"]
    slides = [c["slide_in_torsos"] for c in contacts if c["slide_in_torsos"] is not None]
    if slides:
        times = f"{len(contacts)} times" if len(contacts) > 1 else "once"
        yield (
            f"The feet touch the floor {times}, and slide by {np.median(slides):.2f} "
            "torso lengths while they do (median)."
        )
    yield summary["forecast_shown"]["why"]


def _frames(span: Mapping[str, Any]) -> str:
    first, last = span["first_frame"], span["last_frame"]
    return f"frame {first}" if first == last else f"frames {first}-{last}"


def _listed(times: Sequence[str]) -> str:
    """The first of them, and how many follow."""
    more = len(times) - MOST_TIMES
    return ", ".join(times[:MOST_TIMES]) + (f" and {more} more" if more > 0 else "")
