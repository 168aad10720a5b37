"""JSON that others wrote: halves of characters. Bounds are tested with the hostile files."""

import json

import pytest

from dance_models.documents import load_json


@pytest.mark.parametrize(
    ("text", "value", "halves"),
    [
        (r'{"a": "\ud800"}', {"a": "\ufffd"}, 1),
        (r'{"\uDc01": ["x\ud83dy", 1]}', {"\ufffd": ["x\ufffdy", 1]}, 2),
        (r'["\ud83d\ud83d\ude00"]', ["\ufffd\U0001f600"], 1),
        (r'["\ud83d\ude00", "\\ud800", "\\\ud800"]', ["\U0001f600", "\\ud800", "\\\ufffd"], 1),
        (r'["\ud7ff\ue000\\ud"]', ["\ud7ff\ue000\\ud"], 0),
    ],
)
def test_half_of_a_character_is_replaced_and_said(text: str, value: object, halves: int) -> None:
    """Else the first table, page or message with that text would fail."""
    document = load_json(text, "names.json")
    assert document.value == value
    assert document.halves == halves
    json.dumps(document.value, ensure_ascii=False).encode()  # can be written
    assert ("halves of characters" in (document.said or "")) == bool(halves)


def test_halves_and_doubled_keys_are_both_said() -> None:
    """In one line, keys first."""
    document = load_json(r'{"a": 1, "a": "\ud800"}', "names.json")
    assert document.keys_again is not None and "('a')" in document.keys_again
    assert document.said is not None
    assert document.said.startswith(document.keys_again + "; halves of characters")
