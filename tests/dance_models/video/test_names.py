import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dance_models.video.names import LONGEST, clip_slug, distinct_slug


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Solo 01.mp4", "solo-01"),
        ("/a/b/Été.MOV", "ete"),
        ("../../etc/passwd.mp4", "passwd"),
        ("a.b.c.mp4", "a-b-c"),
        ("C:\\clips\\Tango.avi", "tango"),
        ("舞蹈.mp4", "wudao"),
        ("舞1.mp4", "wu1"),
        ("другой1.mp4", "drugoy1"),
        ("танец_вальс.mp4", "tanets_vals"),
        ("вальс_танго.mp4", "vals_tango"),
        ("ダンス.mp4", "dansu"),
        ("Straße.mp4", "strasse"),
        ("it's.mp4", "it-s"),
        ("💃.mp4", "dancer"),
    ],
)
def test_keys_are_ascii_and_never_paths(name: str, slug: str) -> None:
    assert clip_slug(name) == slug


def test_composed_and_decomposed_names_are_one() -> None:
    for name in ("Été.mp4", "й.mp4", "ダ.mp4"):
        assert clip_slug(unicodedata.normalize("NFD", name)) == clip_slug(name)


def test_a_name_without_letters_is_named_by_its_hash() -> None:
    first, second = clip_slug("….mp4"), clip_slug("!!!.mp4")
    assert first != second
    assert all(re.fullmatch("clip-[0-9a-f]{6}", key) for key in (first, second))


def test_long_names_are_cut_and_stay_different() -> None:
    first, second = (clip_slug("舞蹈" * 60 + end + ".mp4") for end in ("甲", "乙"))
    assert first != second
    assert max(len(first), len(second)) <= LONGEST


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_name_gives_a_key(name: str) -> None:
    assert re.fullmatch(f"[a-z0-9_-]{{1,{LONGEST}}}", clip_slug(name))


def test_a_second_file_of_the_same_key_is_told_apart() -> None:
    first, second = distinct_slug("solo", "a/Solo.mp4"), distinct_slug("solo", "b/Solo.mp4")
    assert first != second
    assert re.fullmatch("solo-[0-9a-f]{6}", first)
