"""Which of many names a text is most like, for hints about misspelt ones."""

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cached_property
from typing import Final

_COMPARED: Final = 50  # names, letter by letter: that takes 0.1 ms each
_PART: Final = 3  # letters
_MOST_PARTS: Final = 8  # of a text, the rarest among the names
_MOST_OF_PART: Final = 200  # names that are looked at for a part: what most names have tells little


class Nearest:
    """Names in which the nearest to a text is found, in a time that hardly grows with their number.

    Of more than ``_COMPARED`` names those are compared that have the most rare parts of the text.
    What is found depends on the names and the text alone.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(set(names))

    def to(self, text: str) -> str | None:
        """The name that is most like the text; None when none is like it."""
        return next(iter(get_close_matches(text, self._candidates(text), 1)), None)

    def _candidates(self, text: str) -> list[str]:
        if len(self._names) <= _COMPARED:
            return self._names
        found = [self._by_part[part] for part in sorted(_parts(text)) if part in self._by_part]
        shared: Counter[int] = Counter()
        for places in sorted(found, key=len)[:_MOST_PARTS]:
            shared.update(places[:_MOST_OF_PART])
        return [self._names[place] for place, _ in shared.most_common(_COMPARED)]

    @cached_property
    def _by_part(self) -> dict[str, list[int]]:
        """The places of the names that have each part."""
        places: dict[str, list[int]] = {}
        for place, name in enumerate(self._names):
            for part in _parts(name):
                places.setdefault(part, []).append(place)
        return places


def _parts(text: str) -> set[str]:
    return {text[start : start + _PART] for start in range(max(len(text) - _PART, 0) + 1)}
