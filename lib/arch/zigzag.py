"""ZigZag's mapping search on one of our designs: its inputs made from ours, its best mapping of each layer as a row.

The dataflow fixes what is spread over the array; ZigZag searches the temporal mapping: how the remaining loops are cut
and ordered, and which memory holds what between them. docs/mapping.md says what the two models share.

Source: Mei et al., "ZigZag: Enlarging Joint Architecture-Mapping Design Space Exploration for DNN Accelerators",
IEEE Transactions on Computers 70(8), 2021; zigzag-dse 3.9.1.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import astuple
from itertools import groupby, product
from math import ceil, prod
from operator import truediv
from pathlib import Path
from typing import NamedTuple

import yaml
from onnx import ModelProto, TensorProto, helper
from pandas import DataFrame, Series
from zigzag.cost_model.cost_model import CostModelEvaluation
from zigzag.mapping.temporal_mapping import TemporalMappingType
from zigzag.stages.evaluation.cost_model_evaluation import CostModelStage
from zigzag.stages.mapping.spatial_mapping_generation import SpatialMappingGeneratorStage
from zigzag.stages.mapping.temporal_mapping_generator_stage import TemporalMappingGeneratorStage
from zigzag.stages.parser.accelerator_parser import AcceleratorParserStage
from zigzag.stages.parser.onnx_model_parser import ONNXModelParserStage
from zigzag.stages.workload_iterator import WorkloadStage

from lib.arch import energy
from lib.arch.numerics import Numerics
from lib.arch.technology import Technology
from lib.arch.topology import Layer
from lib.progress import Progress

OWN_ORDER = "our loop order"
OBJECTIVES = {
    "latency": lambda cost: (cost.latency_total2, cost.energy_total),
    "energy": lambda cost: (cost.energy_total, cost.latency_total2),
    "EDP": lambda cost: (cost.energy_total * cost.latency_total2, cost.latency_total2),
}
# ZigZag's names of loops and of the operands in memories.
WINDOW, PIXELS, FILTERS = ("FX", "FY", "C"), ("OX", "OY", "B"), ("K",)
BUFFERS = {"I1": "ifmap", "I2": "filter", "O": "ofmap"}


class _Dataflow(NamedTuple):
    """What a dataflow fixes.

    rows, columns, streaming : loops over the array's rows, over its columns, and within a fold
    stays, by_row : operand that stays in the PEs, operand that enters by the rows
    columns_outside : the buffer that lib.arch.memory keeps where the columns' loop is outside
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    streaming: tuple[str, ...]
    stays: str
    by_row: str
    columns_outside: str


DATAFLOWS = {
    "os": _Dataflow(PIXELS, FILTERS, WINDOW, "O", "I1", "filter"),
    "ws": _Dataflow(WINDOW, FILTERS, PIXELS, "I2", "I1", "ofmap"),
    "is": _Dataflow(WINDOW, PIXELS, FILTERS, "I1", "I2", "ofmap"),
}
# Ways between a memory and the one below or above it (to low, from low, to high, from high), a port for each.
PORTS = {"tl": "r_port_1", "fl": "w_port_1", "th": "r_port_2", "fh": "w_port_2"}
WAYS = {"I1": ("tl", "fh"), "I2": ("tl", "fh"), "O": ("tl", "fl", "th", "fh")}


def loops(layer: Layer, batch: int) -> dict[str, int]:
    """Sizes of a layer's loops.

    >>> loops(Layer("conv", 10, 10, 3, 3, 2, 6, 1, 1), batch=1)
    {'B': 1, 'G': 1, 'K': 6, 'C': 2, 'OX': 8, 'OY': 8, 'FX': 3, 'FY': 3}
    """
    return {
        **{"B": batch, "G": layer.groups, "K": layer.filters, "C": layer.channels},
        **{"OX": layer.ofmap_w, "OY": layer.ofmap_h, "FX": layer.filter_w, "FY": layer.filter_h},
    }


def unroll(sizes: dict[str, int], places: int) -> dict[str, int]:
    """How far to spread each loop over at most `places` PEs so that the fewest steps remain.

    Each loop is cut by itself, where our folds cut the product of all.

    >>> unroll({"FX": 3, "FY": 3, "C": 3}, 16)  # 3 steps; 27 in folds of 16 are 2
    {'FX': 3, 'FY': 3, 'C': 1}
    """
    useful = [sorted({ceil(size / steps) for steps in range(1, size + 1)}, reverse=True) for size in sizes.values()]
    fitting = (factors for factors in product(*useful) if prod(factors) <= places)
    best = min(fitting, key=lambda factors: prod(map(ceil, map(truediv, sizes.values(), factors))))
    return dict(zip(sizes, best, strict=True))


def spatial(layer: Layer, design: Series, batch: int) -> dict[str, dict[str, int]]:
    """The loops over rows (D1) and columns (D2), and how far each is spread.

    >>> design = Series({"rows": 16, "cols": 16, "dataflow": "ws"})
    >>> spatial(Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1), design, batch=1)
    {'D1': {'FX': 3, 'FY': 3, 'C': 1}, 'D2': {'K': 16}}
    """
    sizes, dataflow = loops(layer, batch), DATAFLOWS[design["dataflow"]]
    return {
        "D1": unroll({loop: sizes[loop] for loop in dataflow.rows}, design["rows"]),
        "D2": unroll({loop: sizes[loop] for loop in dataflow.columns}, design["cols"]),
    }


def own_order(layer: Layer, design: Series, batch: int) -> list[list]:
    """Our loop order (lib.arch.memory) as ZigZag's temporal mapping, innermost first.

    design : a row of lib.arch.cost.layer_costs, which knows the operand that stays

    >>> design = Series({"rows": 16, "cols": 16, "dataflow": "ws", "stays": "ofmap"})
    >>> own_order(Layer("conv", 34, 34, 3, 3, 3, 32, 1, 1), design, batch=1)  # innermost: 32·32 pixels stream
    [['OX', 32], ['OY', 32], ['C', 3], ['K', 2]]
    """
    dataflow = DATAFLOWS[design["dataflow"]]
    folds = (dataflow.rows, dataflow.columns)
    inner, outer = folds if design["stays"] == dataflow.columns_outside else folds[::-1]
    spread = {loop: factor for side in spatial(layer, design, batch).values() for loop, factor in side.items()}
    steps = {loop: ceil(size / spread.get(loop, 1)) for loop, size in loops(layer, batch).items()}
    return [[loop, steps[loop]] for loop in (*dataflow.streaming, *inner, *outer, "G") if steps[loop] > 1]


def network(layer: Layer, numerics: Numerics, batch: int) -> ModelProto:
    """The layer as an ONNX node that ZigZag reads: a Conv without weights.

    A 1D convolution has height 1, a Gemm 1x1 filters, padding is part of the input, as in lib.arch.topology. ZigZag
    knows the attributes for word widths, and takes the first entry of kernel_shape for the width.

    >>> model = network(Layer("conv", 10, 10, 3, 3, 2, 6, 1, 1), Numerics(), batch=1)
    >>> [size.dim_value for size in model.graph.output[0].type.tensor_type.shape.dim]
    [1, 6, 8, 8]
    """
    shapes = {
        "x": [batch, layer.channels * layer.groups, layer.ifmap_h, layer.ifmap_w],
        "w": [layer.filters * layer.groups, layer.channels, layer.filter_h, layer.filter_w],
        "y": [batch, layer.filters * layer.groups, layer.ofmap_h, layer.ofmap_w],
    }
    x, w, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    node = helper.make_node(
        *("Conv", ["x", "w"], ["y"], "layer"),
        kernel_shape=[layer.filter_w, layer.filter_h],
        strides=[layer.stride, layer.stride],
        group=layer.groups,
        act_size=numerics.activation_bits,
        weight_size=numerics.weight_bits,
        output_size=numerics.accumulator_bits,
    )
    return helper.make_model(helper.make_graph([node], "layer", [x, w], [y]))


def accelerator(design: Series, technology: Technology, numerics: Numerics) -> dict:
    """The design as ZigZag's accelerator: D1 are the rows, D2 the columns; sizes in bits, bandwidths in bits per cycle.

    design : columns lib.arch.cost.DESIGN
    Each SRAM has ports as wide as the side of the array that it feeds, towards the array and towards the DRAM; the
    DRAM has one port for all. ZigZag counts accesses of a port's whole width, here in steps of a bit. The pipeline
    registers' energy is part of the MAC's; the register of what stays in a PE costs nothing, as in our model.

    >>> from lib.arch import technology
    >>> from lib.arch.cost import DESIGN
    >>> design = Series([16, 8, "ws", 64, 64, 64, 1, 500], DESIGN)
    >>> found = accelerator(design, technology.read(), Numerics())
    >>> found["operational_array"]["sizes"], found["memories"]["ifmap_sram"]["size"]  # 64 kB in bits
    ([16, 8], 524288)
    """
    rows, cols = int(design["rows"]), int(design["cols"])
    dynamic = float(energy.voltage(technology, design["clock_mhz"])) ** 2
    bits = {"I1": numerics.activation_bits, "I2": numerics.weight_bits, "O": numerics.accumulator_bits}
    dataflow = DATAFLOWS[design["dataflow"]]
    dram_bits = max(1, round(8000 * design["dram_gb_per_s"] / design["clock_mhz"]))

    def memory(size: int, width: int, pj_per_byte: float, served: list[str], ports: list[dict]) -> dict:
        cost = pj_per_byte * width / 8
        operands = sorted({way[:-4] for port in ports for way in port["allocation"]})
        widths = {"bandwidth_min": 1, "bandwidth_max": width}
        return {
            **{"size": size, "r_cost": cost, "w_cost": cost, "area": 0.0, "latency": 1, "operands": operands},
            **{"ports": [port | widths for port in ports], "served_dimensions": served},
        }

    def ports(operand: str) -> list[dict]:
        kinds = {"r": "read", "w": "write"}
        ways = [(PORTS[way], f"{operand}, {way}") for way in WAYS[operand]]
        return [{"name": name, "type": kinds[name[0]], "allocation": [way]} for name, way in ways]

    word = bits[dataflow.stays]
    memories = {"register": memory(word, word, 0.0, [], ports(dataflow.stays))}
    for operand, name in BUFFERS.items():
        width = max((rows if operand == dataflow.by_row else cols) * bits[operand], dram_bits)
        kb = int(design[f"{name}_kb"])
        pj_per_byte = dynamic * float(energy.sram_pj_per_byte(technology, kb))
        sram = memory(kb * 8192, width, pj_per_byte, ["D1", "D2"], ports(operand))
        memories[f"{name}_sram"] = sram | {"force_double_buffering": True}
    all_ways = [f"{operand}, {way}" for operand, ways in WAYS.items() for way in ways]
    port = {"name": "rw_port_1", "type": "read_write", "allocation": all_ways}
    memories["dram"] = memory(10**12, dram_bits, energy.dram_pj_per_byte(technology), ["D1", "D2"], [port])
    mac_pj = energy.mac_pj(technology, numerics) + energy.register_pj(technology, numerics, design["dataflow"])
    array = {"dimensions": ["D1", "D2"], "sizes": [rows, cols], "systolic_dimensions": ["D1", "D2"]}
    array |= {"unit_energy": dynamic * mac_pj, "unit_area": 0.0}
    return {"name": "design", "memories": memories, "operational_array": array}


def evaluate(model: ModelProto, accelerator: dict, mapping: dict, factors: int = 6) -> Iterator[CostModelEvaluation]:
    """ZigZag's cost of every mapping of a one-layer model that its search comes to, loops cut to at most `factors`.

    These are the stages of zigzag.api.get_hardware_performance_zigzag but for those that choose one mapping and write
    files, so that one search serves all objectives and nothing is pickled.

    >>> from lib.arch import technology
    >>> from lib.arch.cost import DESIGN
    >>> design = Series([8, 8, "ws", 16, 16, 16, 1, 500], DESIGN)
    >>> model = network(Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1), Numerics(), batch=1)
    >>> fixed = {"spatial_mapping": {"D1": ["C, 8"], "D2": ["K, 8"]}}  # 512 MACs on 64 PEs
    >>> found = evaluate(model, accelerator(design, technology.read(), Numerics()), fixed)
    >>> [(cost.ideal_temporal_cycle, cost.latency_total2) for cost in found]
    [(8.0, 282.0)]
    """
    stages = [
        AcceleratorParserStage,
        WorkloadStage,
        SpatialMappingGeneratorStage,
        TemporalMappingGeneratorStage,
        CostModelStage,
    ]
    with tempfile.TemporaryDirectory() as folder:
        files = {name: str(Path(folder, f"{name}.yaml")) for name in ("accelerator", "mapping")}
        for name, content in (("accelerator", accelerator), ("mapping", [{"name": "default"} | mapping])):
            Path(files[name]).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        first = ONNXModelParserStage(
            stages,
            workload=model,
            **files,
            loma_lpf_limit=factors,
            temporal_mapping_type=TemporalMappingType.UNEVEN,
            access_same_data_considered_as_no_access=True,
        )
        for cost, _ in first.run():
            yield cost


def _mappings(
    layer: Layer, design: Series, technology: Technology, numerics: Numerics, batch: int, factors: int
) -> dict[str, CostModelEvaluation]:
    """ZigZag's cost of our loop order, and of the best mapping it finds for each objective."""
    model, target = network(layer, numerics, batch), accelerator(design, technology, numerics)
    sides = spatial(layer, design, batch).items()
    fixed = {"spatial_mapping": {side: [f"{loop}, {factor}" for loop, factor in over.items()] for side, over in sides}}
    (own,) = evaluate(model, target, fixed | {"temporal_ordering": own_order(layer, design, batch)})
    found = [own, *evaluate(model, target, fixed, factors)]
    return {OWN_ORDER: own} | {objective: min(found, key=cost) for objective, cost in OBJECTIVES.items()}


def _parts(cost: CostModelEvaluation, register_share: float, dram_pj_per_byte: float) -> dict:
    """A mapping's costs in the columns of lib.arch.mapping.

    register_share : part of the MAC's energy that goes to the pipeline registers, 0…1
    """
    *_, sram, dram = zip(*(energies[-2:] for energies in cost.mem_energy_breakdown.values()), strict=True)
    return {
        "macs": cost.layer.total_mac_count,
        "latency_cycles": cost.latency_total2,
        "ideal_cycles": cost.ideal_temporal_cycle,
        "fill_drain_cycles": cost.systolic_drain_cycle,
        "stall_cycles": cost.stall_slack_comb,
        "edge_cycles": cost.data_onloading_cycle + cost.data_offloading_cycle,
        "energy_pj": cost.energy_total,
        "energy_mac_pj": cost.mac_energy * (1 - register_share),
        "energy_register_pj": cost.mac_energy * register_share,
        "energy_sram_pj": sum(sram),
        "energy_dram_pj": sum(dram),
        "dram_bytes": sum(dram) / dram_pj_per_byte,
    }


def nest(levels: dict[str, list[list[tuple[str, int]]]], sides: dict[str, dict[str, int]]) -> str:
    """A mapping on one line, the outermost loop first, behind the memories that hold each operand around it.

    levels : loops by operand and its memories, innermost first, the last memory being the DRAM
    sides : loops over rows (D1) and columns (D2)

    >>> levels = {"I": [[("OX", 4), ("K", 2)], []], "W": [[("OX", 4)], [("K", 2)], []], "O": [[("OX", 4)], [("K", 2)]]}
    >>> nest(levels, {"D1": {"C": 8, "FX": 1}, "D2": {"K": 16}})
    'ifmap SRAM, filter SRAM, ofmap DRAM: K 2; ifmap SRAM, filter register, ofmap SRAM: OX 4; rows: C 8; columns: K 16'
    """
    names = {"I": "ifmap", "W": "filter", "O": "ofmap"}
    loops_of = {op: [loop for memory in memories for loop in memory] for op, memories in levels.items()}
    places = {
        op: [
            name
            for level, name in enumerate(("DRAM", "SRAM", "register")[: len(memories)], 1)
            for _ in memories[-level]
        ]
        for op, memories in levels.items()
    }
    around = list(zip(*(places[op] for op in names), strict=True))
    outermost_first = list(zip(around, reversed(loops_of["O"]), strict=True))
    text = []
    for place, group in groupby(outermost_first, key=lambda item: item[0]):
        where = ", ".join(f"{name} {memory}" for name, memory in zip(names.values(), place, strict=True))
        text.append(f"{where}: " + " ".join(f"{loop} {size}" for _, (loop, size) in group))
    for side, over in (("rows", sides["D1"]), ("columns", sides["D2"])):
        text.append(f"{side}: " + (" ".join(f"{loop} {factor}" for loop, factor in over.items() if factor > 1) or "-"))
    return "; ".join(text)


def search(
    layers: list[Layer], costs: DataFrame, technology: Technology, numerics: Numerics, batch: int = 1, factors: int = 6
) -> DataFrame:
    """ZigZag's mappings of all layers on one design, as lib.arch.mapping.beside takes them: four rows a layer.

    costs : lib.arch.cost.layer_costs of the design, in the layers' order
    factors : that the loops of a layer are cut into, at most; the search tries their orders
    objective : latency, energy or EDP, or OWN_ORDER for our loop order in ZigZag's model
    reason : why ZigZag has no mapping of a layer, which then has one row

    >>> from lib.arch import cost, technology
    >>> layers, node, numerics = [Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1)], technology.read(), Numerics()
    >>> design = DataFrame([[8, 8, "ws", 16, 16, 16, 1, 500]], columns=cost.DESIGN)
    >>> found = search(layers, cost.layer_costs(layers, design, node), node, numerics)
    >>> found[["objective", "latency_cycles", "loops"]].values[0].tolist()
    ['our loop order', 282.0, 'ifmap SRAM, filter SRAM, ofmap SRAM: C 8; rows: C 8; columns: K 8']
    """
    register_pj = energy.register_pj(technology, numerics, costs["dataflow"].iloc[0])
    register_share = register_pj / (register_pj + energy.mac_pj(technology, numerics))
    known, rows, progress = {}, [], Progress(len(layers), "layers")
    for layer, (_, design) in zip(layers, costs.iterrows(), strict=True):
        about = {"tool": "ZigZag", "design": design["design"], "layer": layer.name}
        shape = (*astuple(layer)[1:], design["stays"])
        try:
            if shape not in known:
                known[shape] = _mappings(layer, design, technology, numerics, batch, factors)
        except Exception as error:  # it asserts, and raises unrelated types where no mapping fits
            reason = f"ZigZag found no mapping ({type(error).__name__}: {error})".splitlines()[0]
            rows.append(about | {"macs": layer.macs * batch, "reason": reason})
            progress(f"{layer.name}: {reason}")
            continue
        for objective, cost in known[shape].items():
            found = _parts(cost, register_share, energy.dram_pj_per_byte(technology))
            assert found["macs"] == layer.macs * batch, f"{layer.name}: {found['macs']} MACs in ZigZag"
            levels = {
                operand.name: [[(loop.name, size) for loop, size in memory] for memory in memories]
                for operand, memories in cost.temporal_mapping.mapping_dic_stationary.items()
            }
            text = nest(levels, spatial(layer, design, batch))
            rows.append(about | {"objective": objective, "loops": text} | found)
        progress(layer.name)
    return DataFrame([{"reason": ""} | row for row in rows])
