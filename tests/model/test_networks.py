"""The networks have the published shapes."""

import torch

from lib.model.networks import NETWORKS, build


def parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_ds_cnn_has_the_parameters_of_the_reference():
    """The reference: 23,756 trainable with one input channel and 12 classes, of them a bias before each BatchNorm."""
    network = build("ds_cnn", 12)
    biases = sum(module.num_features for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d))
    two_more_channels = 2 * network.conv1.weight[:, 0].numel()
    assert parameters(network) - two_more_channels + biases == 23_756


def test_ds_cnn_pads_as_the_reference_does():
    """Padding "same" of stride s adds (ceil(n / s) - 1) · s + k - n pixels, here an even number."""
    conv = build("ds_cnn", 10).conv1
    for size, kernel, stride, padding in zip((32, 32), conv.kernel_size, conv.stride, conv.padding, strict=True):
        assert 2 * padding == (-(-size // stride) - 1) * stride + kernel - size
    assert build("ds_cnn", 10).eval().block4(conv(torch.zeros(1, 3, 32, 32))).shape == (1, 64, 16, 16)


def test_every_network_takes_a_batch_and_gives_a_logit_per_class():
    for name in NETWORKS:
        network = build(name, 7).eval()
        assert network(torch.zeros(2, *network.input_shape)).shape == (2, 7)
