"""What a comparison reports, and what it does not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from danced import bent, dance, filmed, late_by, performance
from numpy.typing import NDArray

from dance_models.comparison.compare import Comparison, compare
from dance_models.comparison.document import document
from dance_models.comparison.hints import range_hints
from dance_models.comparison.joint_angles import angles
from dance_models.comparison.moments import worst_moments
from dance_models.comparison.page import page_content
from dance_models.comparison.performance import Performance
from dance_models.comparison.scores import scores
from dance_models.comparison.sentences import score_rows, sentences
from dance_models.comparison.shape import clear_angles, floor_of
from dance_models.comparison.view import facing, view_warning
from dance_models.comparison.words import angle_words, at, late_words
from dance_models.config import ComparisonConfig
from dance_models.errors import InputError
from dance_models.skeleton import DANCE_14

CONFIG = ComparisonConfig()
CHANGED = slice(120, 210)  # frames, 4 to 7 s


@pytest.fixture(scope="module")
def poses() -> NDArray[np.float32]:
    return filmed(dance(10))


@pytest.fixture(scope="module")
def knee(poses: NDArray[np.float32]) -> Comparison:
    """A practice whose left knee is 40 degrees more bent for three seconds, and late by 200 ms."""
    rng = np.random.default_rng(0)
    other = np.array(poses, np.float64)
    for degrees in (-40.0, 40.0):  # whichever way bends this knee more
        turned = bent(poses[CHANGED], "left_knee", degrees, ("left_ankle",))
        change = _knee(turned) - _knee(poses[CHANGED])
        frames = np.arange(CHANGED.start, CHANGED.stop)[change < 0]
        other[frames] = turned[change < 0]
    times, late = late_by(other, lambda t: 0.2 * np.clip((t - 3) / 1.5, 0, 1))
    return compare(
        performance(poses, rng=rng, name="r.mp4"), performance(late, times, rng, "p.mp4")
    )


def _knee(poses: NDArray[np.floating]) -> NDArray[np.float64]:
    return angles(poses, np.zeros((len(poses), 0, 3)))["left_knee"]


def test_a_bent_knee_is_the_first_moment_and_the_lowest_score(knee: Comparison) -> None:
    assert knee.comparable
    assert not knee.mirrored
    first = knee.moments[0]
    assert 4.0 < first.time_s < 7.0
    assert next(iter(first.degrees)) == "left_knee"
    assert "left knee" in first.words
    assert "more bent" in first.words
    assert score_rows(knee)[0].name == "left knee"
    assert knee.scores is not None
    assert knee.scores.angles["right_hip"] == pytest.approx(100, abs=1)
    inside = (knee.time_s > 4.4) & (knee.time_s < 6.6)
    assert np.nanmedian(knee.difference["left_knee"][inside]) == pytest.approx(-40, abs=3)


def test_nothing_within_the_floor_is_reported(knee: Comparison) -> None:
    for moment in knee.moments:
        assert all(abs(v) > knee.floor[name] for name, v in moment.degrees.items())
        assert moment.late_s is None or abs(moment.late_s) > knee.timing_floor_s
    written = json.loads(json.dumps(document(knee, ["x.jpg"] * len(knee.moments), {})))
    for name, values in written["series"]["degrees"].items():
        assert all(v is None or abs(v) > knee.floor[name] - 0.1 for v in values)
    assert written["moments"][0]["words"] == knee.moments[0].words
    assert written["offset"]["source"] == "poses"


def test_the_page_gets_what_the_document_says(knee: Comparison) -> None:
    page = page_content(knee, notes=["a note"], videos=("a.mp4", "b.mp4"))
    assert page.notes[0] == "a note"
    assert [m.words for m in page.moments] == [", ".join(m.told) for m in knee.moments]
    assert all(m.words.endswith(f", at {at(m.time_s)}") for m in knee.moments)
    assert [s.name for s in page.series][:2] == ["late", "left elbow"]
    assert page.series[0].band == pytest.approx(50)
    assert page.summary[: len(sentences(knee))] == tuple(sentences(knee))
    assert page.second_time_s is not None
    known = np.isfinite(knee.practice_s)
    np.testing.assert_allclose(page.second_time_s[known], knee.practice_s[known])
    assert len(page.tables[0].rows) == len(knee.difference)


def test_an_angle_that_is_not_judged_has_no_share_of_time(knee: Comparison) -> None:
    assert knee.scores is not None
    seldom = replace(knee.scores, angles={**knee.scores.angles, "right_elbow": None})
    (*_, last) = score_rows(replace(knee, scores=seldom))
    assert (last.name, last.beyond_percent, last.typical_degrees) == ("right elbow", None, None)
    page = page_content(replace(knee, scores=seldom), notes=[], videos=("a.mp4", "b.mp4"))
    assert [cell.text for cell in page.tables[0].rows[-1][3:]] == ["-", "-"]


def test_videos_that_begin_together_are_said_to(poses: NDArray[np.float32]) -> None:
    told = " ".join(sentences(compare(performance(poses), performance(poses))))
    assert "comes at the same time in the practice video" in told


def test_the_same_performance_has_no_moments(poses: NDArray[np.float32]) -> None:
    same = compare(performance(poses), performance(poses))
    assert same.moments == ()
    assert same.agreement == pytest.approx(1.0)
    assert same.scores is not None
    assert same.scores.shape == pytest.approx(100)
    assert any("no sound" in warning for warning in same.warnings)


def test_no_common_motion_is_said_and_nothing_compared(poses: NDArray[np.float32]) -> None:
    standing = performance(np.repeat(poses[:1], 300, axis=0), rng=np.random.default_rng(1))
    found = compare(performance(poses), standing)
    assert not found.comparable
    assert found.moments == ()
    assert "no common motion" in found.warnings[-1]
    assert sentences(found) == ["Nothing was compared."]
    assert document(found, [], {})["scores"] is None
    short = compare(performance(poses), performance(poses[:20]))
    assert "less than 2 s that the two videos have in common" in short.warnings[-1]


def test_what_only_one_of_the_videos_has_is_said(poses: NDArray[np.float32]) -> None:
    part = poses[90:].copy()
    part[:, 11:] = np.nan  # from the right knee down
    found = compare(performance(poses), performance(part))
    assert any("shows 0:02.8 to 0:10" in warning for warning in found.warnings)
    assert any("right knee (0 %)" in warning for warning in found.warnings)
    assert found.scores is not None
    assert found.scores.angles["right_knee"] is None


def test_the_limit_of_lateness_is_that_of_the_search() -> None:
    """Aligned by the movements, lateness is against its own median, and the search was not."""
    poses = filmed(dance(24))
    parts = ([0, 8, 9, 15, 17, 24], [0, 0, 0.6, 0.6, 1.3, 1.3])
    times, late = late_by(poses, lambda t: np.interp(t, *parts))
    rng = np.random.default_rng(0)
    found = compare(performance(poses, rng=rng), performance(late, times, rng))
    assert found.offset is not None and found.offset.source == "poses"
    assert np.nanmax(np.abs(found.late_s)) < 0.8
    assert any("the limit of what is looked for" in warning for warning in found.warnings)


def test_nobody_and_wrong_shapes_are_refused(poses: NDArray[np.float32]) -> None:
    with pytest.raises(InputError, match="no person"):
        performance(np.full_like(poses, np.nan))
    with pytest.raises(ValueError, match="poses have shape"):
        Performance("x", np.arange(3.0), poses)
    with pytest.raises(ValueError, match="do not rise"):
        Performance("x", np.zeros(len(poses)), poses)


def test_cameras_from_different_sides_are_warned_of() -> None:
    joints = dance(4, seed=1)
    front, side = facing(filmed(joints)), facing(filmed(joints, yaw=70))
    assert view_warning(front, facing(filmed(joints, yaw=5)), CONFIG) is None
    warning = view_warning(front, side, CONFIG)
    assert warning is not None
    assert "different sides" in warning
    assert "other way round in 100 %" in str(view_warning(front, -front, CONFIG))
    assert view_warning(front, np.full_like(front, np.nan), CONFIG) is None


def test_an_angle_seen_end_on_or_by_an_unsure_estimator_is_unknown() -> None:
    poses = np.zeros((10, 14, 2), np.float32)
    shoulder, elbow, wrist = (DANCE_14.index[f"left_{j}"] for j in ("shoulder", "elbow", "wrist"))
    poses[:, elbow], poses[:, wrist] = (0, 10), (10, 10)
    poses[3, wrist] = (1, 10)  # the forearm points at the camera
    score = np.ones((10, 14), np.float32)
    score[5, elbow] = 0.2
    seen = Performance("x", np.arange(10.0), poses, score=score)
    degrees = clear_angles(seen, CONFIG)["left_elbow"]
    assert np.flatnonzero(np.isnan(degrees)).tolist() == [3, 5]
    assert degrees[0] == pytest.approx(90)
    assert shoulder != elbow


def test_moments_are_apart_and_in_the_order_of_their_excess() -> None:
    time_s = np.arange(0, 12, 0.02)
    knee, late = np.zeros(600), np.full(600, np.nan)
    knee[100:140], knee[160:200], knee[400:440] = -33.0, -30.0, 20.0
    knee[270:285] = 90.0  # 0.3 s: a fault of the estimator
    late[390:440] = 0.12
    config = replace(CONFIG, floor={"knee": 15.0})
    found = worst_moments(time_s, time_s + 1, {"left_knee": knee}, late, 0.5, config)
    assert [m.words for m in found] == [
        "left knee 33 degrees more bent, at 0:02",
        "left knee 30 degrees more bent, at 0:03.2",
        "120 ms late (0.24 beats), at 0:07.8",
    ]
    assert found[0].practice_s == pytest.approx(3.0)
    assert found[0].late_s is None


def test_scores_count_what_is_beyond_the_floor() -> None:
    time_s = np.arange(0, 4, 0.02)
    half = np.where(time_s < 2, 45.0, 0.0)
    unknown = np.full(200, np.nan)
    found = scores(
        time_s, {"a": half, "b": unknown}, np.full(200, 0.25), lost_degrees=45.0, lost_s=0.5
    )
    assert found.angles["a"] == pytest.approx(50)
    assert found.angles["b"] is None
    assert (found.shape, found.timing) == (pytest.approx(50), pytest.approx(50))
    assert found.moment.tolist() == [0, 0, 100, 100]


def test_hints_name_their_limit() -> None:
    time_s = np.arange(0, 4, 0.02)
    reference = {"left_knee": np.linspace(100, 140, 200)}
    practice = {"left_knee": np.linspace(100, 178, 200)}
    config = replace(CONFIG, floor={"knee": 10.0})
    (hint,) = range_hints(time_s, reference, practice, config)
    assert hint.startswith("left knee angle goes up to 176 degrees, in the reference to 139 (named")
    brief = {"left_knee": np.where((time_s > 1) & (time_s < 1.05), 60.0, 120.0)}
    (own,) = range_hints(time_s, brief, brief, config)
    assert "down to 60 degrees at 0:01, usually no further than to 120 (named" in own


def test_words() -> None:
    assert at(12.04) == "0:12"
    assert at(71.26) == "1:11.3"
    assert angle_words("left_knee", -18.2) == "left knee 18 degrees more bent"
    assert angle_words("right_shoulder", 20) == "right upper arm 20 degrees further from the body"
    assert angle_words("trunk", 7.0) == "trunk 7 degrees larger"
    assert late_words(-0.12) == "120 ms early"
    assert floor_of("left_knee", {"knee": 3.0, "hip": 9.0}) == 3.0
    assert floor_of("trunk", {"knee": 3.0, "hip": 9.0}) == 9.0
