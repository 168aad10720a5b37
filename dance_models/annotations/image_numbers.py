"""Annotated images of a folder of images: a name has the image's number, not the frame's."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from dance_models.annotations.image_names import frame_numbers
from dance_models.annotations.parsed_file import Problem, RawPose
from dance_models.video.scan import VIDEO_SUFFIXES


def frames_of_images(
    poses: Sequence[RawPose], numbers: Sequence[int], file: str, problems: list[Problem]
) -> list[RawPose]:
    """Poses of a clip whose frame ``i`` is the image of the number ``numbers[i]``.

    ``0013.jpg`` is the frame of that image, whatever the folder's first number is and which ones
    are missing. Poses that name no image keep their frame. Those of images that are not in the
    folder are left out, with a word in ``problems``.
    """
    places = {number: frame for frame, number in enumerate(numbers)}
    kept: list[RawPose] = []
    lost: list[RawPose] = []
    for pose in poses:
        if not names_its_image(pose):
            kept.append(pose)
        elif pose.frame in places:
            kept.append(replace(pose, image=replace(pose.image, frame=places[pose.frame])))
        else:
            lost.append(pose)
    if lost:
        text = (
            f"{len(lost)} left out: the clip's folder has no image of that number, as for "
            f"{lost[0].image.name} (its numbers run from {numbers[0]} to {numbers[-1]})"
        )
        problems.append(Problem(file, text, poses[0].clip, rows=len(lost)))
    return kept


def names_its_image(pose: RawPose) -> bool:
    """Whether the frame of a pose is the number in the name of an image."""
    if PurePosixPath(pose.image.name).suffix.lower() in VIDEO_SUFFIXES:
        return False
    return pose.frame in frame_numbers(pose.image.name)
