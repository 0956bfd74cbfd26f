"""A PNG or JPEG image."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from lib.data.folder import File, decode
from tests.fuzz.target import Target


def picture(format: str, mode: str = "RGB", **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 4), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").convert("L" if mode == "I;16" else mode).convert(mode).save(file, format, **options)
    return file.getvalue()


def seeds() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned
    plain = [picture("PNG", mode) for mode in ("RGB", "RGBA", "L", "P", "I;16", "1")]
    return [*plain, picture("JPEG"), picture("JPEG", "CMYK"), picture("JPEG", "L", progressive=True, exif=exif)]


def read(path: Path) -> None:
    decode(File(path.name, 0, path.read_bytes), None, 3, path.parent)


TARGET = Target("1.png", seeds(), read)
