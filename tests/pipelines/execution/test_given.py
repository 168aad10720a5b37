"""What a command names is looked at before anything is made."""

import io
from collections import Counter
from pathlib import Path

import bucket
import pytest
from rich.console import Console

from dance_models.errors import InputError
from pipelines.commands.run import _given
from pipelines.execution.request import Request
from pipelines.execution.session import Given, Session, refuse_unusable
from pipelines.storage.bucket import Bucket
from pipelines.storage.clips import registered_clips
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


def test_a_bucket_that_is_named_is_listed_once(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the first command and by later ones, which list other buckets too; losses are printed."""
    one, two = bucket.new_url(), bucket.new_url()
    for url in (one, two):
        name = f"{url.rsplit('/', 1)[1]}.mp4"
        for key in (name, f"a//{name}"):
            Bucket.of(url).put(key, _video(tmp_path / "sent"))
    lists: Counter[str] = Counter()
    listed = Bucket.listed

    def counted(self: Bucket, within_s: float | None = None) -> dict[str, object]:
        lists[self.url] += 1
        return dict(listed(self, within_s))

    monkeypatch.setattr(Bucket, "listed", counted)
    store = Store(root=str(tmp_path / "store"))

    def register(*clips: str) -> str:
        lists.clear()
        said = Console(file=io.StringIO(), width=200)
        given = _given(store, clips, (), ())
        refuse_unusable(store, given)
        Session(Request(store.path), said).register(given)
        assert isinstance(said.file, io.StringIO)
        return said.file.getvalue()

    output = register(one, one)
    assert lists == {one: 1}
    assert output.count("not used: a file cannot have this name") == 1
    output = register(f"{two}/")
    assert lists == {one: 1, two: 1}
    assert output.count("not used: a file cannot have this name") == 2
    register()
    assert lists == {one: 1, two: 1}
    assert registered_clips(store).height == 2


@pytest.mark.parametrize(
    ("option", "what"),
    [
        ("annotations", "what was read of its 1 annotation files is"),
        ("motion", "its 1 motion files are"),
    ],
)
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, option: str, what: str) -> None:
    store = Store(root=str(tmp_path / "store"))
    clip, labels, others = _video(tmp_path / "a.mp4"), tmp_path / "labels", tmp_path / "others"
    _video(labels / "a.json")
    others.mkdir()

    def said(*folders: Path) -> str:
        console = Console(file=io.StringIO(), width=400)
        Session(Request(store.path), console).register(Given([clip], **{option: folders}))
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    gone = f"{labels} is not there; {what} "
    assert gone not in said(labels)
    labels.rename(tmp_path / "away")
    assert f"{gone}kept" in said()
    assert f"{gone}not used any more, as others were named" in said(others)
    assert gone not in said()


def test_a_folder_without_clips_has_a_message_of_bounded_length(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store"))
    lines = "".join(f"dance_{number},salsa\n" for number in range(900))
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "clips.csv").write_text(f"clip,style\n{lines}")
    with pytest.raises(InputError, match="and 860 more problems") as refused:
        refuse_unusable(store, Given([tmp_path / "clips"]))
    assert len(refused.value.message.splitlines()) == 42
