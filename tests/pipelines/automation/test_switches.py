"""Automation settings read from the environment."""

import dagster as dg
import pytest

from dance_models.errors import InputError
from pipelines.automation.switches import AutomationSettings


@pytest.mark.parametrize(
    ("environment", "clips"),
    [
        ({}, False),
        ({"DANCE_AUTOMATION": "on"}, True),
        ({"DANCE_AUTOMATION": "off"}, False),
        ({"DANCE_AUTOMATION": "on", "DANCE_AUTOMATION_CLIPS": "off"}, False),
        ({"DANCE_AUTOMATION_CLIPS": "1"}, True),
        ({"DANCE_AUTOMATION": "on", "DANCE_AUTOMATION_CLIPS": " "}, True),
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


@pytest.mark.parametrize("name", ["DANCE_AUTOMATION", "DANCE_AUTOMATION_QUEUE"])
def test_a_misspelt_switch_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"{name} is neither on nor off: 'onn'"):
        AutomationSettings.from_environment({name: "onn"})


def test_the_other_settings() -> None:
    plain = AutomationSettings.from_environment({})
    assert plain == AutomationSettings()
    environment = {
        "DANCE_RETRAIN_CRON": "0 1 * * *",
        "DANCE_FAILURE_WEBHOOK": "http://127.0.0.1:9/hook",
        "DANCE_QUEUE_ALERT_HOURS": "0.5",
    }
    settings = AutomationSettings.from_environment(environment, "http://127.0.0.1:3001")
    assert settings.retrain_cron == "0 1 * * *"
    assert settings.failure_webhook == "http://127.0.0.1:9/hook"
    assert settings.ui_address == "http://127.0.0.1:3001"
    assert settings.queue_alert_hours == 0.5


@pytest.mark.parametrize("hours", ["soon", "0", "-1", "nan", "inf"])
def test_hours_that_are_none_are_named(hours: str) -> None:
    with pytest.raises(InputError, match="DANCE_QUEUE_ALERT_HOURS"):
        AutomationSettings.from_environment({"DANCE_QUEUE_ALERT_HOURS": hours})
