"""The design space's answers are what brute force finds in it."""

from itertools import pairwise, product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.arch import space, technology
from lib.arch.cost import DESIGN, network_costs
from lib.arch.design import Design
from lib.arch.pareto import NEEDS, OBJECTIVES, confirmed, contenders, front, names
from lib.arch.study import bottlenecks, returns, sensitivity, trends, winners
from lib.arch.topology import Layer
from lib.errors import InputError

NODE = technology.read(node_nm=45)
NETWORK = [
    Layer("conv1", 34, 34, 3, 3, 3, 32, 1, 1),
    Layer("depthwise", 18, 18, 3, 3, 1, 1, 1, 32),
    Layer("fc", 1, 1, 1, 1, 256, 256, 1, 1),
]
AXES = {
    "rows": [64, 4, 16],  # in any order
    "cols": [4, 16, 64],
    "dataflows": ["ws", "os", "is"],
    "ifmap_kb": [2, 32],
    "filter_kb": [2, 32],
    "ofmap_kb": [8],
    "dram_gb_per_s": [0.5, 4],
    "clock_mhz": [200, 500, 300],
}
CONSTRAINTS = [
    {"name": "balanced", "minimise": "edp_uj_ms"},
    {"name": "fast and small", "minimise": "latency_ms", "area_mm2": 0.5},
    {"name": "impossible", "minimise": "area_mm2", "latency_ms": 1e-9, "energy_uj": 1e3},
    {"name": "frugal", "minimise": "energy_uj", "latency_ms": 2.0, "area_mm2": 5.0},
    {"name": "small", "minimise": "area_mm2"},
]


@pytest.fixture(scope="module")
def designs():
    return space.evaluate(NETWORK, space.grid(AXES), NODE)


@pytest.fixture(scope="module")
def best(designs):
    return winners(designs, CONSTRAINTS)


def made_up(seed: int, count: int) -> pd.DataFrame:
    """Designs with few values of each cost, so that many are equal; some, but not the first, cannot run the network."""
    rng = np.random.default_rng(seed)
    table = GRID.sample(count, random_state=seed, ignore_index=True)
    table[OBJECTIVES] = rng.choice([1.0, 1.5, 2.0, 3.0, 5.0], (count, len(OBJECTIVES)))
    table["edp_uj_ms"] = table["latency_ms"] * table["energy_uj"]
    return table.assign(reason=np.where((rng.random(count) < 0.2) & (table.index > 0), "too small", ""))


GRID = space.grid({name: [4, 8] for name in DESIGN} | {"dataflows": ["ws", "os"]})
spaces = st.builds(made_up, st.integers(0, 10**6), st.integers(1, 60))
universal = settings(max_examples=60, deadline=None, derandomize=True)


@universal
@given(spaces)
def test_nothing_dominates_the_front_and_it_covers_everything_else(table):
    members = front(table)
    possible = table[table.reason == ""]
    costs, best = possible[OBJECTIVES].to_numpy()[:, None], members[OBJECTIVES].to_numpy()
    assert not ((costs <= best).all(axis=2) & (costs < best).any(axis=2)).any()
    assert (possible.index.isin(members.index) | (best <= costs).all(axis=2).any(axis=1)).all()
    assert set(members.index) <= set(possible.index) and not members.duplicated(OBJECTIVES).any()
    assert members.latency_ms.is_monotonic_increasing


@universal
@given(spaces)
def test_front_keeps_the_smallest_of_equal_designs_in_whatever_order_they_come(table):
    members = front(table)
    pd.testing.assert_frame_equal(front(table[::-1]), members)
    buffers = ["ifmap_kb", "filter_kb", "ofmap_kb"]
    equal = members[OBJECTIVES].reset_index().merge(table[table.reason == ""], on=OBJECTIVES)
    smallest = equal.sort_values(buffers).drop_duplicates("index").set_index("index").loc[members.index]
    assert (smallest[buffers] == members[buffers]).all(axis=None)


@universal
@given(
    spaces, st.sampled_from([*OBJECTIVES, "edp_uj_ms"]), st.dictionaries(st.sampled_from(OBJECTIVES), st.integers(1, 5))
)
def test_winner_is_the_minimum_within_the_limits_and_lies_on_the_front(table, minimise, limits):
    row = winners(table, [{"name": "any", "minimise": minimise} | limits]).iloc[0]
    allowed = table[table.reason == ""]
    for column, limit in limits.items():
        allowed = allowed[allowed[column] <= limit]
    if allowed.empty:
        assert row.reason and row[DESIGN].isna().all() and np.isnan(row.runner_up_ratio)
        return
    values = sorted(set(allowed[minimise]))
    assert row[minimise] == values[0]
    assert row.runner_up_ratio == pytest.approx(values[1] / values[0]) if values[1:] else np.isnan(row.runner_up_ratio)
    assert row.area_mm2 == allowed[allowed[minimise] == values[0]].area_mm2.min()
    assert (front(table)[DESIGN] == row[DESIGN]).all(axis=1).any()


LIMITS = {"pes": [16, 32, 64], "sram_kb": [12, 16, 20], "dram_gb_per_s": [4, 8], "clock_mhz": [4, 8]}
limits_of_any_kind = st.fixed_dictionaries(
    {},
    optional={name: st.sampled_from([1, 2, 3, 5]) for name in OBJECTIVES}
    | {name: st.sampled_from(values) for name, values in LIMITS.items()},
)


@universal
@given(spaces, st.sampled_from([*OBJECTIVES, "edp_uj_ms"]), limits_of_any_kind, st.sampled_from(["ws", "os", None]))
def test_whatever_the_limits_the_winner_is_found_among_the_contenders(table, minimise, limits, dataflow):
    constraint = [{"name": "any", "minimise": minimise} | limits]
    whole = table.assign(pes=table["rows"] * table.cols, sram_kb=table.ifmap_kb + table.filter_kb + table.ofmap_kb)
    some = contenders(table)
    assert not some.duplicated(["dataflow", *OBJECTIVES, *NEEDS]).any()
    if dataflow:
        whole, some = (part[part.dataflow == dataflow] for part in (whole, some))
    if some.empty:
        assert (whole.reason != "").all()
        return
    costs = [*OBJECTIVES, "edp_uj_ms"]
    pd.testing.assert_frame_equal(winners(some, constraint)[costs], winners(whole, constraint)[costs])


def test_constraint_that_nobody_meets_says_what_the_closest_design_misses(designs, best):
    row = best.iloc[2]
    assert row.reason.startswith("no design is within the limits: the closest, ")
    assert row.reason.endswith(f"has {designs.latency_ms.min() / 1e-9:.4g} times the allowed latency_ms")
    assert best.reason.ne("").tolist() == [False, False, True, False, False]
    assert best.limits.tolist()[:2] == ["", "area_mm2 ≤ 0.5"]


def test_without_any_winner_the_other_tables_still_stand(designs):
    nobody = winners(designs, CONSTRAINTS[2:3])
    assert sensitivity(designs, nobody).empty and bottlenecks(NETWORK, nobody, NODE).empty
    assert set(returns(designs, nobody).others) == {"free"}


def test_space_without_a_feasible_design_names_the_commonest_reason():
    small = space.grid(
        AXES | {"rows": [64], "cols": [64], "dataflows": ["ws"], "filter_kb": [1, 2, 3], "ifmap_kb": [8]}
    )
    table = space.evaluate(NETWORK, small, NODE)
    with pytest.raises(InputError, match=r"none of the 18 designs .* \(6 designs\): filter buffer of . kB: one fold"):
        front(table)
    with pytest.raises(InputError):
        winners(table, CONSTRAINTS)


def test_sensitivity_is_the_cost_of_the_neighbour(designs, best):
    table = sensitivity(designs, best)
    assert set(table.constraint) == {row["name"] for row in CONSTRAINTS} - {"impossible"}
    assert set(table.parameter) == set(DESIGN) - {"ofmap_kb"}
    for row in table.itertuples():
        winner = best[best.constraint == row.constraint][DESIGN].iloc[:1]
        itself, other = (
            network_costs(
                NETWORK,
                part.infer_objects().astype(dict.fromkeys(["rows", "cols", "ifmap_kb", "filter_kb", "ofmap_kb"], int)),
                NODE,
            ).iloc[0]
            for part in (winner, winner.assign(**{row.parameter: row.other_value}))
        )
        assert winner[row.parameter].item() == row.value
        assert row.reason == other.reason
        for cost, column in [
            ("latency", "latency_ms"),
            ("energy", "energy_uj"),
            ("area", "area_mm2"),
            ("edp", "edp_uj_ms"),
        ]:
            assert getattr(row, f"{cost}_ratio") == pytest.approx(other[column] / itself[column], nan_ok=True)


def test_sensitivity_steps_are_the_neighbours_on_the_axis(designs, best):
    for (_, parameter), steps in sensitivity(designs, best).groupby(["constraint", "parameter"]):
        if parameter == "dataflow":
            assert set(steps.other_value) | set(steps.value) == {"os", "ws", "is"} and set(steps.step) == {"other"}
        else:
            axis = sorted(AXES[parameter])
            for row in steps.itertuples():
                assert axis.index(row.other_value) - axis.index(row.value) == {"next": 1, "previous": -1}[row.step]


def test_bottlenecks_add_up_to_the_winners(best):
    layers = bottlenecks(NETWORK, best, NODE)
    assert layers.groupby("constraint").layer.agg(list).tolist() == [["conv1", "depthwise", "fc"]] * 4
    sums = layers.groupby("constraint", sort=False)[["latency_ms", "energy_pj"]].sum()
    met = best[best.reason == ""]
    assert sums.latency_ms.tolist() == pytest.approx(met.latency_ms.tolist())
    assert sums.energy_pj.tolist() == pytest.approx((1e6 * met.energy_uj).tolist())
    assert layers.design.unique().tolist() == list(dict.fromkeys(met.design))


def test_returns_are_the_least_costs_of_each_size(designs, best):
    table = returns(designs, best)
    possible = designs[designs.reason == ""]
    for row in table[table.others == "free"].itertuples():
        sizes = {
            "pes": possible["rows"] * possible["cols"],
            "sram_kb": possible.ifmap_kb + possible.filter_kb + possible.ofmap_kb,
        }
        size = sizes.get(row.parameter, possible.get(row.parameter))
        assert row.energy_uj == possible[size == row.value].energy_uj.min()
    winner = best.iloc[0]
    own = table[(table.others == "as winner") & (table.parameter == "clock_mhz")].set_index("value")
    assert own.index.tolist() == [200, 300, 500]
    assert own.loc[winner.clock_mhz].edp_uj_ms == winner.edp_uj_ms == own.edp_uj_ms.min()


def test_trends_are_squares_with_equal_buffers(designs):
    table = trends(NETWORK, designs, dram_gb_per_s=1.0, clock_mhz=400, technology=NODE)
    assert (table["rows"] == table["cols"]).all() and (table.pes == table["rows"] ** 2).all()
    assert set(table["rows"]) == {4, 16, 64} and set(table.sram_kb) == {2, 8, 32}
    assert (table[["ifmap_kb", "filter_kb", "ofmap_kb"]].nunique(axis=1) == 1).all()
    assert set(table.clock_mhz) == {400} and table.notna().all(axis=None)


@universal
@given(spaces, st.none() | st.integers(1, 9), st.lists(st.integers(0, 30), max_size=4))
def test_confirmed_arrays_are_distinct_winners_first_and_from_end_to_end(table, count, places):
    members = front(table)
    members["design"] = names(members)
    best = [members.design.iloc[place % len(members)] for place in places]
    chosen = members[confirmed(members, best, count) == 1]
    array = ["rows", "cols", "dataflow"]
    arrays = len(members.drop_duplicates(array))
    assert not chosen.duplicated(array).any()
    assert len(chosen) == (arrays if count is None else min(count, arrays))
    winning = {Design.parse(name) for name in best}
    winning = {(design.rows, design.cols, design.dataflow): design for design in winning}
    covered = {(row["rows"], row["cols"], row["dataflow"]) for _, row in chosen.iterrows()}
    assert len(covered & set(winning)) == min(len(winning), len(chosen))
    if not best and len(chosen) > 1:
        assert members.index[0] in chosen.index
        assert members.drop_duplicates(array).index[-1] in chosen.index


def test_designs_survive_the_file_and_two_writes_are_the_same_bytes(designs, tmp_path):
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    assert space.write(designs, one) == (len(designs), (designs.reason == "").sum())
    space.write(designs, two)
    assert one.read_bytes() == two.read_bytes()
    read = pd.concat(space.read(one))
    exact = [*DESIGN, "compute_cycles", "cycles", "dram_bytes", "reason"]
    assert (read[exact].fillna(-1) == designs[exact].fillna(-1)).all(axis=None)
    costs = designs.columns.difference(exact)
    np.testing.assert_allclose(read[costs], designs[costs], rtol=1e-7)
    assert winners(read, CONSTRAINTS).design.tolist() == winners(designs, CONSTRAINTS).design.tolist()


@pytest.mark.parametrize("content", [lambda path: path.read_bytes()[:-100], lambda path: b"rows,cols\n8,8\n"])
def test_damaged_file_of_designs_is_named(designs, tmp_path, content):
    path = tmp_path / "designs.parquet"
    space.write(designs, path)
    path.write_bytes(content(path))
    with pytest.raises(InputError, match=r"designs\.parquet"):
        list(space.read(path))


def test_table_of_something_else_is_no_table_of_designs(tmp_path):
    path = tmp_path / "designs.parquet"
    pd.DataFrame({"rows": [8], "cols": [8]}).to_parquet(path)
    with pytest.raises(InputError, match=r"designs\.parquet: not a table of designs"):
        list(space.read(path))


def test_sweep_that_ends_early_leaves_the_file_as_it_was(designs, tmp_path):
    path = tmp_path / "designs.parquet"
    space.write(designs, path)
    before = path.read_bytes()

    def interrupted():
        yield designs[:200]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        space.write(interrupted(), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def cut(table: pd.DataFrame, places: list[int]) -> list[pd.DataFrame]:
    """The table in blocks, some of them perhaps empty."""
    edges = [0, *sorted(place % (len(table) + 1) for place in places), len(table)]
    return [table.iloc[start:stop] for start, stop in pairwise(edges)]


cuts = st.lists(st.integers(0, 60), max_size=6)


constraints = st.fixed_dictionaries(
    {"name": st.just("any"), "minimise": st.sampled_from([*OBJECTIVES, "edp_uj_ms"])},
    optional={"dram_gb_per_s": st.just(4)} | dict.fromkeys(OBJECTIVES, st.integers(0, 6)),
)


@universal
@given(spaces, cuts, st.lists(constraints, min_size=1, max_size=3))
def test_front_and_winners_of_blocks_are_those_of_the_whole(table, places, constraints):
    pd.testing.assert_frame_equal(front(cut(table, places)), front(table))
    pd.testing.assert_frame_equal(winners(cut(table, places), constraints), winners(table, constraints))


some_axes = st.fixed_dictionaries(
    {name: st.sets(st.sampled_from(axis), min_size=1, max_size=2) for name, axis in AXES.items()}
)


@settings(universal, max_examples=20)
@given(some_axes, st.integers(1, 60), st.integers(15, 100))
def test_streaming_through_a_file_gives_what_memory_gives(chosen, cells, rows):
    chosen = {name: list(axis) for name, axis in chosen.items()}
    designs = space.evaluate(NETWORK, space.grid(chosen), NODE)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        streamed, at_once = Path(folder, "streamed.parquet"), Path(folder, "at_once.parquet")
        space.write(designs, at_once)
        (table,) = space.read(at_once)
        patch.setattr(space, "CELLS", cells)
        patch.setattr(space, "ROWS", rows)
        swept = list(space.sweep(NETWORK, chosen, NODE))
        assert len(swept) == -(-len(designs) // max(1, cells // len(NETWORK)))
        pd.testing.assert_frame_equal(pd.concat(swept), designs, check_dtype=False)
        assert space.write(iter(swept), streamed) == (len(designs), (designs.reason == "").sum())
        pd.testing.assert_frame_equal(pd.concat(space.read(streamed)), table)
        assert space.axes(space.read(streamed)) == space.axes(table)
        if (designs.reason != "").all():
            with pytest.raises(InputError) as whole:
                front(table)
            with pytest.raises(InputError) as parts:
                front(space.read(streamed))
            assert str(whole.value) == str(parts.value)
            return
        best = winners(table, CONSTRAINTS)
        pd.testing.assert_frame_equal(winners(space.read(streamed), CONSTRAINTS), best)
        pd.testing.assert_frame_equal(front(space.read(streamed)), front(table))
        for answer in (sensitivity, returns):
            pd.testing.assert_frame_equal(answer(space.read(streamed), best), answer(table, best))
        point = {"dram_gb_per_s": 1.0, "clock_mhz": 400, "technology": NODE}
        pd.testing.assert_frame_equal(trends(NETWORK, space.read(streamed), **point), trends(NETWORK, table, **point))


def test_grid_is_the_product_of_the_axes_in_any_part():
    names = [name.replace("dataflow", "dataflows") for name in DESIGN]
    values = [AXES[name] if name == "dataflows" else sorted(AXES[name]) for name in names]
    expected = pd.DataFrame(product(*values), columns=DESIGN)
    pd.testing.assert_frame_equal(space.grid(AXES), expected)
    pd.testing.assert_frame_equal(space.grid(AXES, space.every(AXES)[5:300:7]), expected[5:300:7])
