"""The names of the registered clips, with what is looked up among them for every file."""

import re
from functools import cached_property

from dance_models.likeness import Nearest


class ClipNames(dict[str, str]):
    """The key of a registered clip by its key or by the slug of its file's name.

    Made once for all files that are read, and not changed afterwards: what is looked up among the
    names is kept. To make that again for each of 10,000 label files takes an hour.
    """

    def __hash__(self) -> int:  # type: ignore[override]  # nobody changes it
        return id(self)

    @cached_property
    def clips(self) -> frozenset[str]:
        """The keys of the clips."""
        return frozenset(self.values())

    @cached_property
    def listed(self) -> list[str]:
        """The keys of the clips in their order."""
        return sorted(self.clips)

    def alike(self, slug: str) -> str | None:
        """The key of the only clip whose name is the same where ``-`` and ``_`` are."""
        found = self._by_folded.get(_folded(slug), set())
        return next(iter(found)) if len(found) == 1 else None

    def nearest(self, slug: str) -> str | None:
        """The key of the clip whose name is most like one; None when none is."""
        name = self._nearest.to(slug)
        return None if name is None else self[name]

    @cached_property
    def _nearest(self) -> Nearest:
        return Nearest(self)

    @cached_property
    def _by_folded(self) -> dict[str, set[str]]:
        """The keys of the clips whose names are the same where - and _ are."""
        found: dict[str, set[str]] = {}
        for name, key in self.items():
            found.setdefault(_folded(name), set()).add(key)
        return found


def _folded(slug: str) -> str:
    return re.sub(r"[-_]+", "-", slug)
