"""What the README tells people to type exists and takes the options it shows."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pipelines.steps import assets_of
from typer.testing import CliRunner

from dance_models.profiles import PROFILES
from dance_models.rows import ROW_OF_PRETRAINING, ROWS
from pipelines.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def _commands() -> list[list[str]]:
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`(dance [^`]+|make [^`]+)`", README)
    return [shlex.split(line) for line in [*lines, *inline] if line]


def test_the_two_commands_come_first() -> None:
    assert [c[:2] for c in _commands()[:2]] == [["make", "demo"], ["make", "test"]]


@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_a_command_exists_with_its_options(command: list[str]) -> None:
    if command[0] == "make":
        done = subprocess.run(
            ["make", "--dry-run", *command[1:]], cwd=ROOT, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return
    if command[0] == "python":
        done = subprocess.run(
            [sys.executable, *command[1:]], cwd=ROOT, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return
    if "=" in command[0]:
        assert command[1] == "make"
        return
    assert command[0] == "dance"
    shown = CliRunner().invoke(app, [command[1], "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    for word in command[2:]:
        if word.startswith("--"):
            assert word in shown.output


def test_profiles_and_assets_are_named_as_they_are() -> None:
    for profile in PROFILES:
        assert f"| `{profile}` |" in README
    for asset in assets_of(PROFILES["demo"]):
        assert asset in README
    for asset in ROW_OF_PRETRAINING:
        assert asset in README
    for method in (*PROFILES["study"].rows, *(row.id for row in ROWS if row.pretraining_asset)):
        assert f"`{method}`" in README
    assert (ROOT / "docs" / "demo_skeletons.jpg").is_file()
