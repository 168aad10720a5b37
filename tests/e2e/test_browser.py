"""An empty store, materialized from the web UI by a headless browser."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers_under_test import Dagster, dagster_dev

from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from dance_models.errors import InputError
from dance_models.estimators.weights import fetch_weights
from pipelines.definitions import defs
from pipelines.store import Store

pytestmark = pytest.mark.e2e

CLIPS = 9
UNDER = 900  # seconds for the whole graph


@pytest.fixture
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("there is no Chromium with its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "headless", "no-sandbox", "disable-gpu", "no-first-run", "window-size=1600,1000",
        "disable-background-networking", "disable-component-update", "disable-sync",
    ):  # fmt: skip
        options.add_argument(f"--{argument}")
    session = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=driver)
    )
    yield session
    session.quit()


# In one script: between finding a button and pressing it the page may have drawn it anew.
PRESS = """
const shown = [...document.querySelectorAll('button')].filter(
    b => b.offsetParent !== null && !b.disabled && b.getAttribute('aria-disabled') !== 'true');
const wanted = shown.find(b => b.innerText.trim().startsWith(arguments[0]));
if (wanted) { wanted.click(); return true; }
return shown.map(b => b.innerText.trim()).filter(t => t);
"""


def click(browser: Any, label: str, seconds: float = 30) -> None:
    """Press the button that says ``label``, once there is one that can be pressed."""
    deadline = time.monotonic() + seconds
    while (answer := browser.execute_script(PRESS, label)) is not True:
        assert time.monotonic() < deadline, f"there is no button {label!r}, only {answer}"
        time.sleep(0.5)


def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(2)


def observe(browser: Any, server: Dagster, asset: str) -> None:
    """Press *Observe* on the page of a source asset and wait for the run."""
    before = len(server.runs())
    browser.get(f"{server.url}/assets/{asset}")
    click(browser, "Observe")
    until(
        lambda: (
            len(runs := server.runs()) > before and all(run["status"] == "SUCCESS" for run in runs)
        ),
        f"observing {asset}",
        120,
    )


@pytest.mark.timeout(UNDER + 300)
def test_materializing_an_empty_store_from_the_browser(tmp_path: Path, browser: Any) -> None:
    store = tmp_path / "store"
    write_demo_corpus(store / "raw", DemoCorpusConfig(CLIPS, 64, size=(320, 240)))
    try:
        fetch_weights(Store(root=str(store)).weights)
    except InputError as error:
        pytest.skip(f"the estimator's weights cannot be had: {error}")
    with dagster_dev(store, "smoke", tmp_path / "dagster.log") as server:
        assert not server.materialized()
        observe(browser, server, "raw_clips")
        observe(browser, server, "raw_annotations")
        assert len(server.partitions()) == CLIPS
        browser.get(f"{server.url}/asset-groups")
        click(browser, "Materialize all")
        click(browser, "All")
        browser.save_screenshot(str(tmp_path / "launch.png"))
        click(browser, "Launch backfill")
        until(lambda: server.backfill_states() not in ([], ["REQUESTED"]), "the backfill", UNDER)
        browser.get(f"{server.url}/asset-groups")
        time.sleep(10)
        browser.save_screenshot(str(tmp_path / "graph.png"))
        browser.get(f"{server.url}/assets/recognition_report")
        time.sleep(10)
        browser.save_screenshot(str(tmp_path / "report.png"))
        assert server.backfill_states() == ["COMPLETED_SUCCESS"]
        graph = defs.resolve_asset_graph()
        wanted = {key.to_user_string() for key in graph.materializable_asset_keys}
        assert server.materialized() >= wanted
