"""A model that was found is one version, also when an alias is moved meanwhile."""

from collections.abc import Mapping
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from registry_case import Case, gate

from dance_models.errors import InputError
from dance_models.evaluation import gate_evidence
from dance_models.evaluation.gate_evidence import GateModel
from pipelines.commands.export import _sources
from pipelines.tracking import promotion_gate, tracked_models
from pipelines.tracking.promotion_gate import run_gate
from pipelines.tracking.registry import Registry
from pipelines.tracking.tracked_models import ResolvedName, TrackedModel, find_model
from pipelines.tracking.tracker import Tracker
from pipelines.web.api_server import champions

CHAMPION = "dance-prediction@champion"


@pytest.fixture
def runs(case: Case) -> Mapping[str, str]:
    """Version -> run of two versions, of which the second is champion."""
    found = {}
    for number in (1, 2):
        found[f"dance-prediction version {number}"] = case.train(str(number), noise=1e-4 * number)
        run_gate(case.store, "prediction", "stga_net", gate())
    assert case.registry.aliases() == {"champion": "2", "previous": "1"}
    return found


def test_an_export_has_the_card_of_the_network_that_it_has(
    case: Case, runs: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = tracked_models.resolve

    def then_moved(tracker: Tracker, name: str) -> ResolvedName:
        found = resolve(tracker, name)
        case.registry.promote("1")
        return found

    monkeypatch.setattr(tracked_models, "resolve", then_moved)
    (source,) = _sources(CHAMPION, str(case.store.path))
    assert runs[source.title] in source.checkpoint.parts


def test_the_api_says_the_version_that_it_serves(
    case: Case, runs: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    aliases = Registry.aliases

    def then_moved(registry: Registry) -> dict[str, str]:
        found = aliases(registry)
        if found and registry.task == "prediction":
            with monkeypatch.context() as patch:
                patch.setattr(Registry, "aliases", aliases)
                registry.promote("1")
        return found

    monkeypatch.setattr(Registry, "aliases", then_moved)
    checkpoint, described = champions(case.store)["prediction"]
    assert runs[described.partition(" (")[0]] in checkpoint.parts


def test_the_gate_scores_the_champion_that_its_decision_names(
    case: Case, runs: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    case.train("3", noise=3e-4)
    find, measure = promotion_gate.find_model, gate_evidence.measure_evidence
    scored: list[GateModel | None] = []

    def when_moved(*arguments: Any) -> TrackedModel:
        case.registry.promote("1")
        return find(*arguments)

    def measured(task: str, candidate: GateModel, champion: GateModel | None, *rest: Any) -> Any:
        scored.append(champion)
        return measure(task, candidate, champion, *rest)

    monkeypatch.setattr(promotion_gate, "find_model", when_moved)
    monkeypatch.setattr(gate_evidence, "measure_evidence", measured)
    outcome = run_gate(case.store, "prediction", "stga_net", gate())
    assert scored[0] is not None
    assert runs["dance-prediction version 2"] in scored[0].checkpoint.parts
    assert scored[-1] is not None
    assert runs[f"dance-prediction version {outcome.against}"] in scored[-1].checkpoint.parts


@pytest.mark.parametrize("name", ["dance-prediction@nobody", "dance-prediction/7", "x/y", "0" * 32])
def test_what_is_not_there_is_told_from_a_database_that_fails(
    case: Case, runs: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with pytest.raises(InputError, match="there is no tracked model"):
        find_model(case.store, name)
    failure = MlflowException("database is locked", error_code=TEMPORARILY_UNAVAILABLE)

    def failing(*_: object) -> None:
        raise failure

    for method in ("get_run", "get_model_version", "get_model_version_by_alias"):
        monkeypatch.setattr(MlflowClient, method, failing)
    with pytest.raises(MlflowException, match="database is locked"):
        find_model(case.store, name)
    with pytest.raises(MlflowException, match="database is locked"):
        case.registry.description("1")
