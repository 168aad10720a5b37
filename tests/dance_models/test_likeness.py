"""The nearest of many names, found without comparing each of them with the text."""

from collections.abc import Sequence
from difflib import get_close_matches

import pytest

from dance_models import likeness
from dance_models.likeness import Nearest


@pytest.mark.parametrize("text", ["salsa_1", "slasa_02", "tango", "zzz", ""])
def test_of_few_names_it_is_the_nearest_of_all(text: str) -> None:
    names = [f"{dance}_{take:02d}" for dance in ("salsa", "waltz", "tango") for take in range(9)]
    expected = get_close_matches(text, names, 1)
    assert Nearest(names).to(text) == (expected[0] if expected else None)


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("salza_0123", "salsa_0123"), ("salsa-0123", "salsa_0123"), ("qqqqqq", None)],
)
def test_of_many_names_few_are_compared(
    text: str, nearest: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []

    def counted(word: str, names: Sequence[str], most: int) -> list[str]:
        compared.append(len(names))
        return get_close_matches(word, names, most)

    monkeypatch.setattr(likeness, "get_close_matches", counted)
    names = [f"{dance}_{take:04d}" for dance in ("salsa", "waltz", "tango") for take in range(700)]
    assert Nearest(names).to(text) == nearest
    assert max(compared) <= 50
