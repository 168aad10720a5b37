"""What the checks found is read whole, or checked again."""

from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest

from dance_models.config import QualityConfig
from dance_models.errors import DamagedFileError
from dance_models.profiles import PROFILES
from dance_models.quality.findings import Finding
from dance_models.tables import is_table, read_metadata, read_table
from pipelines.checks import asset_checks
from pipelines.checks.asset_checks import AssetChecks, Check, written_findings
from pipelines.commands.verify import verified
from pipelines.storage import memory
from pipelines.storage.memory import remembering
from pipelines.storage.store import Store

QUALITY = PROFILES["smoke"].quality


def no_findings(store: Store, quality: QualityConfig, clip: str | None) -> list[Finding]:
    return []


CHECKS = AssetChecks("numbers", (Check("sound", "It is sound."),), no_findings)
FINDING = Finding("sound", "solo", "it is not", 2.0, 1.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=str(tmp_path)).initialise()


def _listed(store: Store) -> list[str]:
    return [damaged.file for damaged in verified(store)]


def _damage_but_not_its_metadata(path: Path) -> None:
    content = path.read_bytes()
    stated = read_metadata(path)
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with suppress(DamagedFileError):
            if read_metadata(path) == stated and not _can_be_read(path):
                return
    raise AssertionError("no bit damages the table and leaves its metadata")


def _can_be_read(path: Path) -> bool:
    try:
        read_table(path)
    except DamagedFileError:
        return False
    return True


def test_a_damaged_table_without_findings_is_checked_again(store: Store) -> None:
    """Its end, which says that there are none, may be whole."""
    path = store.findings("numbers")
    CHECKS.record(store, QUALITY, None, "of these inputs", [])
    assert CHECKS.found(store, QUALITY, None, "of these inputs") == []
    assert _listed(store) == []
    _damage_but_not_its_metadata(path)
    assert _listed(store) == ["tables/findings/numbers.parquet"]
    assert CHECKS.found(store, QUALITY, None, "of these inputs") is None
    assert CHECKS.evaluate_or_reuse(store, QUALITY, None, "of these inputs") == []
    assert _listed(store) == []


def test_an_empty_table_is_not_read_where_another_of_its_bytes_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for inputs in ("of these", "of others"):
        CHECKS.record(store, QUALITY, None, inputs, [])
        assert is_table(store.findings("numbers").read_bytes())
        assert not is_table(store.findings("numbers").read_bytes()[:-20])
        assert CHECKS.found(store, QUALITY, None, inputs) == []
        monkeypatch.setattr(asset_checks, "is_table", pytest.fail)
        monkeypatch.setattr(asset_checks, "read_table", pytest.fail)


def test_findings_that_are_remembered_are_those_that_were_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk over thousands of clips with warnings reads none of their tables again."""
    monkeypatch.setattr(memory, "SETTLED_NS", 0)
    path = store.findings("numbers")
    written = [
        FINDING,
        Finding("sound", "duo", "far", float("inf"), 0.1, "error", 3, "neck", "a", 7),
    ]
    CHECKS.record(store, QUALITY, None, "of these inputs", written)
    with remembering(store) as walk:
        assert written_findings(walk, path) == written
    monkeypatch.setattr(asset_checks, "read_table", pytest.fail)
    with remembering(store) as walk:
        assert written_findings(walk, path) == written


def test_a_renamed_column_of_findings_is_damage(store: Store) -> None:
    """One wrong bit renames a column of a table that can be read."""
    path = store.findings("numbers")
    CHECKS.record(store, QUALITY, None, "of these inputs", [FINDING])
    assert CHECKS.found(store, QUALITY, None, "of these inputs") == [FINDING]
    path.write_bytes(path.read_bytes().replace(b"message", b"messagd"))
    assert _listed(store) == ["tables/findings/numbers.parquet"]
    assert CHECKS.found(store, QUALITY, None, "of these inputs") is None


def test_a_check_of_thousands_of_clips_describes_some_of_them(store: Store) -> None:
    """A corpus whose estimates are all mirrored makes a finding for each clip."""
    found = [Finding("sound", f"clip_{i:04d}", "it is not", 2.0, 1.0) for i in range(5000)]
    (result,) = CHECKS.results(store, found)
    assert result.description is not None
    first, *_, last = result.description.splitlines()
    assert (first, last) == ("sound: clip_0000: it is not", "and 4,960 more findings")
    assert result.metadata["count"].value == 5000


def test_a_check_that_only_warns_does_so_when_it_passes(store: Store) -> None:
    """Else the web UI shows the warnings of other clips as errors."""
    (result,) = CHECKS.results(store, [])
    assert (result.passed, result.severity) == (True, dg.AssetCheckSeverity.WARN)
    stops = AssetChecks("numbers", (Check("sound", "It is sound.", blocking=True),), no_findings)
    (result,) = stops.results(store, [])
    assert (result.passed, result.severity) == (True, dg.AssetCheckSeverity.ERROR)
