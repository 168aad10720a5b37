"""``--person RULE``: whom a command follows, found without a screen."""

from pathlib import Path

import numpy as np
import pytest
from clips_made import damage
from command_line import dance
from rich.console import Console
from sightings import SIZE, STEP, Actor, ScriptedFinder, line

from dance_models.errors import InputError, VideoError
from dance_models.estimators.people import finders as finder_module
from dance_models.rendered.film import encode
from dance_models.video.probe import probe_clip
from pipelines.commands.common import EXIT_INPUT
from pipelines.commands.people import chosen_people

LOOKS = 8
ACTORS = [
    Actor((200, 30, 30), line(60, 70, LOOKS)),
    Actor((30, 30, 200), line(240, 250, LOOKS), height=150),
]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    images = [image for _, image in ScriptedFinder(ACTORS).frames() for _ in range(STEP)]
    made = tmp_path / "duet.mp4"
    made.write_bytes(encode(images, SIZE, 30, 20))
    return made


def test_people_are_found_told_of_and_chosen(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        finder_module, "people_finder", lambda *_: (ScriptedFinder(ACTORS), ("a note",))
    )
    console = Console(record=True, width=200)
    people, chosen, finder = chosen_people(clip, "largest", tmp_path, console, pytest.fail)
    assert [track.number for track in chosen] == [2]
    assert people.looked.tolist() == list(range(0, STEP * LOOKS, STEP))
    assert finder == "scripted-1"
    np.testing.assert_allclose(chosen[0].box[0], ACTORS[1].box(0))
    said = console.export_text()
    assert "warning: a note" in said
    assert (
        "People found, from the left: 2. Followed: 2 (seen in 100 % of the 8 frames looked at)."
        in said
    )
    with pytest.raises(InputError, match="no person 3: 2 were found"):
        chosen_people(clip, 3, tmp_path, console, pytest.fail)


def test_people_are_found_in_a_damaged_video(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder_module, "people_finder", lambda *_: (ScriptedFinder(ACTORS), ()))
    with pytest.raises(VideoError, match="the stream is damaged"):
        probe_clip(damage(clip))
    _, chosen, _ = chosen_people(clip, "largest", tmp_path, Console(quiet=True), pytest.fail)
    assert [track.number for track in chosen] == [2]


def test_a_wrong_rule_is_refused_before_anything_is_loaded(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, output = dance(
        tmp_path / "store", "analyze", str(clip), "--out", str(out), "--person", "0"
    )
    assert code == EXIT_INPUT
    assert "--person '0' is no rule" in output
    assert not out.exists()
