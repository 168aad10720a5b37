"""Which automation is on, and its settings, from the environment.

Off by default, so that opening the web UI starts nothing. A switch that was turned by hand
in the web UI takes precedence: Dagster stores it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import dagster as dg

from dance_models.errors import InputError
from pipelines.storage.addresses import Addresses
from pipelines.variables import is_on

ALL: Final = "DANCE_AUTOMATION"
PARTS: Final = (
    "clips", "annotations", "dataset", "retraining", "champions", "failures", "queue",
)  # fmt: skip
CRON_VARIABLE: Final = "DANCE_RETRAIN_CRON"
WEBHOOK_VARIABLE: Final = "DANCE_FAILURE_WEBHOOK"
QUEUE_VARIABLE: Final = "DANCE_QUEUE_ALERT_HOURS"
MONDAY_AT_THREE: Final = "0 3 * * 1"


@dataclass(frozen=True)
class AutomationSettings:
    """Which sensors and schedules start running, and their settings."""

    on: frozenset[str] = frozenset()  # of PARTS
    retrain_cron: str = MONDAY_AT_THREE
    failure_webhook: str | None = field(default=None, repr=False)  # its path may be a secret
    queue_alert_hours: float = 6.0
    ui_address: str = Addresses().dagster  # where links in messages lead

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], ui_address: str = Addresses().dagster
    ) -> "AutomationSettings":
        """``DANCE_AUTOMATION_<PART>``, else ``DANCE_AUTOMATION``, decides whether a part is on.

        Raises InputError when one is neither on nor off, or the hours of the queue's alert are no
        number.
        """
        return cls(
            frozenset(part for part in PARTS if is_on(environment, f"{ALL}_{part.upper()}", ALL)),
            environment.get(CRON_VARIABLE, MONDAY_AT_THREE),
            environment.get(WEBHOOK_VARIABLE) or None,
            _hours(environment.get(QUEUE_VARIABLE)) or cls.queue_alert_hours,
            ui_address,
        )

    def sensor_status(self, part: str) -> dg.DefaultSensorStatus:
        """The status in which a sensor starts."""
        running = part in self.on
        return dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED

    def schedule_status(self, part: str) -> dg.DefaultScheduleStatus:
        """The status in which a schedule starts."""
        running = part in self.on
        return dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED


def _hours(text: str | None) -> float | None:
    try:
        hours = float(text) if text and text.strip() else None
    except ValueError:
        hours = math.nan
    if hours is not None and not 0 < hours < math.inf:
        raise InputError(f"{QUEUE_VARIABLE} is no number of hours: {text!r}", hint="Such as 6")
    return hours
