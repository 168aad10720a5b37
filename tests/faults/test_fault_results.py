"""Tries of the fault suite add up in a file, also after one that was cut off."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import suite
from results import RECORD, ROOT, Try, append, read, table
from scene import TooLateError
from suite import Fault, run_tries


def made(fault: str, seed: int, *troubles: str) -> Try:
    return Try(fault, seed, "1.0 abc", "2026-01-01T00:00:00+00:00", 0, 9.0, 3.0, [*troubles])


def test_tries_are_appended_and_a_cut_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert read(path) == []
    first, second = made("a", 0, "it\nstays"), made("b", 0)
    append(path, first)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    append(path, second)
    assert read(path) == [first, second]


def test_the_table_counts_tries_since_the_last_failure() -> None:
    half = replace(made("a", 2), graph=suite.HALF)
    tries = [made("a", 0), made("a", 1, "it stays"), half, made("b", 0)]
    lines = table(["a", "b", "c"], tries).splitlines()
    assert lines[2:5] == [
        "| a | 3 | 2 | 2 | 1 | 0 | 3 s |",
        "| b | 1 | 1 | 1 | 1 | 0 | 3 s |",
        "| c | 0 | 0 | 0 | 0 | 0 | 0 s |",
    ]
    assert lines[-1] == "4 tries, on 1.0 abc"


def test_the_documented_table_is_that_of_the_record() -> None:
    """And each fault in it is one that the suite does."""
    tries = read(RECORD)
    names = [fault.name for fault in suite.FAULTS]
    assert {one.fault for one in tries} <= set(names)
    tried = [name for name in names if any(one.fault == name for one in tries)]
    documented = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    assert table(tried, tries) in documented


def test_a_try_whose_command_had_ended_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a moment within the time that the command took; in the end it has not recovered."""
    asked: list[float | None] = []
    late = 1

    def try_fault(scene: Any, fault: Fault, seed: int, folder: Path, command_s: Any) -> Any:
        asked.append(command_s)
        if len(asked) <= late:
            raise TooLateError(40.0)
        return [], 0, 3.0

    monkeypatch.setattr(suite, "try_fault", try_fault)
    scene: Any = SimpleNamespace(shards=0, only="")
    fault = Fault("a", "empty", lambda trial: [])
    assert suite.one_try(scene, fault, 0, tmp_path).troubles == []
    assert asked == [None, 40.0]
    late = 99
    assert suite.one_try(scene, fault, 0, tmp_path).troubles == [
        "the command always ended before the fault"
    ]


def test_the_rarest_fault_is_tried_first_until_all_have_the_goal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_try(scene: Any, fault: Fault, seed: int, folder: Path) -> Try:
        if fault.name == "c":
            raise NotImplementedError("there is none here")
        return made(fault.name, seed)

    monkeypatch.setattr(suite, "one_try", one_try)
    faults = [Fault(name, "empty", lambda trial: []) for name in "abc"]
    path: Any = tmp_path / "results.jsonl"
    append(path, made("a", 0))
    append(path, made("a", 1))
    scene: Any = None
    assert run_tries(scene, faults, 3, 60, 0, path, tmp_path)
    found = [(one.fault, one.seed) for one in read(path)]
    assert found[:4] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert sorted(found) == [(name, seed) for name in "ab" for seed in range(3)]
    assert run_tries(scene, faults, 3, 0, 0, path, tmp_path)
    assert len(read(path)) == 6
