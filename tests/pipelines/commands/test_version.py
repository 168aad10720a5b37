"""``dance --version``."""

from typer.testing import CliRunner

from dance_models import __version__
from pipelines.cli import make_app


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(make_app(), ["--version"])
    assert (result.exit_code, result.output) == (0, f"dance {__version__}\n")
