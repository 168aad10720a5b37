"""How many names are compared letter by letter, which is slow."""

from difflib import SequenceMatcher
from typing import Any

import pytest


def counted_comparisons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that are compared with another from now on; the list grows."""
    compared: list[str] = []
    compare = SequenceMatcher.set_seq1

    def counted(matcher: Any, name: str) -> None:
        compared.append(name)
        compare(matcher, name)

    monkeypatch.setattr(SequenceMatcher, "set_seq1", counted)
    return compared
