"""Which of array and memory a layer waits for.

Source: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model", CACM 2009.
"""

import numpy as np
from pandas import DataFrame, Series


def roofline(cycles: Series, dram_bytes: Series, clock_mhz: float, dram_gb_per_s: float) -> DataFrame:
    """Time in the array, time on the DRAM interface (1 GB = 10^9 bytes), and the one that bounds.

    returns : compute_ms, memory_ms [ms], bound ("compute" or "memory", whichever takes longer)

    >>> roofline(Series([500_000]), Series([4_000_000]), clock_mhz=500, dram_gb_per_s=1).bound[0]
    'memory'
    """
    compute_ms = cycles / (clock_mhz * 1e3)
    memory_ms = dram_bytes / (dram_gb_per_s * 1e6)
    bound = np.where(memory_ms > compute_ms, "memory", "compute")
    return DataFrame({"compute_ms": compute_ms, "memory_ms": memory_ms, "bound": bound})
