"""The machine's 8-bit dot products, through torch's oneDNN.

The sums are exact only where the instructions add in 32 bits (VNNI): older CPUs add pairs of products in 16 bits,
which saturate. They are not used there, nor where torch is missing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np

from lib.fixedpoint.window import Window

Convolution = Callable[[np.ndarray], np.ndarray]


@cache
def available() -> bool:
    """Whether torch is here and the CPU has dot products of 8-bit integers that add in 32 bits.

    >>> a, b = np.full((1, 2), 127, np.int8), np.full((2, 1), 127, np.int8)
    >>> product(a, b).item() if available() else 127 * 127 * 2
    32258
    """
    try:
        import torch
    except ImportError:
        return False
    return torch.cpu._is_vnni_supported()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on the calling thread alone, for callers that have threads of their own.

    >>> import torch
    >>> with one_thread():
    ...     print(torch.get_num_threads() if available() else 1)
    1
    """
    if not available():
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b, int32 [M, N], for contiguous int8 a [M, K] and b [K, N].

    >>> product(np.int8([[1, 2]]), np.int8([[3], [4]])).tolist()
    [[11]]
    """
    import torch

    return torch._int_mm(torch.from_numpy(a), torch.from_numpy(b)).numpy()


def convolution(weight: np.ndarray, zero_point: int, window: Window, groups: int) -> Convolution | None:
    """The sums of products of a convolution: a function of uint8 x [B, C, *size], giving float32 [B · outputs, N].

    weight : integers [N, C / groups, *kernel]; zero_point : of x, with which it is padded; it is not taken off x
    The sums are integers. None where they could exceed the 2^24 up to which float32 holds them all, where the weights
    have more than 8 bits, or the machine has no such convolution.

    >>> convolve = convolution(np.ones((1, 1, 2, 2), np.int8), 0, Window((2, 2), {}), 1)
    >>> x = np.arange(9, dtype=np.uint8).reshape(1, 1, 3, 3)
    >>> convolve(x).ravel().tolist() if available() else [8.0, 12.0, 20.0, 24.0]
    [8.0, 12.0, 20.0, 24.0]
    >>> convolution(np.full((1, 600, 1, 1), 127), 0, Window((1, 1), {}), 1) is None  # 600 · 255 · 127 > 2^24
    True
    """
    largest = 255 * np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(1).max()
    if not available() or largest > 1 << 24 or weight.min() < -128 or weight.max() > 127:
        return None
    import torch

    flat = weight.ndim == 3  # one spatial axis: an image of height 1
    strides, dilations = ((1, *sizes) if flat else sizes for sizes in (window.strides, window.dilations))
    reach = (window.kernel[-1] - 1) * window.dilations[-1] + 1
    scales, zeros = torch.ones(len(weight)), torch.zeros(len(weight), dtype=torch.int64)
    kernels = torch.from_numpy((weight[:, :, None] if flat else weight).astype(np.int8))

    @cache
    def packed(strides: tuple[int, ...], pads: tuple[int, ...]) -> torch.Tensor:
        return torch.ops.onednn.qconv_prepack(kernels, scales, 1.0, 0, strides, pads, dilations, groups, None)

    def convolve(x: np.ndarray) -> np.ndarray:
        pads, axes, steps = window.pads(x.shape[2:]), x.ndim - 2, strides
        if window.output_size(x.shape[2:])[-1] == 1:
            # A window with one place in a line makes no step there, and with a step above 1 oneDNN's sums are wrong.
            x, pads, steps = window.padded(x, zero_point)[..., :reach], (0, 0), (*strides[:-1], 1)
        elif zero_point == 0 and pads[:axes] == pads[axes:]:  # oneDNN pads with 0, on both sides alike
            pads = (0, *pads[:axes])[-2:]
        else:
            x, pads = window.padded(x, zero_point), (0, 0)
        image = torch.from_numpy(x[:, :, None] if flat else x).contiguous(memory_format=torch.channels_last)
        geometry = (steps, pads, dilations, groups)
        sums = torch.ops.onednn.qconv2d_pointwise(
            image, 1.0, 0, packed(steps, pads), scales, zeros, None, *geometry, 1.0, 0, torch.float32, "none", [], ""
        )
        return sums.permute(0, 2, 3, 1).reshape(-1, len(weight)).numpy()

    return convolve
