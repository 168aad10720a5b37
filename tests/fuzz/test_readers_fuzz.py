"""Every reader of files from outside, on files that a hostile or broken program changed.

A short form with the same inputs each time; ``make fuzz`` is the long one.
"""

import shutil
import tempfile
from pathlib import Path
from random import Random

import pytest
from hostile_cases import CASES, texts_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mutations import mutated

from dance_models.text import printable

# Reading one of these takes tens of milliseconds or, in a process of its own, hundreds; of others
# a few.
SLOW = ("video", "archive", "ultralytics-pose")
SLOWEST = ("sleap", "h5")
FUZZ = {
    "derandomize": True,
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("valid")
    for name, case in CASES.items():
        (folder / name).mkdir()
        case.write(folder / name)
    return folder


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_files_that_are_changed_are_valid(name: str, valid: Path, tmp_path: Path) -> None:
    shutil.copytree(valid / name, tmp_path / "in")
    list(CASES[name].read(tmp_path / "in"))


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_changed_file_is_read_or_refused(name: str, valid: Path) -> None:
    examples = 12 if any(word in name for word in SLOW) else 60
    examples = 5 if any(word in name for word in SLOWEST) else examples

    @settings(max_examples=examples, **FUZZ)
    @example(seed=0)
    @given(seed=st.integers(0, 2**32))
    def holds(seed: int) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "in"
            shutil.copytree(valid / name, folder)
            random = Random(seed)
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            chosen = random.choice(files)
            chosen.write_bytes(mutated(chosen.read_bytes(), random))
            texts = texts_of(CASES[name], folder)
            assert all(text == printable(text) for text in texts)
            assert sorted(path for path in folder.rglob("*") if path.is_file()) == files
            assert list(Path(temporary).iterdir()) == [folder]

    holds()
