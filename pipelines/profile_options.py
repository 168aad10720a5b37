"""The profile, and what the command line or the environment changes in it."""

import json
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import dagster as dg

from dance_models.config import EstimatorConfig, Experiment, Profile
from dance_models.errors import InputError
from dance_models.profiles import PROFILES
from dance_models.rows import ROWS
from dance_models.tables import read_note, write_text
from pipelines.storage.store import Store
from pipelines.variables import is_on

DEFAULT_PROFILE: Final = "demo"
ABLATIONS_VARIABLE: Final = "DANCE_ABLATIONS"
DEVICES_VARIABLE: Final = "DANCE_DEVICES"
PROFILE_TAG: Final = "dance/profile"  # of a Dagster run
_NOTE: Final = "options.json"  # in Dagster's folder: what the last `dance run` chose


def note_profile(instance: dg.DagsterInstance, run: dg.DagsterRun, name: str) -> None:
    """Tag a run with its profile; one that was started in the web UI has no such tag."""
    if PROFILE_TAG not in run.tags:
        instance.add_run_tags(run.run_id, {PROFILE_TAG: name})


def last_profile(instance: dg.DagsterInstance) -> str | None:
    """The profile of the newest run, None before the first."""
    runs = instance.get_runs(filters=dg.RunsFilter(tags={PROFILE_TAG: [*PROFILES]}), limit=1)
    return runs[0].tags[PROFILE_TAG] if runs else None


@dataclass(frozen=True)
class ProfileOptions:
    """A profile by name, and its changes. Plain data that can be passed to other processes."""

    name: str = DEFAULT_PROFILE
    ablations: bool = False  # also the rows that vary the two headline networks
    folds: int = 0  # also train and score on so many grouped folds
    estimator: EstimatorConfig | None = None  # instead of the profile's own
    motion: bool | None = None  # with pre-trained rows; None: if the store holds motion
    rendered: int | None = None  # pieces of rendered motion; None: as many as the store holds
    devices: int | None = None  # of each training; None: as the profile says

    def resolve(self, store: Store) -> Profile:
        """The profile with the changes.

        Raises InputError when there is no profile of that name, or only one fold.
        """
        if self.name not in PROFILES:
            raise InputError(
                f"--profile: there is no profile {self.name!r}",
                hint=f"Choose one of {', '.join(PROFILES)}",
            )
        profile = PROFILES[self.name]
        if self.estimator:
            profile = replace(profile, estimator=_estimator(self.estimator, profile))
        if self.folds == 1:
            raise InputError("--folds: 1 cannot be used", hint="Ask for 2 or more, or 0 for none")
        if self.folds:
            profile = _with_folds(profile, self.folds)
        if self.devices is not None:
            profile = _with_devices(profile, self.devices)
        motion = store.has_motion() if self.motion is None else self.motion
        pieces = store.rendered_pieces() if self.rendered is None else self.rendered
        if motion and pieces:
            profile = replace(profile, rendered=replace(profile.rendered, pieces=pieces))
        return replace(profile, rows=self._rows(profile, pretrained=motion))

    def _rows(self, profile: Profile, *, pretrained: bool) -> tuple[str, ...]:
        """Ids of the rows, in the order of ``ROWS``."""
        return tuple(
            row.id
            for row in ROWS
            if (pretrained if row.pretraining_asset else self.ablations or row.id in profile.rows)
        )

    def given(self) -> str:
        """The noted options as `dance run` takes them; "" for none."""
        estimator = self.estimator or EstimatorConfig()
        given = {
            "--tracks": estimator.precomputed_dir,
            "--pose-model": estimator.pose_model,
            "--onnx": estimator.onnx_description,
            "--person": estimator.person,
            "--folds": self.folds or None,
        }
        texts = [f"{name} {value}" for name, value in given.items() if value is not None]
        return " ".join([*texts, *(["--ablations"] if self.ablations else [])])

    def to_plain(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "ProfileOptions":
        """The inverse of :meth:`to_plain`."""
        estimator = plain["estimator"]
        return cls(**{**plain, "estimator": EstimatorConfig(**estimator) if estimator else None})


def note_options(store: Store, options: ProfileOptions, made: Set[str]) -> None:
    """Keep what a command chose beside its profile: `dance ui` and `dance status` go on with it.

    ``made``: names of the assets that it makes. One that makes no poses says nothing of their
    estimator, and one that makes no splits nothing of folds. Raises what :func:`noted_options`
    does, unless all of the note is replaced.
    """
    poses, splits = "pose_tracks" in made, "split_manifest" in made
    before = ProfileOptions() if poses and splits else noted_options(store)
    chosen = ProfileOptions(
        ablations=options.ablations if splits else before.ablations,
        folds=options.folds if splits else before.folds,
        estimator=options.estimator if poses else before.estimator,
    )
    text = json.dumps(chosen.to_plain()) + "\n"
    note = store.dagster_home / _NOTE
    if not (note.is_file() and note.read_bytes() == text.encode()):
        write_text(note, text)


def noted_options(store: Store) -> ProfileOptions:
    """Estimator, folds and ablations of the last command that made poses and splits.

    The others are those of no command. Raises InputError when the note cannot be read: a guess
    would estimate every pose again.
    """
    note = store.dagster_home / _NOTE
    if not note.is_file():  # of an earlier version, or a new store
        return ProfileOptions()
    plain = read_note(note)
    try:
        return ProfileOptions.from_plain(plain)
    except (TypeError, KeyError) as error:
        raise InputError(
            "is no note of the options of a run", file=note, hint="`dance run` writes it anew"
        ) from error


def served_options(environment: Mapping[str, str], store: Store) -> ProfileOptions:
    """The options of the graph that the web UI and the daemon work with.

    The environment chooses the profile; poses and folds are those of the last `dance run`. Raises
    what :func:`devices_in`, :func:`is_on` and :func:`noted_options` do.
    """
    noted = noted_options(store)
    return ProfileOptions(
        environment.get("DANCE_PROFILE", DEFAULT_PROFILE),
        ablations=is_on(environment, ABLATIONS_VARIABLE),
        folds=noted.folds,
        estimator=noted.estimator,
        devices=devices_in(environment),
    )


def _with_folds(profile: Profile, folds: int) -> Profile:
    return replace(
        profile,
        split=replace(profile.split, folds=folds),
        networks={row.id: replace(profile.networks[row.id], folds=row.folded) for row in ROWS},
    )


def _with_devices(profile: Profile, devices: int) -> Profile:
    networks: dict[str, Experiment] = {
        row: replace(network, training=replace(network.training, devices=devices))
        for row, network in profile.networks.items()
    }
    return replace(profile, networks=networks)


def devices_in(environment: Mapping[str, str]) -> int | None:
    """The devices of each training that the environment asks for, None when it does not.

    Raises InputError when it is no number of devices.
    """
    text = environment.get(DEVICES_VARIABLE, "").strip()
    if not text:
        return None
    if not (text.isdecimal() and int(text) >= 1):
        raise InputError(f"{DEVICES_VARIABLE} is no number of devices: {text!r}", hint="Such as 2")
    return int(text)


def _estimator(chosen: EstimatorConfig, profile: Profile) -> EstimatorConfig:
    """The chosen estimator; options about the person leave the profile's second pass as it is."""
    if chosen.name != "blazepose":
        return chosen
    return replace(chosen, mirrored_pass=chosen.mirrored_pass or profile.estimator.mirrored_pass)
