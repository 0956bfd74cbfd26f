"""How fast the integer engine is, where its time goes, and what the machine could do at best."""

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from time import perf_counter

import numpy as np
import torch

from lib.fixedpoint.accumulator import Accumulator
from lib.fixedpoint.model import Feeds, IntegerModel
from lib.fixedpoint.operators.linear import Linear


def step_times(model: IntegerModel, feeds: Feeds, rounds: int) -> list[dict]:
    """One row per step of the program: its median time on one batch and one thread.

    For layers that multiply also their multiply-accumulates, their rate, requantization included, and the rate at which
    their products are added one after the other in an accumulator that saturates.

    >>> from lib.examples import inputs, quantized_model
    >>> rows = step_times(IntegerModel.from_onnx(quantized_model()), {"input": inputs(4)}, rounds=3)
    >>> {row["step"]: row["macs"] for row in rows if "macs" in row}, all(row["ms"] > 0 for row in rows)
    ({'features': 9216, 'logits': 48}, True)
    """
    values, rows = dict(feeds), []
    for step in model.steps:
        inputs = [values[name] for name in step.inputs]
        values[step.output] = step.run(*inputs)
        row = {"step": step.node, "ms": _median_ms(lambda run=step.run, x=inputs: run(*x), rounds)}
        if isinstance(step.run, Linear):
            row["macs"] = values[step.output].size * step.run.macs_per_output
            row["gmac_per_s"] = row["macs"] / row["ms"] / 1e6
            narrow = replace(step.run, accumulator=Accumulator(12, "saturate"))
            narrow_ms = _median_ms(lambda run=narrow, x=inputs: run.accumulate(*x), max(3, rounds // 20))
            row["saturating_gmac_per_s"] = row["macs"] / narrow_ms / 1e6
        rows.append(row)
    return rows


def peak_gmac_per_s(rounds: int, size: int = 1024) -> float:
    """Rate of one large product of 8-bit matrices that stay in the cache: what torch's threads can do here at best.

    In 10^9 multiply-accumulates a second, by oneDNN, which torch brings along.

    >>> peak_gmac_per_s(rounds=3, size=64) > 0
    True
    """
    a = torch.from_numpy(np.random.default_rng(0).integers(-128, 128, (size, size), np.int8))
    return size**3 / _median_ms(lambda: torch._int_mm(a, a), rounds) / 1e6


def _median_ms(call: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return 1000 * median(times)
