import torch
from torch import nn

from dance_models.nets.graph import first_order
from dance_models.nets.graph_gru import GraphGru


def test_cell_against_the_formula() -> None:
    torch.manual_seed(0)
    cell = GraphGru(6, 5)
    for parameter in cell.parameters():
        nn.init.uniform_(parameter, -1, 1)
    x, state = torch.randn(14, 3, 6), torch.randn(14, 3, 5)
    graphs = torch.stack([torch.eye(14), first_order()]) * cell.scale + cell.shift
    mixed = [torch.einsum("ij,jbh->ibh", graph, state) for graph in graphs]
    message = sum(m @ u.T for m, u in zip(mixed, cell.message.weight.split(5, dim=1), strict=True))
    assert isinstance(message, torch.Tensor)
    wx, um = cell.from_input(x).split(5, dim=-1), cell.from_message(message).split(5, dim=-1)
    r, z = torch.sigmoid(wx[0] + um[0]), torch.sigmoid(wx[1] + um[1])
    n = torch.tanh(wx[2] + r * um[2])
    torch.testing.assert_close(cell(x, state, cell.edges()), (1 - z) * n + z * state)


def test_the_carry_keeps_the_raw_state() -> None:
    """With the update gate at z = 1 the state passes, whatever the graph mixes."""
    cell = GraphGru(6, 5)
    with torch.no_grad():
        cell.from_input.bias[5:10] = 1e4
    state = torch.randn(14, 3, 5)
    torch.testing.assert_close(cell(torch.randn(14, 3, 6), state, cell.edges()), state)
