"""Clients of ``dance serve api`` side by side: ``python tests/e2e/api_load.py --seconds 60``.

Starts the server with the shipped networks on a free port, asks it from so many threads, one
request after the other, and prints requests, errors and times. Every second request is a forecast.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from dance_models.training.synthetic import synthetic_runs

START_S = 120
FRAMES = 60  # of a track: two seconds
HEAD = {"Content-Type": "application/json"}


@dataclass
class Load:
    """What the clients saw."""

    seconds: list[float] = field(default_factory=list)  # of each request
    status: Counter[int] = field(default_factory=Counter)

    @property
    def errors(self) -> int:
        return sum(count for code, count in self.status.items() if code != 200)

    def line(self) -> str:
        times = np.percentile(self.seconds, (50, 95, 100))
        return (
            f"{len(self.seconds)} requests, {self.errors} errors {dict(self.status)}; "
            f"median {times[0]:.2f} s, p95 {times[1]:.2f} s, longest {times[2]:.2f} s"
        )


@contextmanager
def running_api() -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The address of a server with the shipped networks; ended when the block ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    command = [
        sys.executable, "-m", "pipelines.cli", "serve", "api", "--shipped", "--port", str(port),
    ]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_S
        while not _answers(url):
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.3)
        yield url, server
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):
            return True
    except OSError:
        return False


def loaded(url: str, clients: int, seconds: float) -> Load:
    """Ask ``url`` from ``clients`` threads for so long."""
    track = synthetic_runs(1, FRAMES)[0].estimate.round(2)
    body = json.dumps({"keypoints": track.tolist(), "fps": 30}).encode()
    found, end = Load(), time.monotonic() + seconds

    def ask(client: int) -> None:
        number = client
        while time.monotonic() < end:
            path = ("/v1/refine", "/v1/forecast")[number % 2]
            request = urllib.request.Request(url + path, body, HEAD)
            begun = time.monotonic()
            try:
                with urllib.request.urlopen(request, timeout=120) as answer:
                    answer.read()
                    status = answer.status
            except urllib.error.HTTPError as error:
                status = error.code
            except OSError:
                status = 0
            found.seconds.append(time.monotonic() - begun)
            found.status[status] += 1
            number += 1

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    with running_api() as (url, _):
        found = loaded(url, chosen.clients, chosen.seconds)
    load = os.getloadavg()[0]
    sys.stdout.write(f"{found.line()}; load {load:.1f} on {os.cpu_count()} processors\n")


if __name__ == "__main__":
    main()
