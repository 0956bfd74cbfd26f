"""Timeloop: its files have the documented form and carry our design, layer and energies; its statistics are read.

timeloop/v4.schema.yaml is the form. timeloop/simple_weight_stationary.stats.txt is a real file of timeloop-mapper, cut
down to what is read here, and MAP the beginning of the map beside it, both from workspace/example_designs/
example_designs/simple_weight_stationary/ref_outputs/default_problem in
https://github.com/Accelergy-Project/timeloop-accelergy-exercises.
"""

import os
import stat
from math import prod
from pathlib import Path

import pandas as pd
import pytest
import yaml
from jsonschema import Draft202012Validator

from lib.arch import area, energy, mapping, technology, timeloop, timeloop_mapper
from lib.arch.cost import layer_costs
from lib.arch.numerics import Numerics
from lib.arch.topology import Layer
from lib.errors import InputError

FORM = Path(__file__).parent / "timeloop"
TECHNOLOGY = technology.read(node_nm=45)
INT8 = Numerics()
LAYERS = [Layer("conv", 33, 33, 3, 3, 16, 32, 2, 1), Layer("depthwise", 18, 18, 3, 3, 1, 1, 1, 64)]
STATS = (FORM / "simple_weight_stationary.stats.txt").read_text()
MAP = """\
DRAM [ Weights:864 (864) Inputs:151875 (151875) Outputs:401408 (401408) ]
-------------------------------------------------------------------------
| for Q in [0:8)
|   for P in [0:2)

shared_glb [ Weights:864 (864) Inputs:9831 (9831) Outputs:25088 (25088) ]
-------------------------------------------------------------------------
|     for R in [0:3)

inter_PE_spatial [ ]
--------------------
|       for M in [0:4) (Spatial-Y)
|         for C in [0:3) (Spatial-Y)
"""


class Loader(yaml.SafeLoader):
    """Keeps a mapping's tag as its key "!"."""


Loader.add_multi_constructor("!", lambda loader, tag, node: {"!": tag} | loader.construct_mapping(node, deep=True))


def design(dataflow: str = "ws") -> pd.Series:
    sizes = {"rows": 16, "cols": 8, "dataflow": dataflow, "ifmap_kb": 64, "filter_kb": 32, "ofmap_kb": 128}
    return pd.Series(sizes | {"dram_gb_per_s": 1.0, "clock_mhz": 400})


def written(folder: Path, layer: Layer = LAYERS[0], dataflow: str = "ws", numerics=INT8, batch: int = 1) -> dict:
    """The files' content, as the front end puts it together."""
    timeloop.write(folder, layer, design(dataflow), TECHNOLOGY, numerics, batch, threads=2)
    assert sorted(path.name for path in folder.iterdir()) == sorted(timeloop.FILES)
    parts = [yaml.load((folder / name).read_text(), Loader) for name in timeloop.FILES]
    return {key: value for part in parts for key, value in part.items()}


def nodes(found: dict) -> dict[str, dict]:
    """Containers and components by name, those in branches included."""
    flat = [inner for node in found["architecture"]["nodes"] for inner in node.get("nodes", [node])]
    return {node["name"]: node for node in flat}


@pytest.mark.parametrize("dataflow", timeloop.DATAFLOWS)
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_files_have_the_documented_form(layer, dataflow, tmp_path):
    form = yaml.safe_load((FORM / "v4.schema.yaml").read_text())
    Draft202012Validator.check_schema(form)
    numerics = Numerics(weight_bits=4, accumulator_bits=20)
    found = written(tmp_path, layer, dataflow, numerics=numerics, batch=4)
    assert [error.message for error in Draft202012Validator(form).iter_errors(found)] == []


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_problem_is_the_layer(layer, tmp_path):
    problem = written(tmp_path, layer, batch=2)["problem"]
    sizes = problem["instance"]
    assert prod(sizes[dimension] for dimension in problem["shape"]["dimensions"]) == 2 * layer.macs
    weights, inputs, outputs = problem["shape"]["data_spaces"]

    def words(space: dict) -> int:
        """Size of the box that the projection spans: each axis is a sum of dimensions, some times a stride."""
        return prod(
            1 + sum((sizes[dimension] - 1) * prod(sizes[factor] for factor in factors) for dimension, *factors in axis)
            for axis in space["projection"]
        )

    assert words(weights) == layer.filter_words
    assert words(inputs) == 2 * layer.ifmap_h * layer.ifmap_w * layer.channels * layer.groups
    assert words(outputs) == 2 * layer.ofmap_words and outputs["read_write"]


def test_architecture_is_the_design(tmp_path):
    found = nodes(written(tmp_path))
    assert (found["row"]["spatial"], found["column"]["spatial"]) == ({"meshY": 16}, {"meshX": 8})
    assert found["DRAM"]["attributes"]["shared_bandwidth"] == 2.5  # bytes per cycle
    assert found["system"]["attributes"] == {"technology": "45nm", "global_cycle_seconds": 2.5e-9}
    for name, kb in (("ifmap", 64), ("filter", 32), ("ofmap", 128)):
        buffer = found[f"{name}_sram"]["attributes"]
        assert buffer["depth"] * buffer["width"] == kb * 8192 and buffer["datawidth"] == buffer["width"]


@pytest.mark.parametrize(
    "dataflow, rows, cols, stays, streams",
    [("os", "NPQ", "M", "Outputs", "CRS"), ("ws", "CRS", "M", "Weights", "NPQ"), ("is", "CRS", "NPQ", "Inputs", "M")],
)
def test_dataflow_says_what_may_be_spread_and_what_stays(dataflow, rows, cols, stays, streams, tmp_path):
    found = nodes(written(tmp_path, dataflow=dataflow))

    def free(node: str, kind: str) -> set[str]:
        fixed = {factor[0] for factor in found[node]["constraints"][kind]["factors"]}
        return set(timeloop.DIMENSIONS) - fixed

    assert (free("row", "spatial"), free("column", "spatial")) == (set(rows), set(cols))
    assert free("pe_register", "temporal") == set(streams)
    assert found["pe_register"]["constraints"]["dataspace"]["keep"] == [stays]


@pytest.mark.parametrize("dataflow", timeloop.DATAFLOWS)
def test_tables_are_our_energies_and_areas(dataflow, tmp_path):
    given, found = design(dataflow), written(tmp_path, dataflow=dataflow)
    pj = {
        (table["name"].split(".")[1].split("[")[0], action["name"]): action["energy"]
        for table in found["ERT"]["tables"]
        for action in table["actions"]
    }
    assert {name for name, _ in pj} == set(nodes(found)) - {"system", "row", "column"}
    supply = energy.voltage(TECHNOLOGY, 400) ** 2
    assert pj["mac", "compute"] == pytest.approx(supply * energy.mac_pj(TECHNOLOGY, INT8))
    assert pj["filter_sram", "read"] == pytest.approx(supply * energy.sram_pj_per_byte(TECHNOLOGY, 32))
    assert pj["ofmap_sram", "update"] == pytest.approx(supply * energy.sram_pj_per_byte(TECHNOLOGY, 128) * 4)
    assert pj["DRAM", "read"] == energy.dram_pj_per_byte(TECHNOLOGY)
    registers = [value for (name, _), value in pj.items() if name == "pe_register"]
    assert sum(registers) == pytest.approx(supply * energy.register_pj(TECHNOLOGY, INT8, dataflow))
    instances = {table["name"]: int(table["name"].rstrip("]").split("..")[1]) for table in found["ART"]["tables"]}
    um2 = sum(table["area"] * instances[table["name"]] for table in found["ART"]["tables"])
    sram = sum(area.sram_mm2(TECHNOLOGY, given[f"{name}_kb"]) for name in ("ifmap", "filter", "ofmap"))
    assert um2 / 1e6 == pytest.approx(area.array_mm2(TECHNOLOGY, INT8, 16, 8) + sram)


def test_statistics_of_a_real_run_are_read():
    found = timeloop_mapper.statistics(STATS)
    assert (found["macs"], found["latency_cycles"], found["dram_bytes"]) == (10838016, 903168, 554147)
    assert found["ideal_cycles"] == 903168 and found["stall_cycles"] == 0
    stated = {"mac": 315.0, "register": 128 + 144 + 144, "sram": 6.22 + 6712.38, "dram": 6544.64}  # fJ per MAC
    for component, fj in stated.items():
        assert found[f"energy_{component}_pj"] * 1000 / found["macs"] == pytest.approx(fj, abs=0.01)
    assert found["energy_pj"] / 1e6 == pytest.approx(151.67, abs=0.005)
    assert set(found) < set(mapping.COLUMNS)


def test_statistics_cut_short_are_refused():
    for length in (0, 100, len(STATS) // 2, STATS.index("Computes =")):
        with pytest.raises(InputError, match="cut short"):
            timeloop_mapper.statistics(STATS[:length])


def test_loops_are_readable():
    assert timeloop_mapper.nest(MAP) == "DRAM: Q 8, P 2; shared_glb: R 3; inter_PE_spatial: M 4 y, C 3 y"


def front_end(folder: Path, monkeypatch, script: str) -> None:
    """A program called timeloop on the PATH."""
    (folder / "timeloop").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "timeloop").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_search_hands_over_all_files_and_its_row_joins_our_costs(tmp_path, monkeypatch):
    written(tmp_path / "layer")
    for part, text in (("stats", STATS), ("map", MAP)):
        (tmp_path / f"timeloop-mapper.{part}.txt").write_text(text)
    files = " ".join(timeloop.FILES)
    reads = f'set -e; test "$*" = "mapper {files} -o output"; cat {files} > /dev/null'
    front_end(tmp_path, monkeypatch, f"{reads}; mkdir output; cp ../timeloop-mapper.* output")
    found = timeloop_mapper.search(tmp_path / "layer")
    costs = layer_costs(LAYERS[:1], design().to_frame().T.infer_objects(), TECHNOLOGY)
    row = {"tool": "Timeloop", "layer": "conv", "reason": ""} | found
    table = mapping.beside(pd.DataFrame([row]), costs, {})
    assert table["latency_ratio"][0] == 903168 / costs["cycles"][0]
    assert table["loops"][0].startswith("DRAM: Q 8")


def test_search_without_a_mapping_says_why_in_one_line(tmp_path, monkeypatch):
    written(tmp_path / "layer")
    front_end(tmp_path, monkeypatch, "echo ERROR: couldn\\'t map level; exit 1")
    with pytest.raises(InputError, match=r"found no mapping .*couldn't map level") as error:
        timeloop_mapper.search(tmp_path / "layer")
    assert "\n" not in str(error.value)
