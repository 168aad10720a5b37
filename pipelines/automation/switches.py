"""On or off by environment: ``DANCE_AUTOMATION``, and a variable for each part.

Off unless asked for, so that a look at the web UI starts nothing. A switch that was turned in the
web UI by hand counts more: Dagster keeps it.
"""

import os
from typing import Final

import dagster as dg

ALL: Final = "DANCE_AUTOMATION"
ON: Final = ("1", "on", "true", "yes")


def is_on(part: str) -> bool:
    """Whether ``DANCE_AUTOMATION_<PART>``, else ``DANCE_AUTOMATION``, says on."""
    said = os.environ.get(f"{ALL}_{part.upper()}") or os.environ.get(ALL, "off")
    return said.strip().lower() in ON


def sensor_status(part: str) -> dg.DefaultSensorStatus:
    """The status in which a sensor starts."""
    return dg.DefaultSensorStatus.RUNNING if is_on(part) else dg.DefaultSensorStatus.STOPPED


def schedule_status(part: str) -> dg.DefaultScheduleStatus:
    """The status in which a schedule starts."""
    return dg.DefaultScheduleStatus.RUNNING if is_on(part) else dg.DefaultScheduleStatus.STOPPED
