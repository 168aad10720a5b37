"""Loading JSON that others wrote: bounded, and with what Python's reader passes over said."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dance_models.errors import InputError
from dance_models.files import SIZE_LIMIT, read_file
from dance_models.text import brief

# Bytes that a loaded document may take. Some characters make objects of many times their size.
MOST_MEMORY: Final = 1_000_000_000
_OBJECT, _EMPTY, _LIST, _VALUE, _TEXT = 184, 64, 72, 33, 55  # bytes, in CPython 3.11
_LISTED: Final = 5
_HINT: Final = "Export it again from its tool"
# Characters above U+FFFF are escaped as two halves. One alone, as of an emoji that a tool cut in
# two, is in no text that can be written. ``\\.`` passes over an escaped backslash before a "u".
_HALVES: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
_NO_CHARACTER: Final = r"\ufffd"  # of Unicode, for what is none


@dataclass(frozen=True)
class Document:
    """A loaded document, and what of it is not as it was written.

    ``doubled``: how often each key was given again in an object that had it. ``halves``: halves of
    characters, in place of which it has U+FFFD.
    """

    value: Any
    doubled: Counter[str]
    halves: int = 0

    @property
    def said(self) -> str | None:
        """What a person should know of its keys and texts; None when nothing is wrong."""
        halves = f"halves of characters were replaced by U+FFFD, {self.halves} in all"
        return "; ".join(filter(None, (self.keys_again, halves if self.halves else None))) or None

    @property
    def keys_again(self) -> str | None:
        """Which keys have several values; None when none has."""
        if not self.doubled:
            return None
        keys = ", ".join(repr(key[:40]) for key in list(self.doubled)[:_LISTED])
        more = ", ..." if len(self.doubled) > _LISTED else ""
        return (
            f"{self.doubled.total()} values were given again under the same key ({keys}{more}): "
            "the last one counts"
        )


def load_json(data: bytes | str, file: str | Path, kind: type[InputError] = InputError) -> Document:
    """Load JSON. Raises ``kind`` when it is none, or too deep or too large to be loaded."""
    doubled: Counter[str] = Counter()

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        loaded = dict(found)
        if len(loaded) < len(found):
            counts = Counter(key for key, _ in found)
            doubled.update({key: n - 1 for key, n in counts.items() if n > 1})
        return loaded

    try:
        text = data.decode(json.detect_encoding(data)) if isinstance(data, bytes) else data
        _check_memory(text, file, kind)
        whole, halves = _without_halves(text)
        return Document(json.loads(whole, object_pairs_hook=pairs), doubled, halves)
    except json.JSONDecodeError as error:
        message = f"is not JSON (line {error.lineno}: {error.msg})"
        raise kind(message, file=file, hint=_HINT) from error
    except RecursionError as error:
        raise kind("is JSON that is nested too deeply", file=file, hint=_HINT) from error
    except InputError:
        raise
    except ValueError as error:  # the encoding, or an integer of more digits than Python converts
        raise kind(f"is not JSON ({brief(error)})", file=file, hint=_HINT) from error


def read_json(path: Path, most: int = SIZE_LIMIT) -> Document:
    """Load a file of JSON. Raises InputError naming the file."""
    try:
        return load_json(read_file(path, most), path)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path) from error


def _without_halves(text: str) -> tuple[str, int]:
    """JSON in which no escaped half of a character is alone, and how many were."""
    if "\\ud" not in text and "\\uD" not in text:
        return text, 0
    count = 0

    def replaced(found: re.Match[str]) -> str:
        nonlocal count
        if found["half"] is None:
            return found[0]
        count += 1
        return _NO_CHARACTER

    return _HALVES.sub(replaced, text), count


def _check_memory(text: str, file: str | Path, kind: type[InputError]) -> None:
    """Refuse a text whose loaded form would not fit: 4 bytes of ``[],`` become 72."""
    empty = text.count("{}")
    need = (
        len(text)
        + _OBJECT * (text.count("{") - empty)
        + _EMPTY * empty
        + _LIST * text.count("[")
        + _VALUE * text.count(",")
        + _TEXT * text.count('"') // 2
    )
    if need > MOST_MEMORY:
        raise kind(
            f"loading it takes {need / 1e9:.1f} GB, more than {MOST_MEMORY / 1e9:.0f}",
            file=file,
            hint="Split it into one file a clip",
        )
