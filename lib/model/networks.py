"""The networks of the study, built by name."""

from pathlib import Path

import torch
from torch import Tensor, nn

from lib.errors import InputError
from lib.files import reading


def global_average_pool(x: Tensor) -> Tensor:
    """Mean over all spatial axes: [B, C, …] -> [B, C].

    >>> global_average_pool(torch.tensor([[[1.0, 3.0], [4.0, 4.0]]]))
    tensor([[2., 4.]])
    """
    return x.mean(tuple(range(2, x.ndim)))


class SignalCNN1D(nn.Module):
    """Three Conv1d + ReLU, global average pool, linear: [B, 1, 128] -> [B, 5].

    >>> network = SignalCNN1D()
    >>> network(torch.zeros(2, 1, 128)).shape, sum(weight.numel() for weight in network.parameters())
    (torch.Size([2, 5]), 9253)
    """

    input_shape = (1, 128)

    def __init__(self, classes: int = 5):
        super().__init__()
        self.conv1 = nn.Conv1d(1, 16, 7, padding=3)
        self.conv2 = nn.Conv1d(16, 32, 5, padding=2)
        self.conv3 = nn.Conv1d(32, 64, 3, padding=1)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        for conv in (self.conv1, self.conv2, self.conv3):
            x = self.relu(conv(x))
        return self.fc(global_average_pool(x))


class TinyCNN2D(nn.Module):
    """Three Conv3x3 + BatchNorm + ReLU with two max pools, global average pool, linear: [B, 3, 32, 32] -> [B, 10].

    >>> network = TinyCNN2D()
    >>> network(torch.zeros(2, 3, 32, 32)).shape, sum(weight.numel() for weight in network.parameters())
    (torch.Size([2, 10]), 94762)
    """

    input_shape = (3, 32, 32)

    def __init__(self, classes: int = 10):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = nn.Conv2d(64, 128, 3, padding=1, bias=False), nn.BatchNorm2d(128)
        self.relu = nn.ReLU()
        self.downsample = nn.MaxPool2d(2)
        self.fc = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.downsample(self.relu(self.bn1(self.conv1(x))))
        x = self.downsample(self.relu(self.bn2(self.conv2(x))))
        x = self.relu(self.bn3(self.conv3(x)))
        return self.fc(global_average_pool(x))


class ResidualBlock(nn.Module):
    """Two Conv3x3 + BatchNorm with a shortcut; a 1x1 convolution carries the shortcut where the shape changes.

    >>> ResidualBlock(16, 32, stride=2)(torch.zeros(1, 16, 8, 8)).shape
    torch.Size([1, 32, 4, 4])
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = (
            nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.conv2, self.bn2 = (
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.relu = nn.ReLU()
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, stride) if stride != 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet8(nn.Module):
    """MLPerf Tiny's image classification model: [B, 3, 32, 32] -> [B, 10].

    Source: Banbury et al., "MLPerf Tiny Benchmark", NeurIPS Datasets and Benchmarks 2021.

    >>> network = ResNet8()
    >>> network(torch.zeros(2, 3, 32, 32)).shape, sum(weight.numel() for weight in network.parameters())
    (torch.Size([2, 10]), 77946)
    """

    input_shape = (3, 32, 32)

    def __init__(self, classes: int = 10):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.block1 = ResidualBlock(16, 16, 1)
        self.block2 = ResidualBlock(16, 32, 2)
        self.block3 = ResidualBlock(32, 64, 2)
        self.fc = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.block3(self.block2(self.block1(x)))
        return self.fc(global_average_pool(x))


class SeparableBlock(nn.Module):
    """One Conv3x3 per channel, then a Conv1x1 over the channels, each with BatchNorm + ReLU.

    >>> block = SeparableBlock(4)
    >>> block(torch.zeros(1, 4, 8, 8)).shape, block.conv_depthwise.weight.numel(), block.conv_pointwise.weight.numel()
    (torch.Size([1, 4, 8, 8]), 36, 16)
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv_depthwise, self.bn_depthwise = (
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.conv_pointwise, self.bn_pointwise = (
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn_depthwise(self.conv_depthwise(x)))
        return self.relu(self.bn_pointwise(self.conv_pointwise(x)))


class DSCNN(nn.Module):
    """MLPerf Tiny's keyword spotting model, on images and without its dropout: [B, 3, 32, 32] -> [B, 10].

    On images of even height and width, 4 and 1 pixels on both sides are the reference's padding "same".
    Source: mlcommons/tiny, benchmark/training/keyword_spotting/keras_model.py; Zhang et al., "Hello Edge", 2017.

    >>> network = DSCNN()
    >>> network(torch.zeros(2, 3, 32, 32)).shape, sum(weight.numel() for weight in network.parameters())
    (torch.Size([2, 10]), 28170)
    """

    input_shape = (3, 32, 32)

    def __init__(self, classes: int = 10):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, (10, 4), 2, padding=(4, 1), bias=False), nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.block1, self.block2 = SeparableBlock(64), SeparableBlock(64)
        self.block3, self.block4 = SeparableBlock(64), SeparableBlock(64)
        self.fc = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.block4(self.block3(self.block2(self.block1(x))))
        return self.fc(global_average_pool(x))


NETWORKS = {"signal_cnn_1d": SignalCNN1D, "tiny_cnn_2d": TinyCNN2D, "resnet8": ResNet8, "ds_cnn": DSCNN}


def build(name: str, classes: int, seed: int = 0) -> nn.Module:
    """The network called `name` with freshly drawn weights, the same for the same seed.

    >>> first, second = build("signal_cnn_1d", classes=5, seed=3), build("signal_cnn_1d", classes=5, seed=3)
    >>> first.fc.weight.shape, torch.equal(first.fc.weight, second.fc.weight)
    (torch.Size([5, 64]), True)
    """
    torch.manual_seed(seed)
    return NETWORKS[name](classes)


def restore(name: str, path: str | Path) -> nn.Module:
    """The network called `name` with the weights of a .pth file, in evaluation mode.

    Raises InputError where the file is damaged, is not a plain dictionary of tensors, or belongs to another network.

    >>> from lib.examples import folder
    >>> torch.save(build("signal_cnn_1d", classes=4).state_dict(), folder() / "signal.pth")
    >>> restore("signal_cnn_1d", folder() / "signal.pth").fc
    Linear(in_features=64, out_features=4, bias=True)
    """
    with reading(path, f"the weights of {name}"):
        weights = torch.load(path, weights_only=True)
        network = build(name, len(weights["fc.bias"]))
        network.load_state_dict(weights)
    broken = [key for key, value in weights.items() if not torch.isfinite(value).all()]
    if broken:
        raise InputError(f"{path}: {broken[0]} has values that are not finite; lower the learning_rate of {name}")
    return network.eval()
