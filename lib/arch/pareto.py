"""The Pareto front of a design space, and which of its arrays SCALE-Sim simulates too."""

from collections import Counter
from collections.abc import Iterator

import moocore
import numpy as np
import pandas as pd
from pandas import DataFrame

from lib.arch.cost import DESIGN
from lib.arch.design import Design
from lib.arch.space import Designs, blocks
from lib.errors import InputError

OBJECTIVES = ["latency_ms", "energy_uj", "area_mm2"]
# What a design needs of the chip and the board around it; whoever has less of it sets a limit.
NEEDS = ["pes", "sram_kb", "dram_gb_per_s", "clock_mhz"]
# Of designs that cost the same, the one with the smaller buffers is preferred, then the smaller array, and so on.
SMALLEST = ["ifmap_kb", "filter_kb", "ofmap_kb", "rows", "cols", "dataflow", "dram_gb_per_s", "clock_mhz"]


def feasible(designs: Designs) -> Iterator[DataFrame]:
    """The designs of each block that can run the network; raises InputError with the commonest reason where none can.

    designs : lib.arch.cost.network_costs

    >>> designs = DataFrame({"latency_ms": [1.0, None], "reason": ["", "ifmap buffer of 1 kB: ..."]})
    >>> [block["latency_ms"].tolist() for block in feasible(designs)]
    [[1.0]]
    """
    found, reasons = False, Counter()
    for block in blocks(designs):
        possible = block[block["reason"] == ""]
        if not possible.empty:
            found = True
            yield possible
        elif not found:
            reasons.update(block["reason"])
    if not found:
        (reason, count), designs = reasons.most_common(1)[0], reasons.total()
        raise InputError(
            f"none of the {designs} designs of arch.space can run the network; enlarge its axes. "
            f"The commonest reason ({count} designs): {reason}"
        )


def names(designs: DataFrame) -> list[str]:
    """Each design's name (lib.arch.design), which says nothing of bandwidth and clock.

    >>> names(DataFrame([[16, 16, "ws", 64, 64, 64, 1.0, 500], [8, 4, "os", 64, 32, 8, 4.0, 500]], columns=DESIGN))
    ['16x16_ws_64kb', '8x4_os_64-32-8kb']
    """
    return [Design(*sizes).name for sizes in designs[DESIGN[:6]].itertuples(index=False)]


def front(designs: Designs, objectives: list[str] = OBJECTIVES) -> DataFrame:
    """The feasible designs that no other equals or betters in all objectives, by the first objective.

    Of designs equal in all objectives one stays (SMALLEST). Sorting by dominance is moocore's, O(n log n) for three
    objectives: Kung, Luccio, Preparata, "On finding the maxima of a set of vectors", Journal of the ACM, 1975.
    Raises InputError where no design can run the network.

    >>> designs = DataFrame([[8, 8, "ws", 64, 64, 64, 1, 500]] * 4, columns=DESIGN).assign(reason="")
    >>> designs = designs.assign(latency_ms=[2, 1, 3, 2], energy_uj=[1, 2, 3, 1], area_mm2=1)
    >>> front(designs)[OBJECTIVES].values.tolist()  # of two equals one stays
    [[1, 2, 1], [2, 1, 1]]
    """
    kept = []
    for block in feasible(designs):
        together = pd.concat([*kept, block])
        best = together[moocore.is_nondominated(together[objectives].to_numpy(float), keep_weakly=True)]
        kept = [best.sort_values([*objectives, *SMALLEST]).drop_duplicates(objectives)]
    return kept[0]


def contenders(designs: Designs) -> DataFrame:
    """Of each dataflow, the feasible designs that no other equals or betters in all costs and all needs.

    They are all that has to be known to answer any question of the form "which is the best design within these limits":
    a design outside them is equalled or bettered by one that needs no more, so it is within the same limits, and
    that one has no more latency, energy, area or energy-delay product.
    pes : processing elements; sram_kb : size of all three buffers [kB]
    Raises InputError where no design can run the network.

    >>> designs = DataFrame([[8, 8, "ws", 64, 64, 64, rate, 500] for rate in (1, 2, 4)], columns=DESIGN)
    >>> designs = designs.assign(latency_ms=[3, 2, 2], energy_uj=1, area_mm2=1, reason="")
    >>> contenders(designs)[["latency_ms", "pes", "sram_kb", "dram_gb_per_s"]].values.tolist()
    [[2, 64, 192, 2], [3, 64, 192, 1]]
    """
    kept: dict[str, DataFrame] = {}
    for block in feasible(designs):
        needs = {"pes": block["rows"] * block["cols"], "sram_kb": block[DESIGN[3:6]].sum(axis=1)}
        for dataflow, part in block.assign(**needs).groupby("dataflow", sort=False):
            known = [kept[dataflow]] if dataflow in kept else []
            kept[dataflow] = front(pd.concat([*known, part]), [*OBJECTIVES, *NEEDS])
    return pd.concat(kept.values())


def confirmed(front: DataFrame, winners: list[str], count: int | None) -> np.ndarray:
    """1 for the designs of the front that SCALE-Sim simulates too, 0 for the others.

    front : with the column `design`, by latency
    winners : names of designs that come before all others
    count : how many at most, one for each rows x cols array and dataflow: SCALE-Sim's cycles depend on nothing else.
        After the winners, arrays are taken evenly along the front, both ends included. None takes all.

    >>> names = ["8x8_ws_1kb", "8x8_ws_2kb", "16x8_ws_2kb", "8x8_os_2kb"]
    >>> found = DataFrame({"design": names, "rows": [8, 8, 16, 8], "cols": 8, "dataflow": ["ws", "ws", "ws", "os"]})
    >>> confirmed(found, winners=["8x8_ws_2kb"], count=2).tolist()  # the winner, then one of another array
    [0, 1, 1, 0]
    """
    places = {name: place for place, name in reversed(list(enumerate(winners)))}
    arrays = front.assign(winner=front["design"].map(places)).sort_values("winner", kind="stable")
    arrays = arrays.drop_duplicates(["rows", "cols", "dataflow"])
    first, others = arrays[arrays["winner"].notna()], arrays[arrays["winner"].isna()]
    left = len(others) if count is None else min(len(others), max(0, count - len(first)))
    evenly = np.linspace(0, len(others) - 1, left).round().astype(int)
    return front.index.isin([*first.index[:count], *others.index[evenly]]).astype(int)
