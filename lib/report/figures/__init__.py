"""One function a figure: from the tables that its parameters name to a matplotlib figure."""

from matplotlib.figure import Figure

from lib.report import style
from lib.report.figures import (
    arch,
    bench,
    calibration,
    designspace,
    fixedpoint,
    joint,
    lowbit,
    mapping,
    model,
    pairwise,
    quant,
    requantization,
    sensitivity,
    throughput,
)

FIGURES = {
    function.__name__: function
    for function in (
        model.training_curves,
        bench.accuracy_per_scheme,
        bench.latency_per_scheme,
        bench.accuracy_vs_latency,
        quant.distributions,
        quant.layer_sqnr,
        quant.layer_sensitivity,
        calibration.paired,
        calibration.calibration_study,
        calibration.folding,
        lowbit.bit_widths,
        lowbit.low_bit,
        sensitivity.bit_sensitivity,
        sensitivity.mixed_precision,
        fixedpoint.bit_growth,
        fixedpoint.accumulator_width,
        fixedpoint.accumulator_per_layer,
        fixedpoint.accumulator_relief,
        requantization.requantization,
        throughput.step_times,
        pairwise.pairwise,
        arch.dse_cycles,
        arch.dse_utilization,
        arch.dse_energy,
        arch.dse_bandwidth,
        arch.roofline,
        designspace.pareto,
        designspace.bottleneck_map,
        designspace.design_sensitivity,
        designspace.diminishing_returns,
        joint.joint,
        mapping.mapping,
    )
}


def draw(name: str, **tables) -> Figure:
    """Draw the figure `name` from tables by name."""
    style.apply()
    return FIGURES[name](**tables)
