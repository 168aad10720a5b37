"""ONNX Runtime gives what torch gives, with the weights of whichever checkpoint it is given."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dance_models.analysis import shipped
from dance_models.config import MkffStGcnConfig, StgaNetConfig, StGcnConfig
from dance_models.errors import InputError
from dance_models.export.files import LARGEST_DIFFERENCE
from dance_models.export.folded import folded
from dance_models.export.graphs import write_graph
from dance_models.export.program import exportable
from dance_models.export.sessions import (
    GRAPHS,
    PREDICTION_GRAPH,
    RECOGNITION_GRAPH,
    OnnxMkffStGcn,
    OnnxStgaNet,
    fast_forecaster,
    fast_refiner,
    graph_facts,
    graph_of,
)
from dance_models.inference.refine import refine_runs
from dance_models.nets.build import build_forecaster, build_refiner
from dance_models.nets.refiner_input import packed_width
from dance_models.training.synthetic import synthetic_runs

GRAPH_OF = {
    shipped.RECOGNITION: RECOGNITION_GRAPH,
    shipped.RECOGNITION_CAUSAL: RECOGNITION_GRAPH,
    shipped.PREDICTION: PREDICTION_GRAPH,
}
checkpoints = pytest.mark.parametrize("checkpoint", GRAPH_OF, ids=lambda path: path.stem)


def fast(network: nn.Module) -> nn.Module:
    forecaster = fast_forecaster(network)
    return fast_refiner(network) if forecaster is network else forecaster  # type: ignore[arg-type]


def scrambled(network: nn.Module) -> nn.Module:
    """Other weights, and statistics of other training data."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.mul_(1 + 0.2 * torch.rand(value.shape, generator=generator))
    return network


@checkpoints
def test_a_network_of_the_package_gives_the_same_poses(checkpoint: Path) -> None:
    """Within 1e-4 of a torso: the networks' unit is the torso's length."""
    network, example = exportable(checkpoint)
    run = fast(network)
    assert isinstance(run, OnnxMkffStGcn | OnnxStgaNet)
    with torch.no_grad():
        for batch in (example[:1], example.repeat(10, 1, *[1] * (example.dim() - 2))):
            np.testing.assert_allclose(run(batch), network(batch), atol=LARGEST_DIFFERENCE)


@pytest.mark.parametrize("checkpoint", [shipped.RECOGNITION, shipped.PREDICTION])
def test_the_weights_are_those_of_the_network_and_not_of_the_graph(checkpoint: Path) -> None:
    network, example = exportable(checkpoint)
    before = network(example)
    network = scrambled(network)
    with torch.no_grad():
        wanted = network(example)
        assert not torch.allclose(wanted, before, atol=1e-3)
        np.testing.assert_allclose(fast(network)(example), wanted, atol=LARGEST_DIFFERENCE)


@checkpoints
def test_graphs_and_weights_of_the_package_belong_together(checkpoint: Path) -> None:
    """Every weight of the folded network is given to the graph, and the graph was not changed."""
    name = GRAPH_OF[checkpoint]
    facts, (network, _) = graph_facts(name), exportable(checkpoint)
    assert facts["graph_of"] == graph_of(network)
    content = (GRAPHS / f"{name}.onnx").read_bytes()
    assert facts["sha256"] == hashlib.sha256(content).hexdigest()
    sizes = {
        key: value.numel()
        for key, value in folded(network).state_dict().items()
        if value.is_floating_point()
    }
    assert {w["weight"]: int(np.prod(w["shape"])) for w in facts["weights"]} == sizes


def test_a_network_of_another_configuration_stays_with_torch() -> None:
    config = exportable(shipped.RECOGNITION)[0].config
    other = build_refiner(replace(config, spatial_channels=8)).eval()
    assert fast_refiner(other) is other
    plain = build_refiner(StGcnConfig(channels=4, blocks=1)).eval()
    assert fast_refiner(plain) is plain
    forecaster = build_forecaster(StgaNetConfig(channels=2, hidden=8, heads=2)).eval()
    assert fast_forecaster(forecaster) is forecaster


def test_runs_are_refined_in_it_as_in_torch() -> None:
    network, _ = exportable(shipped.RECOGNITION_CAUSAL)
    run = synthetic_runs(1, 40)[0]
    wanted, found = (refine_runs(model, [run])[0] for model in (network, fast_refiner(network)))
    np.testing.assert_allclose(found, wanted, atol=1e-2)  # pixels


@pytest.mark.parametrize(
    "config",
    [
        MkffStGcnConfig(spatial_channels=8, kinematic_channels=8, evidence=True),
        StGcnConfig(channels=4, blocks=2),
        StgaNetConfig(channels=4, hidden=8, heads=2, dct_inputs=5),
        StgaNetConfig(channels=4, hidden=8, heads=2, attention="additive"),
        StgaNetConfig(channels=4, hidden=8, heads=2, graph="gcn"),
    ],
    ids=["mkff", "st_gcn", "stga", "additive", "gcn"],
)
def test_folding_changes_nothing(config: MkffStGcnConfig | StGcnConfig | StgaNetConfig) -> None:
    if isinstance(config, StgaNetConfig):
        network, shape = scrambled(build_forecaster(config)).eval(), (3, 27, 14, 2)
    else:
        refiner = build_refiner(config)
        network = scrambled(refiner).eval()
        width = packed_width(config.landmarks, evidence=config.evidence)
        shape = (3, config.window, width)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    copy = folded(network)
    with torch.no_grad():
        np.testing.assert_allclose(copy(x), network(x), atol=1e-4)
    assert not [part for part in copy.modules() if isinstance(part, nn.BatchNorm1d)]
    assert any(value.requires_grad for value in network.parameters())  # it is a copy


@pytest.mark.slow
@pytest.mark.parametrize(
    "checkpoint",
    # That the graphs answer as the code does is tested above for all; this takes most of a minute.
    [shipped.RECOGNITION, pytest.param(shipped.PREDICTION, marks=pytest.mark.exhaustive)],
)
def test_the_graphs_of_the_package_are_what_the_code_gives(
    checkpoint: Path, tmp_path: Path
) -> None:
    """With other versions of the exporter the bytes may differ, and what goes where may not."""
    pytest.importorskip("onnxscript")
    name = GRAPH_OF[checkpoint]
    write_graph(*exportable(checkpoint), name, tmp_path)
    made, kept = graph_facts(name, tmp_path), graph_facts(name)
    assert made["graph_of"] == kept["graph_of"]
    assert {w["weight"] for w in made["weights"]} == {w["weight"] for w in kept["weights"]}


def test_what_follows_from_weights_unseen_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A weight that the exporter changed would be baked into the graph."""
    pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    constant = numpy_helper.from_array(np.ones((9, 9), np.float32), "made_of_weights")

    class Program:
        model_proto = helper.make_model(helper.make_graph([], "g", [], [], [constant]))

    monkeypatch.setattr("dance_models.export.graphs.onnx_program", lambda module, example: Program)
    with pytest.raises(InputError, match="made_of_weights follows from weights"):
        write_graph(*exportable(shipped.PREDICTION), "stga_net", tmp_path)
    assert not list(tmp_path.iterdir())
