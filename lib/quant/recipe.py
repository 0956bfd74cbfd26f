"""How a low-bit model is made, and the name that says so."""

import re
from dataclasses import dataclass

from lib.errors import InputError

NAME = re.compile(r"w([2-8])a([2-8])(?:_qat|(_equalized)?_(minmax|mse)(_learned)?(_corrected)?)")


@dataclass(frozen=True)
class Recipe:
    """What is done to a float model, in this order, to have it in few bits.

    equalized : cross-layer equalization; weight_range : "minmax" or "mse", of weights and activations; empty if trained
    rounding : "nearest" or "learned"; bias_corrected : afterwards; trained : quantization-aware, instead of all that
    """

    weight_bits: int
    activation_bits: int
    equalized: bool
    weight_range: str
    rounding: str
    bias_corrected: bool
    trained: bool

    @classmethod
    def parse(cls, name: str) -> "Recipe":
        """The recipe called `name`; raises InputError where there is none.

        >>> Recipe.parse("w4a8_equalized_mse_learned").rounding
        'learned'
        """
        found = NAME.fullmatch(name)
        if not found:
            form = "w<bits>a<bits>[_equalized]_<minmax|mse>[_learned][_corrected] or w<bits>a<bits>_qat"
            raise InputError(f"recipe {name!r}: unknown; write it as {form}")
        weight, activation, equalized, weight_range, learned, corrected = found.groups()
        return cls(
            weight_bits=int(weight),
            activation_bits=int(activation),
            equalized=bool(equalized),
            weight_range=weight_range or "",
            rounding="learned" if learned else "nearest",
            bias_corrected=bool(corrected),
            trained=weight_range is None,
        )
