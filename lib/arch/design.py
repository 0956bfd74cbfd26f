"""An accelerator design, named by its parts."""

import re
from dataclasses import dataclass

from lib.errors import InputError


@dataclass(frozen=True)
class Design:
    """A systolic array of rows x cols PEs with a dataflow (os, ws, is) and three SRAMs of sram_kb [kB] each.

    >>> Design.parse("16x8_ws_128kb")
    Design(rows=16, cols=8, dataflow='ws', sram_kb=128)
    """

    rows: int
    cols: int
    dataflow: str
    sram_kb: int

    @classmethod
    def parse(cls, name: str) -> "Design":
        """The design called `name`; raises InputError where the name is not of the form 16x16_ws_128kb."""
        match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)_(os|ws|is)_([1-9]\d*)kb", name)
        if not match:
            raise InputError(f"design {name!r}: not of the form <rows>x<cols>_<os|ws|is>_<sram_kb>kb")
        rows, cols, dataflow, sram_kb = match.groups()
        return cls(int(rows), int(cols), dataflow, int(sram_kb))

    @property
    def name(self) -> str:
        """The name that `parse` reads."""
        return f"{self.rows}x{self.cols}_{self.dataflow}_{self.sram_kb}kb"
