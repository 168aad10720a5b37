"""A headless Chromium for the tests of web pages."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def browser() -> Iterator[Any]:
    """A selenium session; skips the test where Chromium or its driver is missing."""
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
