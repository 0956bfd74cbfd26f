"""The facts about the integer engine's speed, and what keeps it from the machine's limit."""

import pandas as pd


def speed(throughput: pd.DataFrame, step_times: pd.DataFrame) -> dict:
    """How fast the engine is beside its peers, and where the time of one batch goes on one thread.

    layers_share : of the time, in layers that multiply, requantization included; rate_share : how near these come to
    the fastest 8-bit product; slowest : the layer farthest from it; attainable : times as fast, if all came to it and
    everything else were free; saturating_gmac_per_s : rate of all layers together in saturating accumulators

    >>> steps = pd.DataFrame({"step": ["conv", "pool"], "ms": [1.0, 1.0], "macs": [5e7, 0], "gmac_per_s": [50.0, None]})
    >>> found = speed(pd.DataFrame({"batch": [64]}), steps.assign(peak_gmac_per_s=100.0, saturating_gmac_per_s=10.0))
    >>> {name: float(found[name]) for name in ("layers_share", "rate_share", "attainable")}
    {'layers_share': 0.5, 'rate_share': 0.5, 'attainable': 4.0}
    """
    layers = step_times[step_times.macs > 0]
    total, time, macs = step_times.ms.sum(), layers.ms.sum(), layers.macs.sum()
    peak = step_times.peak_gmac_per_s.iloc[0]
    farthest = layers.loc[(layers.ms - layers.macs / peak / 1e6).idxmax()]
    return {
        "comparisons": throughput.to_dict("records"),
        "batch": int(throughput.batch.iloc[0]),
        "peak_gmac_per_s": peak,
        "layers_share": time / total,
        "rate_share": macs / time / 1e6 / peak,
        "farthest": farthest.to_dict() | {"share": farthest.ms / total, "rate_share": farthest.gmac_per_s / peak},
        "saturating_gmac_per_s": macs / (layers.macs / layers.saturating_gmac_per_s).sum(),
        "attainable": total / (macs / peak / 1e6),
    }
