"""Sums of products in the order of a sequential unit: saturating at every addition, and how far they reach on the way.

A kernel keeps the sums of some rows for some filters in vector registers and goes through one product after the other.
It computes with floating point numbers, whose multiplication, addition and limits are one instruction each, and exactly
so: all are integers below 2^24, which float32 holds, or else below 2^53, which float64 holds.
"""

import ctypes
from collections.abc import Callable
from functools import cache

import numpy as np

from lib.fixedpoint.native import VECTOR, compiled, load, splat

PRODUCT = 255 * 255  # the largest, of 9-bit numbers
VECTORS = 4  # of filters that a kernel serves, at most
SUMS = 16  # vectors of sums that a kernel keeps in the 32 registers; 8 with the lowest and the highest of each
BLOCK_BYTES = 1 << 18  # of rows worked on at a time: they stay in the second-level cache


def saturating_product(
    rows: np.ndarray, zero: int, weights: np.ndarray, source: np.ndarray, start: np.ndarray, low: float, high: float
) -> np.ndarray:
    """start + sum over k of (rows[:, source[n, k]] - zero) · weights[n, k], every addition saturating to low … high.

    rows : int8 [M, C], with the zero point `zero`, 9 bits; start : int32 [N]
    weights, source : [N, K], of at most 9 bits, and 0 … C - 1
    low, high : -2^31 … 2^31 - 1; or -inf and inf, the sums are then exact modulo 2^32

    Returns int32 [M, N].

    >>> rows, weights, source = np.int8([[100, 100, 100]]), np.int32([[90, 90, -90]]), np.array([[0, 1, 2]])
    >>> start = np.zeros(1, np.int32)
    >>> saturating_product(rows, 0, weights, source, start, -16384, 16383).item()  # 9000, 16383, 7383
    7383
    >>> saturating_product(rows, 0, weights[:, [0, 2, 1]], source, start, -16384, 16383).item()  # 9000, 0, 9000
    9000
    """
    reach = min(max(-low, high), _farthest(weights, start)) + PRODUCT
    (sums,) = _sequences(rows, zero, weights, source, np.clip(start, low, high), reach, (low, high))
    return sums


def partial_sum_range(
    rows: np.ndarray, zero: int, weights: np.ndarray, source: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value, int32 [N], of any partial sum of saturating_product without limits, start included.

    They must fit int32.

    >>> rows, weights, source = np.int8([[100, 100, 100]]), np.int32([[90, 90, -90]]), np.array([[0, 1, 2]])
    >>> lows, highs = partial_sum_range(rows, 0, weights, source, np.zeros(1, np.int32))
    >>> lows.tolist(), highs.tolist()
    ([0], [18000])
    """
    lows, highs = _sequences(rows, zero, weights, source, start, _farthest(weights, start), None)
    return lows.min(0, initial=np.iinfo(np.int32).max), highs.max(0, initial=np.iinfo(np.int32).min)


def _farthest(weights: np.ndarray, start: np.ndarray) -> int:
    """The largest magnitude that a sum without limits may have."""
    return int((np.abs(start.astype(np.int64)) + 255 * np.abs(weights.astype(np.int64)).sum(1)).max(initial=0))


def _sequences(
    rows: np.ndarray,
    zero: int,
    weights: np.ndarray,
    source: np.ndarray,
    start: np.ndarray,
    reach: int,
    limits: tuple[float, float] | None,
) -> list[np.ndarray]:
    """The saturated sums; without limits the lowest and the highest partial sums: int32 [M, N] each.

    reach : the largest magnitude that an intermediate result may have
    """
    real = np.dtype(np.float32 if reach < 1 << 24 else np.float64)
    lanes = VECTOR // real.itemsize
    alike = bool((source == source[:1]).all())
    if alike and source.shape[1] < rows.shape[1]:  # some of the products only
        rows, source = np.ascontiguousarray(rows[:, source[0]]), np.arange(source.shape[1])[None]
    count, filters = len(rows), len(weights)
    vectors = min(VECTORS, -(-filters // lanes))
    together = (SUMS if limits else SUMS // 2) // vectors  # rows in registers
    stride = lanes * (-(-rows.shape[1] // lanes) | 1)  # an odd number of vectors: neighbouring rows share no cache set
    width = -(-filters // (vectors * lanes)) * vectors * lanes
    run = _kernel(together, vectors, real.char, stride, alike, limits is not None)

    def by_kernel(values: np.ndarray, kind: np.dtype) -> list[np.ndarray]:
        """[K, N] in parts of as many filters as a kernel serves."""
        padded = np.zeros((len(values), width), kind)
        padded[:, :filters] = values
        return [np.ascontiguousarray(part) for part in np.split(padded, width // (vectors * lanes), axis=1)]

    parts = [by_kernel(weights.T, real), by_kernel(start[None], real)]
    sources = [source[0].astype(np.int32)] * len(parts[0]) if alike else by_kernel(source.T, np.int32)
    block = max(1, BLOCK_BYTES // (stride * real.itemsize * together)) * together
    x = np.zeros((block, stride), real)
    found = [np.empty((-(-count // together) * together, width), np.int32) for _ in range(1 if limits else 2)]
    for first in range(0, count, block):
        numbers = rows[first : first + block]
        np.subtract(numbers, real.type(zero), out=x[: len(numbers), : rows.shape[1]])
        for n, arrays in enumerate(zip(sources, *parts, strict=True)):
            results = (whole[first:, n * vectors * lanes :] for whole in found)
            pointers = (array.ctypes.data for array in (x, *arrays, *results))
            run(*pointers, -(-len(numbers) // together), weights.shape[1], width, *(limits or ()))
    return [np.ascontiguousarray(whole[:count, :filters]) for whole in found]


@cache
def _kernel(rows: int, vectors: int, real: str, stride: int, alike: bool, limited: bool) -> Callable:
    """The loop over groups of `rows` rows, `stride` numbers apart, for some vectors of filters, compiled."""
    kind, number = {"f": ("float", ctypes.c_float), "d": ("double", ctypes.c_double)}[real]
    arrays, ends = (5, (number, number)) if limited else (6, ())
    arguments = (*[ctypes.c_void_p] * arrays, *[ctypes.c_int64] * 3, *ends)
    return compiled(_program(rows, vectors, kind, stride, alike, limited), "add", *arguments)


def _program(rows: int, vectors: int, kind: str, stride: int, alike: bool, limited: bool) -> str:
    """LLVM IR of a kernel: for each group of rows, for each product, all rows times all filters.

    alike : all filters meet the same numbers of a row; otherwise each gathers its own
    limited : sums saturate and are stored; otherwise their lowest and highest are
    """
    lanes = VECTOR // {"float": 4, "double": 8}[kind]
    vector, suffix = f"<{lanes} x {kind}>", f"v{lanes}f{VECTOR * 8 // lanes}"
    gather = f"@llvm.masked.gather.{suffix}.v{lanes}p0"
    mask = f"<{lanes} x i1> splat (i1 true)"
    each_row, each_vector = range(rows), range(vectors)
    each_sum = [(r, v) for r in each_row for v in each_vector]
    kept = ["sum"] if limited else ["low", "high", "sum"]
    stored = kept[:2]

    def extreme(name: str, which: str, *operands: str) -> str:
        first, second = (f"{vector} {operand}" for operand in operands)
        return f"""
  %{name} = call nnan nsz {vector} @llvm.{which}num.{suffix}({first}, {second})"""

    def next_row(r: int) -> str:
        return f"""
  %row.{r} = getelementptr {kind}, ptr %row.0, i64 {r * stride}"""

    def places() -> str:
        if alike:
            return f"""{load("place", "i32", "%source", "%k")}
  %column = getelementptr {kind}, ptr %row.0, i32 %place"""
        return f"""
  %k.source = getelementptr [{vectors} x <{lanes} x i32>], ptr %source, i64 %k
  {"".join(load(f"place.{v}", f"<{lanes} x i32>", "%k.source", v) for v in each_vector)}"""

    def number(r: int, v: int) -> str:
        if alike:
            again = "" if v else load(f"one.{r}", kind, "%column", r * stride)
            return again + splat(f"x.{r}.{v}", kind, f"%one.{r}", lanes)
        return f"""
  %from.{r}.{v} = getelementptr {kind}, ptr %row.{r}, <{lanes} x i32> %place.{v}
  %x.{r}.{v} = call {vector} {gather}(<{lanes} x ptr> %from.{r}.{v}, i32 1, {mask}, {vector} poison)"""

    def carried(r: int, v: int) -> str:
        return "".join(
            f"""
  %{name}.{r}.{v} = phi {vector} [%start.{v}, %group], [%{name}.next.{r}.{v}, %product]"""
            for name in kept
        )

    def addition(r: int, v: int) -> str:
        i = f"{r}.{v}"
        added = f"""
  %product.{i} = fmul contract {vector} %x.{i}, %weight.{v}
  %{"added" if limited else "sum.next"}.{i} = fadd contract {vector} %product.{i}, %sum.{i}"""
        if limited:
            above = extreme(f"above.{i}", "max", f"%added.{i}", "%lowest")
            return added + above + extreme(f"sum.next.{i}", "min", f"%above.{i}", "%highest")
        lower = extreme(f"low.next.{i}", "min", f"%low.{i}", f"%sum.next.{i}")
        return added + lower + extreme(f"high.next.{i}", "max", f"%high.{i}", f"%sum.next.{i}")

    def result(name: str, r: int) -> str:
        return f"""
  %at.{name}.{r} = add i64 %g.row, {r}
  %output.{name}.{r} = mul i64 %at.{name}.{r}, %width
  %to.{name}.{r} = getelementptr i32, ptr %y.{name}, i64 %output.{name}.{r}"""

    def store(name: str, r: int, v: int) -> str:
        i = f"{name}.{r}.{v}"
        return f"""
  %whole.{i} = fptosi {vector} %{name}.next.{r}.{v} to <{lanes} x i64>
  %stored.{i} = trunc <{lanes} x i64> %whole.{i} to <{lanes} x i32>
  %to.{i} = getelementptr <{lanes} x i32>, ptr %to.{name}.{r}, i64 {v}
  store <{lanes} x i32> %stored.{i}, ptr %to.{i}, align 1"""

    results = ", ".join(f"ptr noalias %y.{name}" for name in stored)
    ends = f", {kind} %least, {kind} %most" if limited else ""
    return f"""
declare {vector} @llvm.minnum.{suffix}({vector}, {vector})
declare {vector} @llvm.maxnum.{suffix}({vector}, {vector})
declare {vector} {gather}(<{lanes} x ptr>, i32, <{lanes} x i1>, {vector})

define void @add(ptr noalias %rows, ptr noalias %source, ptr noalias %weights, ptr noalias %start,
                 {results}, i64 %groups, i64 %products, i64 %width{ends}) {{
entry:{splat("lowest", kind, "%least", lanes) + splat("highest", kind, "%most", lanes) if limited else ""}
  {"".join(load(f"start.{v}", vector, "%start", v) for v in each_vector)}
  br label %group

group:
  %g = phi i64 [0, %entry], [%g.next, %store]
  %first = mul i64 %g, {rows * stride}
  %row.0 = getelementptr {kind}, ptr %rows, i64 %first
  {"".join(next_row(r) for r in each_row[1:])}
  br label %product

product:
  %k = phi i64 [0, %group], [%k.next, %product]
  {"".join(carried(r, v) for r, v in each_sum)}
  %k.weights = getelementptr [{vectors} x {vector}], ptr %weights, i64 %k
  {"".join(load(f"weight.{v}", vector, "%k.weights", v) for v in each_vector)}
  {places()}
  {"".join(number(r, v) + addition(r, v) for r, v in each_sum)}
  %k.next = add i64 %k, 1
  %k.more = icmp ult i64 %k.next, %products
  br i1 %k.more, label %product, label %store

store:
  %g.row = mul i64 %g, {rows}
  {"".join(result(name, r) for name in stored for r in each_row)}
  {"".join(store(name, r, v) for name in stored for r, v in each_sum)}
  %g.next = add i64 %g, 1
  %g.more = icmp ult i64 %g.next, %groups
  br i1 %g.more, label %group, label %end

end:
  ret void
}}
"""
