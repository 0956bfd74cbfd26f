"""Energy of the operations of an accelerator [pJ], and the supply that a clock needs.

Sizes may be NumPy arrays. Energies hold at the nominal supply; on-chip energy goes with the square of the supply.
"""

import numpy as np

from lib.arch.numerics import Numerics
from lib.arch.technology import Technology
from lib.errors import InputError


def mac_pj(technology: Technology, numerics: Numerics) -> float:
    """One multiply-accumulate [pJ].

    >>> from lib.arch.technology import read
    >>> round(mac_pj(read(node_nm=45), Numerics()), 3)  # Horowitz: 0.2 pJ to multiply, 0.1 pJ to add
    0.3
    """
    return numerics.mac(technology.int8_multiply_pj, technology.int32_add_pj)


def register_pj(technology: Technology, numerics: Numerics, dataflow: str) -> float:
    """The pipeline registers of one PE that are written at each multiply-accumulate [pJ].

    Whatever stays in the PE is not written, except the sums of an output-stationary array. Raises InputError for an
    unknown dataflow.

    >>> from lib.arch.technology import read
    >>> node = read(node_nm=45)
    >>> node.register_pj_per_bit, register_pj(node, Numerics(), "ws")  # an activation's 8 bits and a sum's 32
    (0.009, 0.36)
    """
    moving = {
        "os": numerics.activation_bits + numerics.weight_bits,
        "ws": numerics.activation_bits,
        "is": numerics.weight_bits,
    }
    if dataflow not in moving:
        raise InputError(f"dataflow {dataflow!r}: unknown; choose os, ws or is")
    return technology.register_pj_per_bit * (moving[dataflow] + numerics.accumulator_bits)


def requantize_pj(technology: Technology, numerics: Numerics) -> float:
    """From one accumulator to one output value [pJ].

    >>> from lib.arch.technology import read
    >>> requantize_pj(read(node_nm=45), Numerics())  # Horowitz: 3.7 pJ to multiply in float32
    3.7
    """
    return numerics.requantizer(technology.fp32_multiply_pj, technology.int32_multiply_pj, technology.int32_add_pj)


def sram_pj_per_byte(technology: Technology, kb: np.ndarray) -> np.ndarray:
    """One byte from or to an SRAM of `kb` kB [pJ]: a power law between the capacities of the table, and beyond them.

    >>> from lib.arch.technology import read
    >>> sram_pj_per_byte(read(node_nm=45), np.array([8, 32, 1024])).round(9).tolist()  # Horowitz's, by 8 bytes
    [1.25, 2.5, 12.5]
    """
    given_kb = np.array([8, 32, 1024])
    given_pj = np.array(
        [technology.sram_8kb_pj_per_byte, technology.sram_32kb_pj_per_byte, technology.sram_1024kb_pj_per_byte]
    )
    exponents = np.diff(np.log(given_pj)) / np.diff(np.log(given_kb))
    below = np.clip(np.searchsorted(given_kb, kb, side="right") - 1, 0, len(exponents) - 1)
    return given_pj[below] * (kb / given_kb[below]) ** exponents[below]


def dram_pj_per_byte(technology: Technology) -> float:
    """One byte from or to DRAM [pJ], interface included; the on-chip supply has no influence on it.

    >>> from lib.arch.technology import read
    >>> dram_pj_per_byte(read(node_nm=45))  # Horowitz: 1.3 nJ for 8 bytes
    162.5
    """
    return technology.dram_pj_per_byte


def voltage(technology: Technology, clock_mhz: np.ndarray) -> np.ndarray:
    """The lowest supply at which logic runs at the clock, relative to the nominal one [1].

    Alpha-power law: f ~ (V - threshold)^alpha / V, nominal supply and clock being one point of it. Below the clock of
    the node's lowest supply, that supply stays. On-chip dynamic energy goes with voltage², leakage power with voltage.
    Raises InputError for a clock that the node's highest supply does not reach.
    Source: Sakurai, Newton, "Alpha-power law MOSFET model and its applications to CMOS inverter delay and other
    formulas", IEEE J. Solid-State Circuits 25(2), 1990.

    >>> from lib.arch.technology import read
    >>> technology = read(node_nm=45)
    >>> float(voltage(technology, technology.clock_mhz))
    1.0
    """

    def speed(supply):
        return (supply - technology.threshold_v) ** technology.alpha / supply

    supplies = np.linspace(technology.lowest_supply_v, technology.highest_supply_v, 4001)
    supplies = np.union1d(supplies, technology.supply_v)
    clocks = technology.clock_mhz * (speed(supplies) / speed(technology.supply_v))
    if np.max(clock_mhz) > clocks[-1]:
        raise InputError(
            f"clock of {np.max(clock_mhz):g} MHz: out of reach at {technology.node_nm:g} nm, where "
            f"{technology.highest_supply_v:g} V allow {int(clocks[-1])} MHz; lower the clock or choose another node"
        )
    return np.interp(clock_mhz, clocks, supplies) / technology.supply_v
