"""SCALE-Sim's reports and the status beside them: one is damaged, the others are sound."""

from pathlib import Path

from lib.arch import scalesim
from tests.fuzz.formats.topology import LAYERS
from tests.fuzz.target import Target


def report(columns: dict[str, str]) -> str:
    rows = [["LayerID", *columns], *([str(layer), *["7"] * len(columns)] for layer in range(len(LAYERS)))]
    return "".join(", ".join(row) + ",\n" for row in rows)


SOUND = {name: report(columns) for name, columns in scalesim.REPORTS.items()} | {scalesim.STATUS: '{"reason": ""}\n'}


def read(path: Path) -> None:
    """The first line of the file says which one it replaces."""
    folder = path.parent / "8x8_ws_16kb"
    folder.mkdir(exist_ok=True)
    for name, text in SOUND.items():
        (folder / name).write_text(text)
    name, _, content = path.read_bytes().partition(b"\n")
    if name.decode(errors="replace") in SOUND:
        (folder / name.decode()).write_bytes(content)
    scalesim.read_designs([folder], LAYERS)


TARGET = Target("report.csv", [f"{name}\n{text}".encode() for name, text in SOUND.items()], read)
