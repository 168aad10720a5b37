"""What ``dance ui`` refuses before it starts anything."""

import socket
from pathlib import Path

import pytest
from command_line import dance


@pytest.mark.parametrize("option", ["--dagster-port", "--mlflow-port"])
def test_a_taken_port_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    with socket.socket() as listener, socket.socket() as other:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        other.bind(("127.0.0.1", 0))  # free again when it is asked for
        port, free = listener.getsockname()[1], other.getsockname()[1]
        other.close()
        rest = {"--dagster-port": "--mlflow-port", "--mlflow-port": "--dagster-port"}[option]
        code, output = dance(tmp_path / "store", "ui", option, str(port), rest, str(free))
    assert code == 2
    assert f"port {port} is taken" in output
    assert option in output
    assert not (tmp_path / "store").exists()
