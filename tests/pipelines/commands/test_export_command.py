"""``dance export``: files, card and configuration of one network, or a line on why not."""

import os
from pathlib import Path

import pytest
from command_line import dance_without_store

from dance_models.files import part_of


def test_the_shipped_networks_get_a_folder_each_with_a_card(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    left = tmp_path / "prediction" / part_of(Path("model")).name.replace(f".{os.getpid()}-", ".0-")
    left.mkdir(parents=True)  # of a process that was killed
    code, said = dance_without_store(
        "export", "shipped", "--out", tmp_path, "--formats", "safetensors,safetensors", "--debug"
    )
    assert code == 0
    names = ["README.md", "config.json", "model.safetensors"]
    for folder in ("recognition", "recognition_causal", "prediction"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == names
        card = (tmp_path / folder / "README.md").read_text("utf-8")
        assert card.count("* `model.safetensors`") == card.count("* `config.json`") == 1
    assert "model.safetensors, config.json, README.md" in " ".join(said.split())


def test_no_format_writes_nothing(tmp_path: Path) -> None:
    code, said = dance_without_store(
        "export", "shipped", "--out", tmp_path / "out", "--formats", ""
    )
    assert code == 2
    assert "--formats: no format is named. Known: onnx, pt2, safetensors" in " ".join(said.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["a file", "no right to write", "a folder for a file"])
def test_where_no_file_can_be_written_says_so(place: str, tmp_path: Path) -> None:
    if place == "no right to write" and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    out = tmp_path / "out"
    if place == "a file":
        out.write_text("mine")
    else:
        out.mkdir()
    if place == "no right to write":
        out.chmod(0o500)
    if place == "a folder for a file":
        (out / "recognition" / "README.md").mkdir(parents=True)
    code, said = dance_without_store("export", "shipped", "--out", out, "--formats", "safetensors")
    assert code == 2
    line = " ".join(said.split())
    assert line.startswith(f"error: {out}"), line
    assert "Choose another --out" in line
