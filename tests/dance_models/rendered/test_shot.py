"""One view: the truth lies on the body in the picture, and film is repeatable."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rendered_cases import person

from dance_models.config import RenderedMotionConfig
from dance_models.demo.stage import Camera
from dance_models.rendered.bodies import make_body
from dance_models.rendered.film import Tone, camera_motion, decode, draw_tone, encode
from dance_models.rendered.outfit import draw_outfit
from dance_models.rendered.performance import perform
from dance_models.rendered.scene import Prop, draw_background, draw_props
from dance_models.rendered.shot import RATES, Shot, draw_rate, draw_shot, projected
from dance_models.skeleton import DANCE_14

CONFIG = RenderedMotionConfig(seconds=0.2, lines=(180, 200), figure=(0.7, 0.9))
PLAIN = np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (1, 1, 3))


def _shot(folder: Path, seed: int, *, moving: bool) -> Shot:
    """A shot without props, tone and grain; the camera moves or stands still."""
    performance = perform(
        person(folder), make_body("shape_06"), 0.2, 0.4, np.random.default_rng(seed)
    )
    for attempt in range(100):
        rng = np.random.default_rng([seed, attempt])
        shot = draw_shot(performance, 30, 1.0 + seed, CONFIG, rng)
        if (shot.maps is not None) == moving:
            break
    still = Tone(PLAIN, np.zeros((*shot.size[::-1], 3), np.int16))
    return replace(shot, props=[], tone=still)


@pytest.mark.parametrize("moving", [False, True])
def test_the_truth_projects_to_where_the_meshs_joint_is(tmp_path: Path, moving: bool) -> None:
    shot = _shot(tmp_path, 1, moving=moving)
    projection = shot.projection()
    # the renderer's own projection of the joints, then the camera's movement
    for frame, (_, posed, _) in enumerate(shot.pictures()):
        pixels = shot.camera.project(posed.joints)[0]
        if shot.maps is not None:
            pixels = pixels @ shot.maps[frame, :, :2].T + shot.maps[frame, :, 2]
        np.testing.assert_allclose(projected(projection[frame], posed.joints), pixels, atol=1e-8)
    # and in the picture: without the body, its place shows the background
    renderer = shot.renderer
    empty = shot._framed(renderer.stage, frame)
    picture, posed, seen = list(shot.pictures())[-1]
    changed = np.abs(picture.astype(int) - empty).max(axis=-1) > 6
    inner = [i for i, name in enumerate(DANCE_14.names) if name != "head_top"]
    points = np.round(projected(projection[-1], posed.joints)).astype(int)
    on_body = [changed[y, x] for (x, y), v in zip(points[inner], seen[inner], strict=True) if v]
    assert len(on_body) > 6
    assert np.mean(on_body) > 0.85


def test_what_a_prop_covers_is_hidden_and_what_is_outside_is_absent(tmp_path: Path) -> None:
    shot = _shot(tmp_path, 2, moving=False)
    picture, posed, seen = next(iter(shot.pictures()))
    width, height = shot.size
    points = projected(shot.projection()[0], posed.joints)
    inside = ((points >= 0) & (points <= (width - 1, height - 1))).all(axis=1)
    np.testing.assert_array_equal(seen > 0, inside)
    x, y = points[DANCE_14.index["left_knee"]]
    wall = Prop(
        np.full((9, 9, 3), 7, np.uint8), np.ones((9, 9), np.bool_), (x - 4, y - 4), (0.0, 0.0)
    )
    hidden, _, covered = next(iter(replace(shot, props=[wall]).pictures()))
    assert covered[DANCE_14.index["left_knee"]] == 1
    assert covered[DANCE_14.index["head_top"]] == seen[DANCE_14.index["head_top"]]
    assert (hidden[round(y), round(x)] == 7).all()
    assert not np.array_equal(picture, hidden)


def test_a_prop_moves_and_leaves_the_picture() -> None:
    prop = Prop(np.full((4, 4, 3), 9, np.uint8), np.ones((4, 4), np.bool_), (0.0, 2.0), (10.0, 0.0))
    for time_s, columns in ((0.0, slice(0, 4)), (0.5, slice(5, 9)), (3.0, slice(0, 0))):
        image, covered = np.zeros((10, 12, 3), np.uint8), np.zeros((10, 12), np.bool_)
        prop.paste(image, covered, time_s)
        expected = np.zeros((10, 12), np.bool_)
        expected[2:6, columns] = True
        np.testing.assert_array_equal(covered, expected)
        np.testing.assert_array_equal(image[..., 0] == 9, expected)


def test_fast_motion_is_blurred_and_slow_motion_is_not(tmp_path: Path) -> None:
    shot = _shot(tmp_path, 3, moving=False)
    posed = shot.performance.at(0.1)
    sharp, blurred = (shot._exposed(posed, 0.1, moved) for moved in (1.0, 9.0))
    np.testing.assert_array_equal(sharp, shot.renderer.render(posed))
    assert not np.array_equal(sharp, blurred)
    assert np.abs(sharp.astype(int) - blurred).mean() < 3


def test_a_still_camera_has_no_movement_and_a_moving_one_stays_on_its_canvas() -> None:
    found = [camera_motion(30, 30, (160, 120), np.random.default_rng(s)) for s in range(40)]
    still = [maps for maps, _ in found if not np.ptp(maps, axis=0).any()]
    assert 5 < len(still) < 25
    for maps, margin in found:
        corners = np.array([[sx * 80, sy * 60] for sx in (-1, 1) for sy in (-1, 1)])
        back = (corners[None] - maps[:, None, :, 2]) @ np.linalg.inv(maps[:, :, :2]).mT
        assert (np.abs(back) <= np.array([80, 60]) * (1 + margin) + 1e-9).all()
        assert margin < 0.4


@pytest.mark.parametrize("size", [(96, 64), (106, 58), (82, 146)])
def test_the_same_pictures_give_the_same_film(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (6, 8, 8, 3)).astype(np.uint8)
    images = [np.ascontiguousarray(np.kron(c, np.ones((20, 20, 1), np.uint8))) for c in coarse]
    images = [image[: size[1], : size[0]] for image in images]
    films = [encode(iter(images), size, 25, 23) for _ in range(3)]
    assert films[0] == films[1] == films[2]
    shown = list(decode(films[0]))
    assert len(shown) == len(images)
    assert shown[0].shape == images[0].shape
    assert np.abs(np.stack(shown).astype(int) - np.stack(images)).mean() < 12
    assert len(encode(iter(images), size, 25, 45)) < len(films[0])


def test_tone_is_a_table_and_grain() -> None:
    tone = draw_tone((32, 24), np.random.default_rng(5))
    assert (np.diff(tone.table.astype(int), axis=0) >= 0).all()
    image = np.full((24, 32, 3), 100, np.uint8)
    plain = Tone(PLAIN, np.zeros((24, 32, 3), np.int16))
    np.testing.assert_array_equal(plain(image, 3), image)
    grained = Tone(PLAIN, tone.grain)
    assert not np.array_equal(grained(image, 0), grained(image, 1)) or not tone.grain.any()


def test_what_is_drawn_follows_from_the_generator() -> None:
    body = make_body("man_a")
    camera = Camera((96, 64), 80.0, np.array([0, -4.0, 1.2]), np.array([0, 0, 1.0]))

    def drawn(seed: int) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        props = draw_props((20.0, 5.0, 60.0, 60.0), 1.0, CONFIG, rng)
        return [draw_outfit(body, rng), draw_background(camera, rng), *[p.patch for p in props]]

    for one, other in zip(drawn(3), drawn(3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(drawn(3)[1], drawn(4)[1])
    assert {len(drawn(seed)) for seed in range(30)} >= {2, 3}
    assert {draw_rate(np.random.default_rng(s)) for s in range(60)} == set(RATES)
