"""What was found, in words."""

from typing import Final

# What a smaller and a larger angle look like.
SMALLER_LARGER: Final = {
    "elbow": ("more bent", "straighter"),
    "knee": ("more bent", "straighter"),
    "hip": ("more bent", "more open"),
    "shoulder": ("closer to the body", "further from the body"),
    "ankle": ("more flexed", "more pointed"),
}
PART: Final = {"shoulder": "upper arm"}  # which part moves when this angle changes


def at(seconds: float) -> str:
    """A time as players show it: "0:12", with tenths "0:12.4"."""
    tenths = max(0, round(10 * seconds))
    minutes, rest = divmod(tenths, 600)
    return f"{minutes}:{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")


def angle_words(name: str, difference: float) -> str:
    """An angle's difference, practice less reference: "left knee 18 degrees more bent"."""
    kind = name.removeprefix("left_").removeprefix("right_")
    smaller, larger = SMALLER_LARGER.get(kind, ("smaller", "larger"))
    shown = name.replace(kind, PART.get(kind, kind)).replace("_", " ")
    return f"{shown} {abs(difference):.0f} degrees {smaller if difference < 0 else larger}"


def late_words(late_s: float, beat_s: float | None = None) -> str:
    """Lateness in ms, and in beats where they are known: "120 ms late (0.24 beats)"."""
    said = f"{abs(1000 * late_s):.0f} ms {'late' if late_s > 0 else 'early'}"
    return said if beat_s is None else f"{said} ({abs(late_s) / beat_s:.2f} beats)"
