"""The table of channel ranges before and after batch-norm folding and equalization."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import InputError
from lib.quant.equalize import equalized
from lib.quant.folding import folding
from lib.quant.recipe import Recipe


@pytest.fixture(scope="module")
def table(calibrated):
    graph = calibrated.graph
    stages = {
        stage: {layer.name: found.initializers[layer.weight] for layer in graph.layers}
        for stage, found in (("folded", graph), ("equalized", equalized(graph)))
    }
    return pd.DataFrame(folding(graph, stages))


def test_every_layer_stage_and_width_has_its_row(calibrated, table):
    assert len(table) == len(calibrated.graph.layers) * 2 * 2
    assert list(table) == [
        *("layer", "stage", "channels", "largest", "median_largest", "spread", "bits"),
        *("sqnr_db_tensor", "sqnr_db_channel"),
    ]


def test_channels_of_their_own_scale_keep_more_of_the_signal(table):
    assert (table.sqnr_db_channel > table.sqnr_db_tensor).mean() > 0.9
    four, eight = (table[table.bits == bits].sqnr_db_channel.to_numpy() for bits in (4, 8))
    assert np.all(eight > four + 15)


def test_spread_is_what_a_factor_per_channel_makes_it(calibrated):
    weights = {}
    for layer in calibrated.graph.layers:  # channels along axis 0 in all of these networks
        weights[layer.name] = np.ones(layer.weight_shape, np.float32)
        weights[layer.name][0], weights[layer.name][1] = 0.25, 2
    rows = pd.DataFrame(folding(calibrated.graph, {"made up": weights}))
    assert set(rows.spread) == {8} and set(rows.largest) == {2} and set(rows.median_largest) == {1}


def test_unknown_recipe_is_refused_in_one_line():
    with pytest.raises(InputError, match="recipe 'w4a8_best': unknown; write it as"):
        Recipe.parse("w4a8_best")
