"""Switches among the variables of the environment."""

from collections.abc import Mapping
from typing import Final

from dance_models.errors import InputError

ON: Final = ("1", "on", "true", "yes")
OFF: Final = ("0", "off", "false", "no")


def is_on(environment: Mapping[str, str], variable: str, *others: str) -> bool:
    """Whether the first of some variables that is set and not empty is on; none: off.

    Raises InputError when it is neither on nor off: a misspelt "on" must not be off in silence.
    """
    given = ((name, environment.get(name, "").strip()) for name in (variable, *others))
    name, text = next(((name, text) for name, text in given if text), (variable, OFF[0]))
    if text.lower() not in (*ON, *OFF):
        raise InputError(f"{name} is neither on nor off: {text!r}", hint="Such as on, or off")
    return text.lower() in ON
