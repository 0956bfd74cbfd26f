"""The pages that document lib, made from its docstrings: an index with the public entry points, a page for each stage.

The code is read, not run. Docstrings are plain text with a few conventions: `code`, names such as lib.arch.cost,
fields ("rows, cols : size of the array"), indented formulas, and examples behind >>>.
"""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from textwrap import dedent

import griffe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import PythonConsoleLexer, PythonLexer

from lib.report.render import render

# By page. What several stages share is on the first one.
PAGES = ("lib", "data", "model", "quant", "bench", "fixedpoint", "arch", "report", "trust")
# The figures draw the workflow's own tables.
UNDOCUMENTED = ("lib.report.figures",)
ENTRY_POINTS = [
    "lib.fixedpoint.IntegerModel.from_onnx",
    "lib.fixedpoint.IntegerModel.run",
    "lib.fixedpoint.IntegerModel.trace",
    "lib.fixedpoint.UnsupportedModelError",
    "lib.fixedpoint.saturate",
    "lib.fixedpoint.wrap",
    "lib.fixedpoint.accumulator_bits",
    "lib.quant.calibrate.minmax",
    "lib.quant.calibrate.percentile",
    "lib.quant.calibrate.entropy",
    "lib.quant.calibrate.mse",
    "lib.quant.affine.symmetric",
    "lib.quant.affine.asymmetric",
    "lib.arch.topology.from_onnx",
    "lib.arch.topology.Layer",
    "lib.arch.systolic.evaluate",
]

# "rows, cols : text", "fill and drain : text"
FIELD = re.compile(r"([\w*.]+(?:,? [\w*.]+){0,5}) : (.*)", re.DOTALL)


def pages(root: str | Path, template_path: str | Path) -> dict[str, str]:
    """The pages' HTML by name: index, and those of PAGES; each is a file of its own that needs no network.

    root : folder that `lib` is in
    Raises KeyError where a name of ENTRY_POINTS is not there.

    >>> html = pages(".", "lib/report/api.html.j2")  # doctest: +SKIP
    >>> Path("arch.html").write_text(html["arch"])  # doctest: +SKIP
    """
    package = griffe.load("lib", search_paths=[root], allow_inspection=False)
    found = _modules(package)
    links = {thing.path: f"{page}.html#{thing.path}" for page in PAGES for thing in _all(found[page])}
    described = {page: [_described(module, links) for module in found[page]] for page in PAGES}
    entries = [_described(package[name.removeprefix("lib.")], links) | {"name": name} for name in ENTRY_POINTS]
    stages = {page: _summary(package if page == "lib" else package[page]) for page in PAGES}
    light, dark = (HtmlFormatter(style=style).get_style_defs("pre") for style in ("friendly", "github-dark"))
    context = {"modules": described, "stages": stages, "entries": entries, "light": light, "dark": dark}
    return {page: render(template_path, context | {"page": page}) for page in ("index", *PAGES)}


def _modules(package: griffe.Module) -> dict[str, list[griffe.Module]]:
    """The modules that have something to document, by page."""
    found: dict[str, list[griffe.Module]] = {page: [] for page in PAGES}
    left = [package]
    while left:
        module = left.pop(0)
        if module.path not in UNDOCUMENTED:
            if _public(module):
                found[next((part for part in module.path.split(".")[1:2] if part in PAGES), "lib")].append(module)
            left = [*sorted(module.modules.values(), key=lambda inner: inner.path), *left]
    return found


def _public(parent: griffe.Module | griffe.Class) -> list[griffe.Object]:
    """What is documented of a module or a class: functions, classes and properties of its own, in the code's order."""
    own = [each for name, each in parent.members.items() if not name.startswith("_") and not each.is_alias]
    kinds = [each for each in own if each.is_function or each.is_class or "property" in each.labels]
    return sorted((each for each in kinds if each.docstring), key=lambda each: each.lineno)


def _all(things: list[griffe.Object]) -> Iterator[griffe.Object]:
    """The things, and what is documented inside them."""
    for thing in things:
        yield thing
        if thing.is_module or thing.is_class:
            yield from _all(_public(thing))


def _described(thing: griffe.Object | griffe.Alias, links: dict[str, str]) -> dict:
    """What the template needs to know of it."""
    thing = thing.final_target if thing.is_alias else thing
    module = thing if thing.is_module else thing.module
    paths = {name: each.target_path if each.is_alias else each.path for name, each in module.members.items()}
    near = {name: links[path] for name, path in paths.items() if path in links}
    # In its own text a parameter's name means the parameter.
    known = links | {name: link for name, link in near.items() if not (thing.is_function and name in thing.parameters)}
    return {
        "path": thing.path,
        "name": thing.name,
        "link": links[thing.path],
        "file": thing.relative_package_filepath.as_posix(),
        "signature": "" if thing.is_module else _signature(thing, near),
        "text": markup(thing.docstring.value, known) if thing.docstring else "",
        "summary": _prose(_summary(thing), known),
        "members": [_described(each, links) for each in _public(thing)] if thing.is_module or thing.is_class else [],
    }


def _summary(thing: griffe.Object) -> str:
    """The first sentence of its docstring, or what stands before a semicolon there, without the full stop."""
    text = " ".join(thing.docstring.value.split("\n\n")[0].split()) if thing.docstring else ""
    return re.split(r"(?<=\w)[.;] ", text, maxsplit=1)[0].rstrip(".")


def _signature(thing: griffe.Function | griffe.Class | griffe.Attribute, links: dict[str, str]) -> str:
    """How a function or class is called, or the type of a property, as HTML; types that are in `links` are links."""
    if thing.is_class:
        code = f"class {_call(thing)}"
    elif thing.is_function:
        code = (f"{thing.parent.name}." if "classmethod" in thing.labels else "def ") + thing.signature()
    else:
        code = f"{thing.name}: {thing.annotation}"

    def linked(match: re.Match) -> str:
        return f'<a href="{links[match[1]]}">{match[0]}</a>' if match[1] in links else match[0]

    return re.sub(r'<span class="n">([A-Z]\w+)</span>', linked, _coloured(code, PythonLexer()))


def _call(thing: griffe.Class) -> str:
    if "__init__" in thing.members:
        return thing.members["__init__"].signature().replace("__init__", thing.name, 1).removesuffix(" -> None")
    own = [each for each in thing.attributes.values() if each.annotation and "property" not in each.labels]
    fields = [f"{each.name}: {each.annotation}" + (f" = {each.value}" if each.value else "") for each in own]
    return f"{thing.name}({', '.join(fields or map(str, thing.bases))})"


def markup(docstring: str, links: dict[str, str]) -> str:
    """A docstring as HTML; names that are in `links` become links.

    >>> print(markup("Area of an array.\\n\\nrows : size\\n    of the array\\nRaises InputError for 0.", {}))
    <p>Area of an array.</p>
    <dl><dt>rows</dt><dd>size of the array</dd></dl>
    <p>Raises InputError for 0.</p>
    """
    parts = []
    for block in re.split(r"\n\s*\n", docstring.strip("\n")):
        if block.startswith(">>>"):
            example = re.sub(r" *# doctest: .*", "", block)
            parts.append(f"<pre>{_coloured(example, PythonConsoleLexer())}</pre>")
        elif all(line.startswith("    ") for line in block.splitlines()):
            parts.append(f"<pre>{escape(dedent(block), quote=False)}</pre>")
        else:
            # Two fields may share a line.
            lines = re.sub(r"; (?=[\w*.]+(?:, [\w*.]+)* : )", "\n", block).splitlines()
            parts += [_item(item, links) for item in _items(lines)]
    return "\n".join(parts).replace("</dl>\n<dl>", "")


def _items(lines: list[str]) -> list[str]:
    """Lines put together to paragraphs and fields, of which each begins a new item."""
    items: list[str] = []
    for line in lines:
        goes_on = line.startswith(" ") or not (items and FIELD.match(items[-1]))
        begins = FIELD.match(line) or line.startswith(("Raises ", "Returns ", "Source"))
        if items and goes_on and not begins:
            items[-1] += f"\n{line}"
        else:
            items.append(line)
    return items


def _item(text: str, links: dict[str, str]) -> str:
    if field := FIELD.match(text):
        return f"<dl><dt>{field[1]}</dt><dd>{_prose(field[2], links)}</dd></dl>"
    return f"<p>{_prose(text, links)}</p>"


def _prose(text: str, links: dict[str, str]) -> str:
    """A line of text as HTML: `code` set as such, and lib.….name too, which is a link where it is in `links`."""

    def marked(match: re.Match) -> str:
        name = match[1] or match[0]
        code = f"<code>{name}</code>"
        return f'<a href="{links[name]}">{code}</a>' if name in links else code

    return re.sub(r"`([^`]+)`|\blib(?:\.\w+)+", marked, escape(" ".join(text.split()), quote=False))


def _coloured(code: str, lexer: Lexer) -> str:
    return highlight(code, lexer, HtmlFormatter(nowrap=True)).rstrip("\n")
