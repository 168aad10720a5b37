import dagster as dg
import pytest

from pipelines.automation.switches import schedule_status, sensor_status


@pytest.mark.parametrize(
    ("environment", "clips"),
    [
        ({}, False),
        ({"DANCE_AUTOMATION": "on"}, True),
        ({"DANCE_AUTOMATION": "off"}, False),
        ({"DANCE_AUTOMATION": "on", "DANCE_AUTOMATION_CLIPS": "off"}, False),
        ({"DANCE_AUTOMATION_CLIPS": "1"}, True),
    ],
)
def test_a_part_says_more_than_the_whole(
    environment: dict[str, str], clips: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DANCE_AUTOMATION", "DANCE_AUTOMATION_CLIPS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (sensor_status("clips") is dg.DefaultSensorStatus.RUNNING) == clips
    whole = environment.get("DANCE_AUTOMATION") == "on"
    assert (schedule_status("retraining") is dg.DefaultScheduleStatus.RUNNING) == whole
