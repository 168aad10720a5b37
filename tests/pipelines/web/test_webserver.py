"""What Dagster's web server serves beside Dagster's own pages."""

from pathlib import Path

from preview_files import preview_file
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from pipelines import previews
from pipelines.storage.store import Store
from pipelines.web.guard import guarded
from pipelines.web.webserver import with_previews


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("a page of Dagster")


def test_the_pictures_that_materializations_link_to_are_served(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store"))
    app = Starlette(routes=[Route("/{path:path}", _page)])
    with_previews(app, store)
    client = TestClient(guarded(app), base_url="http://127.0.0.1:3000")
    assert client.get("/previews/none.jpg").status_code == 404
    clip = "Ünïcode (1)"
    shown = previews.picture(store, "pose_tracks", "contact_sheet", b"\xff\xd8jpeg", "alt", clip)
    path = preview_file(store, shown)
    link = str(shown.value).split("](")[1].rstrip(")")
    answer = client.get(link)
    assert (answer.content, answer.headers["content-type"]) == (path.read_bytes(), "image/jpeg")
    path.write_bytes(b"\xff\xd8a newer one")  # of a later materialization
    assert client.get(link).status_code == 404
    assert client.get("/overview").text == "a page of Dagster"


def test_nothing_else_of_the_store_is_served(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store"))
    store.previews.mkdir(parents=True)
    (store.path / "secret.json").write_text("secret")
    (store.previews / "link.jpg").symlink_to(store.path / "secret.json")
    app = Starlette(routes=[Route("/{path:path}", _page)])
    with_previews(app, store)
    client = TestClient(guarded(app), base_url="http://127.0.0.1:3000")
    for path in ("..%2Fsecret.json", "%2e%2e/secret.json", "link.jpg", ""):
        assert client.get(f"/previews/{path}").status_code == 404, path
