"""Two's-complement overflow behaves as adders do."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lib.fixedpoint import accumulator_bits, saturate, wrap
from lib.fixedpoint.arithmetic import limits, signed_bits

integers = st.integers(-(2**40), 2**40)
widths = st.integers(2, 40)


@given(integers, integers, widths)
def test_wrapping_every_addition_equals_wrapping_the_sum(a, b, bits):
    assert wrap(wrap(a, bits) + wrap(b, bits), bits) == wrap(a + b, bits)


@given(integers, widths)
def test_both_policies_stay_within_the_limits_and_keep_what_fits(x, bits):
    low, high = limits(bits)
    for policy in (wrap, saturate):
        assert low <= policy(x, bits) <= high
        assert low > x or x > high or policy(x, bits) == x
    assert (int(wrap(x, bits)) - x) % 2**bits == 0


@given(integers, integers)
def test_signed_bits_is_the_narrowest_width_that_holds_both_ends(a, b):
    low, high = sorted((a, b))
    bits = signed_bits(low, high)
    assert limits(bits)[0] <= low and high <= limits(bits)[1]
    assert bits == 1 or low < limits(bits - 1)[0] or limits(bits - 1)[1] < high


@given(st.integers(1, 5000))
def test_the_textbook_width_holds_the_largest_possible_sum(macs):
    assert signed_bits(-128 * 127 * macs, 128 * 128 * macs) <= accumulator_bits(8, 8, macs)


def test_arrays_keep_their_shape():
    x = np.arange(-300, 300).reshape(2, 300)
    assert wrap(x, 8).shape == saturate(x, 8).shape == x.shape
