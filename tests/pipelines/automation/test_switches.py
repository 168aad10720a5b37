"""Automation settings read from the environment."""

import dagster as dg
import pytest

from pipelines.automation.switches import AutomationSettings


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
def test_the_switch_of_one_part_overrides_the_general_switch(
    environment: dict[str, str], clips: bool
) -> None:
    settings = AutomationSettings.from_environment(environment)
    assert (settings.sensor_status("clips") is dg.DefaultSensorStatus.RUNNING) == clips
    whole = environment.get("DANCE_AUTOMATION") == "on"
    running = settings.schedule_status("retraining") is dg.DefaultScheduleStatus.RUNNING
    assert running == whole


def test_the_other_settings() -> None:
    plain = AutomationSettings.from_environment({})
    assert plain == AutomationSettings()
    environment = {
        "DANCE_RETRAIN_CRON": "0 1 * * *",
        "DANCE_FAILURE_WEBHOOK": "http://127.0.0.1:9/hook",
        "DANCE_UI": "http://127.0.0.1:3001/",
    }
    settings = AutomationSettings.from_environment(environment)
    assert settings.retrain_cron == "0 1 * * *"
    assert settings.failure_webhook == "http://127.0.0.1:9/hook"
    assert settings.ui_address == "http://127.0.0.1:3001"
