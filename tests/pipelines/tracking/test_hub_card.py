"""The card of exported files: its facts are YAML that a hub reads, with the version's scores."""

import yaml

from pipelines.tracking.hub_card import hub_card


def _facts(card: str) -> dict[str, object]:
    _, front, _ = card.split("---\n", 2)
    found: dict[str, object] = yaml.safe_load(front)
    return found


def test_a_versions_scores_are_in_the_front_matter() -> None:
    tags = {
        "val/pck_torso_0.1": "0.8125", "test/pck_torso_0.1": "0.8", "gate/decision": "passed",
        "val/by_hand": "looks good", "test/seen": "nan",
    }  # fmt: skip
    card = hub_card("a <b>", "recognition", ["model.onnx"], tags, shipped=False)
    facts = _facts(card)
    assert facts["license"] == "other"
    assert facts["library_name"] == "onnx"
    (index,) = facts["model-index"]  # type: ignore[misc, attr-defined]
    metrics = [result["metrics"] for result in index["results"]]
    assert metrics == [
        [{"type": "pck_torso_0.1", "name": "pck_torso_0.1", "value": 0.8125}],
        [{"type": "pck_torso_0.1", "name": "pck_torso_0.1", "value": 0.8}],
    ]
    assert "# a <b>" not in card


def test_the_shipped_networks_say_their_licence_and_claim_no_score() -> None:
    card = hub_card("a", "prediction", ["model.pt2", "config.json"], {}, shipped=True)
    facts = _facts(card)
    assert (facts["license"], facts["library_name"]) == ("apache-2.0", "pytorch")
    assert "model-index" not in facts
    assert "`config.json`" in card
    assert "rendered data alone" in card
    assert "motion-forecasting" in facts["tags"]  # type: ignore[operator]
