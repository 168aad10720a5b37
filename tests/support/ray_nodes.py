"""Nodes of Ray as processes of this machine, which end with the test, however it ends.

Each node has a keeper: this file as a program. Whatever the node starts and leaves behind becomes
a child of the keeper (Linux's child subreaper), which kills all of it when its standard input ends:
when the node is stopped, or when the process of the test is gone.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
import pytest
from postgres import free_port

CHILD_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>
START_S: Final = 120
# What a node sees otherwise than the rest of the machine: folders, and the name of the host.
SPACE: Final = (
    *("unshare", "--mount", "--uts"),
    *(("--user", "--map-root-user") if os.geteuid() else ()),
)
# Of the head: it notices a node that was killed within seconds.
HEALTH: Final = {"RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "5"}


def keep(command: list[str]) -> None:
    """Run a command, say its exit code, and kill all that it left when standard input ends."""
    ctypes.CDLL(None).prctl(CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # else what is left would have no keeper
    code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    sys.stdout.write(f"{code.returncode}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    while left := psutil.Process().children(recursive=True):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)


@dataclass
class Node:
    """One node, with a keeper of its own."""

    keeper: "subprocess.Popen[str]"

    def processes(self) -> list[psutil.Process]:
        """All that runs of it now."""
        if self.keeper.poll() is not None:
            return []
        return psutil.Process(self.keeper.pid).children(recursive=True)

    def kill(self) -> None:
        """End all of it at once, as when a machine loses its power."""
        assert self.keeper.stdin is not None
        self.keeper.stdin.close()
        self.keeper.wait(60)


@dataclass
class Nodes:
    """A head and the nodes that joined it, with one CPU each."""

    folder: Path  # of Ray's session and the logs; short, since sockets lie in it
    environment: Mapping[str, str]
    port: int = field(default_factory=free_port)
    nodes: list[Node] = field(default_factory=list)

    @property
    def address(self) -> str:
        """For ``RAY_ADDRESS``."""
        return f"127.0.0.1:{self.port}"

    def start_head(self) -> Node:
        """The first node."""
        head = [
            "--head", f"--port={self.port}", f"--ray-client-server-port={free_port()}",
            "--include-dashboard=false", f"--temp-dir={self.folder / 'ray'}",
        ]  # fmt: skip
        return self._start(head, HEALTH, [])

    def join(self, mounted: Mapping[Path, Path] | None = None, host: str = "") -> Node:
        """A further node; it sees other folders in the place of those that are mapped.

        As another machine does, whose disk has other files at the same paths, and which has
        another name: that of ``host``.
        """
        wrap: list[str] = []
        if mounted or host:
            steps = [f'mount --bind "{other}" "{path}"' for path, other in (mounted or {}).items()]
            steps += [f"hostname {host}"] if host else []
            wrap = [*SPACE, "sh", "-c", " && ".join([*steps, 'exec "$@"']), "node"]
        return self._start([f"--address={self.address}"], {}, wrap)

    def _start(self, arguments: list[str], variables: Mapping[str, str], wrap: list[str]) -> Node:
        command = [
            *wrap, str(Path(sys.executable).with_name("ray")), "start", *arguments,
            "--node-ip-address=127.0.0.1", "--num-cpus=1", "--num-gpus=0", "--disable-usage-stats",
            "--object-store-memory=80000000",
        ]  # fmt: skip
        log = self.folder / f"node{len(self.nodes)}.log"
        with log.open("ab") as output:
            keeper = subprocess.Popen(
                [sys.executable, __file__, *command],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True,
                env={**self.environment, **variables}, start_new_session=True,
            )  # fmt: skip
        node = Node(keeper)
        self.nodes.append(node)
        assert keeper.stdout is not None
        code = keeper.stdout.readline().strip()
        assert code == "0", log.read_text("utf-8", "replace")[-3000:]
        return node


@contextmanager
def nodes(variables: Mapping[str, str]) -> Iterator[Nodes]:
    """No node yet, and none when the block ends; ``variables``: of their environment.

    Skips the test where Ray is not installed or the system is not Linux.
    """
    pytest.importorskip("ray", reason="the extra [cluster] is not installed")
    if sys.platform != "linux":
        pytest.skip("the nodes are kept by a means of Linux")
    # A proxy would be asked for addresses of this machine. A token that Ray once left in the home
    # folder makes the head ask for it, and the nodes that join not show it, unless both are told.
    own = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    folder = Path(tempfile.mkdtemp(prefix="dance-ray-"))
    made = Nodes(folder, {**own, "RAY_AUTH_MODE": "disabled", **variables})
    try:
        yield made
    finally:
        for node in made.nodes:
            if node.keeper.poll() is None:
                node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def can_mount() -> bool:
    """Whether this user may give a process other folders than the rest of the machine."""
    if shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        tried = [*SPACE, "mount", "--bind", folder, folder]
        return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def killed_within(locks: Path, title: str = "ray::", wait_s: float = 900) -> Path:
    """Kill the worker of Ray that holds a lock below a folder; the lock that it held.

    It is stopped first, so that it is killed within what the lock is for and not after it.
    """
    from pipelines.storage.locks import holder

    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        for path in sorted(locks.rglob("*.lock"), key=lambda path: -path.stat().st_mtime)[:4]:
            owner = holder(path)
            worker = _worker(owner.process, title) if owner is not None else None
            if worker is None:
                continue
            worker.suspend()
            now = holder(path)
            if now is not None and owner is not None and now.process == owner.process:
                worker.kill()
                return path
            worker.resume()
        time.sleep(0.005)
    raise AssertionError(f"no worker was seen at {locks} in {wait_s:.0f} s")


def _worker(pid: int, title: str) -> psutil.Process | None:
    """The worker of Ray that a process is, or that started it; None when there is none."""
    try:
        process = psutil.Process(pid)
        for one in (process, *process.parents()[:1]):
            if " ".join(one.cmdline()).startswith(title):
                return one
    except psutil.NoSuchProcess:
        return None
    return None


if __name__ == "__main__":
    keep(sys.argv[1:])
