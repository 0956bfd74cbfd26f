"""Convolutions on the CPU's vector units: images in, 8-bit outputs out, in one pass compiled for the layer.

vpdpbusd adds to each of 16 int32 sums the products of 4 uint8 activations and 4 int8 weights, modulo 2^32. Depthwise
there is one activation and one weight for a sum at a time. The sums of some neighbouring outputs for up to 64 filters
stay in registers until they are requantized and stored.
Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, VPDPBUSD.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod

import llvmlite.binding as llvm
import numpy as np

from lib.fixedpoint.layout import pixels_first
from lib.fixedpoint.native import compiled, load, splat
from lib.fixedpoint.window import Window
from lib.graph import Shape

WORD = 4  # activations that one instruction multiplies for a filter
LANES = 16  # filters that it serves: a vector
VECTORS = 4  # of filters that a kernel serves, at most
SUMS = 24  # vectors of sums that a kernel keeps in the 32 registers, at most


@cache
def available() -> bool:
    """Whether the CPU has AVX-512 VNNI.

    >>> x, weight = np.full((1, 4, 1, 1), 255, np.uint8), np.full((1, 4, 1, 1), 127)
    >>> convolution(weight, 0, Window((1, 1), {}), 1)(x).item() if available() else 4 * 255 * 127
    129540
    """
    features = llvm.get_host_cpu_features()
    return all(features.get(name) for name in ("avx512vnni", "avx512bw", "avx512vl"))


def convolution(weight: np.ndarray, zero_point: int, window: Window, groups: int) -> "Convolution | None":
    """The convolution of weights [N, C / groups, *kernel]; None where the CPU or the layer does not suit it.

    >>> window, given = Window((3, 3), {}), [((2, 4), 1), ((8, 1), 8), ((4, 4), 2)]  # dense, depthwise, in groups
    >>> found = [convolution(np.ones((*shape, 3, 3), np.int32), 0, window, groups) for shape, groups in given]
    >>> [layer is not None for layer in found] == [available(), available(), False]
    True
    """
    depthwise = groups == len(weight) > 1 and weight.shape[1] == 1
    suits = depthwise or (groups == 1 and weight.shape[1] * _together(window) >= WORD)
    if not available() or not suits or weight.min() < -128 or weight.max() > 127:
        return None
    return Convolution(weight.astype(np.int8), zero_point, window, depthwise)


@dataclass(frozen=True, eq=False)
class Convolution:
    """Sums of x · weight over the windows of uint8 images x, and what requantization makes of them.

    weight : int8 [N, C, *kernel], if depthwise [C, 1, *kernel]
    zero_point : of x, with which it is padded; it is not taken off x

    >>> x, weight = np.arange(16, dtype=np.uint8).reshape(1, 4, 2, 2), np.ones((1, 4, 2, 2), np.int8)
    >>> convolve = Convolution(weight, 0, Window((2, 2), {}))
    >>> convolve(x).tolist() if available() else [[120]]  # 0 + 1 + … + 15
    [[120]]
    """

    weight: np.ndarray
    zero_point: int
    window: Window
    depthwise: bool = False

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The sums for x [B, C, *size]: int32 [B · outputs, N] (modulo 2^32)."""
        filters = len(self.weight)
        return self._run(x, np.zeros(filters, np.int32), np.zeros(filters, np.float32), np.int32(0))

    def outputs(self, x: np.ndarray, multiplier: np.ndarray, zero_point: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """requantize(sums, multiplier, zero_point, offset): 8-bit [B · outputs, N]."""
        return self._run(x, offset, multiplier, zero_point)

    def _run(self, x: np.ndarray, offset: np.ndarray, multiplier: np.ndarray, zero_point: np.ndarray) -> np.ndarray:
        size = self.window.output_size(x.shape[2:])
        image = pixels_first(self.window.padded(x, self.zero_point))
        y = np.empty((len(x) * prod(size), len(self.weight)), zero_point.dtype)
        geometry = (self.window.kernel, self.window.strides, self.window.dilations)
        if prod(self.window.kernel) == prod(self.window.strides) == 1:  # the pixels are one line
            image, size, geometry = image.reshape(1, -1, image.shape[-1]), (len(y),), ((1,),) * 3
        limits, zero = np.iinfo(y.dtype), int(zero_point)
        for first, weights in self._weights if len(x) else ():
            vectors = weights.shape[1]
            filters = slice(first, first + vectors * LANES)
            block = _block(size[-1], vectors)
            sources, words, targets = _places(image.shape, size, *geometry, *self._run_of_bytes, block)
            given = np.stack([offset[filters], multiplier[filters].view(np.int32)])
            constants = np.zeros((2, vectors * LANES), np.int32)
            constants[:, : given.shape[1]] = given
            rest = given.shape[1] % LANES
            step = geometry[1][-1] * image.shape[-1]
            kind = (step, len(self.weight), y.dtype == np.int32, self.depthwise)
            run = _kernel(block, vectors, rest > 0, *kind)
            seen = image.reshape(-1)[first:] if self.depthwise else image
            arrays = (seen, sources, words, weights, constants, targets, y[:, filters])
            ends = (limits.min - zero, limits.max - zero)
            run(*(array.ctypes.data for array in arrays), len(sources), len(words), *ends, zero, (1 << rest) - 1)
        return y

    @property
    def _run_of_bytes(self) -> tuple[int, int]:
        """Taps whose pixels are neighbours in memory, and the bytes of such a run that every filter sees."""
        together = 1 if self.depthwise else _together(self.window)
        return together, WORD if self.depthwise else together * self.weight.shape[1]

    @cached_property
    def _weights(self) -> list[tuple[int, np.ndarray]]:
        """For each kernel the first of its filters, and the weights: int8 [words, vectors, LANES, WORD].

        Depthwise a word is one weight.
        """
        _, length = self._run_of_bytes
        if self.depthwise:
            words = self.weight.reshape(len(self.weight), -1, 1)
        else:
            runs = np.moveaxis(self.weight, 1, -1).reshape(len(self.weight), -1, length)
            words = runs[..., _word_starts(length)[:, None] + np.arange(WORD)]
            words[..., -1, : -length % WORD] = 0  # multiplied in the word before
            words = words.reshape(len(words), -1, WORD)
        vectors = np.zeros((-(-len(words) // LANES), LANES, *words.shape[1:]), np.int8)
        vectors.reshape(-1, *words.shape[1:])[: len(words)] = words
        kernels = np.array_split(vectors, -(-len(vectors) // VECTORS))
        firsts = np.cumsum([0, *(len(kernel) * LANES for kernel in kernels[:-1])])
        return [(n, np.ascontiguousarray(np.moveaxis(w, 2, 0))) for n, w in zip(firsts, kernels, strict=True)]


def _together(window: Window) -> int:
    """Taps whose pixels are neighbours in memory and form one run of bytes: those of a kernel row."""
    return window.kernel[-1] if window.dilations[-1] == 1 else 1


def _word_starts(length: int) -> np.ndarray:
    """Where the words of a run of bytes begin; the last may overlap the one before, so that it ends with the run."""
    return np.minimum(np.arange(0, length, WORD), length - WORD)


def _block(width: int, vectors: int) -> int:
    """Neighbouring outputs to compute at a time, for the fewest instructions in a line of `width` outputs."""
    blocks = range(1, min(width, SUMS // vectors) + 1)
    return min(blocks, key=lambda block: -(-width // block) * (block * vectors + vectors + 2))


@cache
def _places(
    image: Shape, size: Shape, kernel: Shape, strides: Shape, dilations: Shape, together: int, run: int, block: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where blocks of outputs see their first pixel in the image, the words of a window from there, and the outputs.

    In bytes, bytes and outputs. A window is runs of `run` bytes, of `together` taps each. The last block of a line may
    overlap the one before, so that it ends with the line.
    """
    sample, *steps = np.cumprod([1, *image[:0:-1]])[::-1][:-1]  # from one sample, line, pixel to the next
    columns = np.minimum(np.arange(0, size[-1], block), size[-1] - block)
    lines = np.indices((image[0], *size[:-1])).reshape(len(size), -1, 1)
    moves = np.multiply(steps, strides)
    sources = np.tensordot([sample, *moves[:-1]], lines, 1) + columns * moves[-1]
    targets = np.arange(lines.shape[1])[:, None] * size[-1] + columns
    taps = np.indices((*kernel[:-1], kernel[-1] // together)).reshape(len(size), -1, 1)
    words = np.tensordot(np.multiply(steps, dilations), taps, 1) + _word_starts(run)
    return tuple(np.ascontiguousarray(places, np.int64).ravel() for places in (sources, words, targets))


@cache
def _kernel(block: int, vectors: int, partial: bool, step: int, filters: int, plain: bool, depthwise: bool) -> Callable:
    """The loop over blocks of pixels, `step` bytes apart, for some vectors of the `filters` filters, compiled.

    partial : the last vector is not full; plain : store the int32 sums themselves
    """
    pointer, count, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
    arguments = (*[pointer] * 7, count, count, real, real, ctypes.c_int32, ctypes.c_uint16)
    return compiled(_program(block, vectors, partial, step, filters, plain, depthwise), "convolve", *arguments)


def _program(block: int, vectors: int, partial: bool, step: int, filters: int, plain: bool, depthwise: bool) -> str:
    """LLVM IR of a kernel: for each block of outputs, for each word of the window, all pixels times all filters."""
    kind = "i32" if plain else "i8"
    each_vector = range(vectors)
    each_sum = [(p, v) for p in range(block) for v in each_vector]  # pixel, vector of filters

    def weights(v: int) -> str:
        if depthwise:
            return widened(f"weight.{v}", "sext", "%w.weights", v)
        return load(f"weight.{v}", "<16 x i32>", "%w.weights", v)

    def widened(name: str, how: str, base: str, v: int, some: bool = False) -> str:
        """Vector v of the bytes at `base` as integers; only those that the mask lets through if `some`."""
        bytes_of = "call <16 x i8> @llvm.masked.load.v16i8.p0(" if some else "load <16 x i8>, "
        which = ", i32 1, <16 x i1> %mask, <16 x i8> poison)" if some else ", align 1"
        return f"""
  %{name}.at = getelementptr <16 x i8>, ptr {base}, i64 {v}
  %{name}.bytes = {bytes_of}ptr %{name}.at{which}
  %{name} = {how} <16 x i8> %{name}.bytes to <16 x i32>"""

    def pixel(p: int) -> str:
        place = f"""
  %pixel.{p} = getelementptr i8, ptr %window, i64 {p * step}"""
        if depthwise:
            return place + "".join(widened(f"x.{p}.{v}", "zext", f"%pixel.{p}", v, masked(v)) for v in each_vector)
        return place + load(f"four.{p}", "i32", f"%pixel.{p}", 0) + splat(f"x.{p}", "i32", f"%four.{p}")

    def masked(v: int) -> bool:
        return partial and v == vectors - 1

    def carried(p: int, v: int) -> str:
        return f"""
  %sum.{p}.{v} = phi <16 x i32> [%offset.{v}, %block], [%next.{p}.{v}, %word]"""

    def product(p: int, v: int) -> str:
        if depthwise:
            return f"""
  %product.{p}.{v} = mul <16 x i32> %x.{p}.{v}, %weight.{v}
  %next.{p}.{v} = add <16 x i32> %sum.{p}.{v}, %product.{p}.{v}"""
        arguments = f"<16 x i32> %sum.{p}.{v}, <16 x i32> %x.{p}, <16 x i32> %weight.{v}"
        return f"""
  %next.{p}.{v} = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512({arguments})"""

    def requantized(i: str, v: int) -> str:
        return f"""
  %real.{i} = sitofp <16 x i32> %next.{i} to <16 x float>
  %scaled.{i} = fmul <16 x float> %real.{i}, %multiplier.{v}
  %above.{i} = call <16 x float> @llvm.x86.avx512.max.ps.512(<16 x float> %scaled.{i}, <16 x float> %low, i32 4)
  %inside.{i} = call <16 x float> @llvm.x86.avx512.min.ps.512(<16 x float> %above.{i}, <16 x float> %high, i32 4)
  %rounded.{i} = call <16 x i32> @llvm.lrint.v16i32.v16f32(<16 x float> %inside.{i})
  %moved.{i} = add <16 x i32> %rounded.{i}, %zero
  %byte.{i} = trunc <16 x i32> %moved.{i} to <16 x i8>"""

    def store(p: int, v: int) -> str:
        i, values = f"{p}.{v}", f"<16 x {kind}> %{'next' if plain else 'byte'}.{p}.{v}"
        stored = f"store {values}, ptr %to.{i}, align 1"
        if masked(v):
            stored = f"call void @llvm.masked.store.v16{kind}.p0({values}, ptr %to.{i}, i32 1, <16 x i1> %mask)"
        return f"""{"" if plain else requantized(i, v)}
  %to.{i} = getelementptr {kind}, ptr %target, i64 {p * filters + v * LANES}
  {stored}"""

    return f"""
declare <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32>, <16 x i32>, <16 x i32>)
declare <16 x float> @llvm.x86.avx512.max.ps.512(<16 x float>, <16 x float>, i32)
declare <16 x float> @llvm.x86.avx512.min.ps.512(<16 x float>, <16 x float>, i32)
declare <16 x i32> @llvm.lrint.v16i32.v16f32(<16 x float>)
declare <16 x i8> @llvm.masked.load.v16i8.p0(ptr, i32, <16 x i1>, <16 x i8>)
declare void @llvm.masked.store.v16{kind}.p0(<16 x {kind}>, ptr, i32, <16 x i1>)

define void @convolve(ptr %image, ptr %sources, ptr %words, ptr %weights, ptr %constants, ptr %targets, ptr %y,
                      i64 %blocks, i64 %window_words, float %lowest, float %highest, i32 %zero_point, i16 %rest) {{
start:{splat("low", "float", "%lowest")}{splat("high", "float", "%highest")}{splat("zero", "i32", "%zero_point")}
  %mask = bitcast i16 %rest to <16 x i1> ; unknown to LLVM 22, which stores 4 bytes for a constant single lane of 8 bits
  br label %block

block:
  %b = phi i64 [0, %start], [%b.next, %store]{load("source", "i64", "%sources", "%b")}
  %corner = getelementptr i8, ptr %image, i64 %source
  {"".join(load(f"offset.{v}", "<16 x i32>", "%constants", v) for v in each_vector)}
  br label %word

word:
  %w = phi i64 [0, %block], [%w.next, %word]
  {"".join(carried(p, v) for p, v in each_sum)}
  {load("place", "i64", "%words", "%w")}
  %window = getelementptr i8, ptr %corner, i64 %place
  %w.weights = getelementptr [{vectors} x <16 x {"i8" if depthwise else "i32"}>], ptr %weights, i64 %w
  {"".join(map(weights, each_vector))}
  {"".join(pixel(p) + "".join(product(p, v) for v in each_vector) for p in range(block))}
  %w.next = add i64 %w, 1
  %w.more = icmp ult i64 %w.next, %window_words
  br i1 %w.more, label %word, label %store

store:{load("output", "i64", "%targets", "%b")}
  %first = mul i64 %output, {filters}
  %target = getelementptr {kind}, ptr %y, i64 %first
  {"".join(load(f"multiplier.{v}", "<16 x float>", "%constants", vectors + v) for v in each_vector)}
  {"".join(store(p, v) for p, v in each_sum)}
  %b.next = add i64 %b, 1
  %b.more = icmp ult i64 %b.next, %blocks
  br i1 %b.more, label %block, label %end

end:
  ret void
}}
"""
