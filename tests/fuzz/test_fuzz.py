"""Damaged files of every format are read, or refused in one line, and do nothing else.

FUZZ_SECONDS : how long each format is tried, instead of 400 times
FUZZ_SEED : another number tries other damages, 0 other ones each time
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
LIMIT = f"{os.environ['FUZZ_SECONDS']}s" if "FUZZ_SECONDS" in os.environ else "400"
SEED = os.environ.get("FUZZ_SEED", "1")
FORMATS = sorted(path.stem for path in (FOLDER / "formats").glob("*.py"))


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused(name, tmp_path):
    command = [sys.executable, str(FOLDER / "fuzz.py"), name, LIMIT, ".", f"-seed={SEED}"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert result.returncode == 0, result.stdout[-1000:] + result.stderr[-5000:]
    outcomes = Counter((tmp_path / "outcomes").read_text().split())
    assert outcomes["read"] and outcomes["refused"]
    print(f"{name}: {outcomes['read']:,} read, {outcomes['refused']:,} refused")
