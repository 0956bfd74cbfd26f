"""What plain rounding to fewer bits costs: every combination of widths of weights and of activations.

Each weight is rounded to the nearest integer between its extremes, each activation within its calibrated range, and
nothing else is done about the error.
"""

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from itertools import product

from lib.graph import Graph
from lib.quant.low_bit import LowBitModel, activation_bits, quantize
from lib.quant.ranges import Observed

SYMMETRIES = ("symmetric", "asymmetric")


@dataclass(frozen=True)
class Rounding:
    """Widths in bits; weights per "tensor" or per "channel"; weights and activations "symmetric" or "asymmetric"."""

    weight_bits: int
    activation_bits: int
    granularity: str = "channel"
    weight_symmetry: str = "symmetric"
    activation_symmetry: str = "asymmetric"

    @property
    def scheme(self) -> str:
        """
        >>> Rounding(4, 8).scheme
        'w4a8_channel_symmetric_asymmetric'
        """
        weight, activation, *kind = astuple(self)
        return "_".join([f"w{weight}a{activation}", *kind])


def combinations(weights: Iterable[int], activations: Iterable[int]) -> list[Rounding]:
    """All pairs of widths with symmetric weights per channel and asymmetric activations, the usual choice.

    The seven other kinds where one of the two widths is the largest: that tells them apart in a third of the time that
    all pairs would take.

    >>> len(combinations([8, 4, 2], [8, 4, 2]))
    44
    """
    pairs = list(product(weights, activations))
    widest = tuple(map(max, zip(*pairs, strict=True)))
    edges = [pair for pair in pairs if pair[0] == widest[0] or pair[1] == widest[1]]
    kinds = product(("channel", "tensor"), SYMMETRIES, SYMMETRIES)
    usual = [Rounding(*pair) for pair in pairs]
    return list(dict.fromkeys([*usual, *(Rounding(*pair, *kind) for kind in kinds for pair in edges)]))


def rounded(graph: Graph, observed: Mapping[str, Observed], calibration: str, rounding: Rounding) -> LowBitModel:
    """The float model with all values rounded.

    observed : what calibration knows of each tensor of lib.quant.low_bit.quantized_tensors
    calibration : of activations, see lib.quant.ranges.Observed.range
    """
    bits = activation_bits(graph, rounding.activation_bits)
    return quantize(
        graph,
        {tensor: observed[tensor].range(calibration, width) for tensor, width in bits.items()},
        bits,
        {layer.name: rounding.weight_bits for layer in graph.layers},
        rounding.granularity,
        rounding.weight_symmetry == "symmetric",
        rounding.activation_symmetry == "symmetric",
    )
