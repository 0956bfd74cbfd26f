"""A double-buffered memory between array and DRAM: what is fetched again, and how long the array waits for it.

Three SRAMs hold ifmap, filters and ofmap. One half of each keeps what the array will use again, the other half
takes what arrives meanwhile, so transfers overlap with computation. A layer is `row_folds` x `col_folds` folds
(lib.arch.systolic). Either the columns' loop is outside or the rows' loop; the order changes no cycle of the array, and
each layer takes the one that moves fewer bytes.

An operand that passes several times is fetched again but for the share that stays in its half:

    words fetched = words · (1 + (passes - 1) · max(0, 1 - half / tile))

where `tile` is what passes by between two uses of the same word. A pass over the ifmap fetches each word once where
the half holds the lines that neighbouring windows share, and otherwise every window by itself. Partial sums that wait
for the next fold of rows and find no room in half of the ofmap SRAM travel to DRAM and back.

One DRAM interface serves all operands. The array waits for the first stationary operands, then for whatever traffic
exceeds the time of the folds, the folds' mean taken, and for the last outputs:

    cycles = prefetch / bandwidth + max(fold cycles · folds, rest / bandwidth) + drain / bandwidth

The model is ours; the loop orders are the reuse cases of Sze et al., "Efficient processing of deep neural networks",
2020, chapter 5, on SCALE-Sim's folds. Between layers everything goes through DRAM; SRAM ports keep up with the array.
"""

from typing import NamedTuple

import numpy as np

from lib.arch.numerics import Numerics
from lib.arch.systolic import Counts, Folding, Work
from lib.arch.topology import Layer


class Inputs(NamedTuple):
    """The ifmap of one group of each layer.

    words : distinct inputs that are read, of the whole batch
    channel_lines : from the first to the last word of a window in one channel, row by row, which windows that
        follow each other share [words]
    channels : input channels

    >>> Inputs(*(array.tolist() for array in inputs([Layer("conv", 10, 10, 3, 3, 2, 6, 1, 1)])))
    Inputs(words=[200], channel_lines=[23], channels=[2])
    """

    words: np.ndarray
    channel_lines: np.ndarray
    channels: np.ndarray


class Buffers(NamedTuple):
    """Capacity of each SRAM [bytes].

    >>> Buffers(*(1024 * kb for kb in (64, 64, 8)))
    Buffers(ifmap=65536, filter=65536, ofmap=8192)
    """

    ifmap: np.ndarray
    filter: np.ndarray
    ofmap: np.ndarray


class _Schedule(NamedTuple):
    """One loop order of a dataflow, for one group.

    stays : the operand that is kept while the others pass: ifmap, filter or ofmap (partial sums)
    ifmap, weights : (passes, tile) of each operand, tile in words
    channels : channels whose lines are in use at a time
    waiting : partial sums that wait for the next fold of rows [words]
    """

    stays: str
    ifmap: tuple
    weights: tuple
    channels: np.ndarray
    waiting: np.ndarray


class Traffic(NamedTuple):
    """DRAM bytes of each operand, all groups, and the operand that stays.

    >>> moved = Traffic(ifmap=1000, filter=200, ofmap=300, stays="filter")
    >>> sum(moved[:3]), moved.stays
    (1500, 'filter')
    """

    ifmap: np.ndarray
    filter: np.ndarray
    ofmap: np.ndarray
    stays: np.ndarray


def _word_bytes(numerics: Numerics) -> tuple[float, float, float]:
    """Bytes of an activation, a weight and a partial sum, all packed."""
    return numerics.activation_bits / 8, numerics.weight_bits / 8, numerics.accumulator_bits / 8


def inputs(layers: list[Layer], batch: int = 1) -> Inputs:
    """The layers' ifmaps for `batch` inferences.

    >>> found = inputs([Layer("conv", 10, 10, 3, 3, 2, 6, 1, 1)])  # 10·10·2 words; 2 lines of 10 pixels and 3 more
    >>> [array.item() for array in found]
    [200, 23, 2]
    """
    rows = [
        (
            batch * layer.ifmap_words // layer.groups,
            (layer.filter_h - 1) * layer.ifmap_w + layer.filter_w,
            layer.channels,
        )
        for layer in layers
    ]
    return Inputs(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)


def _schedules(work: Work, folding: Folding, ifmap: Inputs, rows, cols, dataflow: str) -> tuple[_Schedule, _Schedule]:
    """Both loop orders: columns outside, rows outside."""
    pixels, window, filters, _ = work
    row_size, _, _, row_folds, col_folds = folding
    weights = window * filters
    row_share = np.minimum(rows, row_size) / row_size  # of the operands that are spread over the rows
    if dataflow == "os":
        none, held = np.zeros_like(row_folds), window * np.minimum(cols, filters)
        return (
            _Schedule("filter", (col_folds, ifmap.words), (row_folds, held), ifmap.channels, none),
            _Schedule("ifmap", (col_folds, ifmap.words * row_share), (row_folds, weights), ifmap.channels, none),
        )
    # The window's channels are spread over the rows, one after the other: a fold holds some and parts of two more.
    taps = window // ifmap.channels
    slice_channels = np.minimum(ifmap.channels, -(-(np.minimum(rows, window) - 1) // taps) + 1)
    if dataflow == "ws":
        some, every = pixels * np.minimum(cols, filters), pixels * filters
        return (
            _Schedule("ofmap", (col_folds, ifmap.words), (1, weights), slice_channels, some),
            _Schedule("ifmap", (col_folds, ifmap.words * row_share), (1, weights), slice_channels, every),
        )
    some, every = filters * np.minimum(cols, pixels), filters * pixels
    return (
        _Schedule("ofmap", (1, ifmap.words), (col_folds, weights), ifmap.channels, some),
        _Schedule("filter", (1, ifmap.words), (col_folds, weights * row_share), slice_channels, every),
    )


def refetched(passes, tile, half):
    """How often an operand's words are fetched on average: once, and again what does not stay in `half` words.

    >>> float(refetched(4, tile=1000, half=750))
    1.75
    """
    return 1 + (passes - 1) * np.maximum(0.0, 1 - half / tile)


def _schedule_traffic(
    work: Work, folding: Folding, ifmap: Inputs, schedule: _Schedule, buffers: Buffers, numerics: Numerics
) -> Traffic:
    """DRAM bytes of each operand under one loop order."""
    pixels, window, filters, groups = work
    word, weight, partial = _word_bytes(numerics)
    passes, tile = schedule.ifmap
    half = buffers.ifmap / 2 / word
    shared = ifmap.words * refetched(passes, tile, half)
    lines_fit = ifmap.channel_lines * schedule.channels <= half
    ifmap_words = np.where(lines_fit, shared, passes * pixels * window)
    filter_words = window * filters * refetched(*schedule.weights, buffers.filter / 2 / weight)
    # Without partial sums nothing is spilled, whatever the buffer.
    spilled = np.maximum(0.0, 1 - buffers.ofmap / 2 / partial / np.maximum(schedule.waiting, 1))
    again = np.where(schedule.waiting > 0, folding.row_folds - 1, 0)
    partial_bytes = 2 * again * pixels * filters * partial * spilled
    return Traffic(
        ifmap=groups * np.ceil(ifmap_words * word),
        filter=groups * np.ceil(filter_words * weight),
        ofmap=groups * np.ceil(pixels * filters * word + partial_bytes),
        stays=np.asarray(schedule.stays),
    )


def traffic(
    work: Work, folding: Folding, ifmap: Inputs, rows, cols, dataflow: str, buffers: Buffers, numerics: Numerics
) -> Traffic:
    """DRAM bytes of each operand under the loop order that moves fewer.

    >>> from lib.arch.systolic import fold, work
    >>> layers = [Layer("fc", 1, 1, 1, 1, 256, 64, 1, 1)]
    >>> product, size = work(layers), {"rows": 16, "cols": 16, "dataflow": "ws"}
    >>> kept, folding = Buffers(1024, 1024, 1024), fold(product, **size)
    >>> found = traffic(product, folding, inputs(layers), **size, buffers=kept, numerics=Numerics())
    >>> [array.item() for array in found]  # 256 inputs, 256·64 weights, 64 outputs, once each
    [256.0, 16384.0, 64.0, 'ofmap']
    """
    columns, row = (
        _schedule_traffic(work, folding, ifmap, schedule, buffers, numerics)
        for schedule in _schedules(work, folding, ifmap, rows, cols, dataflow)
    )
    better = sum(row[:3]) < sum(columns[:3])
    return Traffic(*(np.where(better, second, first) for first, second in zip(columns, row, strict=True)))


def edges(work: Work, ifmap: Inputs, rows, cols, dataflow: str, numerics: Numerics) -> tuple[np.ndarray, np.ndarray]:
    """Bytes that the first fold needs before it starts, and that are left to store after the last one.

    >>> from lib.arch.systolic import work
    >>> layers = [Layer("fc", 1, 1, 1, 1, 256, 64, 1, 1)]
    >>> found = edges(work(layers), inputs(layers), 16, 16, "ws", Numerics())
    >>> [array.item() for array in found]  # 16·16 weights before, the last 16 outputs after
    [256.0, 16.0]
    """
    pixels, window, filters, _ = work
    word, weight, _ = _word_bytes(numerics)
    if dataflow == "os":
        return (
            np.minimum(rows, pixels) * word + np.minimum(cols, filters) * weight,
            np.minimum(rows, pixels) * np.minimum(cols, filters) * word,
        )
    held = np.minimum(rows, window)
    if dataflow == "ws":
        return held * np.minimum(cols, filters) * weight, np.minimum(cols, filters) * word
    columns = np.minimum(cols, pixels)
    return np.minimum(held * columns, ifmap.words) * word, columns * word


def stalls(compute_cycles, dram_bytes, prefetch, drain, bytes_per_cycle) -> tuple[np.ndarray, np.ndarray]:
    """Cycles that the array waits for the DRAM, rounded up, and whether the DRAM decides rather than the array.

    compute_cycles : number of the last cycle without stalls, counted from 0

    >>> [x.item() for x in stalls(999, np.array(4000), 100, 20, bytes_per_cycle=2)]
    [1000, True]
    """
    overlapped = (dram_bytes - prefetch - drain) / bytes_per_cycle
    waiting = np.maximum(0.0, overlapped - (compute_cycles + 1))
    return np.ceil((prefetch + drain) / bytes_per_cycle + waiting).astype(np.int64), waiting > 0


def working_set(work: Work, ifmap: Inputs, rows, cols, dataflow: str, numerics: Numerics) -> Buffers:
    """The least each SRAM must hold [bytes]: two folds' stationary operands, two edges of what streams.

    >>> from lib.arch.systolic import work
    >>> layers = [Layer("fc", 1, 1, 1, 1, 256, 64, 1, 1)]
    >>> found = working_set(work(layers), inputs(layers), 16, 16, "ws", Numerics())
    >>> [array.item() for array in found]  # twice 16 activations, 16·16 weights, 16 sums of 4 bytes
    [32.0, 512.0, 128.0]
    """
    pixels, window, filters, _ = work
    word, weight, partial = _word_bytes(numerics)
    if dataflow == "os":
        row, col = np.minimum(rows, pixels), np.minimum(cols, filters)
        return Buffers(2 * row * word, 2 * col * weight, 2 * row * col * word)
    row = np.minimum(rows, window)
    if dataflow == "ws":
        col = np.minimum(cols, filters)
        return Buffers(2 * row * word, 2 * row * col * weight, 2 * col * partial)
    col = np.minimum(cols, pixels)
    return Buffers(2 * np.minimum(row * col, ifmap.words) * word, 2 * row * weight, 2 * col * partial)


def sram_accesses(work: Work, counts: Counts, dram: Traffic, numerics: Numerics) -> Buffers:
    """Bytes read from and written to each SRAM: by the array, and once by each transfer from or to DRAM.

    A partial sum is written and read back at accumulator width; an output is written once, as an activation.

    >>> from lib.arch.systolic import count, work
    >>> product = work([Layer("fc", 1, 1, 1, 1, 256, 64, 1, 1)])
    >>> dram = Traffic(ifmap=256, filter=16384, ofmap=64, stays="ofmap")
    >>> found = sram_accesses(product, count(product, 16, 16, "ws"), dram, Numerics())
    >>> [array.item() for array in found]  # ifmap: each of 256 words read by 4 folds of filters, and stored once
    [1280.0, 32768.0, 7808.0]
    """
    word, weight, partial = _word_bytes(numerics)
    partial_sums = counts.ofmap_sram_writes - work.outputs
    return Buffers(
        ifmap=counts.ifmap_sram_reads * word + dram.ifmap,
        filter=counts.filter_sram_reads * weight + dram.filter,
        ofmap=2 * partial_sums * partial + work.outputs * word + dram.ofmap,
    )
