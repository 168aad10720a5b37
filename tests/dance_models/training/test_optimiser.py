import pytest
import torch
from network_cases import NETWORKS, build
from torch import nn

from dance_models.config import TrainingConfig, paper_training
from dance_models.training.optimiser import graph_parameters, make_optimiser

GRAPHS = {
    "mkff_st_gcn": {"importance"},
    "st_gcn": {"importance"},
    "stga_net": {"logits", "free", "scale", "shift"},
    "stga_net, gcn": set[str](),
    "dmgnn": {"scale", "shift"},
    "simlpe": set[str](),
}


def _graphs(model: nn.Module) -> dict[str, nn.Parameter]:
    found = {id(parameter) for parameter in graph_parameters(model)}
    return {name: p for name, p in model.named_parameters() if id(p) in found}


@pytest.mark.parametrize("network", GRAPHS)
def test_learnt_graphs_of_the_networks(network: str) -> None:
    graphs = _graphs(build(NETWORKS[network]))
    assert {name.rsplit(".", 1)[1] for name in graphs} == GRAPHS[network]


@pytest.mark.parametrize("config", [TrainingConfig(weight_decay=0.1), paper_training()])
def test_weight_decay_leaves_learnt_graphs_out(config: TrainingConfig) -> None:
    model = build(NETWORKS["stga_net"])
    before = {name: p.clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser = make_optimiser(model, config)
    optimiser.step()
    shrunk = 1 - config.learning_rate * config.weight_decay
    graphs = _graphs(model)
    assert graphs
    for name, parameter in model.named_parameters():
        expected = before[name] * (1 if name in graphs else shrunk)
        torch.testing.assert_close(parameter, expected)


def test_every_weight_is_trained_once() -> None:
    for decay_graphs in (True, False):
        model = build(NETWORKS["stga_net"])
        optimiser = make_optimiser(model, TrainingConfig(decay_graphs=decay_graphs))
        assert len(optimiser.param_groups) == (1 if decay_graphs else 2)
        trained = [id(p) for group in optimiser.param_groups for p in group["params"]]
        assert sorted(trained) == sorted(id(p) for p in model.parameters())
