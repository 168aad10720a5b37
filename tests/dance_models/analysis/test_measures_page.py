"""docs/usage/measures.md says what the code does."""

from pathlib import Path

from dance_models.analysis.angles import ANGLES, SHORTEST
from dance_models.analysis.camera import MOVES_BY, MOVES_SHARE
from dance_models.analysis.contacts import LAND_HEIGHT, LAND_SPEED, LEAVE_HEIGHT, LEAVE_SPEED
from dance_models.analysis.files.write import FILE_FORMATS
from dance_models.analysis.kinematics import REST_S, REST_SPEED
from dance_models.analysis.uncertainty import measured_errors

PAGE = (Path(__file__).parents[3] / "docs" / "usage" / "measures.md").read_text("utf-8")
FLAT = " ".join(PAGE.split())


def test_every_angle_is_defined() -> None:
    for angle in ANGLES:
        row = next(line for line in PAGE.splitlines() if f"`{angle.name}`" in line)
        assert row.endswith(f" | {angle.definition} |"), angle.name


def test_the_errors_are_those_of_the_package() -> None:
    errors = measured_errors()
    assert f"{errors.clips} clips, {errors.frames:,} frames" in FLAT
    for name, e in errors.angles.items():
        values = f"{e.raw_median} | {e.raw_p90} | {e.refined_median} | {e.refined_p90}"
        assert f"| `{name}` | {values} |" in PAGE


def test_every_format_is_listed() -> None:
    for name, known in FILE_FORMATS.items():
        row = f"| `{name}` | `NAME{known.ending}` | {known.content} | {known.for_tools} |"
        assert row in PAGE


def test_the_limits_are_those_of_the_code() -> None:
    assert f"shorter than {SHORTEST} of the clip's median torso" in FLAT
    assert f"below {REST_SPEED} torso lengths a second over {REST_S} s" in FLAT
    assert f"landing below {LAND_SPEED}, leaving above {LEAVE_SPEED:g} torso length" in FLAT
    assert f"within {LAND_HEIGHT}, then {LEAVE_HEIGHT} torso lengths" in FLAT
    assert f"in {MOVES_SHARE:.0%} of the frames".replace("%", " %") in FLAT
    assert f"than {MOVES_BY:.0%} of its width".replace("%", " %") in FLAT
