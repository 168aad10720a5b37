"""Dagster config that mirrors the frozen dataclasses of ``dance_models.config``.

The defaults shown in the web UI are those of the active profile (``DANCE_PROFILE``, else
``demo``), so that what the command line made with a profile is fresh in the UI as well.
"""

import os
from dataclasses import asdict, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast, get_args, get_type_hints

import dagster as dg
from pydantic import Field, create_model

from dance_models.config import (
    AugmentConfig,
    EstimatorConfig,
    EvaluationConfig,
    Experiment,
    GateConfig,
    MotionConfig,
    Profile,
    SamplingConfig,
    SplitConfig,
)
from dance_models.errors import InputError
from dance_models.profiles import PROFILES
from dance_models.rows import ROW_OF_PRETRAINING, ROWS
from pipelines.storage.store import Store, default_root

T = TypeVar("T")

PROFILE_VARIABLE: Final = "DANCE_PROFILE"
ABLATIONS_VARIABLE: Final = "DANCE_ABLATIONS"
DEFAULT_PROFILE: Final = "demo"


def profile_named(name: str) -> Profile:
    """The profile of that name; raises InputError naming those there are."""
    if name not in PROFILES:
        raise InputError(
            f"there is no profile {name!r}", hint=f"Choose one of {', '.join(PROFILES)}"
        )
    return PROFILES[name]


def active_profile() -> Profile:
    """The profile whose numbers are the defaults of this process, and whose rows its assets."""
    profile = profile_named(os.environ.get(PROFILE_VARIABLE, DEFAULT_PROFILE))
    profile = with_ablations(profile) if os.environ.get(ABLATIONS_VARIABLE) else profile
    return with_pretraining(profile) if Store(root=default_root()).has_motion() else profile


def with_ablations(profile: Profile) -> Profile:
    """The profile with every network there is as a row."""
    return replace(profile, rows=tuple(row.id for row in ROWS if not row.pretraining_asset))


def with_pretraining(profile: Profile) -> Profile:
    """The profile with the rows that are fine-tuned from pre-trained weights."""
    rows = tuple(row.id for row in ROWS if row.pretraining_asset or row.id in profile.rows)
    return replace(profile, rows=rows)


def activate(profile: str, ablations: bool) -> None:
    """Choose the active profile of this process and of those it starts."""
    os.environ[PROFILE_VARIABLE] = profile
    if ablations:
        os.environ[ABLATIONS_VARIABLE] = "1"
    else:
        os.environ.pop(ABLATIONS_VARIABLE, None)


class Mirror(dg.Config, Generic[T]):
    """Base of the mirrored configs; :meth:`value` gives the frozen dataclass back."""

    def value(self) -> T:
        """The dataclass with these numbers."""
        kind = cast(Any, type(self)).dataclass_type
        return cast(T, kind(**{f.name: _stored(getattr(self, f.name)) for f in fields(kind)}))


def _stored(value: Any) -> Any:
    if isinstance(value, Mirror):
        return value.value()
    return tuple(value) if isinstance(value, list) else value


def mirror(default: T) -> type[Mirror[T]]:
    """A Dagster config class with the fields of the dataclass ``default`` and its values."""
    kind = cast(Any, type(default))
    hints = get_type_hints(kind)
    definitions: dict[str, Any] = {}
    for field in fields(kind):
        value = getattr(default, field.name)
        if is_dataclass(value):
            nested = mirror(value)
            definitions[field.name] = (nested, Field(default_factory=nested))
        elif isinstance(value, tuple):  # Dagster config knows lists, not fixed tuples
            item: Any = get_args(hints[field.name])[0]
            definitions[field.name] = (list[item], Field(default=list(value)))
        else:
            definitions[field.name] = (hints[field.name], Field(default=value))
    model: Any = create_model(f"{kind.__name__}Settings", __base__=Mirror, **definitions)
    model.__doc__ = kind.__doc__
    model.dataclass_type = kind
    return cast("type[Mirror[T]]", model)


def network_settings(method: str) -> "type[Mirror[Experiment]]":
    """The config class of one network's training, with the active profile's numbers."""
    return mirror(active_profile().networks[method])


def pretraining_experiment(profile: Profile, asset: str) -> Experiment:
    """What a pre-training runs: its network's own experiment, without folds."""
    return replace(profile.networks[ROW_OF_PRETRAINING[asset].id], folds=False)


def pretraining_settings(asset: str) -> "type[Mirror[Experiment]]":
    """The config class of a pre-training, with the active profile's numbers."""
    return mirror(pretraining_experiment(active_profile(), asset))


def op_config(value: object) -> dict[str, Any]:
    """Run config of one asset from its dataclass: ``{"config": {...}}``."""

    def plain(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: plain(inner) for key, inner in item.items()}
        return list(item) if isinstance(item, tuple) else item

    return {"config": plain(asdict(cast(Any, value)))}


if TYPE_CHECKING:
    SamplingSettings = Mirror[SamplingConfig]
    EstimatorSettings = Mirror[EstimatorConfig]
    SplitSettings = Mirror[SplitConfig]
    AugmentSettings = Mirror[AugmentConfig]
    EvaluationSettings = Mirror[EvaluationConfig]
    RecognitionGateSettings = Mirror[GateConfig]
    PredictionGateSettings = Mirror[GateConfig]
    MotionSettings = Mirror[MotionConfig]
else:
    _profile = active_profile()
    SamplingSettings = mirror(_profile.sampling)
    EstimatorSettings = mirror(_profile.estimator)
    SplitSettings = mirror(_profile.split)
    AugmentSettings = mirror(_profile.augment)
    EvaluationSettings = mirror(_profile.evaluation)
    RecognitionGateSettings = mirror(_profile.recognition_gate)
    PredictionGateSettings = mirror(_profile.prediction_gate)
    MotionSettings = mirror(_profile.motion)
