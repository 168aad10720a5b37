"""A headless Chromium for the tests of web pages."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest


def chromium_with(*arguments: str) -> Any:
    """A selenium session; skips the test where Chromium or its driver is missing."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("there is no Chromium with its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("headless", "no-sandbox", "disable-gpu", "no-first-run", *arguments):
        options.add_argument(f"--{argument}")
    return webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=driver)
    )


@pytest.fixture
def browser() -> Iterator[Any]:
    """A session with a window of its own size and no traffic of its own."""
    session = chromium_with(
        "window-size=1600,1000", "disable-background-networking", "disable-component-update",
        "disable-sync",
    )  # fmt: skip
    yield session
    session.quit()


@pytest.fixture
def browser_with() -> Callable[..., Any]:
    """Starts a session with more arguments of Chromium; the test ends it."""
    return chromium_with
