"""Widths of the integers in an accelerator, and what arithmetic of these widths costs beside that of standard width.

Energy and area follow the same rules, so a cost here is either. An array multiplier has one cell for each pair of bits,
an adder one for each bit (Weste, Harris, "CMOS VLSI Design", 4th ed., sections 11.2 and 11.9).
"""

import re
from dataclasses import dataclass
from numbers import Integral

from lib.errors import InputError

WIDTHS = {"activation_bits": (1, 16), "weight_bits": (1, 16), "accumulator_bits": (8, 64)}


@dataclass(frozen=True)
class Numerics:
    """Widths of the integers in the array [bits] and how outputs are requantized.

    activation_bits, weight_bits : 1 … 16
    accumulator_bits : 8 … 64
    requantization : a mode of lib.fixedpoint.rescale: float32, power_of_two, or fixed<n> or gemmlowp<n> with a
        multiplier of n = 4 … 31 bits

    Raises InputError for another width or mode.

    >>> Numerics(weight_bits=4, requantization="fixed15")
    Numerics(activation_bits=8, weight_bits=4, accumulator_bits=32, requantization='fixed15')
    """

    activation_bits: int = 8
    weight_bits: int = 8
    accumulator_bits: int = 32
    requantization: str = "float32"

    def __post_init__(self):
        for name, (low, high) in WIDTHS.items():
            bits = getattr(self, name)
            if not (isinstance(bits, Integral) and low <= bits <= high):
                raise InputError(f"numerics: {name} is {bits!r}; use an integer, {low} … {high}")
        mode = self.requantization
        if mode not in ("float32", "power_of_two") and not 4 <= self.multiplier_bits <= 31:
            raise InputError(
                f"numerics: requantization {mode!r} is unknown; use float32, power_of_two, or fixed or gemmlowp "
                "followed by the multiplier's width, 4 … 31: fixed15"
            )

    @property
    def multiplier_bits(self) -> int:
        """Width of the requantizer's integer multiplier [bits]; 0 where it has none."""
        match = re.fullmatch("(?:fixed|gemmlowp)([1-9][0-9]?)", str(self.requantization))
        return int(match[1]) if match else 0

    def mac(self, int8_multiply: float, int32_add: float) -> float:
        """Cost of a multiplier and the accumulator's adder, from those of an 8x8-bit multiplier and a 32-bit adder.

        >>> round(Numerics(weight_bits=4, accumulator_bits=16).mac(0.2, 0.1), 3)
        0.15
        """
        return int8_multiply * self.activation_bits * self.weight_bits / 64 + int32_add * self.accumulator_bits / 32

    def requantizer(self, fp32_multiply: float, int32_multiply: float, int32_add: float) -> float:
        """Cost of a requantizer, from that of a float32 multiplier, a 32x32-bit multiplier and a 32-bit adder.

        In fixed point it multiplies by n bits and adds the rounding constant to the product; a power of two only adds.
        Shifters, the conversion to float32 and the clipping are left out.

        >>> Numerics(requantization="power_of_two").requantizer(3.7, 3.1, 0.1)
        0.1
        """
        if self.requantization == "float32":
            return fp32_multiply
        n = self.multiplier_bits
        return int32_multiply * self.accumulator_bits * n / 1024 + int32_add * (self.accumulator_bits + n) / 32


INT8 = Numerics()  # what ONNX Runtime computes with
