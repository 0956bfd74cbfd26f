"""The register that adds up the products of a layer."""

from dataclasses import dataclass

from lib.errors import InputError

POLICIES = ("wrap", "saturate")


@dataclass(frozen=True)
class Accumulator:
    """An accumulator of `bits` bits, 2 … 32, that starts with the bias and takes one product at a time.

    overflow : what it does when a sum does not fit, "wrap" (modulo 2^bits) or "saturate" (stops at the largest value)

    Raises InputError for another width or policy.
    """

    bits: int = 32
    overflow: str = "wrap"

    def __post_init__(self):
        if self.overflow not in POLICIES or not 2 <= self.bits <= 32:
            raise InputError(
                f"accumulator_bits {self.bits}, overflow {self.overflow!r}: use 2 … 32 and {' or '.join(POLICIES)}"
            )


INT32 = Accumulator()
