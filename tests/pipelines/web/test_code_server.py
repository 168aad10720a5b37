"""Where web server and daemon find the code server."""

import tempfile
from pathlib import Path

import pytest
import yaml

from dance_models.errors import InputError
from pipelines.storage.store import Store
from pipelines.web import code_server


def test_the_socket_is_in_the_store() -> None:
    with tempfile.TemporaryDirectory() as folder:  # a short path
        store = Store(root=folder).initialise()
        code_server.write_workspace(store)
        (entry,) = yaml.safe_load(code_server.workspace_file(store).read_text())["load_from"]
        assert entry["grpc_server"]["socket"] == str(store.dagster_home / "code.sock")
        assert entry["grpc_server"]["location_name"] == "pipelines.definitions"


def test_a_path_too_long_for_a_socket_gets_a_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = Store(root=str(tmp_path / ("x" * 120))).initialise()
    code_server.write_workspace(store)
    folder = code_server.code_socket(store).parent
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_code_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not answer"):
        code_server.wait_for_code_server(tmp_path / "code.sock", seconds=0)
