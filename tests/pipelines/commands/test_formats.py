"""``dance formats`` and the page that is made from the same declarations."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dance_models.formats import Format, markdown
from pipelines.cli import make_app
from pipelines.commands.formats import known_formats

PAGE = Path(__file__).parents[3] / "docs" / "usage" / "formats.md"


def test_the_page_is_made_from_the_declarations() -> None:
    """After a change: ``dance formats --markdown`` prints the tables, to be pasted."""
    text = PAGE.read_text("utf-8")
    assert text[text.index("## Annotations") :] == markdown(known_formats())
    assert sum(bool(known.read) for known in known_formats()) >= 30
    assert len(known_formats()) >= 20


def _output(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(make_app(), ["formats", *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == code, done.output
    return done.output


def test_the_list_names_what_is_read_and_what_is_not() -> None:
    output = _output()
    for known in known_formats():
        assert known.id in output


@pytest.mark.parametrize("known", known_formats(), ids=lambda known: known.id)
def test_a_format_is_described_with_an_example(known: Format) -> None:
    output = _output(known.id)
    for line in (known.reads, known.example.splitlines()[0]):
        assert line.expandtabs() in output.expandtabs()


def test_an_unknown_format_is_refused() -> None:
    assert "there is no format 'word'" in _output("word", code=2)
