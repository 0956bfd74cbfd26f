"""The facts about the integer engine's speed, and what keeps it from the machine's limit."""

import pandas as pd


def speed(throughput: pd.DataFrame, step_times: pd.DataFrame) -> dict:
    """How fast the engine is beside its peers, and where the time of one batch goes on one thread.

    sums_share : of the time, in the sums of products; rate_share : how near these come to the fastest 8-bit product
    slowest : the step that takes longest; attainable : times as fast, if everything ran at the fastest product's rate
    """
    layers = step_times[step_times.macs > 0]
    total, sums, macs = step_times.ms.sum(), layers.sums_ms.sum(), layers.macs.sum()
    peak = step_times.peak_gmac_per_s.iloc[0]
    slowest = step_times.loc[step_times.ms.idxmax()]
    return {
        "comparisons": throughput.to_dict("records"),
        "batch": int(throughput.batch.iloc[0]),
        "peak_gmac_per_s": peak,
        "sums_share": sums / total,
        "rate_share": macs / sums / 1e6 / peak,
        "slowest": slowest.to_dict() | {"share": slowest.ms / total},
        "attainable": total / (macs / peak / 1e6),
    }
