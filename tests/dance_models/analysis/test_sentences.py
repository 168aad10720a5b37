"""The sentences about a video, for a terminal and for the page."""

from typing import Any

from dance_models.analysis.sentences import MOST_TIMES, sentences


def summed(gaps: int) -> dict[str, Any]:
    """The summary of a video in which nobody is seen so many times, and that has as many cuts."""
    spans = [{"from_s": float(10 * i), "to_s": 10 * i + 2.5} for i in range(gaps)]
    return {
        "frames": 45_000,
        "frames_with_somebody": 30_000,
        "cuts": spans,
        "nobody": spans,
        "unsure": [],
        "missing_joints": {},
        "camera": "",
        "exchanged_sides": [],
        "foot_contacts": [],
        "forecast_shown": {"why": "because."},
    }


def test_a_long_video_does_not_fill_the_page_with_times() -> None:
    _, cuts, nobody, _ = sentences(summed(150))
    assert nobody.endswith(f"70.0-72.5 s and {150 - MOST_TIMES} more.")
    assert f"70.00 s and {150 - MOST_TIMES} more: " in cuts


def test_few_times_are_all_named() -> None:
    _, cuts, nobody, _ = sentences(summed(2))
    assert cuts.startswith("Cuts in the video, at 0.00 s, 10.00 s: ")
    assert nobody == "Nobody is seen: 0.0-2.5 s, 10.0-12.5 s."


def test_frames_whose_body_cannot_be_turned_like_that_are_named() -> None:
    span = {"first_frame": 218, "last_frame": 222, "from_s": 7.274, "to_s": 7.407}
    alone = {"first_frame": 236, "last_frame": 236, "from_s": 7.875, "to_s": 7.908}
    _, unsure, _ = sentences({**summed(0), "unsure": [span, alone]})
    assert "at 7.27 s (frames 218-222), 7.88 s (frame 236): " in unsure


def test_joints_that_are_not_seen_are_named() -> None:
    missing = {"left_ankle": 30_000, "right_wrist": 210, "neck": 1}
    _, joints, _ = sentences({**summed(0), "missing_joints": missing})
    assert joints.endswith(": left ankle, right wrist (210 frames), neck (1 frame).")


def test_one_frame_is_one_frame() -> None:
    summary = {**summed(0), "exchanged_sides": [{"first_frame": 4, "last_frame": 4}]}
    assert "Left and right had been mixed up in 1 frame; that was put right." in sentences(summary)


def test_how_often_the_feet_touch_the_floor_is_in_words() -> None:
    for contacts, words in ((1, "once, and"), (3, "3 times, and")):
        touched = [{"slide_in_torsos": 0.1}] * contacts
        *_, feet, _ = sentences({**summed(2), "foot_contacts": touched})
        assert feet.startswith(f"The feet touch the floor {words}")
