"""``dance live`` in a headless browser whose camera is a file."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from dance_models.errors import InputError
from dance_models.estimators.weights import fetch_weights
from dance_models.live.pictures import encode_jpeg
from dance_models.video.stream import ClipStream
from pipelines import live

pytestmark = pytest.mark.e2e
SECONDS = 90  # for what is waited for


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """A rendered dancer as the browser's camera."""
    (clip,) = write_demo_corpus(tmp_path, DemoCorpusConfig(clips=1, frames=90, workers=1))
    target = tmp_path / "camera.mjpeg"
    target.write_bytes(b"".join(encode_jpeg(f.image) for f in ClipStream(clip).frames()))
    return target


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of the page, and its server."""
    try:
        fetch_weights(tmp_path / "weights")
    except InputError as error:
        pytest.skip(f"the estimator's weights cannot be had: {error}")
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = int(trial.getsockname()[1])
    command = [sys.executable, "-m", "pipelines.cli", "live", "--port", str(port)]
    server = subprocess.Popen([*command, "--cache", str(tmp_path)], env=dict(os.environ))
    address = f"http://127.0.0.1:{port}/"
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            urllib.request.urlopen(address).close()
            break
        except urllib.error.URLError:
            assert server.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
    yield address, server
    server.send_signal(signal.SIGTERM)
    server.wait(20)


@pytest.fixture
def page(served: tuple[str, subprocess.Popen[bytes]]) -> str:
    return served[0]


def until(browser: Any, script: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not browser.execute_script(f"return {script}"):
        assert time.monotonic() < deadline, script
        time.sleep(0.2)


def test_keypoints_are_drawn_on_the_camera_and_latency_is_shown(
    page: str, camera: Path, browser_with: Callable[..., Any]
) -> None:
    browser = browser_with(
        "use-fake-device-for-media-stream",
        "use-fake-ui-for-media-stream",
        f"use-file-for-fake-video-capture={camera}",
    )
    try:
        browser.get(page)
        until(browser, "state.drawn !== null && state.drawn.pose.length === 14")
        until(browser, "state.drawn.curve !== null && state.errors.length > 0")
        until(browser, "document.getElementById('median').textContent.endsWith(' ms')")
        size = browser.execute_script("return [view.width, view.height]")
        drawn = browser.execute_script("return state.drawn.pose")
        assert all(-size[0] < x < 2 * size[0] and -size[1] < y < 2 * size[1] for x, y in drawn)
        first = browser.current_window_handle
        browser.switch_to.new_window("tab")
        browser.get(page)
        until(browser, "document.getElementById('words').textContent.startsWith('Another page')")
        browser.close()
        browser.switch_to.window(first)
        assert browser.execute_script("return state.running")
    finally:
        browser.quit()


def test_a_camera_or_server_that_is_silent_or_gone_is_said(
    served: tuple[str, subprocess.Popen[bytes]], camera: Path, browser_with: Callable[..., Any]
) -> None:
    address, server = served
    browser = browser_with(
        "use-fake-device-for-media-stream",
        "use-fake-ui-for-media-stream",
        f"use-file-for-fake-video-capture={camera}",
    )
    words = "document.getElementById('words').textContent"
    try:
        browser.get(address)
        until(browser, "state.drawn !== null")
        browser.execute_script("state.video.pause()")
        until(browser, f"{words}.startsWith('No picture comes from the camera')")
        browser.execute_script("state.video.play()")
        until(browser, f"{words} === ''")
        server.send_signal(signal.SIGSTOP)
        until(browser, f"{words}.startsWith('The server does not answer')")
        server.send_signal(signal.SIGCONT)
        until(browser, f"{words} === ''")
        server.kill()
        until(browser, f"{words}.startsWith('The server ended')")
        browser.execute_script("location.hash = 'analyze'")
        until(browser, "document.getElementById('ended').textContent.includes('Start dance live')")
        assert not browser.execute_script("return state.running")
    finally:
        server.send_signal(signal.SIGCONT)
        browser.quit()


def test_the_page_fits_a_phone_and_a_finger(page: str, browser_with: Callable[..., Any]) -> None:
    browser = browser_with("use-fake-device-for-media-stream", "use-fake-ui-for-media-stream")
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    try:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for part in ("live", "analyze", "compare"):
            browser.get(f"{page}#{part}")
            until(browser, f"document.body.classList.contains('{part}')")
            assert browser.execute_script("return document.documentElement.scrollWidth") == 390
            assert browser.execute_script(SMALL) == []
    finally:
        browser.quit()


# What is touched and is smaller than a finger. A label counts with its box.
SMALL = """
const boxes = [...document.querySelectorAll('a, button, select, summary, input')]
  .map(e => e.closest('label') || e).filter(e => e.offsetParent);
return boxes.map(e => [e.id || e.className || e.textContent, e.getBoundingClientRect()])
  .filter(([, box]) => box.width < 40 || box.height < 40).map(([name]) => name);
"""


def test_a_refused_camera_is_said(page: str, browser_with: Callable[..., Any]) -> None:
    browser = browser_with("deny-permission-prompts")
    try:
        browser.get(page)
        until(browser, "/camera/i.test(document.getElementById('words').textContent)")
    finally:
        browser.quit()


def test_videos_are_analyzed_and_compared_by_upload(
    page: str, tmp_path: Path, browser_with: Callable[..., Any]
) -> None:
    first, second = write_demo_corpus(
        tmp_path / "corpus", DemoCorpusConfig(clips=2, frames=64, workers=1, size=(320, 240))
    )
    wrong = tmp_path / "wrong.mp4"
    wrong.write_text("no video")
    browser = browser_with()

    def send(kind: str, *videos: Path) -> None:
        browser.execute_script(f"location.hash = '{kind}'")
        until(browser, f"document.body.classList.contains('{kind}')")
        inputs = browser.find_elements("css selector", f"#{kind} input[type=file]")
        for field, video in zip(inputs, videos, strict=True):
            field.send_keys(str(video))
        browser.find_element("css selector", f"#{kind} button").click()

    try:
        browser.get(f"{page}#analyze")
        until(browser, "work.socket !== null && work.socket.readyState === 1")
        send("analyze", first)
        until(browser, "document.querySelector('.running progress[value]') !== null")
        send("compare", first, second)
        until(browser, "document.querySelector('.waiting .words')?.textContent.includes('1 job')")
        send("analyze", wrong)
        until(browser, "document.querySelector('.failed .words')?.textContent.length > 0")
        said = browser.find_element("css selector", ".failed .words").text
        assert said.startswith("wrong.mp4: this is not a video")
        until(browser, "document.querySelectorAll('.done .button').length === 2")
        main = browser.current_window_handle
        for link in browser.find_elements("css selector", ".done .button"):
            link.click()
            browser.switch_to.window(browser.window_handles[-1])
            until(browser, "[...document.querySelectorAll('video')].every((v) => v.readyState > 1)")
            assert browser.execute_script("return document.querySelectorAll('video').length")
            browser.close()
            browser.switch_to.window(main)
        assert not [entry for entry in browser.get_log("browser") if "422" not in entry["message"]]
    finally:
        browser.quit()


def test_links_to_pages_have_the_numbers_of_the_people(browser: Any) -> None:
    """Their order is that of the names, and of somebody without a pose there is no page."""
    files = [f"video-person{n}.html" for n in (1, 10, 3)]
    job = {"id": "x", "kind": "analyze", "names": ["a$&b.mp4"], "files": [[f, 1] for f in files]}
    script = (Path(live.__file__).parent / "page" / "jobs.js").read_text("utf-8")
    browser.get("about:blank")
    links = browser.execute_script(
        f"const made = (() => {{ {script}\n return results({json.dumps(job)}); }})();"
        "return [...made.querySelectorAll('a')]"
        ".map((a) => [a.textContent, a.getAttribute('href'), a.download]);"
    )
    assert [link[:2] for link in links[:3]] == [
        [f"Open the page of person {n}", f"/result/x/video-person{n}.html"] for n in (1, 3, 10)
    ]
    assert [link[2] for link in links[4:]] == [f"a$&b-person{n}.html" for n in (1, 10, 3)]
