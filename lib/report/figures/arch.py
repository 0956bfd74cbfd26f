"""Figures about the accelerator's design space."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from lib.report.style import BLUE, DATAFLOW_NAMES, DATAFLOWS, GREEN, ORANGE, REFERENCE, facets, legend_below, panels

MARKERS = {"os": "o", "ws": "s", "is": "^"}


def array_axis(axes: Axes, arrays: list[str]) -> None:
    axes.set_xticks(range(len(arrays)), arrays)
    axes.set_xlabel("array (rows x columns of PEs)")


def with_array(scalesim: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table with a column `array` such as 16x16, and all arrays by number of PEs."""
    table = scalesim.assign(array=scalesim["rows"].astype(str) + "x" + scalesim["cols"].astype(str))
    sizes = table.assign(pes=table["rows"] * table["cols"]).sort_values(["pes", "rows"])
    return table, sizes.array.unique().tolist()


def dse_cycles(scalesim: pd.DataFrame) -> Figure:
    """Cycles of one inference over the array size, a line per dataflow."""
    table, arrays = with_array(scalesim)
    parts = facets(table)
    figure, axes = panels(1, len(parts), height=3.4)
    for panel, (name, part) in zip(axes[0], parts.items(), strict=True):
        # Compute cycles do not depend on the buffers.
        total = part[part.sram_kb == part.sram_kb.max()].groupby(["dataflow", "array"]).scalesim_cycles.sum()
        for dataflow in total.index.unique(0):
            cycles = total[dataflow].reindex(arrays)
            label, color, marker = DATAFLOW_NAMES[dataflow], DATAFLOWS[dataflow], MARKERS[dataflow]
            panel.plot(range(len(arrays)), cycles, color=color, marker=marker, label=label)
        array_axis(panel, arrays)
        panel.set(title=name, yscale="log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(EngFormatter(sep=""))
        panel.yaxis.set_minor_formatter(NullFormatter())
    axes[0][0].set_ylabel("compute cycles per inference (log)")
    legend_below(figure, axes[0][0])
    figure.suptitle("How many cycles does an inference take, and does a larger array pay?")
    return figure


def dse_utilization(scalesim: pd.DataFrame) -> Figure:
    """Share of the array's multiplications that are used, per layer and for the whole network."""
    table, arrays = with_array(scalesim)
    table = table[table.sram_kb == table.sram_kb.max()]
    parts = facets(table)
    flows = [flow for flow in DATAFLOWS if flow in set(table.dataflow)]
    rows = max(part.layer.nunique() for part in parts.values()) + 1
    width = 1.5 + 0.46 * len(flows) * len(arrays)
    figure, axes = panels(1, len(parts), width=width, height=1.3 + 0.36 * rows)
    for panel, (name, part) in zip(axes[0], parts.items(), strict=True):
        slots = part.assign(slots=part.scalesim_cycles * part["rows"] * part["cols"])
        whole = slots.groupby(["dataflow", "array"])[["macs", "slots"]].sum().eval("macs / slots")
        layers = part.pivot_table(index="layer", columns=["dataflow", "array"], values="utilization", sort=False)
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
            yticklabels=grid.index.tolist(),
            cbar=panel is axes[0][-1],
            cbar_kws={"label": "PE utilization (%)"},
        )
        panel.axhline(len(grid) - 1, color="white", linewidth=3)
        panel.tick_params(axis="x", rotation=55)
        panel.tick_params(axis="y", rotation=0)
        panel.set(title=name, xlabel="dataflow and array")
    figure.suptitle("How much of the array works, layer by layer?")
    return figure


def dse_energy(scalesim: pd.DataFrame) -> Figure:
    """Energy of one inference by component, a bar per array and dataflow, a panel per buffer size."""
    table, arrays = with_array(scalesim)
    parts, buffers = facets(table), sorted(table.sram_kb.unique())
    components = {"mac": ("MACs", BLUE), "sram": ("SRAM", GREEN), "dram": ("DRAM", ORANGE)}
    flows = [flow for flow in DATAFLOWS if flow in set(table.dataflow)]
    bars = [(flow, array) for flow in flows for array in arrays]
    figure, axes = panels(len(parts), len(buffers), width=4.8, height=2.8, sharex=True, sharey="row")
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        for panel, buffer in zip(row, buffers, strict=True):
            columns = [f"energy_{component}_pj" for component in components]
            total = part[part.sram_kb == buffer].groupby(["dataflow", "array"])[columns].sum().reindex(bars) / 1e6
            base = np.zeros(len(bars))
            for column, (label, color) in zip(columns, components.values(), strict=True):
                panel.bar(range(len(bars)), total[column], bottom=base, color=color, label=label, width=0.75)
                base += total[column].to_numpy()
            panel.set_xticks(range(len(bars)), [f"{flow} {array}" for flow, array in bars], rotation=55, ha="right")
            panel.set(title=f"{name}\nbuffers of {buffer} kB")
            panel.grid(axis="x", visible=False)
        row[0].set_ylabel("energy per inference (µJ)")
    legend_below(figure, axes[0][0])
    figure.suptitle("Where does the energy of an inference go?")
    return figure


def dse_bandwidth(scalesim: pd.DataFrame, clock_mhz: float, dram_gb_per_s: float) -> Figure:
    """DRAM bytes per compute cycle that each layer asks for, against what the configured memory gives."""
    table, arrays = with_array(scalesim)
    parts, buffers = facets(table), sorted(table.sram_kb.unique())
    given = 1000 * dram_gb_per_s / clock_mhz
    figure, axes = panels(len(parts), len(buffers), width=4.8, height=2.9, sharex="row", sharey="row")
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        layers = part.layer.unique().tolist()
        for panel, buffer in zip(row, buffers, strict=True):
            for index, (flow, array) in enumerate((f, a) for f in DATAFLOWS for a in arrays):
                chosen = part[(part.sram_kb == buffer) & (part.dataflow == flow) & (part.array == array)]
                offset = 0.7 * ((index + 0.5) / (len(DATAFLOWS) * len(arrays)) - 0.5)
                panel.scatter(
                    [layers.index(layer) + offset for layer in chosen.layer],
                    chosen.avg_dram_bytes_per_cycle,
                    s=14 + 22 * arrays.index(array),
                    color=DATAFLOWS[flow],
                    marker=MARKERS[flow],
                    alpha=0.8,
                    linewidth=0,
                    label=DATAFLOW_NAMES[flow] if array == arrays[0] else None,
                )
            panel.axhline(given, label=f"configured memory: {given:g} bytes/cycle", **REFERENCE)
            panel.set(title=f"{name}\nbuffers of {buffer} kB", yscale="log")
            long = sum(map(len, layers)) > 34
            panel.set_xticks(range(len(layers)), layers, rotation=55 if long else 0, ha="right" if long else "center")
            panel.grid(axis="x", visible=False)
        row[0].set_ylabel("DRAM demand (bytes/cycle, log)")
    legend_below(figure, axes[0][0], title=f"larger marks: larger arrays ({', '.join(arrays)})", columns=4)
    figure.suptitle("Which layers ask for more than the memory gives? (above the line: memory-bound)")
    return figure


def roofline(scalesim: pd.DataFrame, clock_mhz: float, dram_gb_per_s: float) -> Figure:
    """Attained speed of every layer over its MACs per DRAM byte, under the roof of array and memory.

    attained = MACs / max(compute time, memory time);  roof = min(rows * cols * clock, bandwidth * MACs per byte)
    Source: Williams, Waterman and Patterson, CACM 52(4), 2009.
    """
    table, arrays = with_array(scalesim)
    table = table.assign(gmacs_per_s=table.macs / table[["compute_ms", "memory_ms"]].max(axis=1) / 1e6)
    parts = facets(table)
    figure, axes = panels(len(parts), len(arrays), width=3.9, height=3.1, sharex="row", sharey="row")
    for row, (name, part) in zip(axes, parts.items(), strict=True):
        colors = dict(zip(part.layer.unique(), sns.color_palette("colorblind", part.layer.nunique()), strict=True))
        intensity = np.geomspace(part.macs_per_dram_byte.min() / 2, part.macs_per_dram_byte.max() * 2, 200)
        for panel, array in zip(row, arrays, strict=True):
            chosen = part[part.array == array]
            peak = (chosen["rows"] * chosen["cols"]).max() * clock_mhz / 1000
            panel.plot(intensity, np.minimum(peak, dram_gb_per_s * intensity), color="0.25", linewidth=1.4)
            for layer, color in colors.items():
                for flow, marker in MARKERS.items():
                    points = chosen[(chosen.layer == layer) & (chosen.dataflow == flow)]
                    place = points.macs_per_dram_byte, points.gmacs_per_s
                    panel.scatter(*place, color=color, marker=marker, s=26, alpha=0.8, linewidth=0)
            panel.set(title=f"{name}\n{array}: at most {peak:g} GMAC/s", xscale="log", yscale="log")
        for layer, color in colors.items():
            row[-1].scatter([], [], color=color, s=26, label=layer)
        for flow, marker in MARKERS.items():
            row[-1].scatter([], [], color="0.4", marker=marker, s=26, label=flow)
        row[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
        row[0].set_ylabel("attained (GMAC/s)")
    for panel in axes[-1]:
        panel.set_xlabel("MACs per DRAM byte")
    figure.suptitle("Is a layer held back by the memory (slope) or by the array (flat roof)?")
    return figure
