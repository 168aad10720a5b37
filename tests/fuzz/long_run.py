"""``make fuzz``: many changed files for each reader, each with a bound on time and memory.

Each reader has a process of its own, so that one that crashes does not end the others. Prints a
table and ends with 1 when an input raised anything but InputError, took too long or too much.
"""
# ruff: noqa: T201

import argparse
import faulthandler
import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from types import FrameType

HERE = Path(__file__).parent
MEMORY_BYTES = 1_000_000_000  # beyond what the process has before the first input
SECONDS = 20  # of one input, also on a busy machine
BATCH_SECONDS = 3600


_GUARDED = re.compile(r"cannot be read as [\w ]+ \((\w+(?:Error|Exception|Warning)): ")


class TooSlowError(Exception):
    """An input took longer than SECONDS."""


def _ring(signum: int, frame: FrameType | None) -> None:
    raise TooSlowError


def _begin() -> None:
    from dance_models import hdf_trial

    faulthandler.enable()
    hdf_trial._tried = _trial_in_a_fork


def _trial_in_a_fork(named: list[str], data: bytes, seconds: int) -> str | None:
    """In place of ``hdf_trial._tried``: the same work with the same bounds, in a process that has
    its libraries. Starting Python for each file takes hours for 10,000.
    """
    from dance_models import hdf_trial

    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            sys.argv[1:] = [str(seconds), *named]
            sys.stdin = io.TextIOWrapper(io.BytesIO(data))
            sys.stdout = os.fdopen(writes, "w", encoding="utf-8")
            code = hdf_trial.main()
            sys.stdout.flush()
        finally:
            os._exit(code)
    os.close(writes)
    try:
        with os.fdopen(reads, "rb") as output:
            said = output.read()
    finally:  # also when the time of this input is over
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return hdf_trial.what_is_wrong(os.waitstatus_to_exitcode(status), said)


def _one(name: str, inputs: int, start: int) -> None:
    """In the child: read the inputs, print a line of JSON for each failure and one at the end."""
    sys.path[:0] = [str(HERE.parent / "support"), str(HERE.parents[1])]
    from hostile_cases import CASES, texts_of
    from mutations import mutated

    from dance_models.text import printable

    _begin()
    # ``noticed``: inputs of which something else is said than of the valid files.
    case, slowest, noticed = CASES[name], 0.0, 0
    guarded: dict[str, str] = {}  # what only the last guard of the reader caught, by type
    signal.signal(signal.SIGALRM, _ring)
    with tempfile.TemporaryDirectory() as temporary:
        valid, folder = Path(temporary) / "valid", Path(temporary) / "in"
        valid.mkdir()
        case.write(valid)
        # What is imported only now is not an input's.
        said = [text.replace(str(valid), str(folder)) for text in texts_of(case, valid)]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
        # Address space: several times what is used, since threads and allocators reserve it.
        limit = mapped + 3 * MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for seed in range(start, start + inputs):
            shutil.copytree(valid, folder)
            random = Random(seed)
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            chosen = random.choice(files)
            chosen.write_bytes(mutated(chosen.read_bytes(), random))
            print(json.dumps({"at": seed}), file=sys.stderr, flush=True)
            began = time.process_time()
            signal.alarm(3 * SECONDS)
            try:
                texts = texts_of(case, folder)
                noticed += texts != said
                for kind in filter(None, map(_GUARDED.search, texts)):
                    guarded.setdefault(kind[1], f"seed {seed}: {kind.string}"[:300])
                # Of videos: FFmpeg itself refuses what no machine has, without taking it.
                asked = any("needs more memory than there is" in text for text in texts)
                if asked and not name.startswith("video"):
                    raise AssertionError("more memory was asked for than the limit of this process")
                if any(text != printable(text) for text in texts):
                    raise AssertionError("a text has control characters")
                if sorted(path for path in folder.rglob("*") if path.is_file()) != files:
                    raise AssertionError("files were written or removed")
            except Exception as error:
                print(json.dumps({"seed": seed, "error": f"{type(error).__name__}: {error}"[:300]}))
            signal.alarm(0)
            took = time.process_time() - began
            slowest = max(slowest, took)
            if took > SECONDS:
                print(json.dumps({"seed": seed, "error": f"took {took:.0f} s"}))
            shutil.rmtree(folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    if peak > MEMORY_BYTES:
        print(json.dumps({"seed": -1, "error": f"used {peak / 1e6:.0f} MB more"}))
    for kind, text in guarded.items():
        print(json.dumps({"guarded": kind, "text": text}))
    print(json.dumps({"noticed": noticed, "slowest": slowest, "megabytes": peak / 1e6}))


def _run(name: str, inputs: int, start: int) -> tuple[int, list[str], dict[str, float]]:
    """Inputs that were read, failures and figures of one reader; a crash costs its input alone."""
    done, failures, figures = 0, [], {"noticed": 0.0, "slowest": 0.0, "megabytes": 0.0}
    while done < inputs and len(failures) < 20:
        command = [sys.executable, __file__, "--one", name]
        command += ["--inputs", str(inputs - done), "--start", str(start + done)]
        with tempfile.TemporaryFile("w+") as places:
            child = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=places, text=True, check=False,
                timeout=BATCH_SECONDS,
            )  # fmt: skip
            places.seek(0)
            lines = places.read().splitlines()
        told = [json.loads(line) for line in child.stdout.splitlines() if line.startswith("{")]
        failures += [f"{name}, seed {t['seed']}: {t['error']}" for t in told if "seed" in t]
        notes = [
            f"{name}: only the last guard caught this, {t['text']}" for t in told if "text" in t
        ]
        print("\n".join(notes), end="\n" if notes else "")
        for end in (t for t in told if "noticed" in t):
            figures["noticed"] += end["noticed"]
            figures["slowest"] = max(figures["slowest"], end["slowest"])
            figures["megabytes"] = max(figures["megabytes"], end["megabytes"])
        if child.returncode == 0:
            return inputs, failures, figures
        last = next((json.loads(x)["at"] for x in reversed(lines) if x.startswith('{"at"')), start)
        failures.append(f"{name}, seed {last}: the process ended with {child.returncode}")
        failures += lines[-3:] if not lines or not lines[-1].startswith('{"at"') else []
        done = last - start + 1
    return done, failures, figures


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="for each reader")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--only", default="", help="part of the names of the readers")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        _one(asked.one, asked.inputs, asked.start)
        return 0
    sys.path[:0] = [str(HERE.parent / "support"), str(HERE.parents[1])]
    from hostile_cases import CASES

    print(f"{'reader':<40}{'inputs':>8}{'noticed':>9}{'errors':>8}{'slowest s':>11}{'MB more':>9}")
    every: list[str] = []
    for name in (name for name in CASES if asked.only in name):
        done, failures, of = _run(name, asked.inputs, asked.start)
        every += failures
        print(
            f"{name:<40}{done:>8}{of['noticed']:>9.0f}{len(failures):>8}"
            f"{of['slowest']:>11.2f}{of['megabytes']:>9.0f}",
            flush=True,
        )
    print("\n".join(every))
    return 1 if every else 0


if __name__ == "__main__":
    sys.exit(main())
