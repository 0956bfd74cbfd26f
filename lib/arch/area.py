"""Area [mm²] and leakage [mW] of an accelerator's array and memories. Sizes may be NumPy arrays."""

import numpy as np

from lib.arch.numerics import Numerics
from lib.arch.technology import Technology


def array_mm2(technology: Technology, numerics: Numerics, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """Area of the PEs and of one requantizer per column [mm²]: cells, without the space left for wires.

    A PE has a multiplier, an adder and a register each for activation, weight and sum, whichever of them stays.

    >>> from lib.arch.technology import read
    >>> node = read(node_nm=45)  # a PE: multiplier 282 µm², adder 137 µm², 48 bits of registers
    >>> [round(array_mm2(node, Numerics(weight_bits=bits), rows=16, cols=16), 4) for bits in (8, 4)]
    [0.3039, 0.2617]
    """
    registers = numerics.activation_bits + numerics.weight_bits + numerics.accumulator_bits
    mac = numerics.mac(technology.int8_multiply_um2, technology.int32_add_um2)
    pe = mac + technology.register_um2_per_bit * registers
    requantizer = numerics.requantizer(
        technology.fp32_multiply_um2, technology.int32_multiply_um2, technology.int32_add_um2
    )
    return cols * (rows * pe + requantizer) / 1e6


def sram_mm2(technology: Technology, kb: np.ndarray) -> np.ndarray:
    """Area of an SRAM of `kb` kB [mm²], its decoders and sense amplifiers included.

    >>> from lib.arch.technology import read
    >>> node = read(node_nm=45)
    >>> node.sram_um2_per_bit, round(sram_mm2(node, 64), 4)  # 64 kB are 524,288 bits
    (0.45, 0.2359)
    """
    return kb * 8192 * technology.sram_um2_per_bit / 1e6


def leakage_mw(technology: Technology, array_mm2: np.ndarray, sram_kb_total: np.ndarray) -> np.ndarray:
    """Power that leaks from an array and its SRAMs at the nominal supply [mW].

    >>> from lib.arch.technology import read
    >>> node = read(node_nm=45)
    >>> node.logic_leakage_mw_per_mm2, node.sram_leakage_mw_per_kb, round(leakage_mw(node, 0.5, 192), 3)
    (12.3, 0.0056, 7.225)
    """
    return technology.logic_leakage_mw_per_mm2 * array_mm2 + technology.sram_leakage_mw_per_kb * sram_kb_total
