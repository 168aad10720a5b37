"""A damaged example of a run costs its card the example, and stops no promotion."""

import pytest
from registry_case import Case, gate

from pipelines.tracking.promotion_gate import run_gate
from pipelines.tracking.tracker import EXAMPLE


@pytest.mark.parametrize("text", ["", '{"clip": "a', "[]", '{"clip": "a"}'])
def test_a_damaged_example_is_left_out_and_said(case: Case, text: str) -> None:
    """The gate ended with "JSONDecodeError" and no file, after it had registered the version."""
    run_id = case.train("first")
    case.tracker.client.log_text(run_id, text, EXAMPLE)
    run_gate(case.store, "prediction", "stga_net", gate())
    assert case.registry.aliases()["champion"] == "1"
    card = case.tracker.artifact(run_id, "model_card.md").read_text()
    assert "## Example\n\nNone: `example.json` of the run is damaged.\n" in card
