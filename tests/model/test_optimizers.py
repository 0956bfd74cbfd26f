"""Muon turns filters without scaling them; it is given those whose scale is free."""

import pytest
import torch
from torch import nn

from lib.model.networks import build
from lib.model.optimizers import Muon, scale_free


def test_scale_of_the_chosen_filters_changes_no_output():
    for name in ("tiny_cnn_2d", "resnet8", "ds_cnn"):
        network = build(name, 10, seed=0)
        x = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        before = network(x)
        with torch.no_grad():
            for parameter in scale_free(network):
                parameter.mul_(7)
        torch.testing.assert_close(network(x), before, rtol=1e-3, atol=1e-3)  # float32 and the norms' epsilon


def test_networks_without_batch_normalization_have_none():
    assert scale_free(build("signal_cnn_1d", 5)) == []


def test_a_step_is_orthogonal_and_filters_keep_norm_one():
    generator = torch.Generator().manual_seed(0)
    filters = nn.Parameter(torch.randn(8, 4, 3, 3, generator=generator))
    optimizer = Muon([filters], lr=0.1)
    filters.grad = torch.zeros_like(filters)
    optimizer.step()  # without a gradient it only scales
    before = filters.detach().clone()
    filters.grad = torch.randn(8, 4, 3, 3, generator=generator)
    optimizer.step()
    torch.testing.assert_close(filters.detach().flatten(1).norm(dim=1), torch.ones(8))
    # The steps of the filters, on the sphere and of nearly equal length, stand nearly at right angles to each other.
    turned = (filters.detach() - before).flatten(1)
    gram = turned @ turned.T
    assert gram.diagonal().min() > 3 * (gram - gram.diagonal().diag()).abs().max()


def test_filters_that_no_step_could_reach_are_refused():
    filters = nn.Parameter(torch.randn(8, 4, 3, 3).to(memory_format=torch.channels_last))
    with pytest.raises(RuntimeError):
        Muon([filters], lr=0.1)
