"""The weights of a trained network."""

from functools import partial

import torch

from lib.model import networks
from tests.fuzz.target import Target, written

NAME = "signal_cnn_1d"
STORED = written(lambda path: torch.save(networks.build(NAME, 5).state_dict(), path), ".pth")
TARGET = Target("weights.pth", [STORED], partial(networks.restore, NAME))
