"""A registry on SQLite: register, promote, refuse, roll back, and be killed between the steps."""

import errno
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bucket import folder_and_bucket
from postgres import Server, both, on_server
from registry_case import ASSET, Case, gate
from typer.testing import CliRunner
from watched_process import wait_until

from dance_models.config import GateConfig
from dance_models.errors import InputError
from dance_models.profiles import PROFILES
from dance_models.tables import write_table
from pipelines.assets.champions import champion_stage
from pipelines.cli import make_app
from pipelines.commands.clean import _replaced_mlflow_runs, delete, find_garbage
from pipelines.stage import Inputs, StageContext
from pipelines.storage.databases import alone
from pipelines.tracking import manual_promotion
from pipelines.tracking import promotion_gate as gating
from pipelines.tracking.kept_versions import keep_versions, kept_table
from pipelines.tracking.lineage_record import log_record, make_record
from pipelines.tracking.promotion_gate import AWAITING, KEPT, PROMOTED, REFUSED, run_gate
from pipelines.tracking.registry import MODELS, Registry
from pipelines.tracking.tracker import DAGSTER_RUN_TAG, EXAMPLE, MLFLOW_ENVIRONMENT, Tracker

NAME = MODELS["prediction"]
# PostgreSQL's sessions that wait for a lock that another one holds.
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def inputs(case: Case, config: GateConfig) -> Inputs:
    """The current inputs of the champion."""
    return champion_stage("prediction", ()).inputs(
        StageContext(case.store, PROFILES["smoke"], config)
    )


def dance(case: Case, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(make_app(), [*arguments, "--store", str(case.store.path)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def versions(case: Case) -> int:
    return len(case.tracker.client.search_model_versions(f"name='{NAME}'"))


@folder_and_bucket
def test_versions_are_promoted_refused_and_rolled_back(case: Case) -> None:
    """Promote the first and an equal one, refuse a worse one, then roll back."""
    first = case.train("first")
    outcome = run_gate(case.store, "prediction", "stga_net", gate())
    assert (outcome.state, outcome.version, outcome.run_id) == (PROMOTED, "1", first)
    assert case.registry.aliases() == {"champion": "1"}
    _check_tags_and_card(case, first)

    again = run_gate(case.store, "prediction", "stga_net", gate())
    assert (again.state, again.version) == (KEPT, "1")
    assert versions(case) == 1
    assert "better than zero\\_velocity" in again.table

    case.train("second", noise=1e-4)
    assert run_gate(case.store, "prediction", "stga_net", gate()).state == PROMOTED
    assert case.registry.aliases() == {"champion": "2", "previous": "1"}
    assert case.registry.tags("2")["promoted_over"] == "1"

    worse = case.train("worse", noise=0.3)
    outcome = run_gate(case.store, "prediction", "stga_net", gate())
    assert outcome.state == REFUSED
    assert any(line.startswith("not worse than champion, 400 ms") for line in outcome.refusals)
    assert case.registry.aliases() == {"champion": "2", "previous": "1", "challenger": "3"}
    assert case.registry.tags("3")["gate/decision"] == "refused"
    _check_refusals_and_force(case)
    _check_rollbacks(case)
    assert worse not in _replaced_mlflow_runs(case.store)


def test_a_model_of_a_shortened_profile_is_no_candidate_unless_forced(case: Case) -> None:
    run_id = case.train("first", profile="smoke")
    example = {
        "clip": "clip_03", "split": "val", "frames": [4, 36], "input": [27, 14, 2],
        "output": [10, 14, 2], "joints": [{"joint": "neck", "position": [0.25, -1.0]}],
    }  # fmt: skip
    case.tracker.client.log_dict(run_id, example, EXAMPLE)
    outcome = run_gate(case.store, "prediction", "stga_net", gate())
    assert outcome.state == REFUSED
    assert outcome.refusals == ("trained in full: profile smoke (required: not smoke)",)
    assert case.registry.aliases() == {"challenger": "1"}
    assert case.registry.tags("1")["dance/profile"] == "smoke"
    card = case.tracker.artifact(run_id, "model_card.md").read_text()
    for part in (
        "Trained under profile `smoke`.", "(B, 27, 14, 2) -> (B, 10, 14, 2)", "0 head_top, 1 neck,",
        "clip clip\\_03 (val), frames 4 to 36", "| neck | 0.250 | -1.000 |",
    ):  # fmt: skip
        assert part in card, part
    code, output = dance(case, "promote", "prediction")
    assert code == 1
    assert "trained in full: profile smoke" in output
    assert dance(case, "promote", "prediction", "--force", "--reason", "a demo needs it")[0] == 0
    assert case.registry.aliases() == {"champion": "1"}
    case.train("by an earlier version", profile="", noise=1e-4)
    outcome = run_gate(case.store, "prediction", "stga_net", gate(), profile="smoke")
    assert outcome.refusals == ("trained in full: profile smoke (required: not smoke)",)


def test_mlflow_opens_on_trainings_and_its_telemetry_is_off(case: Case) -> None:
    from mlflow.telemetry import get_telemetry_client

    experiment = case.tracker.client.get_experiment(case.tracker.initialise())
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert case.tracker.run_url("r").endswith("/runs/r?workflowType=machine_learning")
    assert get_telemetry_client() is None
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"].lower() == "true"  # for the processes of a run
    assert MLFLOW_ENVIRONMENT["MLFLOW_DISABLE_TELEMETRY"] == MLFLOW_ENVIRONMENT["DO_NOT_TRACK"]


def test_the_profiles_own_gates_do_not_promote_on_a_few_takes(case: Case) -> None:
    """Three validation takes are too few in every profile, and that is the reason."""
    case.train("first")
    for profile in PROFILES.values():
        assert profile.prediction_gate.fewest_takes >= 5
        assert profile.recognition_gate.fewest_takes >= 5
    fewest = PROFILES["demo"].prediction_gate.fewest_takes
    outcome = run_gate(case.store, "prediction", "stga_net", gate(fewest_takes=fewest))
    assert outcome.state == REFUSED
    assert outcome.refusals == (
        f"takes to judge by: 3 annotated validation takes (required: at least {fewest})",
    )
    assert [name for name, p in PROFILES.items() if not p.candidates] == ["smoke"]


def _check_tags_and_card(case: Case, run_id: str) -> None:
    tags = case.registry.tags("1")
    assert tags["git_commit"] == "c0ffee"
    assert tags["data_version/val_split"] == tags["gate/val_split"]
    assert tags["gate/champion"] == "none"
    assert tags["gate/criterion/mirror consistency"].startswith("yes: mirror consistency: ")
    assert float(tags["val/mpjpe_torso_400"]) > 0
    card = case.registry.description("1")
    for part in ("| better than zero\\_velocity, 80 ms |", "Intended use", "(B, 27, 14, 2)",
                 "| ballet | 2 | 1 | 1 |", "made-up figures", "not scored yet"):  # fmt: skip
        assert part in card, part
    artifact = case.tracker.client.download_artifacts(run_id, "model_card.md")
    assert Path(artifact).read_text().startswith(f"# {NAME} version 1")


def _check_refusals_and_force(case: Case) -> None:
    code, output = dance(case, "promote", "prediction")
    assert code == 1
    assert "refused: dance-prediction version 3 was not promoted" in output
    assert "not worse than champion, 400 ms: -" in output
    code, output = dance(case, "promote", "prediction", "--force")
    assert code == 2
    assert "must be given together" in output
    code, output = dance(case, "promote", "prediction", "--version", "9")
    assert code == 2
    assert "has no version 9" in output
    code, output = dance(case, "promote", "prediction", "--version", "1")
    assert code == 1  # compared with no champion, but there is one now
    assert "compared it with no champion, but the champion is version 2" in output
    code, output = dance(case, "promote", "prediction", "--force", "--reason", "a demo needs it")
    assert code == 0
    assert output == "dance-prediction version 3 is champion; version 2 is previous."
    assert case.registry.tags("3")["forced"] == "a demo needs it"


def _check_rollbacks(case: Case) -> None:
    assert case.registry.aliases() == {"champion": "3", "previous": "2"}
    code, output = dance(case, "rollback", "prediction")
    assert code == 0
    assert output == "dance-prediction version 2 is champion again, version 3 is rolled back."
    assert case.registry.aliases() == {"champion": "2", "previous": "1"}
    # The training of version 3 is still the newest: materializing does not bring it back.
    generous = gate(champion_margin=1e6, style_margin=1e6, mirror_percent=1e6)
    outcome = run_gate(case.store, "prediction", "stga_net", gate(floors=(), **vars_of(generous)))
    assert outcome.state == REFUSED
    assert outcome.refusals[0].startswith("not rolled back")
    assert dance(case, "rollback", "prediction")[0] == 0
    assert case.registry.aliases() == {"champion": "1", "challenger": "3"}
    code, output = dance(case, "rollback", "prediction")
    assert code == 2
    assert "no previous champion" in output
    assert "its alias was moved in MLflow, which does not note the one before" in output
    assert "Registered: version 1, version 2, version 3" in output
    assert "dance promote prediction --version N --force --reason TEXT" in output


def test_a_forced_promotion_that_fails_leaves_a_rolled_back_version_rolled_back(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the tag the next run's gate would promote it by itself."""

    def no_room(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for number in range(2):
        case.train(f"training {number}", noise=1e-4 * number)
        assert run_gate(case.store, "prediction", "stga_net", gate()).state == PROMOTED
    assert dance(case, "rollback", "prediction")[0] == 0
    before = case.registry.tags("2")
    monkeypatch.setattr(manual_promotion, "keep_versions", no_room)
    options = ("--version", "2", "--force", "--reason", "it is better after all")
    code, output = dance(case, "promote", "prediction", *options)
    assert (code, "the disk is full" in output) == (2, True)
    assert case.registry.tags("2") == before
    assert case.registry.aliases() == {"champion": "1"}


def test_a_rollback_after_an_alias_moved_in_mlflow_says_what_is_not_known(case: Case) -> None:
    """Version 2 was champion until the alias was moved, but ``previous`` is not it."""
    for number in range(3):
        case.train(str(number), noise=1e-4 * number)
        run_gate(case.store, "prediction", "stga_net", gate())
    case.registry.promote("3")
    case.registry.promote("2")
    assert case.registry.aliases() == {"champion": "2", "previous": "3"}
    case.tracker.client.set_registered_model_alias(NAME, "champion", "1")
    code, output = dance(case, "rollback", "prediction")
    assert code == 0
    assert output.startswith(
        "dance-prediction version 3 is champion again, version 1 is rolled back. The alias of "
        "version 1 was moved in MLflow, which does not note the champion before: 3 is the last one "
        "that was replaced by `dance`."
    )
    assert "dance promote prediction --version N --force --reason TEXT" in output


def test_a_version_that_was_deleted_in_mlflow_is_not_gone_back_to(case: Case) -> None:
    """Nor does it stop a rollback half-way, as the one that would be previous then."""
    run_id = case.tracker.client.create_run(case.tracker.initialise()).info.run_id
    case.tracker.client.create_registered_model(NAME)
    for number in ("1", "2", "3"):
        case.tracker.client.create_model_version(NAME, f"file:///{number}", run_id)
        case.registry.promote(number)
    case.tracker.client.delete_model_version(NAME, "1")
    assert dance(case, "rollback", "prediction") == (
        0,
        "dance-prediction version 2 is champion again, version 3 is rolled back.",
    )
    assert case.registry.aliases() == {"champion": "2"}
    code, output = dance(case, "rollback", "prediction")
    assert code == 2
    assert "the one before was deleted" in output


def test_a_champion_that_changed_meanwhile_is_not_replaced_unseen(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The candidate is compared with the version that a person promoted while it was scored."""
    for number in range(2):
        case.train(str(number), noise=1e-4 * number)
        run_gate(case.store, "prediction", "stga_net", gate())
    assert case.registry.aliases() == {"champion": "2", "previous": "1"}
    case.train("2", noise=2e-4)
    measured, compared = gating._evidence, list[str | None]()

    def evidence(registry: Registry, candidate: Any, champion: str | None, config: Any) -> Any:
        compared.append(champion)
        if len(compared) == 1:
            assert dance(case, "rollback", "prediction")[0] == 0
        return measured(registry, candidate, champion, config)

    monkeypatch.setattr(gating, "_evidence", evidence)
    outcome = run_gate(case.store, "prediction", "stga_net", gate())
    assert compared == ["2", "1"]
    assert (outcome.state, outcome.against) == (PROMOTED, "1")
    assert case.registry.aliases() == {"champion": "3", "previous": "1"}


def test_a_person_does_not_replace_a_champion_that_was_not_compared(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another promotion ends between the objections and the alias; with --force it is meant so."""
    for number in range(2):
        case.train(str(number), noise=1e-4 * number)
        run_gate(case.store, "prediction", "stga_net", gate())
    case.train("2", noise=2e-4)
    run_gate(case.store, "prediction", "stga_net", gate(require_approval=True))
    case.registry.tag("3", {"approved_by": "Ada"})
    judged = manual_promotion.objections

    def overtaken(registry: Registry, number: str, champion: str | None) -> list[str]:
        found = judged(registry, number, champion)
        registry.promote("1")
        return found

    monkeypatch.setattr(manual_promotion, "objections", overtaken)
    code, output = dance(case, "promote", "prediction")
    assert code == 1
    assert "another promotion or a rollback was faster: there is version 1 now" in output
    assert case.registry.aliases()["champion"] == "1"
    named = ("--version", "3", "--force", "--reason", "it is better")
    assert dance(case, "promote", "prediction", *named)[0] == 0
    assert case.registry.aliases()["champion"] == "3"


@on_server
def test_two_machines_promote_one_after_the_other(case: Case, server: Server) -> None:
    """Another machine does not see the lock on the file, only the one in the database."""
    run_id = case.tracker.client.create_run(case.tracker.initialise()).info.run_id
    case.tracker.client.create_registered_model(NAME)
    case.tracker.client.create_model_version(NAME, "file:///1", run_id)
    with ThreadPoolExecutor(1) as machine:
        with alone(case.store.databases, f".{NAME}.lock"):
            promotion = machine.submit(case.registry.promote, "1")
            wait_until(lambda: server.number(WAITING) > 0, 120)
            assert case.registry.aliases() == {}
        assert promotion.result(120) is None
    assert case.registry.aliases() == {"champion": "1"}


def vars_of(config: object) -> dict[str, object]:
    names = ("champion_margin", "style_margin", "mirror_percent")
    return {name: getattr(config, name) for name in names}


def test_a_version_can_wait_for_approval_by_a_person(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = gate(require_approval=True)
    case.train("first")
    outcome = run_gate(case.store, "prediction", "stga_net", config)
    assert outcome.state == AWAITING
    assert case.registry.aliases() == {"challenger": "1"}
    code, output = dance(case, "promote", "prediction")
    assert code == 1
    assert "it needs approval" in output
    before = inputs(case, config)
    with monkeypatch.context() as patch:  # deleted in MLflow
        patch.setattr(Registry, "_numbers", lambda _: [])
        assert inputs(case, config)["approval"] == ""
    case.registry.tag("1", {"approved_by": "Ada"})
    after = inputs(case, config)
    assert (before["approval"], after["approval"]) == ("", "Ada")  # so it is materialized again
    outcome = run_gate(case.store, "prediction", "stga_net", config)
    assert (outcome.state, outcome.approved_by) == (PROMOTED, "Ada")
    assert inputs(case, config) == after  # and then fresh


@folder_and_bucket
def test_clean_finds_runs_of_replaced_trainings(case: Case, tmp_path: Path) -> None:
    """A run without a folder here is garbage too, unless another machine may train in it."""
    replaced, current = case.train("first"), case.train("second", noise=1e-4)
    elsewhere = case.tracker.open_run(tmp_path, ASSET, {DAGSTER_RUN_TAG: "1"})
    (case.store.model(ASSET) / "first" / "outcome.json").write_text("{}")
    unused = _replaced_mlflow_runs(case.store)
    assert unused == sorted([replaced] if case.store.remote else [replaced, elsewhere])
    assert current not in unused


@both
def test_dance_promote_takes_an_approved_challenger(case: Case) -> None:
    case.train("first")
    run_gate(case.store, "prediction", "stga_net", gate(require_approval=True))
    case.registry.tag("1", {"approved_by": "Ada"})
    code, output = dance(case, "promote", "prediction")
    assert (code, output) == (0, "dance-prediction version 1 is champion.")
    code, output = dance(case, "promote", "prediction", "--version", "1")
    assert (code, output) == (0, "dance-prediction version 1 is champion already.")


class Killed(BaseException):
    pass


WRITES = (
    "create_registered_model",
    "create_model_version",
    "set_model_version_tag",
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "delete_model_version_tag",
    "update_model_version",
    "log_text",
)


class Dying:
    """A client whose process is killed before its n-th write."""

    def __init__(self, client: object, lives: int) -> None:
        self.client, self.lives, self.last = client, lives, ""

    def __getattr__(self, name: str) -> object:
        if name in WRITES and name != self.last:  # of several tags in a row, fail at the first
            self.lives -= 1
            if self.lives < 0:
                raise Killed
        self.last = name
        return getattr(self.client, name)


def test_a_promotion_killed_between_any_two_steps_converges(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.train("first")
    run_gate(case.store, "prediction", "stga_net", gate())
    case.train("second", noise=1e-4)
    client = case.tracker.client
    deaths = 0
    _evidence_once(monkeypatch)
    for lives in range(50):
        dying = Dying(client, lives)
        monkeypatch.setattr(Tracker, "client", dying, raising=False)
        try:
            outcome = run_gate(case.store, "prediction", "stga_net", gate())
        except Killed:
            deaths += 1
            monkeypatch.setattr(Tracker, "client", client, raising=False)
            aliases = Registry(case.tracker, "prediction").aliases()
            assert aliases["champion"] in {"1", "2"}, "there must always be a champion"
            continue
        break
    monkeypatch.setattr(Tracker, "client", client, raising=False)
    assert deaths >= 8
    assert outcome.state in {PROMOTED, KEPT}
    assert case.registry.aliases() == {"champion": "2", "previous": "1"}
    assert versions(case) == 2
    assert json.loads(case.store.output("prediction_champion").read_text())["version"] == "2"


def _evidence_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score once: a write takes milliseconds, scoring a second."""
    known: dict[str | None, Any] = {}
    measured = gating._evidence

    def evidence(registry: Registry, candidate: Any, champion: str | None, config: Any) -> Any:
        if champion not in known:
            known[champion] = measured(registry, candidate, champion, config)
        return known[champion]

    monkeypatch.setattr(gating, "_evidence", evidence)


@folder_and_bucket
def test_an_interrupted_rollback_resumes(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        run_id = case.train(name)
        note = json.loads((case.store.model(ASSET) / "mlflow.json").read_text())
        case.registry.promote(case.registry.register(run_id, note["model_id"], {}))
    assert case.registry.aliases() == {"champion": "2", "previous": "1"}
    client = case.tracker.client
    for lives in range(10):
        monkeypatch.setattr(Tracker, "client", Dying(client, lives), raising=False)
        try:
            Registry(case.tracker, "prediction").rollback()
        except Killed:
            continue
        break
    monkeypatch.setattr(Tracker, "client", client, raising=False)
    assert case.registry.aliases() == {"champion": "1"}


def test_a_champion_trained_on_validation_clips_is_not_compared(case: Case) -> None:
    """The splits were redrawn: some of its training clips are now validation clips."""
    case.train("first")
    run_gate(case.store, "prediction", "stga_net", gate())
    manifest = case.store.table("split_manifest")
    for name in ("train_split", "val_split"):
        other = "val_split" if name == "train_split" else "train_split"
        case.store.table(name).rename(case.store.table(f"{other}.new"))
    for name in ("train_split", "val_split"):
        case.store.table(f"{name}.new").rename(case.store.table(name))
    assert manifest.is_file()
    case.train("second")
    outcome = run_gate(case.store, "prediction", "stga_net", gate())
    assert outcome.state == REFUSED
    assert outcome.refusals == (
        "clips to compare on: 0 of 3 validation clips new to the champion (required: at least one)",
    )


def test_a_network_trained_on_other_splits_is_not_evaluated(case: Case) -> None:
    case.train("first")
    case.write_data(seed=3)
    with pytest.raises(ValueError, match="trained on other splits"):
        run_gate(case.store, "prediction", "stga_net", gate())


def test_a_training_whose_run_went_with_the_database_is_named_with_the_remedy(case: Case) -> None:
    case.train("first")
    note = case.store.model(ASSET) / "mlflow.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "run_id": "0" * 32}))
    with pytest.raises(InputError, match=r"mlflow.json: MLflow has no run.*Delete this file and"):
        run_gate(case.store, "prediction", "stga_net", gate())


def test_promoting_without_a_registry(tmp_path: Path) -> None:
    store = ["--store", str(tmp_path)]
    for arguments, message in (
        (["promote", "prediction"], "there is no store here"),
        (["rollback", "prediction"], "there is no store here"),
    ):
        result = CliRunner().invoke(make_app(), [*arguments, *store])
        assert result.exit_code == 2
        assert message in " ".join(result.output.split())


def test_a_task_that_there_is_not_is_named(case: Case) -> None:
    arguments = ["rollback", "singing", "--store", str(case.store.path)]
    result = CliRunner().invoke(make_app(), arguments)
    assert result.exit_code == 2
    assert "there is no task 'singing'" in " ".join(result.output.split())


def test_clean_deletes_nothing_that_came_into_use_while_it_asked(case: Case) -> None:
    """A run in another terminal went back to the data of the first training."""
    shutil.rmtree(case.store.path / "tables" / "sampled_frames")  # of no images
    first = case.train("first")
    now = case.store.output(ASSET).read_text()
    case.train("second", noise=1e-4)
    (case.store.model(ASSET) / "first" / "outcome.json").write_text("{}")
    write_table(pl.DataFrame({"clip": ["clip_00"]}), case.store.table("pose_dataset"), {})
    record = make_record(case.store)
    keep_versions(case.store, record)
    garbage = find_garbage(case.store)
    assert garbage.mlflow_runs == [first]
    kept = kept_table(case.store, "pose_dataset", record["tables"]["pose_dataset"])
    assert kept in garbage.versions
    log_record(case.tracker, first)
    case.store.output(ASSET).write_text(now)
    delete(case.store, garbage)
    assert (case.store.model(ASSET) / "first").is_dir()
    assert case.tracker.client.get_run(first).info.lifecycle_stage == "active"
    assert kept.is_file()
