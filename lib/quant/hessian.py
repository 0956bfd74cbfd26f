"""How curved the loss is in the weights of each layer, as the trace of its Hessian.

Rounding changes the n weights of a layer by d. At a minimum of the loss, and where the changes of single weights have
nothing to do with each other, the loss grows by d'Hd / 2 = trace(H) / n · |d|² / 2, to second order.
Source: Dong et al., "HAWQ-V2: Hessian Aware trace-Weighted Quantization of Neural Networks", NeurIPS 2020.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lib.progress import Progress


def hessian_traces(
    network: nn.Module, layers: Sequence[str], x: np.ndarray, labels: np.ndarray, seed: int, draws: int = 16
) -> Iterator[dict]:
    """One row per layer: estimate of the trace of its Hessian, with its standard error.

    network : in evaluation mode, batch normalization folded; layers : names of its modules
    x, labels : training samples [N, C, …] and their classes [N]; the loss is their mean cross-entropy [nat]

    Hutchinson's method: for random signs v, the mean of v'Hv is the trace.
    Source: Hutchinson, Communications in Statistics 18 (1989) 1059-1076.

    Without weights both of two classes have p = 1/2, and the trace is 2 p (1 - p) |x|² = 12.5:

    >>> network = nn.Sequential(nn.Linear(2, 2, bias=False))
    >>> _ = nn.init.zeros_(network[0].weight)
    >>> (row,) = hessian_traces(network, ["0"], np.float32([[3, 4]]), np.array([0]), seed=0, draws=100)
    >>> round(float(row["trace"]), 1), round(float(row["standard_error"]), 1)
    (12.2, 1.6)
    """
    generator = torch.Generator().manual_seed(seed)
    loss = functional.cross_entropy(network(torch.from_numpy(x)), torch.from_numpy(labels))
    progress = Progress(len(layers), "layers")
    for name in layers:
        weight = network.get_submodule(name).weight
        (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
        estimates = []
        for _ in range(draws):
            v = torch.randint(0, 2, weight.shape, generator=generator) * 2.0 - 1
            (hv,) = torch.autograd.grad(gradient, weight, v, retain_graph=True)
            estimates.append(torch.sum(v * hv).item())
        error = np.std(estimates, ddof=1) / draws**0.5
        progress(f"trace of {name}: {np.mean(estimates):.4g} ± {error:.2g}")
        yield {"layer": name, "weights": weight.numel(), "samples": len(x), "draws": draws} | {
            "trace": np.mean(estimates),
            "standard_error": error,
        }
