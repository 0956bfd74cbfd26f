"""The register that adds up the products of a layer."""

from dataclasses import dataclass, field

import numpy as np

from lib.errors import InputError

POLICIES = ("saturate", "saturate_end", "wrap")


@dataclass(frozen=True)
class Accumulator:
    """An accumulator of `bits` bits, 2 … 32, that starts with the bias and takes one product at a time.

    overflow : what happens to a sum that does not fit: "wrap" (modulo 2^bits), "saturate" (every addition stops at the
        largest value) or "saturate_end" (the additions are exact, the final sum is clipped when it is stored)
    tile : products summed in the narrow register before they move to a second level of 32 bits, which holds the bias;
        None: there is no second level
    order : int [N, K], for each filter the places of its weights in the ONNX layout (channel, kernel row, kernel
        column) in the order of the additions; None: the layout's own order

    Raises InputError for another width or policy.

    >>> Accumulator(16, "saturate")
    Accumulator(bits=16, overflow='saturate', tile=None)
    >>> Accumulator(33)
    Traceback (most recent call last):
        ...
    lib.errors.InputError: accumulator_bits 33, overflow 'wrap': use 2 … 32 and saturate or saturate_end or wrap
    """

    bits: int = 32
    overflow: str = "wrap"
    tile: int | None = None
    order: np.ndarray | None = field(default=None, compare=False, repr=False)

    def __post_init__(self):
        if self.overflow not in POLICIES or not 2 <= self.bits <= 32:
            raise InputError(
                f"accumulator_bits {self.bits}, overflow {self.overflow!r}: use 2 … 32 and {' or '.join(POLICIES)}"
            )


INT32 = Accumulator()
