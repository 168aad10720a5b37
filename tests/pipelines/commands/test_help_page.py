"""The help pages: what anyone with a video needs comes first, and each option says what it is."""

import pytest
import typer
from typer.testing import CliRunner

from pipelines.cli import make_app

OF_VIDEOS = ("analyze", "compare", "live", "doctor")


def test_the_commands_for_ones_own_videos_come_first() -> None:
    shown = CliRunner().invoke(make_app(), ["--help"], env={"COLUMNS": "120"}).output
    places = [shown.index(f"│ {name} ") for name in (*OF_VIDEOS, "demo", "run", "backup")]
    assert places == sorted(places)


@pytest.mark.parametrize("name", OF_VIDEOS)
def test_each_option_says_what_it_is(name: str) -> None:
    command = typer.main.get_group(make_app()).commands[name]
    texts = [str(getattr(parameter, "help", "")) for parameter in command.params]
    assert all(len(text.split()) >= 4 for text in texts), texts
    assert command.help is not None
    assert len(command.help.splitlines()[0]) <= 90  # one line of the list of commands


def test_compare_offers_no_rule_that_it_refuses() -> None:
    for name, offered in (("analyze", True), ("compare", False)):
        shown = CliRunner().invoke(make_app(), [name, "--help"], env={"COLUMNS": "200"}).output
        assert ("moving, all" in shown) == offered
