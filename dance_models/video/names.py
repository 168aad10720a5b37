"""The key of a clip, from the name of its file in any script."""

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import Final

from anyascii import anyascii

LONGEST: Final = 100  # characters of a key: it names folders and files, with suffixes of their own


def clip_slug(path: str | Path) -> str:
    """A clip's key: the file stem in ``[a-z0-9_-]+``; folders never become part of it.

    Letters of other scripts are transliterated, accents are left out. The key is never empty: a
    name without a letter or digit becomes ``clip-`` and a hash of it, and a long name is cut and
    ends in its hash.
    """
    stem = unicodedata.normalize("NFC", Path(str(path).replace("\\", "/")).stem)
    plain = re.sub(r"[^a-z0-9_-]+", "-", "".join(map(_latin, stem.casefold())).lower()).strip("-")
    if not re.search(r"[a-z0-9]", plain):
        return f"clip-{short_hash(stem)}"
    if len(plain) > LONGEST:
        return f"{plain[: LONGEST - 7]}-{short_hash(stem)}"
    return plain


def _latin(letter: str) -> str:
    """A letter in ASCII; signs for which transliterations use an apostrophe are left out."""
    return letter if letter.isascii() else anyascii(letter).replace("'", "").replace("`", "")


def distinct_slug(slug: str, name: str) -> str:
    """The key of a second file whose name gives the same ``slug``; ``name`` tells them apart."""
    return f"{slug}-{short_hash(unicodedata.normalize('NFC', name))}"


def short_hash(text: str) -> str:
    """Six hexadecimal digits of a text's sha256."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:6]
