"""The joint front of numerics and hardware: every width has its price, and accuracies come from any table."""

from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from lib.arch import technology
from lib.arch.joint import combinations, joint_choice
from lib.arch.numerics import Numerics
from lib.arch.space import evaluate, grid
from lib.arch.topology import Layer
from lib.errors import InputError
from lib.interval import wilson

LAYERS = [Layer("conv1", 34, 34, 3, 3, 3, 32, 1, 1), Layer("conv2", 18, 18, 3, 3, 32, 64, 1, 1)]
BUFFERS = {name: [8, 64] for name in ("ifmap_kb", "filter_kb", "ofmap_kb")}
AXES = {"rows": [4, 8, 16], "cols": [4, 8, 16], "dataflows": ["os", "ws", "is"], "dram_gb_per_s": [0.5, 1]}
DESIGNS = grid(AXES | BUFFERS | {"clock_mhz": [200, 500]})
TECHNOLOGY = technology.read()
WIDER = {
    "activation_bits": [2, 4, 8, 16],
    "weight_bits": [2, 4, 8, 16],
    "accumulator_bits": [12, 16, 20, 32],
    "requantization": ["power_of_two", "fixed4", "fixed8", "fixed16", "fixed31"],
}


def costs(**widths) -> pd.DataFrame:
    return evaluate(LAYERS, DESIGNS, TECHNOLOGY, Numerics(**widths))


@pytest.mark.parametrize("width", WIDER)
def test_nothing_becomes_cheaper_when_a_width_grows(width):
    for narrow, wide in pairwise(costs(**{width: value}) for value in WIDER[width]):
        assert (wide["reason"][narrow["reason"] != ""] != "").all()
        possible = wide["reason"] == ""
        before, after = narrow[possible], wide[possible]
        assert len(after) > 100
        for measure in ("dram_bytes", "latency_ms", "energy_uj", "area_mm2"):
            assert (after[measure] >= before[measure] * (1 - 1e-12)).all(), measure
        assert (after["energy_uj"] > before["energy_uj"]).all() and (after["area_mm2"] > before["area_mm2"]).all()


@pytest.mark.parametrize(
    ("width", "changed"),
    [
        ("activation_bits", ["mac", "register", "sram", "dram", "static"]),
        ("weight_bits", ["mac", "register", "sram", "dram", "static"]),
        ("accumulator_bits", ["mac", "register", "requantize", "sram", "dram", "static"]),
        ("requantization", ["requantize", "static"]),
    ],
)
def test_each_width_changes_the_energies_that_it_should(width, changed):
    narrow, wide = (costs(**{"requantization": "fixed8"} | {width: value}) for value in WIDER[width][1::2])
    possible = wide["reason"] == ""
    grown = [
        component
        for component in ("mac", "register", "requantize", "sram", "dram", "static")
        if (wide[f"energy_{component}_uj"] > narrow[f"energy_{component}_uj"] * (1 + 1e-12))[possible].any()
    ]
    assert grown == changed


BENCH = pd.DataFrame({"scheme": ["float32", "a", "b"], "samples": 1000, "accuracy": [0.8, 0.78, 0.79]})
NARROW = pd.DataFrame({"scheme": "a", "accumulator_bits": [16, 18], "overflow": "saturate", "samples": 1000})
NARROW["accuracy"] = [0.5, 0.785]


def test_combinations_come_from_all_tables_whatever_columns_they_have():
    found = combinations({"somewhere/accuracy.csv": BENCH, "narrow.csv": NARROW})
    assert found[["source", "scheme", "accumulator_bits", "overflow", "accuracy"]].to_numpy().tolist() == [
        ["accuracy", "b", 32, "wrap", 0.79],  # float32 is no combination, and a is less accurate in the same widths
        ["narrow", "a", 18, "saturate", 0.785],
        ["narrow", "a", 16, "saturate", 0.5],
    ]
    assert (found["weight_bits"] == 8).all() and (found["requantization"] == "float32").all()
    assert tuple(found.loc[0, ["ci_low", "ci_high"]]) == wilson(790, 1000)


def test_another_table_widens_the_front_by_itself():
    weights = pd.DataFrame({"scheme": ["w4"], "weight_bits": 4, "samples": 1000, "accuracy": 0.77})
    before = joint_choice(LAYERS, DESIGNS, TECHNOLOGY, combinations({"accuracy.csv": BENCH}), 1.0, 1.0)
    measured = combinations({"accuracy.csv": BENCH, "weights.csv": weights})
    after = joint_choice(LAYERS, DESIGNS, TECHNOLOGY, measured, 1.0, 1.0)
    assert set(after["scheme"][after["on_front"]]) == {"b", "w4"}
    assert after["energy_uj"].min() < before["energy_uj"].min()


def test_a_table_without_accuracies_is_refused():
    with pytest.raises(InputError, match=r"other\.csv: not a table of accuracies, there is no column accuracy"):
        combinations({"other.csv": BENCH.drop(columns="accuracy")})


def test_the_front_is_that_of_all_combinations_on_all_designs_within_the_area():
    measured = combinations({"accuracy.csv": BENCH, "narrow.csv": NARROW})
    table = joint_choice(LAYERS, DESIGNS, TECHNOLOGY, measured, area_mm2=0.5, dram_gb_per_s=0.5)
    tables = []
    for row in measured.to_dict("records"):
        numerics = Numerics(**{name: row[name] for name in asdict(Numerics())})
        every = evaluate(LAYERS, DESIGNS, TECHNOLOGY, numerics)
        within = (every["reason"] == "") & (every["area_mm2"] <= 0.5) & (every["dram_gb_per_s"] <= 0.5)
        tables.append(every[within].assign(error=1 - row["accuracy"]))
    points = pd.concat(tables)[["error", "latency_ms", "energy_uj"]].to_numpy()
    better = [((points <= point).all(axis=1) & (points < point).any(axis=1)).any() for point in points]
    expected = np.unique(points[~np.array(better)], axis=0)
    front = table[table["on_front"]]
    found = np.c_[1 - front["accuracy"], front[["latency_ms", "energy_uj"]]]
    assert found[np.lexsort(found.T[::-1])].tolist() == expected.tolist()
    assert table["area_mm2"].max() <= 0.5


def test_an_area_in_which_nothing_fits_is_named():
    with pytest.raises(InputError, match=r"no design of arch\.space is within 0\.001 mm²"):
        joint_choice(LAYERS, DESIGNS, TECHNOLOGY, combinations({"accuracy.csv": BENCH}), 0.001, 1.0)
