"""The page: the report with its figures inside, the answers in short, and charts to explore. It needs no other file."""

import base64
import json
import re
from functools import cache
from pathlib import Path

import altair
import markdown
import vl_convert

from lib.report.charts import CHARTS
from lib.report.explore import COSTS, LIMITS, explorable, questions
from lib.report.render import render
from lib.report.style import DATAFLOW_NAMES


def page(text: str, folder: str | Path, template_path: str | Path, facts: dict) -> str:
    """The Markdown report `text` as HTML; images are found from `folder`.

    facts : tables, answers, architectures (lib.report) and arch, the settings, as the report's template has them
    Raises FileNotFoundError where an image is missing.

    >>> html = page(text, "results", "lib/report/report.html.j2", facts)  # doctest: +SKIP
    >>> Path("report.html").write_text(html, encoding="utf-8")  # doctest: +SKIP
    """
    converter = markdown.Markdown(extensions=["tables", "toc"], extension_configs={"toc": {"toc_depth": "2-2"}})
    html = converter.convert(text)
    html = re.sub(r'<img alt="([^"]*)" src="([^":]+\.png)" />', lambda image: _embedded(*image.groups(), folder), html)
    html = html.replace("<table>", '<div class="scroll" tabindex="0"><table>').replace("</table>", "</table></div>")
    title, rest = re.fullmatch(r"\s*<h1[^>]*>(.*?)</h1>\s*(.*)", html, re.DOTALL).groups()
    introduction, second, evidence = rest.partition("<h2")
    asked = questions(facts["arch"]["constraints"])
    page_only = {
        "title": title,
        "introduction": introduction,
        "evidence": second + evidence,
        "sections": converter.toc_tokens,
        "vega": _vega(),
        "charts": literal({name: chart() for name, chart in CHARTS.items()}),
        "networks": literal(explorable(facts["tables"])),
        "questions": literal(asked),
        "asked": asked,
        "costs": COSTS,
        "limits": LIMITS,
        "dataflows": DATAFLOW_NAMES,
    }
    return render(template_path, facts | page_only)


def _embedded(name: str, path: str, folder: str | Path) -> str:
    """The image as part of the page, in a box of its own that scrolls where the screen is narrow."""
    image = base64.b64encode((Path(folder) / path).read_bytes()).decode()
    return f'<span class="figure" tabindex="0"><img alt="{name}" src="data:image/png;base64,{image}"></span>'


@cache
def _vega() -> str:
    """The JavaScript of Vega, Vega-Lite in the version that Altair writes, and Vega-Embed."""
    version = ".".join(altair.SCHEMA_VERSION.split(".")[:2])
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)


def literal(value: object) -> str:
    """JSON that can stand inside a script element, whatever its text.

    >>> literal({"name": "</script>"})
    '{"name":"\\\\u003c/script>"}'
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
