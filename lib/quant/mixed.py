"""Mixed precision: the width of each layer's weights that costs least while the predicted loss stays within a limit.

The loss is predicted as the sum of what the layers lose alone (lib.quant.bit_sensitivity). For 30 random assignments
of tiny_cnn_2d on CIFAR-10 that lose up to 5 points, this sum is off by 0.2 points on average; a power of the summed
noise in the logits, or of the Hessian proxy, by 0.3 and 0.4. What the layers lose is measured on the test set, which
then measures the assignment, too: among many, a solver prefers those that chance flatters.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from math import prod

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp

from lib.progress import Progress
from lib.quant.accuracy import Right, measured, points_lost
from lib.quant.low_bit import LowBitModel
from lib.quant.widths import WIDE, with_widths

PROVEN = {"mip_rel_gap": 0}  # by default, HiGHS is content within 0.01 % of the optimum


def cheapest(costs: np.ndarray, losses: np.ndarray, limit: float) -> np.ndarray:
    """Indices [layers] of the choices with the least sum of costs among those whose losses sum up to at most `limit`.

    costs, losses : [layers, choices], costs integral. Of equally cheap choices, those that lose least.
    Some choice has to be within the limit.

    With x = 1 for what is chosen and 0 for the rest: minimise sum cost · x, subject to sum loss · x <= limit and, for
    every layer, sum x = 1. HiGHS solves it to the proven optimum by branch and bound.
    Source: Huangfu and Hall, Mathematical Programming Computation 10 (2018) 119-142.

    >>> cheapest(np.array([[2, 8], [20, 80]]), np.array([[0.5, 0.0], [0.6, 0.0]]), 0.7).tolist()
    [1, 0]
    """
    one_each = LinearConstraint(np.kron(np.eye(len(costs)), np.ones(costs.shape[1])), 1, 1)

    def solve(objective: np.ndarray, bounded: np.ndarray, most: float) -> np.ndarray:
        within = LinearConstraint(bounded.ravel(), ub=most)
        problem = {"integrality": 1, "bounds": Bounds(0, 1), "constraints": [one_each, within], "options": PROVEN}
        return milp(objective.ravel(), **problem).x.reshape(costs.shape).argmax(axis=1)

    least = costs[np.arange(len(costs)), solve(costs, losses, limit)].sum()
    return solve(losses, costs, least)


def mixed_precision(
    models: Mapping[int, LowBitModel],
    sensitivity: pd.DataFrame,
    limits: Iterable[float],
    right: Right,
    float32_right: np.ndarray,
) -> Iterator[dict]:
    """One row per uniform width, and per objective and limit for the assignment that the solver finds.

    models : of one width each, see lib.quant.widths.uniform; sensitivity : the table of lib.quant.bit_sensitivity
    limits : points of accuracy that may be lost against float32, as predicted; float32_right : bool [N]

    Activations have WIDE bits. What the network loses with WIDE weights is lost by every assignment.
    weight_kb is 1000 bytes, bit_operations are billions: multiply-accumulates x weight bits x activation bits.

    >>> from lib.examples import agrees, float_graph, observations
    >>> from lib.quant.widths import uniform
    >>> models = uniform(float_graph(), observations(), widths=[2])
    >>> drops = {"layer": ["features", "logits"] * 2, "bits": [2, 2, 8, 8], "drop_points": [12, 3, 0, 0]}
    >>> table = pd.DataFrame({"kind": "weight"} | drops)
    >>> rows = mixed_precision(models, table, limits=[5], right=agrees, float32_right=np.ones(16, bool))
    >>> [(row["assignment"], float(row["weight_kb"])) for row in rows if row["objective"] == "size"]
    [('features:8 logits:2', 0.039)]
    """
    layers, widths = models[WIDE].graph.layers, list(models)
    names = [layer.name for layer in layers]
    drops = sensitivity[sensitivity.kind == "weight"].pivot(index="layer", columns="bits", values="drop_points")
    # Where fewer bits lose less it is chance, which the solver would pick: no width counts as better than a wider one.
    losses = drops.loc[names, widths[::-1]].cummax(axis=1)[widths].to_numpy()
    costs = {
        "size": np.outer([prod(layer.weight_shape) for layer in layers], widths),  # bits
        "bit operations": np.outer([layer.macs for layer in layers], widths) * WIDE,
    }

    @cache
    def executed(*choice: int) -> np.ndarray:
        return right(with_widths(models, {name: widths[i] for name, i in zip(names, choice, strict=True)}).to_onnx())

    always = points_lost(float32_right, executed(*[widths.index(WIDE)] * len(names)))
    chosen = [("uniform", "", np.nan, f"all:{width}", [i] * len(names)) for i, width in enumerate(widths)]
    for objective, cost in costs.items():
        for limit in limits:
            choice = cheapest(cost, losses, max(limit - always, 0)).tolist()
            assignment = " ".join(f"{name}:{widths[i]}" for name, i in zip(names, choice, strict=True))
            chosen.append(("mixed", objective, limit, assignment, choice))
    each, progress = range(len(names)), Progress(len(chosen), "assignments")
    for origin, objective, limit, assignment, choice in chosen:
        right_now = executed(*choice)
        lost, predicted = points_lost(float32_right, right_now), always + losses[each, choice].sum()
        progress(f"{origin} {assignment}: {lost:.2f} points lost, {predicted:.2f} predicted")
        yield {
            "origin": origin,
            "objective": objective,
            "allowed_loss_points": limit,
            "assignment": assignment,
            "weight_kb": costs["size"][each, choice].sum() / 8000,
            "bit_operations": costs["bit operations"][each, choice].sum() / 1e9,
            "predicted_loss_points": predicted,
            **measured(right_now),
            "loss_points": lost,
        }
