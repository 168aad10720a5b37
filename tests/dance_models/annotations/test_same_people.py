"""Of several annotated people the same one is kept in all frames."""

import numpy as np

from dance_models.annotations.parsed_file import Image, RawPose
from dance_models.annotations.same_people import area_of, with_people_weighed
from dance_models.skeleton import DANCE_14


def _pose(frame: int, x: float, size: float, order: int = 0) -> RawPose:
    """Somebody of a height ``size`` whose joints lie on an ellipse about (x, 100)."""
    turn = np.linspace(0, 2 * np.pi, len(DANCE_14.names), endpoint=False)
    joints = {
        name: (x + size / 4 * np.cos(a), 100 + size / 2 * np.sin(a), 2)
        for name, a in zip(DANCE_14.names, turn, strict=True)
    }
    return RawPose(Image("solo", frame), joints, order=order)


def test_the_larger_person_over_all_frames_is_the_same_one_in_each() -> None:
    """The other one is larger in a third of the frames, where it comes first in the file, too."""
    poses = []
    for frame in range(0, 90, 3):
        other = 130.0 if frame % 9 == 0 else 80.0
        poses += [_pose(frame, 300 - frame, other), _pose(frame, 100 + frame / 2, 100.0, 1)]
    weighed = with_people_weighed(poses)
    assert [p.order for p in weighed] == [p.order for p in poses]
    final = {p.order: p.weight for p in weighed}
    assert final[1] == sum(area_of(p) for p in poses if p.order == 1)
    assert final[0] == sum(area_of(p) for p in poses if p.order == 0)
    for frame in range(0, 90, 3):
        here = [p for p in weighed if p.frame == frame]
        assert max(here, key=lambda p: p.weight).order == 1


def test_who_is_alone_in_every_frame_needs_no_weight_and_a_crowd_is_bounded() -> None:
    alone = [_pose(frame, 100, 50) for frame in range(4)]
    assert with_people_weighed(alone) == alone
    crowd = [_pose(frame, 3 * i, 50.0 + i, i) for frame in range(3) for i in range(300)]
    weighed = with_people_weighed(crowd)
    assert sum(p.weight > 0 for p in weighed) == 150
    assert max(weighed, key=lambda p: p.weight).order == 299


def test_somebody_far_away_is_somebody_else() -> None:
    poses = [_pose(0, 50, 60), _pose(0, 200, 40, 1), _pose(1, 400, 60), _pose(1, 201, 40, 1)]
    weight = {(p.frame, p.order): p.weight for p in with_people_weighed(poses)}
    assert weight[0, 0] == weight[1, 0] == area_of(poses[0])
    assert weight[0, 1] == weight[1, 1] == 2 * area_of(poses[1])


def test_coordinates_beyond_all_bounds_are_no_error() -> None:
    """As of a file with changed bytes: their distance is infinity over infinity."""
    poses = [
        RawPose(Image("solo", frame), {"nose": (0.0, y, 2), "left_hip": (5.0, 9.0, 2)})
        for frame in range(3)
        for y in (-1e308, 3.0)
    ]
    with np.errstate(all="ignore"):
        found = with_people_weighed(poses)
    assert [pose.frame for pose in found] == [pose.frame for pose in poses]
