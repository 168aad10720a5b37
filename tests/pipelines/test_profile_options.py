"""What the command line and the environment change in a profile."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from dance_models.config import EstimatorConfig
from dance_models.errors import InputError
from dance_models.profiles import PROFILES
from dance_models.rows import ROWS, SHORT, row_of
from dance_models.tables import write_table
from pipelines.profile_options import (
    ProfileOptions,
    devices_in,
    note_options,
    noted_options,
    served_options,
)
from pipelines.storage.store import Store

FINE_TUNED = {row.id for row in ROWS if row.pretraining_asset}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=str(tmp_path))


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_profile_without_changes_is_that_profile(name: str, store: Store) -> None:
    assert ProfileOptions(name).resolve(store) == PROFILES[name]


def test_an_unknown_profile_is_named(store: Store) -> None:
    with pytest.raises(InputError, match=r"no profile 'big'. Choose one of smoke, demo"):
        ProfileOptions("big").resolve(store)


def test_ablations_and_variants_of_the_windows_train_on_the_folds_too(store: Store) -> None:
    profile = ProfileOptions("study", folds=5, ablations=True).resolve(store)
    assert profile.split.folds == 5
    folded = {m for m, experiment in profile.networks.items() if experiment.folds}
    varied = {method for method in folded if row_of(method).base}
    annotated = {f"{network}.annotated" for network in ("stga_net", "simlpe")}
    assert varied == annotated | FINE_TUNED | set(SHORT)
    assert {"stga_net", "simlpe"} <= folded


def test_ablations_are_all_rows_except_the_fine_tuned_ones(store: Store) -> None:
    profile = ProfileOptions("demo", ablations=True).resolve(store)
    assert set(profile.rows) == {row.id for row in ROWS} - FINE_TUNED


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_fine_tuned_rows_are_in_the_graph_only_with_motion(name: str, store: Store) -> None:
    for ablations in (False, True):
        without = ProfileOptions(name, ablations).resolve(store)
        assert not set(without.rows) & FINE_TUNED
        with_motion = ProfileOptions(name, ablations, motion=True).resolve(store)
        assert set(with_motion.rows) == {*without.rows, *FINE_TUNED}
    write_table(pl.DataFrame({"source": ["a.bvh"]}), store.table("raw_motion"), {})
    assert set(ProfileOptions(name).resolve(store).rows) >= FINE_TUNED
    for method in FINE_TUNED:
        networks = PROFILES[name].networks
        assert networks[method] == networks[row_of(method).network]


def test_options_round_trip_through_json(store: Store) -> None:
    estimator = EstimatorConfig(name="precomputed", precomputed_dir="/tracks")
    options = ProfileOptions("study", ablations=True, folds=3, estimator=estimator, motion=False)
    again = ProfileOptions.from_plain(json.loads(json.dumps(options.to_plain())))
    assert again == options
    assert again.resolve(store).estimator == estimator
    assert ProfileOptions.from_plain(replace(options, estimator=None).to_plain()).estimator is None


def test_rendered_motion_is_asked_for_or_what_the_store_holds(store: Store) -> None:
    assert ProfileOptions("smoke", motion=True).resolve(store).rendered.pieces == 0
    asked = ProfileOptions("smoke", motion=True, rendered=3)
    assert asked.resolve(store).rendered.pieces == 3
    assert ProfileOptions("smoke", rendered=3).resolve(store).rendered.pieces == 0  # no motion
    assert ProfileOptions.from_plain(asked.to_plain()) == asked
    table = pl.DataFrame({"clip": ["piece_0000.view0"]})
    write_table(table, store.table("rendered_motion"), {"pieces": "7"})
    assert ProfileOptions("smoke", motion=True).resolve(store).rendered.pieces == 7
    assert ProfileOptions("smoke", motion=True, rendered=0).resolve(store).rendered.pieces == 0


def test_devices_are_those_of_every_training_and_of_nothing_else(store: Store) -> None:
    profile = ProfileOptions("study", devices=4).resolve(store)
    assert {network.training.devices for network in profile.networks.values()} == {4}
    assert ProfileOptions.from_plain(ProfileOptions("study", devices=4).to_plain()).devices == 4
    again = {
        row: replace(network, training=replace(network.training, devices=1))
        for row, network in profile.networks.items()
    }
    assert replace(profile, networks=again) == PROFILES["study"]


@pytest.mark.parametrize(("text", "devices"), [("", None), (" ", None), ("1", 1), ("16", 16)])
def test_the_environment_may_ask_for_devices(text: str, devices: int | None) -> None:
    assert devices_in({"DANCE_DEVICES": text}) == devices
    assert devices_in({}) is None


@pytest.mark.parametrize("text", ["0", "-2", "two", "1.5"])
def test_what_is_no_number_of_devices_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"DANCE_DEVICES is no number of devices.*Such as 2"):
        devices_in({"DANCE_DEVICES": text})


TRACKS = EstimatorConfig(name="precomputed", precomputed_dir="/poses", pose_model="body_25b")
ALL = {"pose_tracks", "split_manifest"}


def test_the_servers_go_on_with_the_poses_and_folds_of_the_last_run(store: Store) -> None:
    """Else each pose would be estimated again, and new clips otherwise than the others."""
    assert served_options({}, store) == ProfileOptions("demo")
    note_options(store, ProfileOptions("smoke", True, 3, TRACKS, devices=2), ALL)
    served = served_options({"DANCE_PROFILE": "study"}, store)
    assert served == ProfileOptions("study", False, 3, TRACKS)
    assert served.given() == "--tracks /poses --pose-model body_25b --folds 3"
    assert served.resolve(store).estimator == TRACKS
    assert noted_options(store).ablations
    note_options(store, ProfileOptions("smoke"), ALL)
    assert noted_options(store) == ProfileOptions()


@pytest.mark.parametrize(("text", "on"), [("1", True), ("on", True), ("0", False), ("", False)])
def test_the_environment_turns_ablations_on_or_off(store: Store, text: str, on: bool) -> None:
    assert served_options({"DANCE_ABLATIONS": text}, store).ablations == on


def test_a_run_that_makes_no_poses_or_splits_says_nothing_of_them(store: Store) -> None:
    note_options(store, ProfileOptions(folds=3, estimator=TRACKS), ALL)
    note_options(store, ProfileOptions(), {"clip_probe", "mkff_st_gcn"})
    assert noted_options(store) == ProfileOptions(folds=3, estimator=TRACKS)
    note_options(store, ProfileOptions(), {"split_manifest"})
    assert noted_options(store) == ProfileOptions(estimator=TRACKS)
    note_options(store, ProfileOptions(folds=2), {"pose_tracks"})
    assert noted_options(store) == ProfileOptions()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"estimator": {"nose": 1}}'])
def test_a_note_that_cannot_be_read_is_named_and_not_guessed(store: Store, text: str) -> None:
    note_options(store, ProfileOptions(), ALL)
    (note,) = store.dagster_home.glob("options.json")
    note.write_text(text)
    with pytest.raises(InputError, match=r"options\.json"):
        noted_options(store)
    note_options(store, ProfileOptions(estimator=TRACKS), ALL)
    assert noted_options(store).estimator == TRACKS
