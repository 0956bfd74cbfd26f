"""Names of schemes."""

from itertools import product

import pytest

from lib.errors import InputError
from lib.quant.scheme import PARTS, Scheme


def test_every_name_is_read_back():
    for parts in product(*PARTS.values()):
        scheme = Scheme(*parts)
        assert Scheme.parse(scheme.name) == scheme
        assert list(scheme.columns()) == ["scheme", "format", "activation", "granularity", "calibration"]


@pytest.mark.parametrize("name", ["", "float32", "qdq_uint8_channel", "qdq_uint9_channel_minmax", "a_b_c_d_e"])
def test_unknown_names_are_refused(name):
    with pytest.raises(InputError, match="unknown"):
        Scheme.parse(name)
