"""An accelerator design, named by its parts."""

import re
from dataclasses import dataclass

from lib.errors import InputError


@dataclass(frozen=True)
class Design:
    """A systolic array of rows x cols PEs with a dataflow (os, ws, is) and three SRAMs [kB of 1024 bytes].

    >>> Design.parse("16x8_ws_64-32-16kb")
    Design(rows=16, cols=8, dataflow='ws', ifmap_kb=64, filter_kb=32, ofmap_kb=16)
    >>> Design(16, 8, "os", 128, 128, 128).name
    '16x8_os_128kb'
    """

    rows: int
    cols: int
    dataflow: str
    ifmap_kb: int
    filter_kb: int
    ofmap_kb: int

    @classmethod
    def parse(cls, name: str) -> "Design":
        """The design called `name`; raises InputError where the name is of another form."""
        size = r"([1-9]\d*)"
        match = re.fullmatch(rf"{size}x{size}_(os|ws|is)_{size}(?:-{size}-{size})?kb", name)
        if not match:
            raise InputError(
                f"design {name!r}: not of the form <rows>x<cols>_<os|ws|is>_<kB>kb, where <kB> is the size of each "
                "buffer or <ifmap>-<filter>-<ofmap>"
            )
        rows, cols, dataflow, ifmap, *others = match.groups()
        return cls(int(rows), int(cols), dataflow, int(ifmap), *(int(other or ifmap) for other in others))

    @property
    def name(self) -> str:
        """The shortest name that `parse` reads."""
        buffers = (self.ifmap_kb, self.filter_kb, self.ofmap_kb)
        sizes = self.ifmap_kb if len(set(buffers)) == 1 else "-".join(map(str, buffers))
        return f"{self.rows}x{self.cols}_{self.dataflow}_{sizes}kb"
