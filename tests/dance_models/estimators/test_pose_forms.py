"""Each form of pose file: random people written in it are read back to 0.01 px."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hostile_cases import deeplabcut_h5
from hypothesis import given, settings
from hypothesis import strategies as st
from pose_files import body, flat, in_order

from dance_models.errors import InputError
from dance_models.estimators.formats import POSE_FORMATS
from dance_models.estimators.joints import COCO17
from dance_models.estimators.pose_file import read_track
from dance_models.estimators.pose_models import POSE_MODELS
from dance_models.evidence import LANDMARKS
from dance_models.skeleton import DANCE_14
from dance_models.skeletons.by_name import to_skeleton

SIZE = np.array([1280.0, 720.0])
NODES = ("nose", "left_ear", "right_ear", *COCO17[5:])


def save(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def openpose(model, key="pose_keypoints_2d"):
    def write(root, clip):
        for frame, people in enumerate(clip):
            described = [{key: flat(model, person), "face_keypoints_2d": []} for person in people]
            save(root / f"a_{frame:012d}_keypoints.json", {"version": 1.3, "people": described})
        return root, POSE_MODELS[model]

    return write


def openpose_in_a_list(root, clip):
    frames = [{"people": [{"pose_keypoints_2d": flat("body_25", p)} for p in c]} for c in clip]
    return save(root / "a.json", frames), POSE_MODELS["body_25"]


def pose2sim(root, clip):
    for frame, people in enumerate(clip):
        described = [{"pose_keypoints_2d": flat("halpe_26", person)} for person in people]
        save(root / "a_json" / f"a_{frame:06d}.json", {"version": 1.3, "people": described})
    return root, POSE_MODELS["halpe_26"]


def alphapose(model):
    def write(root, clip):
        results = [
            {"image_id": f"{f}.jpg", "category_id": 1, "keypoints": flat(model, p), "idx": i}
            for f, people in enumerate(clip)
            for i, p in enumerate(people)
        ]
        return save(root / "alphapose-results.json", results), POSE_MODELS[model]

    return write


def alphapose_cmu(root, clip):
    frames = {
        f"{f}.jpg": {"version": "v0.3", "bodies": [{"joints": flat("coco_18", p)} for p in people]}
        for f, people in enumerate(clip)
    }
    return save(root / "a.json", frames), POSE_MODELS["coco_18"]


def coco_results(root, clip):
    rows = [
        {"image_id": f, "category_id": 1, "keypoints": flat("coco_17", p), "score": 0.9}
        for f, people in enumerate(clip)
        for p in people
    ]
    return save(root / "a.json", rows), COCO17


def instances(people, names, batch):
    found = []
    for person in people:
        points, scores = in_order(names, person).tolist(), [0.5] * len(names)
        found.append(
            {
                "keypoints": [points] if batch else points,
                "keypoint_scores": [scores] if batch else scores,
                "bbox": [[0, 0, 9, 9]],
            }
        )
    return found


def mmpose(root, clip):
    frames = [{"frame_id": f, "instances": instances(p, COCO17, False)} for f, p in enumerate(clip)]
    return save(root / "a.json", frames), COCO17


def mmpose_batched_with_names(root, clip):
    names = tuple(reversed(COCO17))
    document = {
        "meta_info": {"keypoint_id2name": {str(i): name for i, name in enumerate(names)}},
        "instance_info": [
            {"frame_id": f, "instances": instances(people, names, True)}
            for f, people in enumerate(clip)
        ],
    }
    return save(root / "a.json", document), names


def mmpose_images(root, clip):
    for frame, people in enumerate(clip):
        save(root / f"{frame:06d}.json", instances(people, POSE_MODELS["wholebody_133"], False))
    return root, POSE_MODELS["wholebody_133"]


def landmarks(person, as_lists=False):
    rows = in_order(LANDMARKS, person) / SIZE
    if as_lists:
        return [[x, y, 0.0, 0.5] for x, y in rows.tolist()]
    return [{"x": x, "y": y, "z": 0.0, "visibility": 0.5} for x, y in rows.tolist()]


def mediapipe_frames(root, clip):
    frames = [
        {"frame": f, "landmarks": [landmarks(p) for p in people]} for f, people in enumerate(clip)
    ]
    return save(root / "a.json", {"frames": frames}), LANDMARKS


def mediapipe_first_person(layout):
    def write(root, clip):
        del clip[0][1:], clip[1][1:], clip[2][1:]
        people = [people[0] for people in clip]
        documents = {
            "list": [landmarks(p) for p in people],
            "lists": [landmarks(p, as_lists=True) for p in people],
            "landmarks": {"landmarks": [landmarks(p) for p in people]},
            "poseLandmarks": [{"poseLandmarks": landmarks(p)} for p in people],
            "protobuf": [{"pose_landmarks": {"landmark": landmarks(p)}} for p in people],
            "object": {str(i): landmarks(p) for i, p in enumerate(people)},
        }
        return save(root / "a.json", documents[layout]), LANDMARKS

    return write


def mediapipe_files(root, clip):
    for frame, people in enumerate(clip):
        result = {"landmarks": [landmarks(p) for p in people], "worldLandmarks": []}
        save(root / f"a_{frame}.json", result)
    return root, LANDMARKS


def ultralytics(normalised):
    def write(root, clip):
        for frame, people in enumerate(clip):
            detections = []
            for person in people:
                points = in_order(COCO17, person) / (SIZE if normalised else 1)
                columns = {"x": points[:, 0].tolist(), "y": points[:, 1].tolist()}
                keypoints = {**columns, "visible": [0.5] * 17}
                detections.append({"name": "person", "box": {}, "keypoints": keypoints})
            save(root / f"{frame}.json", detections)
        return root, COCO17

    return write


def ultralytics_text(root, clip):
    for frame, people in enumerate(clip):
        lines = []
        for person in people:
            points = in_order(COCO17, person) / SIZE
            values = [v for x, y in points.tolist() for v in (x, y, 0.5)]
            lines.append(" ".join(map(str, [0, 0.5, 0.5, 0.1, 0.1, *values, 0.9])))
        save(root / f"a_{frame + 1}.txt", "\n".join(lines))
    return root, COCO17


def deeplabcut(root, clip):
    people = max(map(len, clip))
    parts = [f"ind{i}" for i in range(people) for _ in NODES for _ in range(3)]
    rows = [["scorer"] + ["DLC_resnet50"] * len(parts), ["individuals", *parts]]
    rows.append(["bodyparts", *(n for _ in range(people) for n in NODES for _ in range(3))])
    rows.append(["coords", *(["x", "y", "likelihood"] * (len(NODES) * people))])
    for frame, found in enumerate(clip):
        points = [in_order(NODES, person).tolist() for person in found]
        cells = [str(v) for person in points for x, y in person for v in (x, y, 0.5)]
        rows.append([str(frame), *cells, *[""] * (len(parts) - len(cells))])
    return save(root / "a.csv", "\n".join(map(",".join, rows))), NODES


def sleap_csv(root, clip):
    columns = [f"{node}.{axis}" for node in NODES for axis in ("x", "y", "score")]
    lines = [",".join(["track", "frame_idx", "instance.score", *columns])]
    for frame, people in enumerate(clip):
        for i, person in enumerate(people):
            values = [v for x, y in in_order(NODES, person).tolist() for v in (x, y, 0.5)]
            lines.append(",".join(map(str, [f"track_{i}", frame, 0.9, *values])))
    return save(root / "a.csv", "\n".join(lines)), NODES


def sleap_h5(root, clip):
    h5py = pytest.importorskip("h5py")
    people = max(map(len, clip))
    tracks = np.full((people, 2, len(NODES), len(clip)), np.nan)
    for frame, found in enumerate(clip):
        for i, person in enumerate(found):
            tracks[i, :, :, frame] = in_order(NODES, person).T
    with h5py.File(root / "a.h5", "w") as file:
        file["tracks"], file["node_names"] = tracks, [node.encode() for node in NODES]
        file["point_scores"] = np.full((people, len(NODES), len(clip)), 0.5)
    return root / "a.h5", NODES


def sleap_h5_by_frame(root, clip):
    """As sleap-io writes it with preset="standard": frames first, two tracks always."""
    h5py = pytest.importorskip("h5py")
    tracks = np.full((len(clip), 2, len(NODES), 2), np.nan)
    for frame, found in enumerate(clip):
        for i, person in enumerate(found):
            tracks[frame, i] = in_order(NODES, person)
    with h5py.File(root / "a.h5", "w") as file:
        file["tracks"], file["node_names"] = tracks, [node.encode() for node in NODES]
        file["point_scores"] = np.full(tracks.shape[:3], 0.5)
        file["tracks"].attrs["dims"] = json.dumps(["frame", "track", "node", "xy"])
        file["point_scores"].attrs["dims"] = json.dumps(["frame", "track", "node"])
    return root / "a.h5", NODES


def sleap_project(root, clip):
    sleap_io = pytest.importorskip("sleap_io")
    skeleton = sleap_io.Skeleton([sleap_io.Node(node) for node in NODES])
    video = sleap_io.Video("a.mp4", open_backend=False)
    frames = []
    for frame, people in enumerate(clip):
        made = [
            sleap_io.PredictedInstance.from_numpy(
                in_order(NODES, p), skeleton=skeleton, point_scores=np.full(len(NODES), 0.5)
            )
            for p in people
        ]
        frames.append(sleap_io.LabeledFrame(video=video, frame_idx=frame, instances=made))
    sleap_io.save_slp(sleap_io.Labels(frames), str(root / "a.slp"), verbose=False)
    return root / "a.slp", NODES


def sports2d(root, clip):
    people = max(map(len, clip))
    head = "PathFileType\t4\t(X/Y/Z)\ta.trc\nDataRate\tUnits\n30\tm\n"
    for i in range(people):
        names = "\t\t\t".join(NODES)
        lines = [f"Frame#\tTime\t{names}\t\t", "\t\tX1\tY1\tZ1"]
        for frame, found in enumerate(clip):
            cells = [""] * (3 * len(NODES))
            if i < len(found):
                rows = in_order(NODES, found[i]).tolist()
                cells = [str(v) for x, y in rows for v in (x, y, 0)]
            lines.append("\t".join([str(frame), str(frame / 30), *cells]))
        save(root / f"a_Sports2D_px_person{i:02d}.trc", head + "\n".join(lines))
        save(root / f"a_Sports2D_m_person{i:02d}.trc", head + "in metres")
    return root, NODES


def own(root, clip):
    frames = [
        {"frame": f, "keypoints": [[x, y, 0.5] for x, y in in_order(DANCE_14.names, p).tolist()]}
        for f, people in enumerate(clip)
        for p in people
    ]
    return save(root / "a.json", {"joints": DANCE_14.names, "frames": frames}), DANCE_14.names


def coco_keypoints(root, clip):
    images = [{"id": 7 + f, "file_name": f"a/{f:06d}.jpg"} for f in range(len(clip))]
    annotations = [
        {"image_id": 7 + f, "keypoints": flat("coco_17", p)}
        for f, people in enumerate(clip)
        for p in people
    ]
    document = {"images": images, "annotations": annotations, "categories": []}
    return save(root / "a.json", document), COCO17


WRITERS = {
    "openpose-json": [
        *(openpose(m) for m in POSE_MODELS if m not in {"blazepose_33"}),
        openpose("coco_18", "pose_keypoints"),
        openpose_in_a_list,
        pose2sim,
    ],
    "alphapose": [alphapose("coco_17"), alphapose("halpe_26"), alphapose("halpe_136")],
    "alphapose-cmu": [alphapose_cmu],
    "coco-results": [coco_results],
    "coco-keypoints": [coco_keypoints],
    "own-json": [own],
    "mmpose-json": [mmpose, mmpose_batched_with_names, mmpose_images],
    "mediapipe-json": [
        mediapipe_frames,
        mediapipe_files,
        *map(
            mediapipe_first_person,
            ("list", "lists", "landmarks", "poseLandmarks", "protobuf", "object"),
        ),
    ],
    "ultralytics-json": [ultralytics(False), ultralytics(True)],
    "ultralytics-txt": [ultralytics_text],
    "deeplabcut-csv": [deeplabcut],
    "sleap-csv": [sleap_csv],
    "sleap-h5": [sleap_h5, sleap_h5_by_frame],
    "sleap-slp": [sleap_project],
    "trc-pixels": [sports2d],
}
CASES = [(form, write) for form, writers in WRITERS.items() for write in writers]


@pytest.mark.parametrize(("form", "write"), CASES)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), people=st.lists(st.integers(1, 2), min_size=3, max_size=3))
def test_people_are_read_as_they_were_written(form, write, seed, people) -> None:
    rng = np.random.default_rng(seed)
    clip = [[body(rng, 300 + 400 * i) for i in range(count)] for count in people]
    with tempfile.TemporaryDirectory() as folder:
        path, names = write(Path(folder), clip)
        track = read_track(path, num_frames=3)
    assert track.format == form
    assert sorted(track.people) == [0, 1, 2]
    for frame, expected in enumerate(clip):
        assert len(track.people[frame]) == len(expected)
        for found, person in zip(track.people[frame], expected, strict=True):
            points, _ = to_skeleton(names, in_order(names, person), np.ones(len(names)))
            scale = SIZE if found.size == (1.0, 1.0) else 1
            np.testing.assert_allclose(found.keypoints * scale, points, atol=0.01)
            # TRC has no scores.
            np.testing.assert_allclose(found.score, 1 if form == "trc-pixels" else 0.5, atol=1e-6)


def test_every_form_that_is_read_is_tested() -> None:
    # DeepLabCut's H5 needs a package that is no dependency.
    assert {f.id for f in POSE_FORMATS if f.read} - {"deeplabcut-h5"} == set(WRITERS)
    assert len({entry.id for entry in POSE_FORMATS}) == len(POSE_FORMATS)
    assert all(entry.instead for entry in POSE_FORMATS if not entry.read)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", {"data": [{"frame_index": 1, "skeleton": []}]}, "Kinetics-skeleton.*--motion"),
        ("a.json", {"shapes": [], "imagePath": "x"}, "labelme.*not read.*--annotations"),
        ("a.csv", "%YAML:1.0\n---", "unknown form"),
        ("a.trc", "%YAML:1.0\n---", "YAML or XML of --write_keypoint of OpenPose.*--write_json"),
        ("a.json", {"anything": 1}, "unknown form of pose track. Known are .*Ultralytics"),
        ("a.csv", "scorer,s\nbodyparts,nose\ncoords,x", "labels, not predictions.*--annotations"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, name, content, message) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_track(save(tmp_path / name, content))
    assert caught.value.file == str(tmp_path / name)


@pytest.mark.parametrize(("head", "what"), [(b"\x80\x04", "pickle"), (b"\x93NUMPY", "arrays")])
def test_binary_files_are_named(tmp_path, head, what) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(head)
    with pytest.raises(InputError, match=f"this looks like .*{what}"):
        read_track(path)


def test_positions_in_metres_are_no_pixels(tmp_path) -> None:
    rng = np.random.default_rng(0)
    clip = [[{name: (x / 400, y / 400) for name, (x, y) in body(rng).items()}]] * 3
    path, _ = sports2d(tmp_path, clip)
    with pytest.raises(InputError, match=r"3-D or in metres, not pixels.*px"):
        read_track(path)


@pytest.mark.parametrize("frame", ["inf", "-1e999", "nan", "1.5", "-2"])
def test_a_frame_that_is_no_index_is_named(tmp_path, frame) -> None:
    clip = [[body(np.random.default_rng(0))]] * 3
    path, _ = sports2d(tmp_path, clip)
    (file,) = path.glob("*_px_*.trc") if path.is_dir() else (path,)
    lines = file.read_text().splitlines()
    lines[-1] = "\t".join([frame, *lines[-1].split("\t")[1:]])
    file.write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"the frame is .*, not a frame index from 0"):
        read_track(path)


def test_world_landmarks_are_refused(tmp_path) -> None:
    person = body(np.random.default_rng(0))
    frames = [{"poseLandmarks": landmarks(person)}, {"poseWorldLandmarks": landmarks(person)}]
    track = read_track(save(tmp_path / "a.json", frames))
    assert list(track.people) == [0]
    assert "frame 1: not 33 landmarks of MediaPipe's pose" in track.notes[0]


def test_poses_of_another_canvas_keep_its_size(tmp_path) -> None:
    values = flat("coco_18", body(np.random.default_rng(0)))
    frame = {"people": [{"pose_keypoints_2d": values}], "canvas_width": 640, "canvas_height": 360}
    track = read_track(save(tmp_path / "a.json", [frame]))
    assert track.people[0][0].size == (640, 360)


def test_names_of_other_tools_are_joints_of_ours(tmp_path) -> None:
    names = ["Nose", "LEye", "REye", "ear_left", "REar"]
    parts = ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")
    names += [f"{side}{part}" for part in parts for side in "LR"]
    person = in_order(COCO17, body(np.random.default_rng(0))).tolist()
    frames = [{"frame": 0, "keypoints": [[x, y, 1] for x, y in person]}]
    track = read_track(save(tmp_path / "a.json", {"joints": names, "frames": frames}))
    expected, _ = to_skeleton(COCO17, np.array(person), np.ones(17))
    np.testing.assert_allclose(track.people[0][0].keypoints, expected, atol=1e-3)


def test_an_h5_of_deeplabcut_names_the_csv(tmp_path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("df_with_missing")
    with pytest.raises(InputError, match=r"save_as_csv|not a readable table"):
        read_track(tmp_path / "a.h5")


def test_an_h5_of_deeplabcut_with_columns_of_several_types_is_refused(tmp_path) -> None:
    assert read_track(deeplabcut_h5(tmp_path)).format == "deeplabcut-h5"
    with pytest.raises(InputError, match=r"columns are of several types.*save_as_csv"):
        read_track(deeplabcut_h5(tmp_path, blocks=2))


def frames_of(model, count, start=0):
    rng = np.random.default_rng(0)
    return {
        f"a_{start + f:06d}.json": {"people": [{"pose_keypoints_2d": flat(model, body(rng))}]}
        for f in range(count)
    }


def save_all(folder, documents):
    for name, document in documents.items():
        save(folder / name, document)
    return folder


def test_body_25_and_body_25b_are_told_apart_by_their_bones(tmp_path) -> None:
    for model in ("body_25", "body_25b"):
        folder = save_all(tmp_path / model, frames_of(model, 3))
        assert read_track(folder).model == model
        assert read_track(folder, "body_25").model == "body_25"
        assert read_track(folder).notes == ()


def test_an_implausible_order_is_said(tmp_path) -> None:
    documents = frames_of("halpe_26", 3)
    order = np.random.default_rng(3).permutation(26)
    for document in documents.values():
        values = np.reshape(document["people"][0]["pose_keypoints_2d"], (26, 3))
        document["people"][0]["pose_keypoints_2d"] = values[order].ravel().tolist()
    track = read_track(save_all(tmp_path / "a", documents))
    assert track.notes == (
        "a: the order of the joints is implausible for every known model of 26 joints "
        "(halpe_26); read as halpe_26. Look at the poses; --pose-model names the model",
    )


def test_a_model_that_does_not_fit_is_an_error(tmp_path) -> None:
    folder = save_all(tmp_path / "a", frames_of("halpe_26", 2))
    with pytest.raises(InputError, match="78 values where 25 joints of --pose-model body_25 need"):
        read_track(folder, "body_25")
    with pytest.raises(InputError, match=r"unknown pose model 'body_26'.*halpe_26"):
        read_track(folder, "body_26")


def test_bad_frames_are_missing_frames(tmp_path) -> None:
    documents = frames_of("body_25", 8)
    documents["a_000001.json"] = "{"
    documents["a_000002.json"] = ""
    documents["a_000003.json"] = {"people": [{"pose_keypoints_2d": [1, 2, 3] * 24}]}
    documents["a_000004.json"] = {"people": [{"pose_keypoints_2d": []}]}
    documents["a_000005.json"] = {"people": []}
    documents["a_000006.json"] = {"nothing": 1}
    track = read_track(save_all(tmp_path / "a", documents), num_frames=8)
    assert sorted(track.people) == [0, 7]
    assert track.notes == (
        "a: 5 bad entries were left out: "
        "a_000001.json: frame 1: is not JSON (line 1: Expecting property name enclosed in "
        "double quotes); "
        "a_000002.json: frame 2: is not JSON (line 1: Expecting value); "
        "frame 4: the body is empty; and 2 more",
        "a: 1 frames without a person (frame 5)",
    )


def test_when_all_frames_are_bad_the_clip_is(tmp_path) -> None:
    folder = save_all(tmp_path / "a", {"a_1.json": "{", "a_2.json": "["})
    with pytest.raises(InputError, match=r"is not JSON.*and 1 more.*no frame can be read"):
        read_track(folder)


@pytest.mark.parametrize(
    ("start", "count", "num_frames", "first", "note"),
    [
        (0, 4, 4, 0, None),
        (1, 4, 4, 0, "frames are counted from 1 to 4: moved by one, to count from 0"),
        (1, 3, 4, 1, None),
        (2, 4, 4, 2, "2 frames are not used: the clip has frames 0 to 3, the track has frames 2"),
        (0, 2, 4, 0, "there are no poses after frame 1; the clip has 4 frames"),
        (1, 4, None, 1, None),
    ],
)
def test_frames_counted_from_1(tmp_path, start, count, num_frames, first, note) -> None:
    folder = save_all(tmp_path / "a", frames_of("body_25", count, start))
    track = read_track(folder, num_frames=num_frames)
    assert min(track.people) == first
    assert [note in found for found in track.notes] == ([True] if note else [])


@pytest.mark.parametrize(
    ("frames", "read", "lost"),
    [
        ([1, 2, 4, 6], [0, 1, 3, 5], 0),  # nobody in frames 2 and 4
        ([2, 3, 4, 6], [1, 2, 3, 5], 0),  # nor in frame 0
        ([0, 1, 2, 6], [0, 1, 2, 6], 1),
        ([3, 6], [3, 6], 1),
        ([4, 5, 6, 7, 8], [4, 5, 6, 7, 8], 3),
    ],
)
def test_frames_counted_from_1_with_gaps(tmp_path, frames, read, lost) -> None:
    documents = {f"a_{i:06d}.json": frames_of("body_25", 1)["a_000000.json"] for i in frames}
    track = read_track(save_all(tmp_path / "a", documents), num_frames=6)
    assert sorted(track.people) == read
    assert track.lost == lost
    assert len(track.notes) == 1


def test_a_second_file_of_a_frame_is_lost(tmp_path) -> None:
    documents = frames_of("body_25", 3)
    documents["a_2.json"] = documents["a_000002.json"]
    track = read_track(save_all(tmp_path / "a", documents), num_frames=3)
    assert track.lost == 1
    assert "frame 2: a second file for the frame" in track.notes[0]


def test_people_on_their_heads_are_said(tmp_path) -> None:
    documents = frames_of("body_25", 3)
    for document in documents.values():
        values = np.reshape(document["people"][0]["pose_keypoints_2d"], (25, 3))
        values[:, 1] = 720 - values[:, 1]
        document["people"][0]["pose_keypoints_2d"] = values.ravel().tolist()
    track = read_track(save_all(tmp_path / "a", documents))
    assert "the ankles are above the shoulders" in track.notes[0]


def test_a_folder_with_a_number_after_the_frame(tmp_path) -> None:
    documents = {
        f"a_{i:03d}_halpe26.json": document
        for i, document in enumerate(frames_of("halpe_26", 3).values())
    }
    assert sorted(read_track(save_all(tmp_path / "a", documents)).people) == [0, 1, 2]


def test_a_head_in_place_of_the_neck_is_said(tmp_path) -> None:
    rng = np.random.default_rng(0)
    people = [body(rng) for _ in range(3)]
    frames = [
        {"bodies": [{"joints": flat("coco_18", {**p, "neck": p["head_top"]})}]} for p in people
    ]
    track = read_track(save(tmp_path / "a.json", frames))
    assert "torso lengths from the middle of the shoulders. AlphaPose's" in track.notes[0]


def test_files_of_an_image_with_their_meta_and_one_without_a_number(tmp_path) -> None:
    people = [body(np.random.default_rng(0))]
    info = {"meta_info": {}, "instance_info": instances(people, COCO17, False)}
    save_all(tmp_path / "a", {"f_000000.json": info, "f_000001.json": info, "config.json": {}})
    track = read_track(tmp_path / "a")
    assert sorted(track.people) == [0, 1]
    assert "config.json: 'config.json' holds no frame number" in track.notes[0]


def test_what_was_read_is_described(tmp_path) -> None:
    track = read_track(save_all(tmp_path / "a", frames_of("halpe_26", 3)))
    assert track.described == "openpose-json, halpe_26: 3 frames, at most 1 people"
