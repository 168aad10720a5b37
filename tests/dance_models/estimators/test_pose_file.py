"""Tracks of other tools: the supported formats and errors in bad files."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dance_models.errors import InputError
from dance_models.estimators.joints import COCO17
from dance_models.estimators.pose_file import read_people, read_track
from dance_models.estimators.pose_models import OPENPOSE_BODY25, OPENPOSE_COCO18
from dance_models.skeleton import DANCE_14


def triples(count, offset=0.0, score=0.5):
    """Joint j is at (100 + 10 j + offset, 200 + j)."""
    return [v for j in range(count) for v in (100 + 10 * j + offset, 200 + j, score)]


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def openpose(*people):
    return {"version": 1.3, "people": [{"pose_keypoints_2d": list(p)} for p in people]}


def assert_mapped(person, names):
    for joint in set(DANCE_14.names) & set(names):
        j = names.index(joint)
        np.testing.assert_allclose(person.keypoints[DANCE_14.index[joint]], (100 + 10 * j, 200 + j))
        assert person.score[DANCE_14.index[joint]] == pytest.approx(0.5)
    assert np.isfinite(person.keypoints).all()


def test_our_own_json(tmp_path) -> None:
    rows = np.reshape(triples(14), (14, 3)).tolist()
    rows[DANCE_14.index["left_knee"]] = None
    rows[DANCE_14.index["right_knee"]] = [None, None, 0]
    document = {"clip": "a", "joints": DANCE_14.names, "frames": [{"frame": 7, "keypoints": rows}]}
    people = read_people(write(tmp_path / "a.json", document))
    assert list(people) == [7]
    person = people[7][0]
    missing = [j for j in DANCE_14.names if np.isnan(person.keypoints[DANCE_14.index[j]]).any()]
    assert missing == ["left_knee", "right_knee"]
    assert person.score[DANCE_14.index["left_knee"]] == 0
    np.testing.assert_allclose(person.keypoints[DANCE_14.index["neck"]], (110, 201))


def test_our_own_json_in_another_order_with_several_people(tmp_path) -> None:
    names = [*reversed(DANCE_14.names)]
    frames = [
        {"frame": 0, "keypoints": np.reshape(triples(14, offset), (14, 3)).tolist()}
        for offset in (0, 500)
    ]
    people = read_people(write(tmp_path / "a.json", {"joints": names, "frames": frames}))
    assert len(people[0]) == 2
    assert_mapped(people[0][0], names)
    np.testing.assert_allclose(people[0][1].box, (600, 200, 730, 213))


@pytest.mark.parametrize("image_id", [12, "clip/000012.jpg", "12"])
def test_coco_results(tmp_path, image_id) -> None:
    rows = [{"image_id": image_id, "category_id": 1, "keypoints": triples(17), "score": 0.9}]
    people = read_people(write(tmp_path / "a.json", rows))
    assert_mapped(people[12][0], COCO17)


def coco_file(**images):
    return {
        "images": [{"id": 5, "file_name": "clip/000031.jpg", **images}],
        "annotations": [{"id": 1, "image_id": 5, "category_id": 1, "keypoints": triples(17)}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17)}],
    }


def test_coco_keypoints_file(tmp_path) -> None:
    assert_mapped(read_people(write(tmp_path / "a.json", coco_file()))[31][0], COCO17)
    assert 3 in read_people(write(tmp_path / "b.json", coco_file(frame_index=3)))


def test_coco_keypoints_file_with_its_own_joints_and_visibilities(tmp_path) -> None:
    names = ["Right_Ankle", *[n for n in COCO17 if n != "right_ankle"]]
    document = coco_file()
    document["categories"][0]["keypoints"] = names
    values = np.reshape(triples(17, score=2), (17, 3))
    values[0, 2], values[COCO17.index("left_knee") + 1, 2] = 1, 0
    document["annotations"][0]["keypoints"] = values.ravel().tolist()
    person = read_people(write(tmp_path / "a.json", document))[31][0]
    np.testing.assert_allclose(person.keypoints[DANCE_14.index["right_ankle"]], (100, 200))
    assert person.score[DANCE_14.index["right_ankle"]] == pytest.approx(0.5)
    assert person.score[DANCE_14.index["left_hip"]] == pytest.approx(1)
    assert np.isnan(person.keypoints[DANCE_14.index["left_knee"]]).all()


def results(names):
    return [{"image_id": name, "keypoints": triples(17, 10 * i)} for i, name in enumerate(names)]


def keypoints(names):
    return {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": [
            {"id": i, "image_id": i, "keypoints": triples(17, 10 * i)} for i in range(len(names))
        ],
        "categories": [],
    }


def test_fractions_with_a_joint_outside_of_the_image_are_no_pixels(tmp_path) -> None:
    rows = [{"image_id": f, "keypoints": [0.4, 0.6, 0.9] * 17} for f in range(9)]
    rows[3]["keypoints"] = [1.4, 0.5, 0.9, *rows[3]["keypoints"][3:]]
    with pytest.raises(InputError, match="fractions of the image, not pixels"):
        read_people(write(tmp_path / "a.json", rows))


@pytest.mark.parametrize(("score", "told"), [(0.9, False), (1.2, False), (87.0, True)])
def test_scores_in_percent_are_told(tmp_path, score, told) -> None:
    rows = [{"image_id": f, "keypoints": triples(17, score=score)} for f in range(3)]
    track = read_track(write(tmp_path / "a.json", rows))
    assert any("are 87 or more, where confidences are" in note for note in track.notes) == told
    assert track.lost == 0 and track.people[0][0].score.max() == pytest.approx(min(score, 1))


def mmpose_frames(names):
    return [
        {
            "frame": name,
            "instances": [{"keypoints": np.reshape(triples(17), (17, 3)).tolist()}],
        }
        for name in names
    ]


@pytest.mark.parametrize("document", [results, keypoints, mmpose_frames])
def test_a_number_that_all_images_have_is_no_frame(tmp_path, document) -> None:
    names = [f"dance_{frame:06d}_v2.jpg" for frame in range(5)]
    people = read_people(write(tmp_path / "a.json", document(names)))
    assert {frame: len(found) for frame, found in people.items()} == dict.fromkeys(range(5), 1)


def frames_in_order(names):
    people = [np.reshape(triples(17, 10 * i), (17, 3)).tolist() for i in range(len(names))]
    return [
        {"frame": name, "instances": [{"keypoints": person}]}
        for name, person in zip(names, people, strict=True)
    ]


def frames_by_name(names):
    return {frame["frame"]: frame for frame in frames_in_order(names)}


@pytest.mark.parametrize("document", [results, keypoints, frames_in_order, frames_by_name])
def test_images_of_two_clips_are_not_joined(tmp_path, document) -> None:
    names = [f"{clip}/{frame:06d}.jpg" for clip in "ab" for frame in range(3)]
    track = read_track(write(tmp_path / "a.json", document(names)), num_frames=3)
    assert {frame: len(found) for frame, found in track.people.items()} == {0: 1, 1: 1, 2: 1}
    assert track.people[1][0].box[0] == 110  # of a
    assert track.lost == 3
    assert "'b/000000.jpg' is a second image of the frame, after 'a/000000.jpg'" in track.notes[0]


def test_a_frame_that_cannot_be_is_told_and_a_whole_number_is_one(tmp_path) -> None:
    frames = frames_in_order([0.0, 3.0, -2, 2.5, "a_1.jpg"])
    track = read_track(write(tmp_path / "a.json", frames), num_frames=4)
    assert sorted(track.people) == [0, 1, 3]
    assert track.lost == 2
    assert "the frame is -2, not a frame index from 0; the frame is 2.5" in track.notes[0]


@pytest.mark.parametrize("document", [results, keypoints])
def test_one_impossible_number_costs_its_image_alone(tmp_path, document) -> None:
    names = ["a_3.jpg", "a_4_4.jpg", "a_1700000000000.jpg", "a.jpg"]
    track = read_track(write(tmp_path / "a.json", document(names)))
    assert set(track.people) == {3, 4}
    assert any("1700000000000" in note and "no frame number" in note for note in track.notes)


@pytest.mark.parametrize("names", [OPENPOSE_BODY25, OPENPOSE_COCO18])
def test_openpose_folder(tmp_path, names) -> None:
    folder = tmp_path / "clip"
    for frame in (3, 4):
        people = openpose(triples(len(names))) if frame == 3 else openpose()
        write(folder / f"take2_{frame:012d}_keypoints.json", people)
    people = read_people(folder)
    assert list(people) == [3]
    assert_mapped(people[3][0], names)


def test_openpose_mapping_with_missing_joints(tmp_path) -> None:
    values = triples(25)
    knee = 3 * OPENPOSE_BODY25.index("left_knee")
    values[knee : knee + 3] = [0, 0, 0]
    document = {"d_000000000009_keypoints.json": openpose(values, [0] * 75)}
    people = read_people(write(tmp_path / "a.json", document))
    assert len(people[9]) == 1  # an entry without any joint is not a person
    person = people[9][0]
    assert np.isnan(person.keypoints[DANCE_14.index["left_knee"]]).all()
    assert np.isfinite(person.keypoints).all(axis=1).sum() == 13
    assert person.box[0] == 100  # missing joints do not extend the box to the corner


def test_nan_is_missing_and_scores_are_clipped(tmp_path) -> None:
    values = triples(17, score=3.5)
    ankle = 3 * COCO17.index("left_ankle")
    values[ankle] = float("nan")
    person = read_people(write(tmp_path / "a.json", [{"image_id": 0, "keypoints": values}]))[0][0]
    assert np.isnan(person.keypoints[DANCE_14.index["left_ankle"]]).all()
    assert person.score[DANCE_14.index["left_ankle"]] == 0
    assert person.score.max() == 1


RESULT = {"image_id": 4, "keypoints": triples(17)}
TEXT_KNEE = [*triples(13), "left", 1, 1, *triples(3)]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{not json", r"a\.json: is not JSON"),
        ({}, "unknown form"),
        ({"x.json": {"no": 1}}, "unknown form"),
        (5, "unknown form"),
        ([{"keypoints": triples(17)}], "entry 0 has no 'image_id'"),
        ([{"image_id": -1, "keypoints": triples(17)}], "image_id is -1"),
        ([{"image_id": "first.jpg", "keypoints": triples(17)}], "no frame number"),
        ([{"image_id": 4, "keypoints": [*triples(16), 1]}], "frame 4: 49 values"),
        ([{"image_id": 4, "keypoints": TEXT_KNEE}], "frame 4: joint number 13: 'left' is not"),
        ([{"image_id": 4, "keypoints": 3}], "frame 4: the keypoints are not a list"),
        ({"joints": ["nose"], "frames": []}, "left_shoulder.*neither be read nor derived"),
        ({"joints": [*DANCE_14.names, "neck"], "frames": []}, "named twice"),
        (
            {"joints": DANCE_14.names, "frames": [{"frame": 1, "keypoints": [[1, 2]]}]},
            "frame 1: a keypo",
        ),
        ({"d_3_keypoints.json": openpose(triples(24))}, "24 joints are of no known model"),
        ({**coco_file(), "images": []}, "unknown image 5"),
        ([{"image_id": 0, "keypoints": [0.5, 0.5, 0.9] * 17}], "fractions.*not pixels"),
    ],
)
def test_bad_tracks_are_located(tmp_path, document, message) -> None:
    path = write(tmp_path / "a.json", document)
    with pytest.raises(InputError, match=message) as caught:
        read_people(path)
    assert caught.value.file == str(path)


OWN = {
    "joints": list(DANCE_14.names),
    "frames": [{"frame": 1, "keypoints": np.reshape(triples(14), (14, 3)).tolist()}],
}
GOOD = [OWN, [RESULT], coco_file(), {"d_3_keypoints.json": openpose(triples(25))}]
JUNK = st.sampled_from(
    [None, True, -1, 0.5, 10**400, "", "text", [], [[]], {}, {"x": 1}, [1, 2, 3], "1e5"]
)


def places(node, path=()):
    """Every position in a JSON document, as the path of keys to it."""
    yield path
    if isinstance(node, dict | list):
        children = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in children:
            yield from places(child, (*path, key))


def replaced(node, path, junk):
    if not path:
        return junk
    copy = node.copy()
    copy[path[0]] = replaced(node[path[0]], path[1:], junk)
    return copy


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data(), document=st.sampled_from(GOOD), junk=JUNK)
def test_any_value_in_any_position_is_read_or_refused(data, document, junk) -> None:
    place = data.draw(st.sampled_from(list(places(document))))
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "a.json", replaced(document, place, junk))
        try:
            people = read_people(path)
        except InputError as error:
            assert error.file == str(path)
        else:
            assert all(isinstance(frame, int) and frame >= 0 for frame in people)


def test_absent_file_and_empty_folder(tmp_path) -> None:
    with pytest.raises(InputError, match=r"gone\.json: cannot be read"):
        read_people(tmp_path / "gone.json")
    (tmp_path / "clip").mkdir()
    with pytest.raises(InputError, match="holds no JSON"):
        read_people(tmp_path / "clip")


def test_a_damaged_file_in_a_folder_is_named(tmp_path) -> None:
    write(tmp_path / "clip" / "d_000000000001_keypoints.json", openpose(triples(18)))
    bad = write(tmp_path / "clip" / "d_000000000002_keypoints.json", '{"people": [')
    track = read_track(tmp_path / "clip")
    assert list(track.people) == [1]
    assert track.notes == (
        "clip: 1 bad entries were left out: d_000000000002_keypoints.json: frame 2: "
        "is not JSON (line 1: Expecting value)",
    )
    bad.rename(tmp_path / "alone_2.json")
    with pytest.raises(InputError, match="is not JSON") as caught:
        read_people(tmp_path / "alone_2.json")
    assert caught.value.file == str(tmp_path / "alone_2.json")
