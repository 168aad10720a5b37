"""The demo corpus: exact, plausible, reproducible, resumable."""

import json
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from dance_models.annotations.clip_import import ClipInfo, import_clip
from dance_models.demo.body import Body
from dance_models.demo.choreography import Choreography, direction, mirrored, motion
from dance_models.demo.corpus import (
    DemoCorpusConfig,
    clip_names,
    render_clip,
    render_frames,
    write_demo_corpus,
)
from dance_models.demo.decimate import BODIES
from dance_models.demo.moves import STANDING, STYLES
from dance_models.demo.stage import Camera
from dance_models.skeleton import DANCE_14

SMALL = DemoCorpusConfig(clips=3, frames=6, size=(160, 120))


@pytest.mark.parametrize("style", sorted(STYLES))
def test_each_style_has_six_moves_of_known_parts(style: str) -> None:
    assert len(STYLES[style]) >= 6
    for move in STYLES[style].values():
        for beats, pose in move:
            assert beats > 0
            assert set(pose) <= set(STANDING)


@pytest.mark.parametrize("body", BODIES)
def test_bones_keep_their_length_and_feet_stay_above_the_floor(body: str) -> None:
    rng = np.random.default_rng(3)
    poses = list(motion(Body(body), "street", rng, 60, 30))
    joints = np.stack([p.joints for p in poses])
    rigid = [
        e for e in DANCE_14.edges if DANCE_14.centre not in e
    ]  # shoulders and hips move with the spine
    for a, b in rigid:
        length = np.linalg.norm(joints[:, a] - joints[:, b], axis=1)
        # keypoints are skinned to more than one bone, so a bend moves them by a little
        assert np.ptp(length) < 0.12 * length.mean()
    assert min(p.vertices[:, 2].min() for p in poses) > -1e-6
    step = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max()
    assert 0.005 < step < 0.5  # metres per frame: it moves without jumps


def test_left_is_the_dancers_left() -> None:
    body = Body("woman_a")  # at rest she looks to -y, so that her left is +x
    names = {joint: body.rest[body.count + i] for joint, i in DANCE_14.index.items()}
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        assert names[f"left_{part}"][0] > 0 > names[f"right_{part}"][0]
    assert names["head_top"][2] > names["neck"][2] > names["left_hip"][2]
    # A camera in front of her sees her left on the right of the picture.
    camera = Camera((320, 240), 300, np.array([0, -4, 1]), np.array([0, 0, 1]))
    pixels, depth = camera.project(np.stack([names["left_wrist"], names["right_wrist"]]))
    assert pixels[0, 0] > pixels[1, 0]
    assert (depth > 0).all()


def test_the_camera_projects_as_a_pinhole() -> None:
    camera = Camera((321, 241), 300, np.array([0, -4, 1]), np.array([0, 0, 1]))
    pixels, depth = camera.project(np.array([[0, 0, 1], [0.4, 0, 1], [0, 0, 1.2]]))
    np.testing.assert_allclose(depth, 4)
    np.testing.assert_allclose(pixels, [[160, 120], [190, 120], [160, 105]], atol=1e-9)


def test_a_mirrored_move_is_danced_to_the_other_side() -> None:
    pose = {"l_thigh": (80, 10), "side": 12, "nod": 5}
    other = mirrored(pose)
    assert other == {"r_thigh": (80, 10), "side": -12, "nod": 5}
    assert mirrored(other) == pose
    left, right = direction((80, 10), "l_"), direction((80, 10), "r_")
    np.testing.assert_allclose(left * (-1, 1, 1), right)


def test_no_move_follows_itself_and_all_are_danced() -> None:
    dance = Choreography("ballet", np.random.default_rng(0), tempo_bpm=240)
    for frame in range(4000):
        dance.at(frame / 30)
    names = [name for _, name in dance.named]
    assert set(names) == set(STYLES["ballet"])
    assert all(a != b for a, b in pairwise(names))


def test_keypoints_lie_on_the_dancer() -> None:
    config = DemoCorpusConfig(frames=40)
    image, points, visibility = list(render_frames(config, "ballet", "ballet_01"))[-1]
    still, *_ = next(iter(render_frames(config, "ballet", "ballet_01")))
    assert image.shape == (240, 320, 3)
    assert (visibility > 0).all()
    x, y = points.T
    assert x.min() > 0 < y.min()
    assert x.max() < 320
    assert y.max() < 240
    assert (
        points[DANCE_14.index["head_top"], 1]
        < points[DANCE_14.centre, 1]
        < points[DANCE_14.index["left_hip"], 1]
    )
    assert not np.array_equal(image, still)
    assert len(DANCE_14.mirror) == len(points)


def test_the_pipeline_can_read_the_corpus(tmp_path: Path) -> None:
    clips = write_demo_corpus(tmp_path, SMALL)
    assert [c.stem for c in clips] == ["ballet_01", "contemporary_01", "street_01"]
    with av.open(str(clips[0])) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 160, 120)
        assert sum(1 for _ in container.decode(stream)) == 6
    imported = import_clip(
        "ballet_01", [tmp_path / "annotations" / "ballet_01.json"], ClipInfo(160, 120, 6)
    )
    assert imported.table.height == 6
    assert imported.problems == []
    assert (tmp_path / "CORPUS").read_text() == "synthetic demo corpus\n"
    assert (tmp_path / "clips.csv").read_text().count("\n") == 4


def test_the_corpus_is_determined_by_the_seed(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        config = DemoCorpusConfig(clips=1, frames=4, size=(160, 120), seed=seed)
        write_demo_corpus(tmp_path / name, config)
    written = [tmp_path / name / "annotations" / "ballet_01.json" for name in ("a", "b", "c")]
    texts = [path.read_bytes() for path in written]
    assert texts[0] == texts[1] != texts[2]


def test_complete_clips_are_kept_and_incomplete_ones_rendered_again(tmp_path: Path) -> None:
    write_demo_corpus(tmp_path, SMALL)
    whole = tmp_path / "clips" / "ballet" / "ballet_01.mp4"
    whole.write_bytes(b"kept")
    half = tmp_path / "clips" / "street" / "street_01.mp4"
    half.write_bytes(b"half")
    (tmp_path / "annotations" / "street_01.json").unlink()  # it is written last
    for style, clip in clip_names(SMALL):
        render_clip(tmp_path, SMALL, style, clip)
    assert whole.read_bytes() == b"kept"
    assert len(half.read_bytes()) > 100
    assert json.loads((tmp_path / "annotations" / "street_01.json").read_text())["images"]
    assert not list(tmp_path.rglob("*.part*"))
