"""The comments beside a configuration's fields."""

from dataclasses import dataclass

from dance_models.config import MkffStGcnConfig, QualityConfig, TrainingConfig
from dance_models.documented import field_comments


@dataclass(frozen=True)
class Example:
    """Fields with comments in all places."""

    plain: int = 0
    beside: int = 1  # what it is
    # two lines above it
    # belong together
    above: int = 2
    # above
    both: tuple[int, ...] = (3,)  # and beside

    # a heading
    below_a_heading: str = "# is no comment"


def test_comments_above_and_beside_a_field_belong_to_it() -> None:
    assert field_comments(Example) == {
        "beside": "what it is",
        "above": "two lines above it belong together",
        "both": "above. and beside",
    }


def test_inherited_fields_and_headings() -> None:
    assert field_comments(MkffStGcnConfig)["window"] == "frames"
    assert "clips" not in field_comments(QualityConfig)["lost_frames"]
    assert "geometry" not in field_comments(TrainingConfig)["mirror_probability"]


def test_without_a_source_there_is_nothing() -> None:
    assert field_comments(int) == {}
