"""Timeloop v4: one of our layers on one of our designs as its input files; lib.arch.timeloop_mapper runs them.

`timeloop`, its Python front end, reads the v4 files and calls `timeloop-mapper`. tables.yaml hands it our energies
and areas as Accelergy's reference tables (ERT, ART), so that all tools share one table; without that file, Accelergy
estimates the components of components.yaml by itself. docs/timeloop.md says how the two models differ.

Source: Parashar et al., "Timeloop: a systematic approach to DNN accelerator evaluation", ISPASS 2019; Wu et al.,
"Accelergy: an architecture-level energy estimation methodology for accelerator designs", ICCAD 2019; file formats:
https://timeloop.csail.mit.edu/v4/input-formats.
"""

from pathlib import Path

from pandas import Series

from lib.arch import area, energy
from lib.arch.numerics import Numerics
from lib.arch.technology import Technology
from lib.arch.topology import Layer
from lib.files import write_text

FILES = ("problem.yaml", "architecture.yaml", "components.yaml", "mapper.yaml", "tables.yaml")

# G groups, N batch, C channels, M filters, R and S height and width of a filter, P and Q of the output. The size of
# the input follows.
DIMENSIONS = "GNCMRSPQ"
PROBLEM = """\
problem:
  version: 0.4
  shape:
    name: grouped_convolution
    dimensions: [G, N, C, M, R, S, P, Q]
    coefficients:
    - name: Hstride
      default: 1
    - name: Wstride
      default: 1
    data_spaces:
    - name: Weights
      projection: [[[G]], [[C]], [[M]], [[R]], [[S]]]
    - name: Inputs
      projection: [[[G]], [[N]], [[C]], [[R], [P, Hstride]], [[S], [Q, Wstride]]]
    - name: Outputs
      projection: [[[G]], [[N]], [[M]], [[P]], [[Q]]]
      read_write: True
  instance:
    G: {layer.groups}
    N: {batch}
    C: {layer.channels}
    M: {layer.filters}
    R: {layer.filter_h}
    S: {layer.filter_w}
    P: {layer.ofmap_h}
    Q: {layer.ofmap_w}
    Hstride: {layer.stride}
    Wstride: {layer.stride}
"""

# Half of each SRAM holds tiles, the other half takes what comes next. Loops over what the SRAMs hold stand at the
# innermost of them, the ofmap's, so that all three hold tiles of the same loops; the factor 1 keeps a dimension out.
SRAM = """\
    - !Component
      name: {name}_sram
      class: SRAM
      attributes:
        depth: {words}
        width: {bits}
        datawidth: {bits}
        multiple_buffering: 2
      constraints:
        dataspace:
          keep: [{tensor}]
        temporal:
          factors: [{factors}]
"""
ARCHITECTURE = """\
architecture:
  version: 0.4
  nodes:
  - !Container
    name: system
    attributes:
      technology: {node_nm:g}nm
      global_cycle_seconds: {cycle_s}
  - !Component # words are bytes
    name: DRAM
    class: DRAM
    attributes:
      type: LPDDR4
      width: 8
      datawidth: 8
      shared_bandwidth: {dram_bytes_per_cycle}
  - !Parallel
    nodes:
{srams}  - !Container
    name: column
    spatial:
      meshX: {cols}
    constraints:
      spatial:
        permutation: [G, N, C, M, R, S, P, Q]
        factors: [{over_cols}]
        split: 8 # all along X
  - !Container
    name: row
    spatial:
      meshY: {rows}
    constraints:
      spatial:
        permutation: [G, N, C, M, R, S, P, Q]
        factors: [{over_rows}]
        split: 0 # all along Y
  - !Component # for the operand that stays
    name: pe_register
    class: storage
    subclass: aladdin_register
    attributes:
      depth: 1
      width: {register_bits}
      datawidth: {register_bits}
    constraints:
      dataspace:
        keep: [{stays}]
        bypass: [{passes}]
      temporal:
        factors: [{streams}]
  - !Component
    name: mac
    class: systolic_mac
    attributes:
      activation_width: {activation_bits}
      weight_width: {weight_bits}
      accumulator_width: {accumulator_bits}
"""

COMPONENTS = """\
components:
  version: 0.4
  classes:
  - name: systolic_mac
    attributes:
      technology: must_specify
      global_cycle_seconds: must_specify
      activation_width: must_specify
      weight_width: must_specify
      accumulator_width: must_specify
    subcomponents:
    - name: multiplier
      class: aladdin_multiplier
      attributes:
        width_a: activation_width
        width_b: weight_width
    - name: adder
      class: aladdin_adder
      attributes:
        width: accumulator_width
    actions:
    - name: compute
      subcomponents:
      - name: multiplier
        actions:
        - name: read
      - name: adder
        actions:
        - name: read
    - name: leak
      subcomponents:
      - name: multiplier
        actions:
        - name: leak
      - name: adder
        actions:
        - name: leak
"""

MAPPER = """\
mapper:
  version: 0.4
  optimization_metrics: [edp]
  algorithm: random_pruned
  num_threads: {threads}
  victory_condition: 500
  timeout: 10000
  live_status: False
  diagnostics: False
"""

ACCESSES = ("read", "write", "update")

TENSORS = {"ifmap": "Inputs", "filter": "Weights", "ofmap": "Outputs"}
# What is spread over rows and columns, what streams, and the operand that stays in the PEs.
DATAFLOWS = {
    "os": ("NPQ", "M", "CRS", "ofmap"),
    "ws": ("CRS", "M", "NPQ", "filter"),
    "is": ("CRS", "NPQ", "M", "ifmap"),
}


def ones(free: str) -> str:
    """Factors that keep all dimensions but the free ones out of a level.

    >>> ones("CRSPQ")
    'G=1, N=1, M=1'
    """
    return ", ".join(f"{dimension}=1" for dimension in DIMENSIONS if dimension not in free)


def _architecture(design: Series, technology: Technology, numerics: Numerics) -> str:
    """architecture.yaml: DRAM, three SRAMs, and an array of PEs with a register each for the operand that stays.

    design : columns lib.arch.cost.DESIGN
    """
    over_rows, over_cols, streams, stays = DATAFLOWS[design["dataflow"]]
    bits = _word_bits(numerics)
    srams = [
        SRAM.format(
            name=name,
            words=int(design[f"{name}_kb"]) * 8192 // bits[name],
            bits=bits[name],
            tensor=tensor,
            factors="" if name == "ofmap" else ones(""),
        )
        for name, tensor in TENSORS.items()
    ]
    return ARCHITECTURE.format(
        node_nm=technology.node_nm,
        cycle_s=1e-6 / design["clock_mhz"],
        dram_bytes_per_cycle=1000 * design["dram_gb_per_s"] / design["clock_mhz"],
        srams="".join(srams),
        rows=design["rows"],
        cols=design["cols"],
        over_rows=ones(over_rows),
        over_cols=ones(over_cols),
        streams=ones(streams),
        stays=TENSORS[stays],
        passes=", ".join(tensor for name, tensor in TENSORS.items() if name != stays),
        register_bits=bits[stays],
        activation_bits=numerics.activation_bits,
        weight_bits=numerics.weight_bits,
        accumulator_bits=numerics.accumulator_bits,
    )


def _word_bits(numerics: Numerics) -> dict[str, int]:
    """Width of a word in each SRAM [bits]; the ofmap's holds sums."""
    return {"ifmap": numerics.activation_bits, "filter": numerics.weight_bits, "ofmap": numerics.accumulator_bits}


def _tables(design: Series, technology: Technology, numerics: Numerics) -> str:
    """tables.yaml: energy of each action [pJ] and area of each component [µm²] in our cost model.

    A MAC's pipeline registers are billed at the one access that every MAC makes to the register of its PE. Like the
    other mapping tools, Timeloop gets neither leakage nor requantization.
    """
    supply = float(energy.voltage(technology, design["clock_mhz"])) ** 2
    once = "update" if design["dataflow"] == "os" else "read"
    pes = design["rows"] * design["cols"]
    components = {  # energy by action, area; the registers' area is part of the MACs'
        "DRAM[1..1]": (dict.fromkeys(ACCESSES, energy.dram_pj_per_byte(technology)), 0.0),
        f"pe_register[1..{pes}]": (
            dict.fromkeys(ACCESSES, 0.0)
            | {once: supply * energy.register_pj(technology, numerics, design["dataflow"])},
            0.0,
        ),
        f"mac[1..{pes}]": (
            {"compute": supply * energy.mac_pj(technology, numerics)},
            area.array_mm2(technology, numerics, design["rows"], design["cols"]) / pes,
        ),
    }
    for name, bits in _word_bits(numerics).items():
        kb = design[f"{name}_kb"]
        pj = supply * energy.sram_pj_per_byte(technology, kb) * bits / 8
        components[f"{name}_sram[1..1]"] = dict.fromkeys(ACCESSES, pj), area.sram_mm2(technology, kb)
    ert, art = (f"{table}:\n  version: 0.4\n  tables:\n" for table in ("ERT", "ART"))
    for name, (energies, mm2) in components.items():
        ert += f"  - name: system_top_level.{name}\n    actions:\n"
        for action, pj in (energies | {"leak": 0.0}).items():
            ert += f"    - name: {action}\n      arguments: {{}}\n      energy: {pj:.9f}\n"
        art += f"  - name: system_top_level.{name}\n    area: {mm2 * 1e6:.3f}\n"
    return ert + art


def write(
    folder: str | Path,
    layer: Layer,
    design: Series,
    technology: Technology,
    numerics: Numerics,
    batch: int,
    threads: int,
) -> None:
    """Write FILES, all that Timeloop needs to map the layer to the design, into `folder`.

    threads : of the search

    >>> import tempfile
    >>> from lib.arch import technology
    >>> from lib.arch.cost import DESIGN
    >>> layer, design = Layer("fc", 1, 1, 1, 1, 64, 8, 1, 1), Series([8, 8, "ws", 16, 16, 16, 1, 500], DESIGN)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(folder, layer, design, technology.read(), Numerics(), batch=1, threads=1)
    ...     print(*Path(folder, "problem.yaml").read_text().split()[-20:])
    G: 1 N: 1 C: 64 M: 8 R: 1 S: 1 P: 1 Q: 1 Hstride: 1 Wstride: 1
    """
    texts = (
        PROBLEM.format(layer=layer, batch=batch),
        _architecture(design, technology, numerics),
        COMPONENTS,
        MAPPER.format(threads=threads),
        _tables(design, technology, numerics),
    )
    for name, text in zip(FILES, texts, strict=True):
        write_text(text, Path(folder) / name)
