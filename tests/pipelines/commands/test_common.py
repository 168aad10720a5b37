"""Errors of commands become one line and an exit code."""

import errno
from pathlib import Path

import pytest
import typer
from command_line import dance_without_store
from typer.testing import CliRunner

from dance_models.errors import InputError
from pipelines.cli import make_app
from pipelines.commands.common import estimator_of, reported


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("no such folder", hint="Choose another"), 2, "no such folder"),
        (RuntimeError("broken\nmore"), 1, "RuntimeError: broken (--debug shows the trace)"),
        (KeyboardInterrupt(), 130, "the same command continues from there"),
        (typer.Abort(), 130, "the same command continues from there"),
        (typer.Exit(3), 3, ""),
        (PermissionError(13, "Permission denied", "/a"), 2, "error: /a: you may not do this here."),
        (OSError(errno.EROFS, "Read-only file system", b"/a"), 2, "/a: its disk cannot be written"),
        (OSError(errno.ENOSPC, "No space left", "/a"), 2, "error: /a: the disk is full. Free"),
        (OSError(errno.EIO, "Input/output error"), 1, "Input/output error (--debug"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as raised, reported(debug=False):
        raise error
    assert raised.value.exit_code == code
    assert line in " ".join(capsys.readouterr().err.split())


def test_a_long_path_stays_in_one_piece(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines were broken after 80 columns, within a path, also where the output goes to a file."""
    path = "/data/" + "of a dance school " * 8 + "x" * 100
    for error in (InputError("is damaged", file=path), RuntimeError(path)):
        with pytest.raises(typer.Exit), reported(debug=False):
            raise error
        line, *more = capsys.readouterr().err.splitlines()
        assert path in line
        assert not more


@pytest.mark.parametrize("kind", ["a link to itself", "a long name"])
@pytest.mark.parametrize(
    "command",
    ["status --store", "clean --store", "run --store", "restore . --store",
     "export shipped --formats safetensors --out"],
)  # fmt: skip
def test_a_path_that_leads_nowhere_is_named_and_what_to_do(
    command: str, kind: str, tmp_path: Path
) -> None:
    """They were `RuntimeError: Symlink loop from` and `OSError: [Errno 36] File name too long`."""
    path = tmp_path / ("x" * 300)
    if kind == "a link to itself":
        path = tmp_path / "link"
        path.symlink_to(path)
    code, said = dance_without_store(*command.split(), path)
    line = " ".join(said.split())
    assert code == 2, line
    assert line.startswith(f"error: {path}")
    assert ("the link leads back to itself. Mend" if "link" in kind else "too long. Choose") in line


def test_debug_raises_the_error() -> None:
    with pytest.raises(RuntimeError, match="broken"), reported(debug=True):
        raise RuntimeError("broken")


def test_two_estimators_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exclude each other"):
        estimator_of(tracks=tmp_path, onnx=tmp_path)


@pytest.mark.parametrize("given", ["option", "variable"])
def test_a_store_whose_address_names_no_folder_is_refused(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken for a path it would become a folder of that name."""
    monkeypatch.chdir(tmp_path)
    arguments = ["--store", "s3://bucket"] if given == "option" else []
    variables = {} if given == "option" else {"ASSETS_STORE": "s3://bucket"}
    result = CliRunner().invoke(make_app(), ["run", *arguments], env=variables)
    assert result.exit_code == 2
    assert "s3://BUCKET/FOLDER" in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", ["status", "verify", "clean", "backup copy", "rollback prediction"]
)
def test_a_folder_that_is_no_store_is_refused_and_stays_as_it_is(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letters").mkdir()
    result = CliRunner().invoke(make_app(), [*command.split(), "--store", "letters"])
    assert result.exit_code == 2
    assert "there is no store" in " ".join(result.output.split())
    assert [path.name for path in tmp_path.rglob("*")] == ["letters"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("bench", "--clips", "0"),
        ("bench", "--frames", "0"),
        ("bench", "--width", "0"),
        ("bench", "--height", "99999999"),
        ("demo", "--clips", "0"),
        ("demo", "--frames", "0"),
        ("serve", "api", "--port", "99999"),
        ("serve", "api", "--port", "0"),
        ("serve", "dagster", "--dagster-port", "-1"),
        ("ui", "--mlflow-port", "65536"),
    ],
    ids=" ".join,
)
def test_a_number_out_of_range_is_refused_with_its_range(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    command = [*arguments, "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(make_app(), command)
    assert done.exit_code == 2, done.output
    words = " ".join(done.output.replace("│", " ").split())
    assert f"Invalid value for '{arguments[-2]}'" in words
    assert "than or equal to" in words
    assert not (tmp_path / "store").exists()
