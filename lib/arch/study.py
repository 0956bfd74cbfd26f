"""Answers from a costed design space: winners, what one step more would buy, bottlenecks, diminishing returns.

`designs` is everywhere the whole grid as lib.arch.cost.network_costs gives it, infeasible designs included, or its
blocks (lib.arch.space): of each block only the few rows stay that can matter for the answer.
"""

from itertools import chain, product

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from lib.arch.cost import DESIGN, layer_costs, network_costs
from lib.arch.pareto import SMALLEST, feasible, names
from lib.arch.space import Designs, axes, blocks
from lib.arch.technology import Technology
from lib.arch.topology import Layer

SIZES = ["rows", "cols", "ifmap_kb", "filter_kb", "ofmap_kb"]
COSTS = {"latency": "latency_ms", "energy": "energy_uj", "area": "area_mm2", "edp": "edp_uj_ms"}
# Sizes of a design and the parameters that make them up.
SWEEPS = {
    "pes": ["rows", "cols"],
    "sram_kb": ["ifmap_kb", "filter_kb", "ofmap_kb"],
    "dram_gb_per_s": ["dram_gb_per_s"],
    "clock_mhz": ["clock_mhz"],
}


def winners(designs: Designs, constraints: list[dict]) -> DataFrame:
    """The best design under each constraint, one row a constraint.

    constraints : name, minimise (a column of `designs`) and upper limits by column
    limits : the limits as text
    runner_up_ratio : next larger value of the cost among the designs within the limits, over the winner's (> 1)
    reason : empty; where no design meets the limits, which limit is missed by least, and by how much
    Of equally good designs the one with the smaller area wins, then the one with less energy.
    Raises InputError where no design can run the network.

    >>> designs = DataFrame([[size, size, "ws", 8, 8, 8, 1, 500] for size in (8, 16)], columns=DESIGN).assign(reason="")
    >>> designs = designs.assign(latency_ms=[2.0, 1.0], energy_uj=[3.0, 4.0], area_mm2=[1.0, 2.0])
    >>> fast = {"name": "fast", "minimise": "latency_ms"}
    >>> found = winners(designs, [fast, fast | {"name": "fast and small", "area_mm2": 1.5}])
    >>> found[["constraint", "limits", "design", "runner_up_ratio"]].values.tolist()
    [['fast', '', '16x16_ws_8kb', 2.0], ['fast and small', 'area_mm2 ≤ 1.5', '8x8_ws_8kb', nan]]
    """
    kept = [[] for _ in constraints]
    for block in feasible(designs):
        kept = [[_contenders(pd.concat([*k, block]), **c)] for k, c in zip(kept, constraints, strict=True)]
    found = [_winner(contenders, **c) for (contenders,), c in zip(kept, constraints, strict=True)]
    possible = pd.concat(chain.from_iterable(kept))
    chosen = possible[~possible.index.duplicated()].reindex([place for place, _ in found])
    known = chosen["rows"].notna()
    chosen.insert(0, "design", None)
    chosen.loc[known, "design"] = names(chosen[known].astype(dict.fromkeys(SIZES, int)))
    about = DataFrame([row for _, row in found])
    costs = chosen.drop(columns="reason").astype(dict.fromkeys(SIZES, "Int64")).reset_index(drop=True)
    return pd.concat([about[["constraint", "minimise", "limits"]], costs, about[["runner_up_ratio", "reason"]]], axis=1)


def _within(designs: DataFrame, limits: dict[str, float]) -> Series:
    return (designs[list(limits)] <= Series(limits, dtype=float)).all(axis=1)


def _contenders(possible: DataFrame, name: str, minimise: str, **limits: float) -> DataFrame:
    """The winner and, if there is one, a design with the next larger cost; without a winner, the closest design."""
    allowed = possible[_within(possible, limits)]
    if allowed.empty:
        return possible.loc[[(possible[list(limits)] / Series(limits)).max(axis=1).idxmin()]]
    cost = allowed[minimise]
    tied = allowed[cost == cost.min()].sort_values(["area_mm2", "energy_uj", "latency_ms", *SMALLEST])
    return pd.concat([tied[:1], allowed[cost > cost.min()].nsmallest(1, minimise)])


def _winner(contenders: DataFrame, name: str, minimise: str, **limits: float) -> tuple[int, dict]:
    """Index of the winner, -1 where there is none, and what to say of it."""
    about = {
        "constraint": name,
        "minimise": minimise,
        "limits": ", ".join(f"{column} ≤ {limit:g}" for column, limit in limits.items()),
        "runner_up_ratio": np.nan,
        "reason": "",
    }
    if not _within(contenders, limits).iloc[0]:
        excess = (contenders[list(limits)] / Series(limits)).iloc[0]
        (closest,) = names(contenders)
        reason = (
            f"no design is within the limits: the closest, {closest}, has {excess.max():.4g} times the allowed "
            f"{excess.idxmax()}"
        )
        return -1, about | {"reason": reason}
    least, *larger = contenders[minimise].to_numpy()
    return contenders.index[0], about | {"runner_up_ratio": larger[0] / least if larger else np.nan}


def met(winners: DataFrame) -> DataFrame:
    """The winners of the constraints that some design meets.

    >>> found = DataFrame({"constraint": ["fast", "small"], "design": ["8x8_ws_8kb", None]})
    >>> met(found.assign(**dict.fromkeys(SIZES, 8)))["constraint"].tolist()
    ['fast']
    """
    return winners.dropna(subset="design").astype(dict.fromkeys(SIZES, int))


def recommended(winners: DataFrame, front: DataFrame) -> DataFrame:
    """The winner under the first constraint that is met, one row; else the front's least energy-delay product.

    >>> none = DataFrame({"design": [None]}).assign(**dict.fromkeys(SIZES, 0))
    >>> front = DataFrame({"design": ["8x8_ws_8kb", "8x8_os_8kb"], "edp_uj_ms": [3.0, 2.0]})
    >>> recommended(none, front)["design"].tolist()
    ['8x8_os_8kb']
    """
    found = met(winners)
    return front.nsmallest(1, "edp_uj_ms") if found.empty else found[:1]


def sensitivity(designs: Designs, winners: DataFrame) -> DataFrame:
    """What one step of one parameter along its axis does to each winner, everything else as it is.

    step : "previous" or "next" value of the axis; for the dataflow, "other"
    latency_ratio, energy_ratio, area_ratio, edp_ratio : the other design's cost over the winner's; missing where the
        other design cannot run the network, for which `reason` says why

    >>> from lib.arch import space, technology
    >>> axes = dict.fromkeys(DESIGN, [64]) | {"rows": [8, 16], "dataflows": ["ws"], "clock_mhz": [500]}
    >>> designs = space.evaluate([Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)], space.grid(axes), technology.read())
    >>> best = winners(designs, [{"name": "fast", "minimise": "latency_ms"}])
    >>> columns = ["parameter", "step", "value", "other_value", "latency_ratio"]
    >>> sensitivity(designs, best)[columns].round(3).values.tolist()
    [['rows', 'previous', 16, 8, 2.186]]
    """
    found = met(winners).to_dict("records")
    seen, near = [], [[] for _ in found]
    for block in blocks(designs):
        seen.append(axes(block))
        for winner, neighbours in zip(found, near, strict=True):
            differing = sum((block[parameter] != winner[parameter]).to_numpy(int) for parameter in DESIGN)
            neighbours.append(block[differing <= 1])
    rows = []
    for winner, neighbours in zip(found, map(pd.concat, near), strict=True):
        differs = neighbours[DESIGN] != Series(winner)[DESIGN]
        itself = neighbours[~differs.any(axis=1)].iloc[0]
        for parameter in DESIGN:
            values = sorted(set().union(*(part[parameter] for part in seen)))
            alone = neighbours[differs.sum(axis=1) == differs[parameter]].set_index(parameter)
            for step, value in _steps(parameter, values, winner[parameter]):
                other = alone.loc[value]
                ratios = {f"{cost}_ratio": other[column] / itself[column] for cost, column in COSTS.items()}
                about = {"constraint": winner["constraint"], "design": winner["design"], "parameter": parameter}
                place = {"value": winner[parameter], "other_value": value, "step": step}
                rows.append(about | place | ratios | {"reason": other["reason"]})
    return DataFrame(rows)


def _steps(parameter: str, values: list, value) -> list[tuple]:
    if parameter == "dataflow":
        return [("other", other) for other in values if other != value]
    place = values.index(value)
    neighbours = {"previous": place - 1, "next": place + 1}
    return [(step, values[at]) for step, at in neighbours.items() if 0 <= at < len(values)]


def bottlenecks(layers: list[Layer], winners: DataFrame, technology: Technology, batch: int = 1) -> DataFrame:
    """lib.arch.cost.layer_costs of each winner, with its constraint in the first column.

    >>> from lib.arch import technology
    >>> layers = [Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1), Layer("fc", 1, 1, 1, 1, 256, 10, 1, 1)]
    >>> best = DataFrame([[8, 8, "ws", 64, 64, 64, 1, 500]], columns=DESIGN)
    >>> best = best.assign(constraint="fast", design="8x8_ws_64kb")
    >>> bottlenecks(layers, best, technology.read())[["constraint", "layer", "bound"]].values.tolist()
    [['fast', 'conv', 'ofmap'], ['fast', 'fc', 'compute']]
    """
    found = met(winners)
    if found.empty:
        return DataFrame(columns=["constraint"])
    costs = layer_costs(layers, found[DESIGN], technology, batch=batch)
    costs.insert(0, "constraint", found["constraint"].repeat(len(layers)).tolist())
    return costs


def returns(designs: Designs, winners: DataFrame) -> DataFrame:
    """The least latency, energy and energy-delay product that each size of array, SRAM, bandwidth and clock allows.

    parameter, value : pes, sram_kb (all three buffers), dram_gb_per_s, clock_mhz
    others : "free", or "as winner" where all else is as in the winner of the first constraint that is met
    latency_ms, energy_uj, edp_uj_ms : each the least among these designs with that value

    >>> from lib.arch import space, technology
    >>> axes = dict.fromkeys(DESIGN, [64]) | {"rows": [8, 16], "dataflows": ["ws"], "clock_mhz": [500]}
    >>> designs = space.evaluate([Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1)], space.grid(axes), technology.read())
    >>> found = returns(designs, winners(designs, [{"name": "fast", "minimise": "latency_ms"}]))
    >>> found.loc[found["parameter"] == "pes", ["others", "value", "latency_ms"]].round(3).values.tolist()
    [['free', 512, 0.01], ['free', 1024, 0.004], ['as winner', 512, 0.01], ['as winner', 1024, 0.004]]
    """
    reference = met(winners)[:1]
    least = {(parameter, others): [] for parameter in SWEEPS for others in ("free", "as winner")}
    for block in feasible(designs):
        sram_kb = block[SWEEPS["sram_kb"]].sum(axis=1)
        possible = block.assign(pes=block["rows"] * block["cols"], sram_kb=sram_kb)
        for parameter, parts in SWEEPS.items():
            rest = [column for column in DESIGN if column not in parts]
            for others, pool in {"free": possible, "as winner": possible.merge(reference[rest], on=rest)}.items():
                known = least[parameter, others]
                best = pool.groupby(parameter)[["latency_ms", "energy_uj", "edp_uj_ms"]].min()
                known[:] = [pd.concat([*known, best]).groupby(level=0).min()]
    tables = [
        table.rename_axis("value").reset_index().assign(parameter=parameter, others=others)
        for (parameter, others), (table,) in least.items()
    ]
    return pd.concat(tables, ignore_index=True)[["parameter", "others", "value", *best]]


def trends(
    layers: list[Layer],
    designs: Designs,
    dram_gb_per_s: float,
    clock_mhz: float,
    technology: Technology,
    batch: int = 1,
) -> DataFrame:
    """Costs of square arrays with three equal buffers at one bandwidth and clock, as lib.arch.cost.network_costs.

    The sides are all rows and columns that occur in `designs`, the buffers all their buffer sizes.
    pes, sram_kb : PEs of the array, size of each buffer [kB]; designs that cannot run the network are left out

    >>> from lib.arch import technology
    >>> layers = [Layer("fc", 1, 1, 1, 1, 256, 10, 1, 1)]
    >>> designs = DataFrame([[8, 16, "ws", 8, 8, 8, 1, 500]], columns=DESIGN)
    >>> found = trends(layers, designs, 1, 500, technology.read())
    >>> found[["pes", "sram_kb", "cycles"]].astype(int).values.tolist()
    [[64, 8, 1507], [256, 8, 1412]]
    """
    found = axes(designs)
    sides, buffers = (np.unique([value for size in sizes for value in found[size]]) for sizes in (SIZES[:2], SIZES[2:]))
    squares = [
        (side, side, dataflow, buffer, buffer, buffer, dram_gb_per_s, clock_mhz)
        for side, dataflow, buffer in product(sides, found["dataflow"], buffers)
    ]
    costs = network_costs(layers, DataFrame(squares, columns=DESIGN), technology, batch=batch)
    costs.insert(0, "pes", costs["rows"] * costs["cols"])
    costs.insert(1, "sram_kb", costs["ifmap_kb"])
    return costs[costs["reason"] == ""].drop(columns="reason")
