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

    The other kinds of weights at every width beside the widest activations, and the other kind of activations beside
    the widest weights: what tells them apart, in half of the time that all pairs would take.

    >>> len(combinations([8, 4, 2], [8, 4, 2]))
    21
    """
    weights, activations = list(weights), list(activations)
    usual = [Rounding(*pair) for pair in product(weights, activations)]
    kinds = product(weights, ("channel", "tensor"), SYMMETRIES)
    of_weights = [Rounding(bits, max(activations), granularity, symmetry) for bits, granularity, symmetry in kinds]
    of_activations = [Rounding(max(weights), bits, activation_symmetry="symmetric") for bits in activations]
    return list(dict.fromkeys([*usual, *of_weights, *of_activations]))


def rounded(graph: Graph, observed: Mapping[str, Observed], calibration: str, rounding: Rounding) -> LowBitModel:
    """The float model with all values rounded.

    observed : what calibration knows of each tensor of lib.quant.low_bit.quantized_tensors
    calibration : of activations, see lib.quant.ranges.Observed.range

    >>> from lib.examples import float_graph, observations
    >>> model = rounded(float_graph(), observations(), "minmax", Rounding(weight_bits=3, activation_bits=4))
    >>> model.weights["logits"].integers.tolist(), model.activations["pooled"].bits
    ([[-2, 3, 3, 2], [0, 0, 2, 3], [3, 2, 1, -2]], 4)
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
