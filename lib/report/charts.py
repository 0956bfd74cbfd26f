"""The page's interactive charts, as Vega-Lite specifications without data.

The page's script (explore.js) gives each chart the rows of the network that is looked at, its name for the title, and
the page's colours: one specification serves all networks, light and dark.
"""

import altair as alt

from lib.report.explore import COSTS
from lib.report.style import ACTIVATIONS, DATAFLOW_NAMES, DATAFLOWS, POLICIES, POLICY_NAMES, sns

# What the page sets: its colours, and what the rows are about.
GIVEN = {"ink": "black", "muted": "gray", "line": "lightgray", "faint": "silver", "surface": "white"}
GIVEN |= {"about": "", "workload": "", "minimise": next(iter(COSTS))}
BRUSH = alt.selection_interval(name="brush")
HEIGHT = 250  # of a panel [px]; widths are the page's


def palette(colors: list[tuple]) -> list[str]:
    """Colours of lib.report.style in hexadecimal.

    >>> palette([(0.0, 0.5, 1.0)])
    ['#0080ff']
    """
    return sns.color_palette(colors).as_hex()


def _colored(field: str, title: str, colors: dict[str, tuple], names: dict[str, str] | None = None) -> alt.Color:
    """A colour for each value as in the figures, with a legend in which the values have other `names`."""
    label = f"{names or {}}[datum.value] || datum.label"
    return (
        alt.Color(field, type="nominal")
        .scale(domain=list(colors), range=palette(list(colors.values())))
        .legend(title=title, labelExpr=label)
    )


def _logarithmic(channel: type, field: str, title: str):
    """An axis of costs, which differ by orders of magnitude, without zero."""
    return channel(field, type="quantitative").scale(type="log", nice=False, padding=8).axis(title=title, tickCount=6)


def _number(field: str, title: str, form: str = ".4~g") -> alt.Tooltip:
    return alt.Tooltip(field, type="quantitative", title=title, format=form)


def _text(field: str, title: str) -> alt.Tooltip:
    return alt.Tooltip(field, type="nominal", title=title)


def _finished(chart, description: str) -> dict:
    """The specification with what the page gives, its colours wherever text or lines are drawn, and no data.

    In panels beside each other, BRUSH can be drawn among points.
    """
    ink, muted, line = (alt.ExprRef(name) for name in ("ink", "muted", "line"))
    words = {"labelColor": muted, "titleColor": ink, "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": 500}
    specification = (
        chart.properties(description=description, background=alt.ExprRef("surface"))
        .properties(title=alt.TitleParams(alt.ExprRef("about"), anchor="start", fontSize=14, color=ink))
        .add_params(*(alt.param(name, value=value) for name, value in GIVEN.items()))
        .configure(font="system-ui, sans-serif")
        .configure_axis(**words, gridColor=line, domainColor=line, tickColor=line, labelOverlap=True)
        .configure_legend(
            **words, orient="bottom", titleLimit=400, symbolOpacity=1, symbolFillColor=muted, gradientLength=180
        )
        .configure_view(stroke=line)
        .to_dict()
    )
    panels = [panel.get("layer", [panel])[0] for panel in specification.get("concat", [])]
    if panels:
        views = [panel["name"] for panel in panels if panel["mark"]["type"] == "point"]
        select = {"type": "interval", "resolve": "global"}
        specification["params"].append({"name": BRUSH.name, "select": select, "views": views})
    return specification


def designs() -> dict:
    """Four panels of the design space: a rectangle drawn in one is shown in all.

    Rows: lib.report.explore.designs, with `within`, whether the design is within the limits, and `winner`.

    >>> [panel["layer"][0]["name"] if "layer" in panel else panel["name"] for panel in designs()["concat"]]
    ['time_energy_0', 'area_product_1', 'waiting_2', 'arrays']
    """
    files = "'results/arch/' + workload + '/designs.parquet'"
    runs = "'results/arch/' + workload + '/scalesim/' + datum.simulated + '/'"
    base = alt.Chart(alt.NamedData("designs")).transform_calculate(
        files=f"datum.simulated ? {files} + ', array simulated in ' + {runs} : {files}",
        dataflow_name=f"{DATAFLOW_NAMES}[datum.dataflow]",
    )
    about = [
        _text("design", "design"),
        _text("dataflow_name", "dataflow"),
        _number("clock_mhz", "clock (MHz)"),
        _number("dram_gb_per_s", "DRAM (GB/s)"),
        *(_number(cost, title) for cost, title in COSTS.items()),
        _number("utilization", "MACs per PE and cycle", ".1%"),
        _number("stall_share", "cycles waiting for DRAM", ".1%"),
        _text("files", "files"),
    ]
    color = _colored("dataflow", "dataflow", DATAFLOWS, DATAFLOW_NAMES)
    chosen = alt.when(BRUSH, alt.datum.within)

    def panel(name: str, x, y):
        # One legend serves all panels.
        flow = color if name == "time_energy" else color.legend(None)
        places = base.encode(x, y, tooltip=about)
        points = places.mark_point(filled=True, size=26).encode(
            color=chosen.then(flow).otherwise(alt.value(alt.ExprRef("faint"))),
            opacity=chosen.then(alt.value(0.75)).otherwise(alt.value(0.22)),
            order=alt.Order("within:Q"),
        )
        winner = places.transform_filter(alt.datum.winner).mark_point(size=190, strokeWidth=2.5, opacity=1)
        winner = winner.encode(color=alt.value(alt.ExprRef("ink")))
        return alt.layer(points.properties(name=name), winner).properties(height=HEIGHT)

    share = {"type": "quantitative"}
    percent = {"format": ".0%", "tickCount": 5}
    size = {"type": "ordinal", "sort": "ascending"}
    best = (
        base.transform_filter(alt.datum.within)
        .transform_filter(BRUSH)
        .transform_calculate(cost="datum[minimise]")
        .transform_aggregate(best="argmin(cost)", groupby=["rows", "cols"])
        .transform_calculate(cost="datum.best.cost", design="datum.best.design", clock="datum.best.clock_mhz")
        .mark_rect()
        .encode(
            alt.X("cols", **size).axis(title="columns of the array", labelAngle=0),
            alt.Y("rows", **size, scale=alt.Scale(reverse=True)).axis(title="rows of the array"),
            alt.Color("cost:Q")
            .scale(type="log", scheme="viridis", reverse=True)
            .legend(title="least of what is minimised, among the designs shown", format=".3~g", tickCount=3),
            tooltip=[
                _text("design", "best design shown"),
                _number("clock", "clock (MHz)"),
                _number("cost", "minimised"),
            ],
        )
        .properties(name="arrays", height=HEIGHT)
    )
    panels = [
        panel("time_energy", *(_logarithmic(c, n, COSTS[n]) for c, n in ((alt.X, "latency_ms"), (alt.Y, "energy_uj")))),
        panel("area_product", *(_logarithmic(c, n, COSTS[n]) for c, n in ((alt.X, "area_mm2"), (alt.Y, "edp_uj_ms")))),
        panel(
            "waiting",
            alt.X("stall_share", **share).axis(title="cycles waiting for DRAM", **percent),
            alt.Y("utilization", **share).axis(title="MACs per PE and cycle", **percent),
        ),
        best,
    ]
    chart = alt.concat(*panels, columns=2, spacing=24).resolve_scale(color="independent")
    return _finished(chart, "Accelerator designs: latency, energy, area, energy-delay product, use of the array")


def schemes() -> dict:
    """Accuracy over latency of the quantization schemes; values of the legends can be picked.

    Rows: lib.report.explore.schemes of one batch.

    >>> [layer["mark"]["type"] for layer in schemes()["layer"]]
    ['rule', 'point']
    """
    kinds = {"qdq": "QDQ", "qoperator": "QOperator", "float32": "float32"}
    picked = [
        alt.selection_point(name=f"picked_{part}", fields=[part], bind="legend") for part in ("activation", "format")
    ]
    colors = ACTIVATIONS | {"float32": (0.45, 0.45, 0.45)}
    base = (
        alt.Chart(alt.NamedData("schemes"))
        .transform_calculate(
            files="'results/' + (datum.scheme == 'float32' ? 'model/' + workload + '.onnx' "
            ": 'quant/' + workload + '/' + datum.scheme + '.onnx')"
        )
        .encode(
            _logarithmic(alt.X, "p50_ms", "median latency (ms)"),
            color=_colored("activation", "activations", colors),
            opacity=alt.when(*picked).then(alt.value(0.9)).otherwise(alt.value(0.08)),
        )
    )
    interval = base.mark_rule().encode(
        alt.Y("ci_low_percent", type="quantitative").scale(zero=False).axis(title="test accuracy (%)"),
        alt.Y2("ci_high_percent"),
        strokeWidth=alt.value(1),
        strokeOpacity=alt.value(0.35),
    )
    points = base.mark_point(filled=True, size=80).encode(
        alt.Y("accuracy_percent", type="quantitative"),
        shape=alt.Shape("format:N")
        .scale(domain=list(kinds), range=["circle", "square", "diamond"])
        .legend(title="graph", labelExpr=f"{kinds}[datum.value]"),
        tooltip=[
            *(_text(name, name) for name in ("scheme", "activation", "granularity", "calibration")),
            _number("accuracy_percent", "accuracy (%)"),
            _number("ci_low_percent", "from (%)"),
            _number("ci_high_percent", "to (%)"),
            _number("p50_ms", "median latency (ms)"),
            _number("speedup", "times float32's speed"),
            _number("size_kb", "size (kB)"),
            _text("files", "file"),
        ],
    )
    chart = alt.layer(interval, points.add_params(*picked)).properties(height=340)
    return _finished(chart, "Test accuracy and latency of quantization schemes")


def widths() -> dict:
    """Accuracy over accumulator width by overflow policy.

    Rows: lib.report.explore.widths of one layer, or of all.

    >>> [layer["mark"]["type"] for layer in widths()["layer"]]
    ['rule', 'line']
    """
    base = alt.Chart(alt.NamedData("widths")).encode(
        alt.X("accumulator_bits", type="quantitative")
        .scale(zero=False, nice=False, padding=10)
        .axis(title="accumulator (bits)", format="d")
    )
    accuracy = alt.Y("accuracy_percent", type="quantitative").axis(title="test accuracy (%)")
    lines = base.mark_line(point=alt.OverlayMarkDef(filled=True, size=55), strokeWidth=2).encode(
        accuracy,
        color=_colored("policy", "overflow", POLICIES, POLICY_NAMES),
        tooltip=[
            _text("policy", "overflow"),
            _number("accumulator_bits", "accumulator (bits)", "d"),
            _number("accuracy_percent", "accuracy (%)"),
            _number("lost_points", "points lost", ".2f"),
            _number("overflow_share", "sums that overflow", ".3~%"),
            _number("samples", "test samples", ",d"),
        ],
    )
    bound = (
        base.transform_aggregate(bound="max(bound_bits)")
        .mark_rule(strokeDash=[5, 4], color=alt.ExprRef("muted"), strokeWidth=1.5)
        .encode(alt.X("bound:Q"), tooltip=[_number("bound", "no input overflows from (bits)", "d")])
    )
    return _finished(alt.layer(bound, lines).properties(height=300), "Test accuracy by accumulator width and policy")


def numerics() -> dict:
    """Numerics with the designs that suit them, in two panels: a rectangle drawn in one is shown in both.

    Rows: lib.report.explore.numerics.

    >>> [panel["encoding"]["x"]["field"] for panel in numerics()["concat"]]
    ['edp_uj_ms', 'latency_ms']
    """
    base = (
        alt.Chart(alt.NamedData("numerics"))
        .transform_calculate(files="'results/arch/' + workload + '/joint.csv'")
        .encode(
            color=alt.when(BRUSH)
            .then(
                alt.Color("widths:N")
                .scale(range=sns.color_palette("colorblind").as_hex())
                .legend(title="bits of weights (W) and activations (A)")
            )
            .otherwise(alt.value(alt.ExprRef("faint"))),
            opacity=alt.when(BRUSH).then(alt.value(0.8)).otherwise(alt.value(0.2)),
            tooltip=[
                _text("numerics", "numerics"),
                _text("scheme", "scheme"),
                _number("accuracy_percent", "accuracy (%)"),
                _number("ci_low_percent", "from (%)"),
                _number("ci_high_percent", "to (%)"),
                _text("design", "design"),
                _number("clock_mhz", "clock (MHz)"),
                _number("dram_gb_per_s", "DRAM (GB/s)"),
                *(_number(cost, title) for cost, title in COSTS.items()),
                _text("files", "file"),
            ],
        )
        .mark_point(filled=True, size=50)
    )
    product, latency, energy = (
        _logarithmic(c, n, COSTS[n]) for c, n in ((alt.X, "edp_uj_ms"), (alt.X, "latency_ms"), (alt.Y, "energy_uj"))
    )
    accuracy = alt.Y("accuracy_percent", type="quantitative").axis(title="test accuracy (%)")
    accuracy = accuracy.scale(zero=False, padding=8)
    panels = [
        base.encode(product, accuracy).properties(name="accuracy_product", height=HEIGHT),
        base.encode(latency, energy).properties(name="time_energy", height=HEIGHT),
    ]
    return _finished(alt.concat(*panels, columns=2, spacing=24), "Numerics and hardware together: accuracy and costs")


CHARTS = {chart.__name__: chart for chart in (schemes, widths, designs, numerics)}
