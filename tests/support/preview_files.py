"""Pictures that metadata in Dagster link to."""

import re
from pathlib import Path
from urllib.parse import unquote

import dagster as dg

from pipelines.storage.store import Store


def preview_file(store: Store, shown: dg.MetadataValue) -> Path:
    """The file in the store that a picture's Markdown links to."""
    assert isinstance(shown, dg.MarkdownMetadataValue)
    found = re.fullmatch(r"!\[.*\]\((/[^()?]+)\?sha256=[0-9a-f]{64}\)", shown.value or "")
    assert found is not None, shown.value
    return store.path / unquote(found[1]).lstrip("/")
