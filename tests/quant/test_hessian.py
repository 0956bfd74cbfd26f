"""Hutchinson's estimate against the Hessian itself."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lib.quant.hessian import hessian_traces


class Small(nn.Module):
    """Two layers with a curved function between them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv1d(2, 3, 3)
        self.block = nn.Sequential(nn.Linear(3, 4, bias=False))

    def forward(self, x):
        return self.block(torch.tanh(self.conv(x)).mean(-1))


def problem():
    rng = np.random.default_rng(0)
    return Small(), rng.normal(size=(20, 2, 7)).astype(np.float32), rng.integers(0, 4, 20)


def exact_trace(network, name, x, labels):
    """The sum of the second derivatives of the loss by each weight of a layer."""
    parameter = f"{name}.weight"

    def loss(weight):
        logits = torch.func.functional_call(network, {parameter: weight}, torch.from_numpy(x))
        return functional.cross_entropy(logits, torch.from_numpy(labels))

    weight = network.get_parameter(parameter).detach()
    return torch.autograd.functional.hessian(loss, weight).reshape(weight.numel(), -1).trace().item()


def test_the_estimate_is_the_trace_within_its_standard_error():
    network, x, labels = problem()
    for row in hessian_traces(network, ["conv", "block.0"], x, labels, seed=0, draws=200):
        exact = exact_trace(network, row["layer"], x, labels)
        assert abs(row["trace"] - exact) < 3 * row["standard_error"] < 0.3 * abs(exact)


def test_it_is_repeatable_and_leaves_the_network_as_it_was():
    network, x, labels = problem()
    before = [parameter.clone() for parameter in network.parameters()]
    first, second = (list(hessian_traces(network, ["conv"], x, labels, seed=1, draws=4)) for _ in range(2))
    assert first == second
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in network.parameters())
