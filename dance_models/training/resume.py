"""What an interrupted training left: kept when it is whole, removed when it is not."""

import json
from pathlib import Path

from dance_models.checkpoint import load_checkpoint
from dance_models.errors import InputError
from dance_models.files import archive_damage


def discard_damaged(folder: Path) -> list[str]:
    """Remove what training in ``folder`` and below it cannot go on from; a line for each.

    A training goes on from ``last.pt``; ``best.pt`` is of an earlier epoch, so when one of the two
    is damaged, or the second is missing, that training starts again. Others in the folder (folds,
    pilots) go on. Raises OSError when a file cannot be opened or removed.
    """
    lines = []
    for last in sorted(folder.rglob("last.pt")):
        best = last.with_name("best.pt")
        for path in (last, best):
            damage = _damage(path) if path.is_file() else "it is missing"
            if damage is not None:
                lines.append(f"{path} is damaged ({damage}): this training starts again")
                last.unlink()
                best.unlink(missing_ok=True)
                break
    for note in sorted(folder.rglob("*.json")):
        try:
            json.loads(note.read_text("utf-8"))
        except ValueError:
            lines.append(f"{note} is damaged: made again")
            note.unlink()
    return lines


def _damage(checkpoint: Path) -> str | None:
    """What is wrong with it: the checksums do not cover the names and places of its entries."""
    damage = archive_damage(checkpoint)
    if damage is None:
        try:
            load_checkpoint(checkpoint)
        except InputError as error:
            return error.message
    return damage
