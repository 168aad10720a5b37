"""The web UI: an empty store materialized by a headless browser, a training terminated."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from left_alone import make_desk
from servers_under_test import Dagster, dagster_dev, until

from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus
from dance_models.profiles import PROFILES
from pipelines.graph import build_definitions
from pipelines.storage.store import Store
from pipelines.tracking.tracker import Tracker

pytestmark = pytest.mark.e2e

CLIPS = 9
UNDER = 900  # seconds for the whole graph


# In one script, because the page may redraw a button between finding it and pressing it.
PRESS = """
const shown = [...document.querySelectorAll('button')].filter(
    b => b.offsetParent !== null && !b.disabled && b.getAttribute('aria-disabled') !== 'true');
const wanted = shown.find(b => b.innerText.trim().startsWith(arguments[0]));
if (wanted) { wanted.click(); return true; }
return shown.map(b => b.innerText.trim()).filter(t => t);
"""


def click(browser: Any, label: str, seconds: float = 30) -> None:
    """Press the button labelled ``label`` as soon as it is enabled."""
    deadline = time.monotonic() + seconds
    while (answer := browser.execute_script(PRESS, label)) is not True:
        assert time.monotonic() < deadline, f"there is no button {label!r}, only {answer}"
        time.sleep(0.5)


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


def new_store(folder: Path) -> Path:
    """A store with clips and annotations in its raw folders and nothing else."""
    store = folder / "store"
    write_demo_corpus(store / "raw", DemoCorpusConfig(CLIPS, 64, size=(320, 240)))
    return store


@pytest.mark.timeout(UNDER + 300)
def test_materializing_an_empty_store_from_the_browser(tmp_path: Path, browser: Any) -> None:
    store = new_store(tmp_path)
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
        defs = build_definitions(PROFILES["smoke"], Store(root=str(store)))
        graph = defs.resolve_asset_graph()
        wanted = {key.to_user_string() for key in graph.materializable_asset_keys}
        assert server.materialized() >= wanted


@pytest.mark.timeout(900)
def test_a_failed_clip_is_made_by_a_re_execution_from_failure(tmp_path: Path, browser: Any) -> None:
    desk = make_desk(tmp_path, 3)
    clip = desk.clips()[0]
    desk.drop_clips(*desk.clips())
    desk.drop_annotations(*desk.clips())
    (file,) = desk.store.raw_clips.rglob(f"{clip}.mp4")
    with dagster_dev(desk.store.path, "smoke", tmp_path / "dagster.log") as server:

        def ended(run_id: str) -> str:
            until(lambda: run_id not in server.unfinished(), "the end of the run", 300)
            return server.status(run_id)

        def look(name: str, address: str) -> str:
            browser.get(f"{server.url}/{address}")
            time.sleep(10)
            browser.save_screenshot(str(tmp_path / f"{name}.png"))
            return str(browser.find_element("tag name", "body").text)

        observe(browser, server, "raw_clips")
        observe(browser, server, "raw_annotations")
        assert ended(server.launch_clip("ingest_clips", clip, "clip_probe")) == "SUCCESS"
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        failed = server.launch_clip("ingest_clips", clip)
        assert ended(failed) == "FAILURE"
        shown = look("failed", f"runs/{failed}")
        assert "sampled_frames" in shown
        assert "changed since clip_probe" in shown
        file.write_bytes(whole)
        # The arrow beside "Re-execute all".
        browser.execute_script(
            "[...document.querySelectorAll('button')].find(b => b.innerText.trim()"
            ".startsWith('Re-execute all')).parentElement.parentElement"
            ".querySelectorAll('button')[1].click()"
        )
        time.sleep(2)
        browser.save_screenshot(str(tmp_path / "menu.png"))
        browser.find_element("xpath", "//*[text()='From failure']").click()
        until(lambda: server.runs()[0]["runId"] != failed, "the re-execution", 120)
        again = server.runs()[0]["runId"]
        assert ended(again) == "SUCCESS"
        look("again", f"runs/{again}")
        look("asset", f"assets/sampled_frames?partition={clip}")
        for asset in ("pose_annotations", "sampled_frames", "pose_tracks"):
            assert server.made(asset).count(clip) == 1, asset
        # The registry has the digest of the restored file again, so that nothing is made twice.
        whole_run = server.launch_clip("ingest_clips", clip)
        assert ended(whole_run) == "SUCCESS"
        look("reused", f"runs/{whole_run}")


LONG = {"training": {"epochs": 500}}  # none of these trainings finishes


@pytest.mark.timeout(600)
def test_a_training_terminated_in_the_ui_stops_and_can_be_resumed(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    command = [
        sys.executable, "-m", "pipelines.cli", "run", "--store", str(store), "--profile", "smoke",
        "--clips", str(store / "raw" / "clips"), "--annotations",
        str(store / "raw" / "annotations"), "--only",
        "clip_probe,pose_annotations,sampled_frames,pose_tracks,pose_dataset,split_manifest,"
        "augmented_train,train_split,val_split,test_split",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    with dagster_dev(store, "smoke", tmp_path / "dagster.log") as server:

        def last_epoch() -> int:
            found = list((store / "models" / "stga_net").glob("*/progress.json"))
            return int(json.loads(found[0].read_text())["epoch"]) if found else 0

        def terminated_after(epoch: int) -> int:
            """Launch the training, terminate it after that epoch; returns the last finished one."""
            run_id = server.launch("stga_net", LONG)
            until(lambda: last_epoch() >= epoch, f"epoch {epoch}", 180)
            server.terminate(run_id)
            until(lambda: server.status(run_id) == "CANCELED", "the cancellation", 90)
            until(lambda: not training_children(store), "the end of the training process", 60)
            return last_epoch()

        first = terminated_after(2)
        assert terminated_after(first + 1) > first
        tracker = Tracker(Store(root=str(store)))
        runs = tracker.client.search_runs([tracker.initialise()])
        assert [run.info.status for run in runs] == ["KILLED"]  # one run, resumed
        epochs = tracker.client.get_metric_history(runs[0].info.run_id, "train_loss")
        steps = [metric.step for metric in epochs]
        assert len(steps) == len(set(steps)) > first  # no epoch was trained twice


def training_children(store: Path) -> list[str]:
    """The processes that train from this store."""
    shown = subprocess.run(["ps", "-eo", "pid,args"], check=True, capture_output=True, text=True)
    return [
        line.split()[0]
        for line in shown.stdout.splitlines()
        if "pipelines.training.child" in line
        and str(store) in Path(f"/proc/{line.split()[0]}/environ").read_text("utf-8", "replace")
    ]
