"""The page of a video in a headless browser: seeking, keys, gaps, and no network."""

import io
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from dance_models.analysis.page.content import Moment, PageContent, RangeRow, Series
from dance_models.analysis.page.write import write_page

pytestmark = pytest.mark.e2e

FPS, FRAMES = 25, 100
NAME = "a #1 100% <script>&amp; clip.mp4"


def write_video(path: Path) -> None:
    """Frame n has the grey level 50 (n modulo 5)."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for n in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), 50 * (n % 5), np.uint8))
            frame.pts, frame.time_base = n, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def until(browser: Any, script: str, expected: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while (answer := browser.execute_script(f"return {script}")) != expected:
        assert time.monotonic() < deadline, f"{script} is {answer!r}, not {expected!r}"
        time.sleep(0.1)


def make_page(folder: Path) -> Path:
    """A page in a folder with a difficult name, its videos beside it."""
    names = folder / "the page's <folder>"
    names.mkdir()
    for name in (NAME, "second.mp4"):
        write_video(names / name)
    times = np.arange(FRAMES) / FPS
    curve = 90 + 60 * np.sin(3 * times)
    gaps = curve.copy()
    gaps[40:60] = np.nan
    content = PageContent(
        "clip",
        times,
        video=NAME,
        second_video="second.mp4",
        second_time_s=0.5 * times + 1,
        series=(
            Series("left knee", "Angles", "degrees", gaps, curve, 4.0, "median error"),
            Series("right knee", "Angles", "degrees", curve, shown=False),
        ),
        ranges=(RangeRow("left knee", "degrees", 30, 150, 32, 148, 1.6, 0.52),),
        moments=(Moment(2.4, "left knee 18 degrees more bent"),),
    )
    target = names / "page.html"
    write_page(content, target)
    return target


CURSOR = "parseFloat(document.querySelector('.plot .cursor').style.left)"
FRAME = "Number(document.body.dataset.frame)"
# The share of pixels of the curve's colour in a stretch of the canvas of the first plot.
INK = """
const canvas = document.querySelector('.plot canvas'), scale = devicePixelRatio;
const plotted = canvas.width / scale - 44 - 8;
const x = (44 + arguments[0] * plotted) * scale, width = (arguments[1] - arguments[0]) * plotted;
const pixels = canvas.getContext('2d').getImageData(x, 14 * scale, width * scale, 110 * scale).data;
let count = 0;
for (let i = 0; i < pixels.length; i += 4)
  if (pixels[i] > 150 && pixels[i + 1] < 110 && pixels[i + 2] < 70 && pixels[i + 3] > 200) count++;
return count;
"""


@pytest.fixture
def shown(tmp_path: Path, browser: Any) -> Any:
    browser.get(make_page(tmp_path).as_uri())
    until(browser, "document.querySelector('#second').readyState >= 2", True)
    until(browser, "document.querySelector('#video').readyState >= 2", True)
    return browser


def click_on(browser: Any, selector: str) -> None:
    """Click with the mouse."""
    from selenium.webdriver.common.by import By

    element = browser.find_element(By.CSS_SELECTOR, selector)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def press(browser: Any, key: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(key).perform()


def until_shown(browser: Any, grey: float) -> None:
    """Wait until the first video shows a grey level: it is painted some time after it is sought."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def is_shown(browser: Any) -> bool:
        png = browser.find_element(By.ID, "video").screenshot_as_png
        with Image.open(io.BytesIO(png)) as image:
            found = float(np.asarray(image.convert("L"))[image.height // 2, image.width // 2])
        return found == pytest.approx(grey, abs=10)

    WebDriverWait(browser, 20, 0.1).until(is_shown, f"the video does not show {grey}")


@pytest.mark.timeout(300)
def test_seeking_keys_curves_and_no_network(shown: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    browser = shown
    run: Callable[..., Any] = browser.execute_script
    before = run(f"return {CURSOR}")
    run("document.querySelector('.moment').click()")
    until(browser, FRAME, 60)
    assert run(f"return {CURSOR}") > before + 100
    until(browser, "document.querySelector('#video').seeking", False)
    until_shown(browser, 0)
    # The second video shows the same moment, which is at 2.2 s in it.
    assert run("return document.querySelector('#video').currentTime") == pytest.approx(2.42)
    assert run("return document.querySelector('#second').currentTime") == pytest.approx(2.2)
    press(browser, Keys.ARROW_RIGHT)
    until(browser, FRAME, 61)
    until(browser, "document.querySelector('#video').seeking", False)
    until_shown(browser, 50)
    press(browser, Keys.ARROW_LEFT)
    press(browser, Keys.ARROW_LEFT)
    until(browser, FRAME, 59)
    until(browser, "document.querySelector('#video').seeking", False)
    until_shown(browser, 200)
    assert run("return document.querySelector('.plot .value').textContent").startswith("– (")
    click_on(browser, '[data-seek="0.52"]')
    until(browser, FRAME, 13)
    press(browser, " ")
    until(browser, "document.querySelector('#video').paused", False)
    until(browser, f"{FRAME} > 20", True)
    press(browser, " ")
    until(browser, "document.querySelector('#second').paused", True)
    assert run(INK, 0.42, 0.58) == 0  # the gap
    assert run(INK, 0.05, 0.35) > 50
    run("document.querySelectorAll('[data-plot]')[1].click()")
    assert run("return document.querySelectorAll('.plot:not([hidden])').length") == 2
    assert run("return document.querySelector('#count').textContent") == "(2 of 2 shown)"
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert run("return performance.getEntriesByType('resource').map(e => e.name)"
               ".filter(n => !n.startsWith('file:'))") == []  # fmt: skip


def click_at(browser: Any, share: float) -> None:
    """Click the first plot at a share of its width."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    area = browser.find_element(By.CSS_SELECTOR, ".plot .area")
    offset = round((share - 0.5) * area.size["width"])
    ActionChains(browser).move_to_element_with_offset(area, offset, 0).click().perform()


@pytest.mark.timeout(300)
def test_a_click_on_a_plot_seeks_there(shown: Any) -> None:
    click_at(shown, 0.5)
    until(shown, f"{FRAME} > 40 && {FRAME} < 60", True)
    middle = shown.execute_script(f"return {CURSOR}")
    click_at(shown, 0.8)
    until(shown, f"{FRAME} > 70 && {FRAME} < 90", True)
    assert shown.execute_script(f"return {CURSOR}") > middle + 50


@pytest.mark.timeout(300)
def test_the_policy_stops_what_would_reach_the_network(shown: Any) -> None:
    """Even a script in the page may not: the browser refuses before a request is made."""
    shown.execute_async_script(
        "const done = arguments[0]; window.refused = [];"
        "document.addEventListener('securitypolicyviolation',"
        "  e => window.refused.push(e.violatedDirective));"
        "new Image().src = 'http://127.0.0.1:9/x.png';"
        "fetch('http://127.0.0.1:9/').catch(() => setTimeout(done, 500));"
    )
    assert set(shown.execute_script("return window.refused")) == {"img-src", "connect-src"}


@pytest.mark.timeout(300)
def test_a_page_without_its_video_says_so(tmp_path: Path, browser: Any) -> None:
    page = make_page(tmp_path)
    (page.parent / NAME).unlink()
    browser.get(page.as_uri())
    until(browser, "document.querySelector('.missing').hidden", False)
    assert NAME in browser.execute_script("return document.querySelector('.missing').textContent")
    browser.execute_script("document.querySelector('.moment').click()")
    until(browser, FRAME, 60)  # the plots work without it


@pytest.mark.timeout(300)
def test_nothing_is_wider_than_a_phone(tmp_path: Path, browser: Any) -> None:
    size = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(make_page(tmp_path).as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360
    assert browser.execute_script(SMALL) == []


# What is touched and is smaller than a finger. A label counts with its box.
SMALL = """
const boxes = [...document.querySelectorAll('button, select, summary, input')]
  .filter(e => !e.disabled).map(e => e.closest('label') || e).filter(e => e.offsetParent);
return boxes.map(e => [e.id || e.className || e.textContent, e.getBoundingClientRect()])
  .filter(([, box]) => box.width < 40 || box.height < 40).map(([name]) => name);
"""
