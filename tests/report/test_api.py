"""The pages made from docstrings: complete, linked, and with a search that finds names."""

import re
from html import unescape
from pathlib import Path

import pytest

from lib.report.api import ENTRY_POINTS, PAGES, markup, pages

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def html():
    return pages(ROOT, ROOT / "lib" / "report" / "api.html.j2")


def text(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


def test_there_is_a_page_for_each_stage_and_the_index_begins_with_the_entry_points(html):
    assert list(html) == ["index", *PAGES]
    found = re.findall(r'<tr><td><a href="[^"]+"><code>([\w.]+)</code>', html["index"])
    assert found[: len(ENTRY_POINTS)] == ENTRY_POINTS


def test_every_link_leads_somewhere(html):
    places = {f"{page}.html#{name}" for page, body in html.items() for name in re.findall(r' id="([^"]+)"', body)}
    places |= {f"{page}.html" for page in html}
    for body in html.values():
        links = re.findall(r' href="([^"]+)"', body)
        assert len(links) > 100 and set(links) <= places


def test_pages_need_no_other_file_and_no_network(html):
    for body in html.values():
        assert not re.search(r"<(script|img|link|iframe)[^>]+(src|href)=|@import|url\(", body)


def test_signature_types_and_names_in_text_are_links(html):
    (fold,) = re.findall(r'<article id="lib.arch.systolic.fold">.*?</article>', html["arch"], re.DOTALL)
    assert "def fold(work: Work, rows: np.ndarray, cols: np.ndarray, dataflow: str) -> Folding" in text(fold)
    assert 'href="arch.html#lib.arch.systolic.Folding"' in fold
    assert 'href="arch.html#lib.arch.systolic"><code>lib.arch.systolic</code>' in html["arch"]


def test_private_and_imported_names_are_not_documented(html):
    names = re.findall(r'<article id="([\w.]+)"', "".join(html.values()))
    assert len(names) == len(set(names)) > 400
    assert not any(part.startswith("_") for name in names for part in name.split("."))


def test_fields_formulas_and_examples_are_told_apart():
    docstring = """Energy < 1 of `kb` [pJ].

    a = b · c

rows, cols : size, see lib.arch.area
    of the array; batch : inferences
Not a field.
Raises InputError.

>>> f(1)  # doctest: +SKIP
2
"""
    body = markup(docstring, {"lib.arch.area": "arch.html#lib.arch.area"})
    assert "<p>Energy &lt; 1 of <code>kb</code> [pJ].</p>\n<pre>a = b · c</pre>" in body
    assert (
        '<dt>rows, cols</dt><dd>size, see <a href="arch.html#lib.arch.area"><code>lib.arch.area</code></a> of' in body
    )
    assert "<dt>batch</dt><dd>inferences</dd></dl>\n<p>Not a field.</p>\n<p>Raises InputError.</p>" in body
    assert text(body).endswith(">>> f(1)\n2")
