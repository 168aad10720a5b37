"""The server of ``dance serve api``: ``python -m pipelines.web.api_server``.

It answers with the champions of a store, or with the networks that come with the package.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dance_models.config import ServingConfig
from dance_models.text import printable
from pipelines.storage.store import Store
from pipelines.storage.weights import store_weights, user_weights

SHUTDOWN_S: Final = 20  # for requests that are being answered
MOST_CONNECTIONS: Final = 500


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.web.api_server")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--allow-host", action="append", default=[], help="further host name")
    parser.add_argument("--store", help="whose champions; without it the shipped networks")
    chosen = parser.parse_args(arguments)
    store = Store(root=chosen.store) if chosen.store else None
    serve(store, chosen.host, chosen.port, chosen.allow_host)


def serve(store: Store | None, host: str, port: int, allowed_hosts: Sequence[str]) -> None:
    """Serve; blocks. Raises InputError when a champion cannot be loaded."""
    import uvicorn

    from dance_models.config import EstimatorConfig
    from dance_models.serving.models import served_networks
    from dance_models.serving.video import VideoReader
    from pipelines.web.api import MEDIA_TYPES, PREFIX, make_api
    from pipelines.web.connections import Connection
    from pipelines.web.guard import guarded
    from pipelines.web.private_folders import remove_left_folders

    remove_left_folders(PREFIX)  # videos of a server that was killed
    served = served_networks(champions(store) if store else {})
    for task, described in served.described.items():
        _say(f"{task}: {described}")
    folder = store_weights(store) if store else user_weights()
    limits = ServingConfig()
    video = VideoReader(served, lambda: folder.ready(EstimatorConfig(), _say), limits)
    app = guarded(make_api(served, video, limits), allowed_hosts, MEDIA_TYPES)
    _say(f"http://{host}:{port}/openapi.json describes the API; Ctrl-C ends it")
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=Connection,
        log_level="warning",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


def champions(store: Store) -> dict[str, tuple[Path, str]]:
    """Checkpoint and description of each champion of a store, by task; says which are missing."""
    from pipelines.tracking.registry import CHAMPION, MODELS, Registry
    from pipelines.tracking.tracked_models import find_model
    from pipelines.tracking.tracker import Tracker

    found = {}
    tracker = Tracker(store)
    for task, name in MODELS.items():
        number = Registry(tracker, task).aliases().get(CHAMPION)
        if number is None:
            _say(f"{name} has no champion in {store.path}: the shipped network is served")
            continue
        model = find_model(store, f"{name}/{number}")  # the alias may have been moved since
        found[task] = model.checkpoint, f"{name} version {number} ({model.method})"
    return found


def _say(text: str) -> None:
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
