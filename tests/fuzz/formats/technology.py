"""Energies, areas and leakage of a technology node."""

from lib.arch import technology
from tests.fuzz.target import Target

TARGET = Target("technology.csv", [technology.TABLE.read_bytes()], technology.read)
