"""What an interrupted training cannot go on from is removed, and said; the rest stays."""

import zipfile
from pathlib import Path

import pytest
import torch

from dance_models.checkpoint import save_checkpoint
from dance_models.training.resume import discard_damaged


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in (tmp_path, tmp_path / "fold_0"):
        for name in ("best.pt", "last.pt"):
            save_checkpoint({"model": torch.arange(400)}, part / name)
    (tmp_path / "progress.json").write_text('{"epoch": 3}')
    return tmp_path


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_whole_checkpoints_stay(folder: Path) -> None:
    assert discard_damaged(folder) == []
    assert len(list(folder.rglob("*.pt"))) == 4


@pytest.mark.parametrize("name", ["best.pt", "last.pt"])
def test_a_damaged_checkpoint_makes_its_training_start_again(folder: Path, name: str) -> None:
    _flip_a_bit(folder / name)
    (line,) = discard_damaged(folder)
    assert f"{folder / name} is damaged" in line and "starts again" in line
    assert sorted(folder.rglob("*.pt")) == [folder / "fold_0" / n for n in ("best.pt", "last.pt")]


def test_a_checkpoint_that_lost_a_part_makes_its_training_start_again(folder: Path) -> None:
    """One wrong bit hides an entry of the archive: the checksums of the others hold."""
    last = folder / "last.pt"
    with zipfile.ZipFile(last) as archive:
        entries = {name: archive.read(name) for name in archive.namelist() if "/data/" not in name}
    with zipfile.ZipFile(last, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    (line,) = discard_damaged(folder)
    assert f"{last} is damaged (the checkpoint cannot be read" in line
    assert not last.exists()


def test_a_best_checkpoint_that_is_gone_cannot_be_made_from_the_last(folder: Path) -> None:
    (folder / "best.pt").unlink()
    (line,) = discard_damaged(folder)
    assert "it is missing" in line
    assert not (folder / "last.pt").exists()


def test_a_first_epoch_that_was_cut_short_needs_nothing(folder: Path) -> None:
    (folder / "last.pt").unlink()
    assert discard_damaged(folder) == []


def test_a_damaged_note_is_removed(folder: Path) -> None:
    (folder / "progress.json").write_text('{"epo')
    (line,) = discard_damaged(folder)
    assert "progress.json is damaged" in line
    assert not (folder / "progress.json").exists()
