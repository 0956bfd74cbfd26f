"""Figures about the cost of single designs: cycles, utilization, energy, bandwidth, roofline."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, NullLocator, StrMethodFormatter

from lib.report.style import (
    BLUE,
    BROWN,
    DATAFLOW_NAMES,
    DATAFLOWS,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    REFERENCE,
    SKY,
    facets,
    legend_below,
    panels,
    sns,
    tiles,
)

MARKERS = {"os": "o", "ws": "s", "is": "^"}
COMPONENTS = {
    "mac": ("MACs", BLUE),
    "register": ("registers", SKY),
    "requantize": ("requantization", PURPLE),
    "sram": ("SRAM", GREEN),
    "dram": ("DRAM", ORANGE),
    "static": ("static", GREY),
}
MOST_LAYERS = 12
# Of names at points from left to right, apart even where the points are not: offset in points, alignment.
NAME_PLACES = [(-6, 5, "right"), (6, -20, "left"), (6, -11, "left")]


def own(table: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """The rows of `table` about the workload that `part` is about."""
    return table[table.workload == part.workload.iloc[0]]


def busiest(part: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows of the layers that have most of `column`, at most MOST_LAYERS, in the network's order."""
    return part[part.layer.isin(part.groupby("layer")[column].sum().nlargest(MOST_LAYERS).index)]


def short(layer: str) -> str:
    """A layer's name without what PyTorch's exporter repeats, and without the operator.

    >>> short("/layer4/layer4.1/conv2/Conv"), short("conv1")
    ('layer4.1/conv2', 'conv1')
    """
    parts = layer.removesuffix("/Conv").removesuffix("/Gemm").removesuffix("/MatMul").strip("/").split("/")
    followers = [*parts[1:], ""]
    return "/".join(p for p, follower in zip(parts, followers, strict=True) if not follower.startswith(f"{p}."))


def simulated(scalesim: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The designs that did not fail, with a column `array` such as 16x16, and all arrays by number of PEs."""
    table = scalesim.dropna(subset=["scalesim_cycles", "latency_ms"])
    table = table.assign(array=table["rows"].astype(str) + "x" + table["cols"].astype(str))
    sizes = table.assign(pes=table["rows"] * table["cols"]).sort_values(["pes", "rows"])
    return table, sizes.array.unique().tolist()


def plain_log(axis: Axis, subs: tuple = (1, 2, 5)) -> None:
    """Ticks at these multiples of powers of ten, as plain numbers."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axis.set_minor_formatter(NullFormatter())


def array_axis(axes: Axes, sizes: list[int]) -> None:
    """A logarithmic axis of square arrays."""
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size}x{size}" for size in sizes], rotation=55)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("array (rows x columns of PEs)")


def dse_cycles(trends: pd.DataFrame, scalesim: pd.DataFrame) -> Figure:
    """Compute cycles of one inference over the size of a square array, a line per dataflow, SCALE-Sim's as rings."""
    parts = facets(trends)
    figure, axes = tiles(len(parts), height=3.6)
    for panel, (name, part) in zip(axes, parts.items(), strict=True):
        # Compute cycles do not depend on the buffers.
        part = part[part.sram_kb == part.sram_kb.max()].sort_values("rows")
        runs = own(scalesim, part).groupby(["dataflow", "rows", "cols", "ifmap_kb"]).scalesim_cycles
        runs = runs.sum(min_count=1).reset_index().query("rows == cols")
        for flow, color in DATAFLOWS.items():
            line, points = (rows[rows.dataflow == flow] for rows in (part, runs))
            look = {"color": color, "marker": MARKERS[flow]}
            panel.plot(line["rows"], line.compute_cycles, markersize=4, label=DATAFLOW_NAMES[flow], **look)
            look |= {"fillstyle": "none", "markersize": 11, "linestyle": ""}
            panel.plot(points["rows"], points.scalesim_cycles, **look)
        panel.plot([], [], "o", color="0.3", fillstyle="none", markersize=11, label="SCALE-Sim")
        first = part[part["rows"] == part["rows"].min()].compute_cycles.min()
        sizes = part["rows"].unique().tolist()
        scaled = first * (sizes[0] / np.array(sizes)) ** 2
        panel.plot(sizes, scaled, label="all PEs as useful as the first", **REFERENCE)
        array_axis(panel, sizes)
        panel.set(title=name, yscale="log", ylabel="compute cycles per inference (log)")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(EngFormatter(sep=""))
        panel.yaxis.set_minor_formatter(NullFormatter())
    legend_below(figure, axes[0], columns=5)
    figure.suptitle("How many cycles does an inference take, and does a larger array pay?")
    return figure


def dse_utilization(scalesim: pd.DataFrame) -> Figure:
    """Share of the array's multiplications that are used, per layer and for the whole network, no stalls counted."""
    table, arrays = simulated(scalesim)
    parts = {name: part[part.ifmap_kb == part.ifmap_kb.max()] for name, part in facets(table).items()}
    flows = [flow for flow in DATAFLOWS if flow in set(table.dataflow)]
    rows = max(min(part.layer.nunique(), MOST_LAYERS) for part in parts.values()) + 1
    width = max(4.5, 1.5 + 0.46 * len(flows) * len(arrays))
    figure, axes = tiles(len(parts), width=width, height=1.3 + 0.36 * rows)
    for panel, (name, part) in zip(axes, parts.items(), strict=True):
        slots = part.assign(slots=(part.compute_cycles + 1) * part["rows"] * part["cols"])
        whole = slots.groupby(["dataflow", "array"])[["macs", "slots"]].sum().eval("macs / slots")
        shown = busiest(slots.assign(utilization=slots.macs / slots.slots), "macs")
        layers = shown.pivot_table(index="layer", columns=["dataflow", "array"], values="utilization", sort=False)
        grid = pd.concat([layers, whole.rename("whole network").to_frame().T])
        grid = grid[[(flow, array) for flow in flows for array in arrays if (flow, array) in grid.columns]]
        labels = [f"{flow} {array}" for flow, array in grid.columns]
        sns.heatmap(
            100 * grid.to_numpy(float),
            ax=panel,
            cmap="cividis",
            vmin=0,
            vmax=100,
            annot=True,
            fmt=".0f",
            annot_kws={"size": 8},
            linewidths=0.5,
            xticklabels=labels,
            yticklabels=grid.index.map(short).tolist(),
            cbar=panel is axes[-1],
            cbar_kws={"label": "PE utilization (%)"},
        )
        panel.axhline(len(grid) - 1, color="white", linewidth=3)
        panel.tick_params(axis="x", rotation=55)
        panel.tick_params(axis="y", rotation=0)
        panel.set(title=name, xlabel="dataflow and array")
    figure.suptitle("How much of the array works, layer by layer?")
    return figure


def dse_energy(trends: pd.DataFrame) -> Figure:
    """Energy of one inference by component, over the array with the best buffers and the other way round.

    best : the design of least energy-delay product among those drawn
    """
    parts = facets(trends)
    sweeps = trends.pes.nunique(), trends.sram_kb.nunique()
    figure, axes = panels(len(parts), 2, width=5.5, height=2.9, gridspec_kw={"width_ratios": sweeps})
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        best = part.loc[(part.energy_uj * part.latency_ms).idxmin()]
        over_arrays, over_buffers = part[part.sram_kb == best.sram_kb], part[part.pes == best.pes]
        energy_bars(row[0], over_arrays, over_arrays["rows"].map("{0}x{0}".format))
        energy_bars(row[1], over_buffers, over_buffers.sram_kb.map("{} kB".format))
        row[0].set(title=f"{name}\nbuffers of {best.sram_kb} kB", ylabel="energy per inference (µJ)")
        row[1].set(title=f"array of {best['rows']}x{best.cols}\n")
    axes[-1][0].set_xlabel("dataflow and array")
    axes[-1][1].set_xlabel("dataflow and size of each buffer")
    legend_below(figure, axes[0][0])
    figure.suptitle("Where does the energy of an inference go?")
    return figure


def energy_bars(axes: Axes, part: pd.DataFrame, group: pd.Series) -> None:
    """Stacked bars of the rows' energies [µJ], those of one group beside each other, one per dataflow."""
    flows = [flow for flow in DATAFLOWS if flow in set(part.dataflow)]
    middle = flows[len(flows) // 2]
    part = part.assign(group=group).sort_values(["pes", "sram_kb"], kind="stable")
    groups = part.group.unique().tolist()
    place = part.group.map(groups.index) + 0.27 * (part.dataflow.map(flows.index) - (len(flows) - 1) / 2)
    base = np.zeros(len(part))
    for component, (label, color) in COMPONENTS.items():
        energy = part[f"energy_{component}_uj"].to_numpy()
        axes.bar(place, energy, bottom=base, color=color, label=label, width=0.23, linewidth=0)
        base += np.nan_to_num(energy)
    labels = part.dataflow + ("\n" + part.group).where(part.dataflow == middle, "")
    axes.set_xticks(place, labels, fontsize=7)
    axes.grid(axis="x", visible=False)


def dse_bandwidth(scalesim: pd.DataFrame) -> Figure:
    """DRAM bytes per compute cycle that each layer asks for, against what the memory gives."""
    table, arrays = simulated(scalesim)
    moved = table[[f"{operand}_dram_bytes" for operand in ("ifmap", "filter", "ofmap")]].sum(axis=1)
    table["bytes_per_cycle"] = moved / (table.compute_cycles + 1)
    parts, buffers = facets(table), sorted(table.ifmap_kb.unique())
    figure, axes = panels(len(parts), len(buffers), width=4.8, height=2.9, sharex="row", sharey="row")
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        part = busiest(part, "macs")
        layers = part.layer.map(short).unique().tolist()
        given = (1000 * part.dram_gb_per_s / part.clock_mhz).iloc[0]
        for panel, buffer in zip(row, buffers, strict=True):
            for index, (flow, array) in enumerate((f, a) for f in DATAFLOWS for a in arrays):
                chosen = part[(part.ifmap_kb == buffer) & (part.dataflow == flow) & (part.array == array)]
                offset = 0.7 * ((index + 0.5) / (len(DATAFLOWS) * len(arrays)) - 0.5)
                panel.scatter(
                    [layers.index(short(layer)) + offset for layer in chosen.layer],
                    chosen.bytes_per_cycle,
                    s=14 + 22 * arrays.index(array),
                    color=DATAFLOWS[flow],
                    marker=MARKERS[flow],
                    alpha=0.8,
                    linewidth=0,
                    label=DATAFLOW_NAMES[flow] if array == arrays[0] else None,
                )
            panel.axhline(given, label=f"the memory gives {given:g} bytes/cycle", **REFERENCE)
            panel.set(title=f"{name}\nbuffers of {buffer} kB", yscale="log")
            plain_log(panel.yaxis)
            long = sum(map(len, layers)) > 34
            panel.set_xticks(range(len(layers)), layers, rotation=55 if long else 0, ha="right" if long else "center")
            panel.grid(axis="x", visible=False)
        row[0].set_ylabel("DRAM demand (bytes/cycle, log)")
    legend_below(figure, axes[0][0], title=f"larger marks: larger arrays ({', '.join(arrays)})", columns=4)
    figure.suptitle("Which layers ask for more than the memory gives? (above the line: memory-bound)")
    return figure


def roofline(scalesim: pd.DataFrame, bottlenecks: pd.DataFrame) -> Figure:
    """Attained speed of every layer over its MACs per DRAM byte, under the roofs of the grid's arrays and the winner's.

    attained = MACs / latency;  roof = min(rows * cols * clock, bandwidth * MACs per byte)
    Source: Williams, Waterman and Patterson, CACM 52(4), 2009.
    """
    grid, arrays = simulated(scalesim)
    parts = facets(bottlenecks)
    shades = dict(zip(arrays, sns.color_palette("colorblind", len(arrays)), strict=True))
    figure, axes = tiles(len(parts), width=5.6, height=4.2)
    for panel, (name, part) in zip(axes, parts.items(), strict=True):
        winner = part[part.constraint == part.constraint.iloc[0]]
        for array, shade in shades.items():
            points = own(grid, part)
            points = points[points.array == array]
            roof(panel, points, color=shade, linewidth=1.2, label=f"roof of {array}")
            for flow, marker in MARKERS.items():
                chosen = points[points.dataflow == flow]
                look = {"color": shade, "marker": marker, "s": 16, "alpha": 0.6, "linewidth": 0}
                panel.scatter(intensity(chosen), speed(chosen), **look)
        roof(panel, winner, color="0.2", linewidth=2, label="roof of the recommended design")
        panel.scatter(intensity(winner), speed(winner), color=BROWN, marker="*", s=130, edgecolor="0.2", zorder=3)
        named = winner.nlargest(len(NAME_PLACES), "latency_ms")
        named = named.assign(x=intensity(named), y=speed(named)).sort_values("x")
        for row, (*offset, side) in zip(named.itertuples(), NAME_PLACES, strict=False):
            panel.annotate(short(row.layer), (row.x, row.y), offset, textcoords="offset points", ha=side, fontsize=8)
        panel.set(title=f"{name}\n{winner.design.iloc[0]}", xscale="log", yscale="log")
        panel.set(xlabel="MACs per DRAM byte (log)", ylabel="attained (GMAC/s, log)")
        plain_log(panel.xaxis)
        plain_log(panel.yaxis)
    for flow, marker in MARKERS.items():
        axes[0].scatter([], [], color="0.4", marker=marker, s=16, label=f"layers, {DATAFLOW_NAMES[flow]}")
    axes[0].scatter([], [], color=BROWN, marker="*", s=130, edgecolor="0.2", label="layers, recommended design")
    legend_below(figure, axes[0], columns=4)
    figure.suptitle("Is a layer held back by the memory (slope) or by the array (flat roof)?")
    return figure


def intensity(layers: pd.DataFrame) -> pd.Series:
    """MACs per byte that crosses the DRAM interface."""
    return layers.macs / layers[["ifmap_dram_bytes", "filter_dram_bytes", "ofmap_dram_bytes"]].sum(axis=1)


def speed(layers: pd.DataFrame) -> pd.Series:
    """Attained speed [GMAC/s]."""
    return layers.macs / layers.latency_ms / 1e6


def roof(axes: Axes, layers: pd.DataFrame, **look) -> None:
    """The roof of the design that the layers ran on, from the least to the largest intensity there is."""
    if len(layers):
        first = layers.iloc[0]
        x = np.geomspace(intensity(layers).min() / 2, intensity(layers).max() * 2, 200)
        peak = first["rows"] * first.cols * first.clock_mhz / 1000
        axes.plot(x, np.minimum(peak, first.dram_gb_per_s * x), **look)
