"""One day of an unattended store, from dropped clips to a champion that is rolled back."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from left_alone import Desk, make_desk
from servers_under_test import Dagster, dagster_dev, mlflow_ui, until, webhook

from pipelines.tracking.registry import CHALLENGER, CHAMPION, MODELS, PREVIOUS

if TYPE_CHECKING:
    from mlflow import MlflowClient

pytestmark = pytest.mark.e2e

CLIP_ASSETS = ("clip_probe", "pose_annotations", "sampled_frames", "pose_tracks")
DATASET_ASSETS = ("pose_dataset", "split_manifest", "train_split", "val_split", "test_split")
SENSORS = ("new_clips", "changed_annotations", "rebuild_dataset", "run_failed", "champion_changed")
UNDER = 400  # seconds for every step, most of them Dagster's processes starting
MODEL = MODELS["recognition"]
# What the gate objects to in any model of profile smoke, on three clips.
NO_CANDIDATE = {"takes to judge by", "trained in full"}

# A step so small that the refiner still returns the estimate.
WORSE = {"training": {"epochs": 1, "steps_per_epoch": 1, "learning_rate": 1e-6}}
# A single training clip is overfitted quickly: use small steps and more epochs to select from.
GOOD = {
    "training": {
        "epochs": 30,
        "steps_per_epoch": 4,
        "learning_rate": 1e-3,
        "joint_mask_probability": 0.3,
    }
}


@dataclass(frozen=True)
class Day:
    """Servers, browser and folders of one day."""

    desk: Desk
    dagster: Dagster
    mlflow: str
    browser: Any
    pictures: Path

    @property
    def client(self) -> "MlflowClient":
        """MLflow's own API, over its server."""
        from mlflow import MlflowClient

        return MlflowClient(self.mlflow, self.mlflow)

    def aliases(self) -> dict[str, str]:
        model = self.client.get_registered_model(MODEL)
        return {alias: str(number) for alias, number in model.aliases.items()}

    def screenshot(self, name: str, url: str, tab: str | None = None) -> str:
        """A screenshot of a page, or a tab of it, after it has been rendered; returns its text."""
        self.browser.get("about:blank")  # a changed URL fragment alone does not reload the page
        self.browser.get(url)
        time.sleep(8)
        if tab is not None:
            self.browser.find_element("xpath", f"//*[text()='{tab}']").click()
            time.sleep(4)
        self.browser.save_screenshot(str(self.pictures / f"{name}.png"))
        return str(self.browser.find_element("tag name", "body").text)

    def idle(self) -> None:
        until(lambda: not self.dagster.unfinished(), "the end of all runs", UNDER)

    def exported(self) -> str | None:
        path = self.desk.store.exports / "champions.json"
        champions = json.loads(path.read_text()) if path.is_file() else {}
        return champions.get("recognition", {}).get("version")


def reaction(server: Dagster, job: str, dropped: float) -> float:
    """Seconds from the drop to the first run that it started."""
    return min(r["creationTime"] for r in server.runs_of(job) if r["creationTime"] > dropped) - (
        dropped
    )


def clips_become_tables(day: Day, received: list[dict[str, Any]]) -> float:
    """Clips without annotations are ingested; a message reports that none can be trained on."""
    server, clips = day.dagster, day.desk.clips()
    until(lambda: bool(server.ticks("new_clips")), "the first look at the folder", UNDER)
    assert not server.runs()
    dropped = day.desk.drop_clips(*clips)
    until(lambda: all(sorted(server.made(a)) == clips for a in CLIP_ASSETS), "ingestion", UNDER)
    until(lambda: bool(server.made("pose_dataset")), "the first data set", UNDER)
    until(lambda: bool(received), "a message about the missing annotations", UNDER)
    assert "No clip has annotations" in received[0]["error"]
    assert received[0]["failures"][0]["asset"] == "split_manifest"
    return reaction(server, "ingest_clips", dropped)


def annotations_become_a_data_set(day: Day, slip: str) -> float:
    """Annotations: the data set is rebuilt, and the misplaced joint in one clip is reported."""
    server, clips = day.dagster, day.desk.clips()
    day.desk.misplace(slip, "left_wrist", 30)
    dropped = day.desk.drop_annotations(*clips)
    until(
        lambda: all(server.made(a, since=dropped) for a in DATASET_ASSETS),
        "the data set with annotations",
        UNDER,
    )
    day.idle()
    # Every drop started one run per clip; the data set was built once after each.
    assert len(server.runs_of("ingest_clips")) == 2 * len(clips)
    assert len(server.made("pose_dataset")) == 2

    (found,) = [r for r in server.check("pose_annotations", "temporal_jumps") if not r["success"]]
    assert found["severity"] == "WARN"
    assert f"{slip}: frame 3" in found["description"]
    assert "left_wrist: jumps by" in found["description"]
    entries = {entry["label"]: entry for entry in found["metadataEntries"]}
    assert entries["picture"]["mdStr"].startswith("![")
    page = f"{server.url}/assets/pose_annotations?view=checks&checkDetail=temporal_jumps"
    assert slip in day.screenshot("check_failure", page, tab="Execution history")
    return reaction(server, "ingest_clips", dropped)


def the_weekly_tick_trains(day: Day) -> None:
    """The enabled schedule trains once and reports why it does not train again."""
    server = day.dagster
    assert not server.runs_of("retrain_all")
    server.turn_schedule("weekly_retrain", on=True)
    until(lambda: bool(server.runs_of("retrain_all")), "the weekly tick", UNDER)
    (run,) = server.runs_of("retrain_all")
    assert {tag["key"] for tag in run["tags"]} >= {"dagster/schedule_name", "dance/stale"}

    def skip_reasons() -> set[str]:
        ticks = server.ticks("weekly_retrain")
        return {tick["skipReason"] for tick in ticks if tick["skipReason"]}

    until(lambda: bool(server.made("prediction_champion")), "both networks and their gates", UNDER)
    until(
        lambda: any("unchanged since" in reason for reason in skip_reasons()), "a week off", UNDER
    )
    server.turn_schedule("weekly_retrain", on=False)
    # The first only where the run took longer than the minute between two ticks.
    why = ("is in progress", "unchanged since")
    assert all(any(words in reason for words in why) for reason in skip_reasons())
    assert [r["status"] for r in server.runs_of("retrain_all")] == ["SUCCESS"]
    # It beats the raw estimator and the calibrated one; a model of profile smoke is no candidate.
    gate = server.metadata("recognition_champion")
    assert (gate["state"], refused(gate)) == ("refused", NO_CANDIDATE)
    assert day.aliases() == {CHALLENGER: "1"}
    dance(day, "promote", "recognition", "--force", "--reason", "to see the rest of the day")
    assert day.aliases() == {CHAMPION: "1"}
    assert "MKFF" in day.client.get_registered_model(MODEL).description


def dance(day: Day, *arguments: str) -> None:
    """A command by hand."""
    command = [sys.executable, "-m", "pipelines.cli", *arguments]
    command += ["--store", str(day.desk.store.path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def refused(gate: dict[str, Any]) -> set[str]:
    """Names of the criteria that a decision says are not met."""
    reasons = str(gate["refusals"]).split("; ")
    return {reason.split(": ")[0] for reason in reasons if ": " in reason}


def retrained(day: Day, config: dict[str, Any]) -> dict[str, Any]:
    """The gate's decision on a training started by hand with the given configuration."""
    run_id = day.dagster.launch_job("retrain_recognition", "mkff_st_gcn", config)
    until(lambda: day.dagster.status(run_id) in {"SUCCESS", "FAILURE"}, "a retraining", UNDER)
    assert day.dagster.status(run_id) == "SUCCESS"
    return day.dagster.metadata("recognition_champion")


def a_worse_one_is_refused(day: Day) -> None:
    gate = retrained(day, WORSE)
    assert (gate["state"], gate["version"], gate["compared_with"]) == ("refused", 2, "1")
    assert "not worse than champion, PCK@0.1" in gate["refusals"]
    assert day.aliases() == {CHAMPION: "1", CHALLENGER: "2"}
    tags = day.client.get_model_version(MODEL, "2").tags
    assert tags["gate/decision"] == "refused"
    assert any(tag.startswith("no: not worse than champion, PCK@0.1") for tag in tags.values())
    # It is not above the raw estimator on the test split either: a check reports it.
    newest = day.dagster.check("recognition_report", "beats_trivial")[0]
    assert (newest["success"], newest["severity"]) == (False, "WARN")
    page = f"{day.dagster.url}/assets/recognition_champion"
    assert "refused" in day.screenshot("refusal", page)


def a_good_one_is_promoted_by_hand(day: Day) -> None:
    gate = retrained(day, GOOD)
    # It meets every criterion but the profile's; "not worse" leaves room for chance.
    assert (refused(gate), gate["version"], gate["compared_with"]) == (NO_CANDIDATE, 3, "1")
    dance(day, "promote", "recognition", "--force", "--reason", "to see the rest of the day")
    assert day.aliases() == {CHAMPION: "3", PREVIOUS: "1"}
    assert day.client.get_model_version(MODEL, "3").tags["promoted_over"] == "1"
    assert "| better than raw, PCK@0.1 |" in gate["decision"]
    until(lambda: day.exported() == "3", "the export of the new champion", UNDER)
    page = f"{day.dagster.url}/assets/recognition_champion"
    assert "refused" in day.screenshot("promotion", page)
    shown = day.screenshot("promotion_mlflow", f"{day.mlflow}/#/models/{MODEL}/versions/3")
    assert CHAMPION in shown


def rollback_restores(day: Day) -> None:
    dance(day, "rollback", "recognition")
    assert day.aliases()[CHAMPION] == "1"
    assert "rolled_back" in day.client.get_model_version(MODEL, "3").tags
    until(lambda: day.exported() == "1", "the export of the champion before", UNDER)


@pytest.mark.timeout(1800)
def test_a_day_from_dropped_clips_to_a_rollback(
    tmp_path: Path, browser: Any, record_property: Callable[[str, object], None]
) -> None:
    desk = make_desk(tmp_path, 3)
    with (
        webhook() as (hook, received),
        mlflow_ui(desk.store.path, tmp_path / "mlflow.log") as mlflow,
        dagster_dev(
            desk.store.path, "smoke", tmp_path / "dagster.log",
            DANCE_AUTOMATION="on", DANCE_AUTOMATION_RETRAINING="off",
            DANCE_RETRAIN_CRON="* * * * *", DANCE_FAILURE_WEBHOOK=hook,
        ) as server,
    ):  # fmt: skip
        day = Day(desk, server, mlflow, browser, tmp_path)
        clips = clips_become_tables(day, received)
        annotations = annotations_become_a_data_set(day, desk.clips()[0])
        the_weekly_tick_trains(day)
        day.screenshot("asset_graph", f"{server.url}/asset-groups")
        a_worse_one_is_refused(day)
        a_good_one_is_promoted_by_hand(day)
        rollback_restores(day)
        day.idle()

        record_property("clips_reaction_s", clips)
        record_property("annotations_reaction_s", annotations)
        failed = [run for run in server.runs() if run["status"] != "SUCCESS"]
        assert [run["runId"] for run in failed] == [received[0]["run_id"]], "more than one message"
        for name in (*SENSORS, "weekly_retrain"):
            ticks = server.ticks(name)
            assert ticks, name
            assert not [tick["error"] for tick in ticks if tick["error"]], name
    train = desk.store.read("train_split")
    assert train["annotation"].null_count() == 0
