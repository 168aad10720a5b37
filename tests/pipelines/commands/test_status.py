"""``dance status``: champions, the last run's profile, and who can read the store."""

import io

import dagster as dg
from postgres import both
from registry_case import Case, gate
from rich.console import Console

from pipelines.commands.common import warn_once_of_rights
from pipelines.commands.status import _print_champions
from pipelines.materializations import newest_of
from pipelines.profile_options import last_profile, note_profile
from pipelines.tracking.promotion_gate import run_gate


@dg.asset
def an_asset() -> dg.MaterializeResult:
    """An asset that is made."""
    return dg.MaterializeResult()


def test_the_profile_is_that_of_the_newest_run_that_has_one(instance: dg.DagsterInstance) -> None:
    assert last_profile(instance) is None
    for name in ("study", "smoke"):
        run = dg.materialize([an_asset], instance=instance).dagster_run
        note_profile(instance, run, name)
    dg.materialize([an_asset], instance=instance)
    assert last_profile(instance) == "smoke"
    tagged = instance.get_run_by_id(run.run_id)
    assert tagged is not None
    note_profile(instance, tagged, "paper")
    assert last_profile(instance) == "smoke", "the tag of a command stays"


def test_what_made_each_asset_last_and_when(instance: dg.DagsterInstance) -> None:
    assets = ["an_asset", "another"]
    assert newest_of(instance, assets) == {}
    for made in range(2):
        dg.materialize([an_asset], instance=instance)
        record = instance.get_run_records(limit=1)[0]
        ((asset, event),) = newest_of(instance, assets).items()
        assert (asset, event.run_id) == ("an_asset", record.dagster_run.run_id), made
        assert record.start_time <= event.timestamp <= record.end_time
        assert event.asset_materialization.asset_key == dg.AssetKey("an_asset")


@both
def test_the_champions_are_shown_with_their_scores(case: Case) -> None:
    case.train("first")
    run_gate(case.store, "prediction", "stga_net", gate())
    out = io.StringIO()
    _print_champions(case.store, Console(file=out, width=120))
    shown = " ".join(out.getvalue().split())
    assert "dance-recognition │ none" in shown
    assert "dance-prediction │ 1 │ 20" in shown
    score = case.registry.tags("1")["val/mpjpe_torso_80"]
    assert f"mpjpe_torso_80 {score}" in shown


def test_a_store_that_others_can_read_is_named_once(case: Case) -> None:
    out = io.StringIO()
    case.store.path.chmod(0o755)
    for _ in range(2):
        warn_once_of_rights(case.store, Console(file=out, width=200))
    assert out.getvalue().count("pictures of people") == 1


def test_a_private_store_is_not(case: Case) -> None:
    out = io.StringIO()
    case.store.path.chmod(0o700)
    warn_once_of_rights(case.store, Console(file=out))
    assert out.getvalue() == ""
