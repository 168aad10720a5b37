"""Of many lines of one kind the first are said, and how many more there are."""

from dance_models.text import MOST_LINES, first_lines


def test_the_first_lines_are_said_and_the_others_counted() -> None:
    lines = [f"clip {number}" for number in range(12_345)]
    assert first_lines(iter(lines[:MOST_LINES]), "clips") == lines[:MOST_LINES]
    assert first_lines(lines, "clips") == [*lines[:MOST_LINES], "and 12,305 more clips"]
    assert first_lines([], "clips") == []
