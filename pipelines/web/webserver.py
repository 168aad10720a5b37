"""Dagster's web server behind the guard: ``python -m pipelines.web.webserver``.

The store is that of ``ASSETS_STORE``, its Dagster instance that of ``DAGSTER_HOME``.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import dagster as dg
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from dance_models.tables import file_digest
from pipelines.partitions import found_in_list
from pipelines.previews import DIGEST
from pipelines.storage.databases import wait_for_locks
from pipelines.storage.store import DEFAULT_ROOT, PREVIEWS, Store
from pipelines.web.code_server import code_socket, wait_for_code_server, workspace_file

LIVE_DATA_MS: Final = 2000  # how often an open page asks for news
STATEMENT_TIMEOUT_MS: Final = 15_000  # these three are Dagster's own defaults
POOL_RECYCLE_S: Final = 3600
POOL_OVERFLOW: Final = 20
SHUTDOWN_S: Final = 5  # for open pages: their connections never end by themselves


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.web.webserver")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--allow-host", action="append", default=[], help="further host name")
    chosen = parser.parse_args(arguments)
    serve(
        Store(root=os.environ.get("ASSETS_STORE", DEFAULT_ROOT)),
        chosen.host,
        chosen.port,
        chosen.allow_host,
    )


def serve(store: Store, host: str, port: int, allowed_hosts: Sequence[str]) -> None:
    """Serve the pages of a store; blocks."""
    import uvicorn
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster_webserver.app import create_app_from_workspace_process_context

    from pipelines.web.connections import Connection
    from pipelines.web.guard import guarded

    wait_for_locks()
    wait_for_code_server(code_socket(store))
    target = WorkspaceFileTarget([str(workspace_file(store))])
    with dg.DagsterInstance.get() as instance:
        found_in_list(instance)
        instance.optimize_for_webserver(STATEMENT_TIMEOUT_MS, POOL_RECYCLE_S, POOL_OVERFLOW)
        with WorkspaceProcessContext(instance, target, version=dg.__version__) as context:
            app = create_app_from_workspace_process_context(context, "", LIVE_DATA_MS)
            with_previews(app, store)
            uvicorn.run(
                guarded(app, allowed_hosts),
                host=host,
                port=port,
                http=Connection,
                log_level="warning",
                timeout_graceful_shutdown=SHUTDOWN_S,
            )


class Pictures(StaticFiles):
    """Files below a folder; one that is not what a link says any more is not there."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or 404."""
        found = await super().get_response(path, scope)
        wanted = Request(scope).query_params.get(DIGEST)
        if wanted is None or not isinstance(found, FileResponse):
            return found
        if await run_in_threadpool(file_digest, Path(found.path)) == wanted:
            return found
        return PlainTextResponse("This picture was replaced by a newer one.\n", 404)


def with_previews(app: Starlette, store: Store) -> None:
    """Serve the store's pictures, to which materializations link, beside Dagster's pages."""
    store.previews.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(directory=store.previews)
    app.router.routes.insert(0, Mount(f"/{PREVIEWS}", pictures))  # the last route takes any path


if __name__ == "__main__":
    main()
