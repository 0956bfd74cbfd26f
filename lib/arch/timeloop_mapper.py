"""Timeloop's mapper: called on the files that lib.arch.timeloop writes, its statistics and loops read.

Source of the files' form: reference outputs in https://github.com/Accelergy-Project/timeloop-accelergy-exercises.
"""

import re
import subprocess
from pathlib import Path

from lib.arch.timeloop import FILES
from lib.errors import InputError


def search(folder: str | Path) -> dict:
    """Let Timeloop map the layer whose files are in `folder`, and read what it found: `statistics`, and its loops.

    Its own files stay in `folder`/output, its messages in `folder`/timeloop.log.
    Raises InputError where it finds no mapping.

    >>> found = search("made/by/write")  # doctest: +SKIP
    >>> found["latency_cycles"], found["energy_pj"], found["loops"]  # doctest: +SKIP
    """
    folder = Path(folder)
    with open(folder / "timeloop.log", "w+", encoding="utf-8", errors="replace") as log:
        subprocess.run(["timeloop", "mapper", *FILES, "-o", "output"], cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        log.seek(0)
        last = (log.read().strip().splitlines() or ["no message"])[-1]
    written = [folder / "output" / f"timeloop-mapper.{part}.txt" for part in ("stats", "map")]
    if not all(path.is_file() for path in written):
        raise InputError(f"Timeloop found no mapping ({last})")
    return found(*written)


def found(stats: Path, loops: Path) -> dict:
    """`statistics` and the `nest` of loops in two files that timeloop-mapper wrote; raises InputError as those do.

    >>> from lib.examples import folder
    >>> loops = folder() / "timeloop-mapper.map.txt"
    >>> _ = loops.write_text("DRAM [ Weights:864 ]\\n| for Q in [0:8)\\n")
    >>> found(Path("tests/arch/timeloop/simple_weight_stationary.stats.txt"), loops)["loops"]
    'DRAM: Q 8'
    """
    found, order = (path.read_text(encoding="utf-8", errors="replace") for path in (stats, loops))
    return statistics(found) | {"loops": nest(order)}


def statistics(text: str) -> dict:
    """What timeloop-mapper.stats.txt says, in the columns of the table `mapping` (lib.arch.mapping).

    Energies are those of all instances [pJ]; levels other than mac, DRAM and registers count as SRAM; DRAM words are
    bytes.
    Timeloop neither fills nor drains the array, and its first and last transfers take no time.
    Raises InputError where the file is of another form or cut short.

    >>> text = Path("tests/arch/timeloop/simple_weight_stationary.stats.txt").read_text()
    >>> found = statistics(text)
    >>> found["macs"], found["latency_cycles"], found["dram_bytes"], round(found["energy_pj"])
    (10838016, 903168, 554147, 151669736)
    """
    try:
        levels, summary = text.split("\nNetworks\n", 1)
        pj = {"mac": 0.0, "register": 0.0, "sram": 0.0, "dram": 0.0}
        for name, level in re.findall(r"^=== (\w+) ===$(.*?)(?=^Level |\Z)", levels, re.MULTILINE | re.DOTALL):
            component = {"mac": "mac", "DRAM": "dram"}.get(name, "register" if "reg" in name else "sram")
            parts = re.findall(r"^ *(?:Energy|Leakage energy) \(total\) *: ([\d.]+) pJ$", level, re.MULTILINE)
            pj[component] += sum(map(float, parts))
        cycles = int(re.search(r"^Cycles: (\d+)$", summary, re.MULTILINE)[1])
        macs = int(re.search(r"^Computes = (\d+)$", summary, re.MULTILINE)[1])
        words = int(re.search(r"^=== DRAM ===\n *Total scalar accesses *: (\d+)$", summary, re.MULTILINE)[1])
        used = float(re.search(r"Utilized instances *: ([\d.]+)$", levels, re.MULTILINE)[1])
    except (ValueError, TypeError, ArithmeticError) as error:
        raise InputError(f"not the statistics of timeloop-mapper, or cut short ({error})") from error
    return {
        "macs": macs,
        "latency_cycles": cycles,
        "ideal_cycles": macs / used,
        "fill_drain_cycles": 0,
        "stall_cycles": cycles - macs / used,
        "edge_cycles": 0,
        "energy_pj": sum(pj.values()),
        **{f"energy_{component}_pj": value for component, value in pj.items()},
        "dram_bytes": words,
    }


def nest(text: str) -> str:
    """timeloop-mapper.map.txt on one line: for each level the loops at it, from the outermost on; x and y are spatial.

    Raises InputError where a loop belongs to no level.

    >>> nest('''DRAM [ Weights:864 (864) ]
    ... --------------------------
    ... | for Q in [0:8)
    ... |   for P in [0:2)
    ...
    ... column [ ]
    ... ----------
    ... |     for M in [0:4) (Spatial-X)
    ... |       << Compute >>''')
    'DRAM: Q 8, P 2; column: M 4 x'
    """
    levels = []
    for line in text.splitlines():
        loop = re.match(r"\|\s+for (\w+) in \[0:(\d+)(?:,\d+)?\)(?: \(Spatial-([XY])\))?", line)
        if loop and not levels:
            raise InputError("not the loops of timeloop-mapper: there is one outside all levels")
        if loop:
            levels[-1][1].append(" ".join(filter(None, (loop[1], loop[2], loop[3] and loop[3].lower()))))
        elif level := re.match(r"(\w+) \[", line):
            levels.append((level[1], []))
    return "; ".join(f"{name}: {', '.join(loops)}" for name, loops in levels if loops)
