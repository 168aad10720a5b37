"""A random annotated clip, written in each format and imported, is the same table."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated_clips import DERIVED, ONE_VISIBILITY, WRITERS, Annotated
from hypothesis import given, settings
from hypothesis import strategies as st

from dance_models.annotations.clip_import import ClipInfo, import_clip
from dance_models.annotations.content import read_content
from dance_models.annotations.detect_format import format_of
from dance_models.annotations.folder_index import index_annotations
from dance_models.skeleton import DANCE_14


@st.composite
def annotated(draw: Any) -> Annotated:
    width, height = draw(st.integers(320, 4000)), draw(st.integers(320, 4000))
    frames = draw(st.lists(st.integers(0, 9999), min_size=1, max_size=4, unique=True))
    far = st.tuples(st.floats(width / 2, width - 1), st.floats(height / 2, height - 1))
    near = st.tuples(st.floats(0, width - 1), st.floats(0, height - 1))
    people = {}
    for frame in frames:
        # One joint is seen for certain, and too far from the corner to be in percent.
        sure = draw(st.sampled_from([n for n in DANCE_14.names if n not in DERIVED]))
        joints = {}
        for name in DANCE_14.names:
            x, y = (round(value, 4) for value in draw(far if name == sure else near))
            seen = draw(st.sampled_from([1, 2] if name == sure else [0, 1, 2]))
            # At (0, 0) a joint is absent, and files in fractions round what is near.
            joints[name] = (x, y, seen if max(x, y) > 1 else 0)
        people[frame] = joints
    clip = draw(st.sampled_from(["solo", "salsa_01", "take-b"]))
    return Annotated(clip, width, height, people)


# Each of their files is read by a process of its own first.
HDF = ("deeplabcut-h5", "sleap")


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_read(name: str) -> None:
    @settings(max_examples=8 if name in HDF else 25, deadline=None, derandomize=True)
    @given(clip=annotated())
    def holds(clip: Annotated) -> None:
        _is_read(name, clip)

    holds()


def _is_read(name: str, clip: Annotated) -> None:
    with tempfile.TemporaryDirectory() as folder:
        WRITERS[name](Path(folder), clip)
        index = index_annotations(Path(folder))
        assert [entry.problem for entry in index if entry.problem] == []
        assert {key for entry in index for key in entry.clips} == {clip.clip}
        known = {format_of(read_content(entry.path)) for entry in index}
        assert {one.id for one in known if one} == {name.split(maxsplit=1)[0]}
        info = ClipInfo(clip.width, clip.height, 10_000)
        imported = import_clip(clip.clip, [entry.path for entry in index], info)
    lost = [str(p) for p in imported.problems if p.action in {"dropped", "repaired"}]
    assert lost == []
    assert imported.table["frame"].to_list() == sorted(clip.frames)
    for row in imported.table.iter_rows(named=True):
        expected = clip.frames[row["frame"]]
        lacking = DERIVED if name == "coco-17" else ()
        seen = np.array([0 if j in lacking else expected[j][2] for j in DANCE_14.names])
        one = 2 * (seen > 0) if name in ONE_VISIBILITY else seen
        # A joint that a file never marks is derived where it can be, and says so.
        derived = np.array(row["derived"] or [False] * len(seen))
        assert not seen[derived].any()
        np.testing.assert_array_equal(np.where(derived, 0, row["visibility"]), one)
        places = np.array([expected[name][:2] for name in DANCE_14.names])
        read = np.array(row["keypoints"], float)
        np.testing.assert_allclose(read[seen > 0], places[seen > 0], atol=0.01)
