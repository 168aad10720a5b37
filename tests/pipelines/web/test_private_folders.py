"""Videos of people that a killed server left go with the next one; those of others stay."""

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from dance_models.config import ServingConfig
from dance_models.serving.models import Served, served_networks
from pipelines.processes import identity
from pipelines.web import api_server
from pipelines.web.api import make_api
from pipelines.web.private_folders import OWNER, remove_left_folders


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _left(temporary: Path, name: str, owner: str) -> Path:
    folder = temporary / name
    folder.mkdir()
    (folder / OWNER).write_text(owner)
    (folder / "video.mp4").write_text("people")
    return folder


def test_the_api_removes_what_a_killed_one_left(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = identity().replace(f":{os.getpid()}:", ":4194304:")
    owners = {"dead": dead, "live": identity(), "elsewhere": "host:1:2", "odd": "words"}
    folders = {name: _left(temporary, f"dance-video-{name}", of) for name, of in owners.items()}
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: None)
    api_server.serve(None, "127.0.0.1", 0, ())
    assert {name for name, folder in folders.items() if folder.exists()} == owners.keys() - {"dead"}


def test_a_video_says_whose_it_is_while_it_is_analyzed(temporary: Path) -> None:
    class Reader:
        def analysis(self, video: Path, folder: Path, stopped: Any) -> dict[str, Any]:
            assert folder.parent == temporary
            assert folder.stat().st_mode & 0o077 == 0
            return {"owner": (folder / OWNER).read_text()}

    served: Served = served_networks({})
    app = make_api(served, Reader(), ServingConfig())  # type: ignore[arg-type]
    kind = {"Content-Type": "video/mp4"}
    answer = TestClient(app).post("/v1/video", content=b"film", headers=kind)
    assert answer.json() == {"owner": identity()}
    assert not list(temporary.iterdir())


def test_a_pipe_of_somebody_else_holds_no_server_up(temporary: Path) -> None:
    (temporary / "dance-video-pipe").mkdir()
    os.mkfifo(temporary / "dance-video-pipe" / OWNER)
    looking = threading.Thread(target=remove_left_folders, args=("dance-video-",), daemon=True)
    looking.start()
    looking.join(20)
    assert not looking.is_alive()
