"""The footnote that names the rows that were trained too briefly."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from dance_models.rows import Row, row_of
from pipelines.assets import evaluation
from pipelines.storage.store import Store

PLATEAUS = {
    "simlpe": {"fixed_split": True, "fold_0": True},
    "dmgnn": {"fixed_split": True, "fold_0": False},
    "stga_net": {"fixed_split": False},
    "st_gcn": {"fixed_split": False},
    "t_gcn": None,  # trained before this was recorded
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store(root=str(tmp_path))
    for name, plateau in PLATEAUS.items():
        folder = made.model(row_of(name).asset)
        folder.mkdir(parents=True)
        (folder / "best.pt").touch()
        best = {"path": made.relative(folder / "best.pt")}
        current = {"best": best, "last": best, **({"plateau": plateau} if plateau else {})}
        (folder / "current.json").write_text(json.dumps(current), encoding="utf-8")

    def trained(store: Store, rows: Iterable[Row]) -> list[Row]:
        return [row for row in rows if row.id in PLATEAUS]

    monkeypatch.setattr(evaluation, "scored_rows", trained)
    return made


def test_rows_whose_fixed_split_or_fold_went_on_improving_are_named(store: Store) -> None:
    note = evaluation.plateau_note(store, "prediction")
    assert note.startswith("Not trained to their plateau")
    assert note.endswith(": dmgnn, stga_net.")
    assert evaluation.plateau_note(store, "recognition").endswith(": st_gcn.")
    assert evaluation.plateau_note(store, None).endswith(": st_gcn, dmgnn, stga_net.")


def test_a_table_without_such_rows_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "scored_rows", lambda store, rows: [row_of("simlpe")])
    assert evaluation.plateau_note(store, "prediction").endswith(": none.")
