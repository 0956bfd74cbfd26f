"""Documents from Jinja2 templates."""

from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined


def percent(share: float, digits: int = 2) -> str:
    """A share as a percentage.

    >>> percent(0.7902)
    '79.02 %'
    """
    return f"{100 * share:.{digits}f} %"


def significant(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits, without an exponent where it can be avoided, thousands grouped.

    >>> significant(0.05543), significant(12345.6), significant(2.0)
    ('0.0554', '12,346', '2.00')
    """
    if value == 0 or not abs(value) >= 1e-4:
        return f"{value:.{digits}g}"
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:#.{digits}g}".rstrip(".")


def table(frame: pd.DataFrame, digits: int = 3) -> str:
    """A DataFrame as a Markdown table: numbers with `digits` significant digits to the right, text to the left.

    >>> print(table(pd.DataFrame({"layer": ["fc"], "utilization": [0.12345]})))
    | layer | utilization |
    |---|---:|
    | fc | 0.123 |
    """
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + "|".join("---:" if n else "---" for n in numeric) + "|"]
    for row in frame.itertuples(index=False):
        cells = [
            f"{v:,}" if isinstance(v, int) else significant(v, digits) if isinstance(v, float) else str(v) for v in row
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def render(template_path: str | Path, context: dict) -> str:
    """The text of a template filled from `context`; raises jinja2.UndefinedError where it names what is not there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.md.j2").write_text("{{ accuracy | percent }} of {{ samples }} samples")
    ...     render(Path(folder, "a.md.j2"), {"accuracy": 0.7902, "samples": 10_000})
    '79.02 % of 10000 samples'
    """
    path = Path(template_path)
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "significant": significant, "table": table}
    return environment.get_template(path.name).render(context)
