"""What a command names is looked at before anything is made."""

from pathlib import Path

import pytest

from dance_models.errors import InputError
from pipelines.execution.session import Given, refuse_unusable
from pipelines.storage.store import Store


def _video(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_several_folders_and_single_videos_may_be_named(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store"))
    one, two = _video(tmp_path / "one" / "a.mp4"), _video(tmp_path / "two" / "b.mp4")
    empty = tmp_path / "empty"
    empty.mkdir()
    refuse_unusable(store, Given([empty, one.parent, two], [tmp_path]))
    assert not store.path.exists()
    with pytest.raises(InputError, match="there is no clip to work on"):
        refuse_unusable(store, Given([empty]))
    with pytest.raises(InputError, match=r"x\.mp4: --clips: there is no such folder or file"):
        refuse_unusable(store, Given([one, tmp_path / "x.mp4"]))
    with pytest.raises(InputError, match=r"notes\.txt: --clips: this is no video"):
        refuse_unusable(store, Given([one, _video(tmp_path / "notes.txt")]))
