"""What designs cost on a network: cycles, traffic, energy and area, per layer or in total.

Cycles of the array are exact (lib.arch.systolic); DRAM traffic and stalls follow lib.arch.memory, energies and areas
lib.arch.energy and lib.arch.area. Layers run one after the other; groups and batch as in lib.arch.systolic.
"""

import numpy as np
import pandas as pd
from pandas import DataFrame

from lib.arch import area, energy, memory, systolic
from lib.arch.design import Design
from lib.arch.memory import Buffers
from lib.arch.numerics import INT8, Numerics
from lib.arch.technology import Technology
from lib.arch.topology import Layer
from lib.errors import InputError

DESIGN = ["rows", "cols", "dataflow", "ifmap_kb", "filter_kb", "ofmap_kb", "dram_gb_per_s", "clock_mhz"]
COMPONENTS = ("mac", "register", "requantize", "sram", "dram", "static")
KB = 1024


def layer_costs(
    layers: list[Layer], designs: DataFrame, technology: Technology, numerics: Numerics = INT8, batch: int = 1
) -> DataFrame:
    """One row per design and layer, in the designs' order.

    designs : columns DESIGN; buffers in kB of 1024 bytes, 1 GB/s = 10^9 bytes/s
    cycles : compute_cycles, the exact cycles of the array, and stall_cycles, in which it waits for the DRAM
    stays : operand that is kept while the others pass (lib.arch.memory)
    bound : "compute", or the operand with the most DRAM traffic where the DRAM decides
    sram_bytes : all accesses on the array's side, and every DRAM byte once on the other
    compute_ms, memory_ms : time of the array without stalls, time of the transfers alone; latency_ms is the layer's
    reason : empty, or why the design cannot run the layer; its costs are then missing

    Raises InputError for a design with a size, bandwidth or clock that is not positive, or an unknown dataflow.

    >>> from lib.arch.technology import read
    >>> layers = [Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1), Layer("fc", 1, 1, 1, 1, 256, 10, 1, 1)]
    >>> design = DataFrame([[16, 16, "ws", 64, 64, 64, 1.0, 500]], columns=DESIGN)
    >>> costs = layer_costs(layers, design, read(node_nm=45))
    >>> costs[["layer", "compute_cycles", "stall_cycles", "bound", "energy_mac_pj"]].round(0).values.tolist()
    [['conv', 4279, 79806, 'ofmap', 188227.0], ['fc', 751, 661, 'filter', 545.0]]
    """
    parts = []
    for dataflow, part in designs.groupby("dataflow", sort=False):
        costs, needs = _costs(layers, part, dataflow, technology, numerics, batch)
        shape = len(part), len(layers)
        table = part[DESIGN].loc[part.index.repeat(len(layers))]
        names = [Design(*sizes).name for sizes in part[DESIGN[:6]].itertuples(index=False, name=None)]
        table.insert(0, "design", np.repeat(names, len(layers)))
        table.insert(1, "layer", [layer.name for layer in layers] * len(part))
        table.insert(2, "macs", np.tile(costs.pop("macs"), len(part)))
        columns = {name: np.broadcast_to(values, shape).ravel() for name, values in costs.items()}
        reasons = _reasons(layers, part, needs, shape).ravel()
        parts.append(_with_costs(table, columns, reasons))
    return pd.concat(parts).loc[designs.index].reset_index(drop=True)


def network_costs(
    layers: list[Layer], designs: DataFrame, technology: Technology, numerics: Numerics = INT8, batch: int = 1
) -> DataFrame:
    """One row per design, index and order kept: sums over the layers, and the area.

    stall_share : share of the cycles in which the array waits for the DRAM, 0…1
    utilization : MACs per PE and cycle, stalls included, 0…1
    edp_uj_ms : energy-delay product, energy_uj times latency_ms
    reason : empty, or why the design cannot run its first such layer; its costs are then missing

    Raises InputError as `layer_costs` does.

    >>> from lib.arch.technology import read
    >>> layers = [Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1), Layer("fc", 1, 1, 1, 1, 256, 10, 1, 1)]
    >>> designs = DataFrame([[16, 16, "ws", kb, kb, kb, 1.0, 500] for kb in (64, 1)], columns=DESIGN)
    >>> costs = network_costs(layers, designs, read(node_nm=45))
    >>> costs[["cycles", "latency_ms", "area_mm2"]].round(3).values.tolist()
    [[85497.0, 0.171, 1.012], [151487.0, 0.303, 0.315]]
    >>> (500_000 * costs["latency_ms"] / costs["cycles"]).round(9).tolist()  # 500 MHz are 500,000 cycles a millisecond
    [1.0, 1.0]
    """
    parts = []
    for dataflow, part in designs.groupby("dataflow", sort=False):
        costs, needs = _costs(layers, part, dataflow, technology, numerics, batch)
        shape = len(part), len(layers)

        def total(name, costs=costs, shape=shape):
            return np.broadcast_to(costs[name], shape).sum(axis=1)

        array_mm2, sram_mm2 = areas(part, technology, numerics)
        cycles, latency_ms, energy_uj = total("cycles"), total("latency_ms"), total("energy_pj") / 1e6
        rows, cols = part["rows"].to_numpy(), part["cols"].to_numpy()
        columns = {
            "compute_cycles": total("compute_cycles"),
            "cycles": cycles,
            "stall_share": total("stall_cycles") / np.maximum(cycles, 1),
            "utilization": systolic.utilization(total("macs"), cycles, rows, cols),
            "dram_bytes": sum(total(f"{operand}_dram_bytes") for operand in Buffers._fields),
            "latency_ms": latency_ms,
            **{f"energy_{name}_uj": total(f"energy_{name}_pj") / 1e6 for name in COMPONENTS},
            "energy_uj": energy_uj,
            "area_array_mm2": array_mm2,
            "area_sram_mm2": sram_mm2,
            "area_mm2": array_mm2 + sram_mm2,
            "edp_uj_ms": energy_uj * latency_ms,
        }
        reasons = _reasons(layers, part, needs, shape)
        first = reasons[np.arange(len(part)), (reasons != "").argmax(axis=1)]
        parts.append(_with_costs(part[DESIGN], columns, first))
    return pd.concat(parts).loc[designs.index]


def _costs(layers, designs, dataflow, technology, numerics, batch) -> tuple[dict[str, np.ndarray], Buffers]:
    """Costs by name, and bytes that each buffer must hold; all broadcast to [designs, layers], one dataflow."""
    positive = designs[DESIGN].drop(columns="dataflow") > 0
    if not positive.all(axis=None):
        parameter = positive.columns[~positive.all()][0]
        raise InputError(f"design with {parameter} = {designs[parameter].min():g}: a positive number is needed")
    rows, cols, ifmap_kb, filter_kb, ofmap_kb, dram_gb_per_s, clock_mhz = (
        designs[name].to_numpy()[:, None] for name in DESIGN if name != "dataflow"
    )
    work, ifmap = systolic.work(layers, batch), memory.inputs(layers, batch)
    buffers = Buffers(ifmap_kb * KB, filter_kb * KB, ofmap_kb * KB)
    counts = systolic.count(work, rows, cols, dataflow)
    folding = systolic.fold(work, rows, cols, dataflow)

    dram = memory.traffic(work, folding, ifmap, rows, cols, dataflow, buffers, numerics)
    dram_bytes = dram.ifmap + dram.filter + dram.ofmap
    prefetch, drain = memory.edges(work, ifmap, rows, cols, dataflow, numerics)
    bytes_per_cycle = 1000 * dram_gb_per_s / clock_mhz
    stall_cycles, waits = memory.stalls(counts.compute_cycles, dram_bytes, prefetch, drain, bytes_per_cycle)
    cycles = counts.compute_cycles + stall_cycles
    latency_ms = cycles / clock_mhz / 1e3
    largest = np.argmax(np.broadcast_arrays(dram.ifmap, dram.filter, dram.ofmap), axis=0)

    accesses = memory.sram_accesses(work, counts, dram, numerics)
    array_mm2 = areas(designs, technology, numerics)[0][:, None]
    supply = energy.voltage(technology, clock_mhz)
    leakage_mw = area.leakage_mw(technology, array_mm2, ifmap_kb + filter_kb + ofmap_kb) * supply
    dynamic = {
        "mac": work.macs * energy.mac_pj(technology, numerics),
        "register": work.macs * energy.register_pj(technology, numerics, dataflow),
        "requantize": work.outputs * energy.requantize_pj(technology, numerics),
        "sram": sum(
            bytes_ * energy.sram_pj_per_byte(technology, kb)
            for bytes_, kb in zip(accesses, (ifmap_kb, filter_kb, ofmap_kb), strict=True)
        ),
    }
    energies = {f"energy_{name}_pj": value * supply**2 for name, value in dynamic.items()} | {
        "energy_dram_pj": dram_bytes * energy.dram_pj_per_byte(technology),
        "energy_static_pj": leakage_mw * latency_ms * 1e6,  # mW ms = 10^6 pJ
    }
    costs = {
        "macs": work.macs,
        "compute_cycles": counts.compute_cycles,
        "stall_cycles": stall_cycles,
        "cycles": cycles,
        "utilization": systolic.utilization(work.macs, cycles, rows, cols),
        "mapping_efficiency": counts.mapping_efficiency,
        "stays": dram.stays,
        "bound": np.where(waits, np.array(Buffers._fields)[largest], "compute"),
        "ifmap_sram_reads": counts.ifmap_sram_reads,
        "filter_sram_reads": counts.filter_sram_reads,
        "ofmap_sram_writes": counts.ofmap_sram_writes,
        "ifmap_dram_bytes": dram.ifmap,
        "filter_dram_bytes": dram.filter,
        "ofmap_dram_bytes": dram.ofmap,
        "sram_bytes": sum(accesses),
        "compute_ms": counts.compute_cycles / clock_mhz / 1e3,
        "memory_ms": dram_bytes / dram_gb_per_s / 1e6,
        "latency_ms": latency_ms,
        **energies,
        "energy_pj": sum(energies.values()),
    }
    return costs, memory.working_set(work, ifmap, rows, cols, dataflow, numerics)


def areas(designs: DataFrame, technology: Technology, numerics: Numerics) -> tuple[np.ndarray, np.ndarray]:
    """Area of array and buffers of each design [mm²].

    >>> from lib.arch.technology import read
    >>> designs = DataFrame([[16, 16, "ws", 64, 64, 64, 1.0, 500]], columns=DESIGN)
    >>> [values.round(3).tolist() for values in areas(designs, read(node_nm=45), INT8)]
    [[0.304], [0.708]]
    """
    array = area.array_mm2(technology, numerics, designs["rows"].to_numpy(), designs["cols"].to_numpy())
    return array, sum(area.sram_mm2(technology, designs[f"{operand}_kb"].to_numpy()) for operand in Buffers._fields)


def _reasons(layers: list[Layer], designs: DataFrame, needs: Buffers, shape: tuple[int, int]) -> np.ndarray:
    """Why a design cannot run a layer, [designs, layers]: the first buffer that is too small for one fold, or ""."""
    reasons = np.full(shape, "", dtype=object)
    for operand in reversed(Buffers._fields):
        kb = np.broadcast_to(designs[f"{operand}_kb"].to_numpy()[:, None], shape)
        need = np.broadcast_to(getattr(needs, operand), shape)
        short = need > kb * KB
        # Few cases, many designs.
        cases, which = np.unique(np.stack([np.nonzero(short)[1], kb[short], need[short]]), axis=1, return_inverse=True)
        texts = [
            f"{operand} buffer of {kb:g} kB: one fold of {layers[int(layer)].name} needs {need:,.0f} bytes"
            for layer, kb, need in cases.T
        ]
        reasons[short] = np.array(texts, dtype=object)[which]
    return reasons


def _with_costs(table: DataFrame, columns: dict[str, np.ndarray], reasons: np.ndarray) -> DataFrame:
    """The table with costs and reasons; where there is a reason, numbers are missing and words empty."""
    impossible = reasons != ""
    if impossible.any():
        missing = {name: np.nan if values.dtype.kind in "iuf" else "" for name, values in columns.items()}
        columns = {name: np.where(impossible, missing[name], values) for name, values in columns.items()}
    return pd.concat([table, DataFrame(columns | {"reason": reasons}, index=table.index)], axis=1)
