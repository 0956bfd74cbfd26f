"""The calibrators against ONNX Runtime's on equal data, and what every calibrator keeps to."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnxruntime.quantization.calibrate import HistogramCollector

from lib.errors import InputError
from lib.quant import calibrate
from lib.quant.affine import asymmetric_range, dequantize, quantize

CALIBRATORS = [calibrate.minmax, calibrate.percentile, calibrate.entropy, calibrate.mse]


def collected(batches, method, **options):
    """The range that ONNX Runtime's collector finds."""
    given = {"symmetric": method == "percentile", "num_quantized_bins": 128, "percentile": 99.999, "scenario": "same"}
    collector = HistogramCollector(method=method, **(given | options))
    with contextlib.redirect_stdout(io.StringIO()):
        collector.collect({"x": batches})
        return collector.compute_collection_result()["x"][:2]


@st.composite
def samples(draw):
    """A few equal batches of activations: centred, rectified, skewed, with outliers, nearly or quite constant."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(draw(st.sampled_from([0, -3, 3])), draw(st.sampled_from([0, 1e-3, 1, 100])), (3, 40))
    if draw(st.booleans()):
        x = np.maximum(x, 0)
    x[rng.random(x.shape) < draw(st.sampled_from([0, 0.02]))] *= 50
    return list(x.astype(np.float32))


@given(samples(), st.sampled_from([0.0, 50.0, 99.0, 99.9, 99.99, 99.999, 100.0]))
def test_percentile_equals_onnxruntime(batches, share):
    assert calibrate.percentile(batches, share) == collected(batches, "percentile", percentile=share, num_bins=2048)


@settings(max_examples=25, deadline=None)
@given(samples(), st.sampled_from([(128, 128), (300, 128), (257, 16), (512, 100)]))
def test_entropy_equals_onnxruntime(batches, sizes):
    bins, levels = sizes
    expected = collected(batches, "entropy", num_bins=bins, num_quantized_bins=levels)
    assert calibrate.entropy(batches, bins, levels) == expected


def test_entropy_equals_onnxruntime_on_many_values():
    """Counts beyond the 24 bits of float32, where the order of additions shows."""
    x = np.maximum(np.random.default_rng(0).laplace(size=1 << 18), 0).astype(np.float32)
    batches = [x] * 4
    found = calibrate.entropy(batches, bins=1024)
    assert found == collected(batches, "entropy", num_bins=1024)
    assert found[1] < x.max()


def test_entropy_with_as_many_bins_as_levels_has_no_choice():
    x = np.random.default_rng(0).laplace(size=10_000).astype(np.float32)
    assert calibrate.entropy([x]) == calibrate.minmax([x])


@settings(deadline=None)
@given(samples(), st.sampled_from(CALIBRATORS))
def test_ranges_lie_within_the_extremes(batches, calibrator):
    (low, high), (smallest, largest) = calibrator(batches), calibrate.minmax(batches)
    assert smallest <= low and high <= largest


@given(samples())
def test_higher_percentiles_contain_lower_ones(batches):
    ranges = [calibrate.percentile(batches, share) for share in (90, 99, 99.9, 100)]
    lows, highs = zip(*ranges, strict=True)
    assert list(lows) == sorted(lows, reverse=True) and list(highs) == sorted(highs)


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_ranges_do_not_depend_on_the_cut_into_batches(calibrator):
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    whole = calibrator([x])
    assert calibrator(np.split(x, [1, 20])) == whole
    assert calibrator(iter(np.split(x, 30))) == whole


@pytest.mark.parametrize("calibrator", CALIBRATORS)
@pytest.mark.parametrize("value", [0.0, 2.5, -2.5])
def test_constant_activations_keep_their_value(calibrator, value):
    low, high = calibrator([np.full(8, value, np.float32)] * 2)
    scale, zero_point = asymmetric_range(low, high, 8)
    restored = dequantize(quantize(value, scale, zero_point, 8, False), scale, zero_point)
    assert abs(restored - value) <= scale / 2 and (value or restored == 0)


def test_mse_range_is_no_worse_than_minmax():
    x = np.random.default_rng(0).standard_t(3, 50_000).astype(np.float32)

    def error(low, high, bits):
        parameters = asymmetric_range(low, high, bits)
        return np.mean((dequantize(quantize(x, *parameters, bits, False), *parameters) - x) ** 2)

    for bits in (4, 8):
        assert error(*calibrate.mse([x], bits), bits) < error(*calibrate.minmax([x]), bits)


@settings(derandomize=True, deadline=None)
@given(samples(), st.sampled_from([2, 4, 8]))
def test_mse_range_is_the_best_of_all_candidates(batches, bits):
    """Against brute force over the values themselves, as close as the bins are wide.

    The distance from a value to the nearest level changes by no more than the value does, so counting values as the
    centres of their bins changes the root mean square error by half a bin at most: once for each of the two compared.
    """
    x, (low, high) = np.concatenate(batches), calibrate.minmax(batches)

    def error(low, high):
        parameters = asymmetric_range(low, high, bits)
        restored = dequantize(quantize(x, *parameters, bits, False), *parameters)
        return np.sqrt(np.mean(np.square(restored - x, dtype=np.float64)))

    candidates = [(low * factor, high * factor) for factor in np.arange(1, 101, dtype=np.float32) / 100]
    found = calibrate.mse(batches, bits)
    largest = max(abs(low), abs(high))
    assert found in candidates
    assert error(*found) <= min(error(*candidate) for candidate in candidates) + largest * (2 / 8192 + 1e-6)


@settings(derandomize=True, deadline=None)
@given(samples(), st.sampled_from([1, 2, 4, 64]))
def test_bins_put_together_are_bins_counted_directly(batches, width):
    frame = calibrate.around_zero(calibrate.minmax(batches))
    found = calibrate.coarser(calibrate.histogram(batches, frame, 128 * width), 128)
    for one, other in zip(found, calibrate.histogram(batches, frame, 128), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_bad_activations_are_refused(calibrator):
    with pytest.raises(InputError, match="NaN or infinity"):
        calibrator([np.ones(3), np.array([1.0, np.nan])])
    with pytest.raises(InputError, match="without elements"):
        calibrator([])


@pytest.mark.parametrize("share", [-1, 100.5, np.nan])
def test_percentiles_outside_0_to_100_are_refused(share):
    with pytest.raises(InputError, match="percentile"):
        calibrate.percentile([np.ones(3)], share)
