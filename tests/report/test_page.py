"""The page as people use it, in a real browser: it answers, it can be explored, it asks the network for nothing."""

import re
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from playwright.sync_api import expect, sync_playwright

from lib.arch import space, technology
from lib.arch.cost import DESIGN
from lib.arch.pareto import NEEDS, OBJECTIVES, contenders, names
from lib.arch.study import winners
from lib.arch.topology import Layer
from lib.report import render
from lib.report.figures import FIGURES
from lib.report.page import page
from lib.report.style import save

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "lib/report"
CHROMIUM = shutil.which("chromium")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync"]
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
NETWORK = [Layer("conv1", 34, 34, 3, 3, 3, 32, 1, 1), Layer("fc", 1, 1, 1, 1, 256, 64, 1, 1)]
AXES = {
    "rows": [4, 16, 64],
    "cols": [4, 16, 64],
    "dataflows": ["ws", "os", "is"],
    "ifmap_kb": [8, 32],
    "filter_kb": [8, 32],
    "ofmap_kb": [8],
    "dram_gb_per_s": [0.5, 4],
    "clock_mhz": [200, 500],
}
QUESTIONS = [
    {"name": "least energy-delay product", "minimise": "edp_uj_ms"},
    {"name": "fastest within 0.3 mm² at 1 GB/s", "minimise": "latency_ms", "area_mm2": 0.3, "dram_gb_per_s": 1.0},
    {"name": "smallest within 1 ms", "minimise": "area_mm2", "latency_ms": 1.0},
    {"name": "impossible", "minimise": "energy_uj", "latency_ms": 1e-9},
]


@pytest.fixture(scope="module")
def designs(tmp_path_factory) -> pd.DataFrame:
    """A whole design space, as the workflow keeps it."""
    path = tmp_path_factory.mktemp("arch") / "designs.parquet"
    space.write(space.evaluate(NETWORK, space.grid(AXES), technology.read(node_nm=45)), path)
    return pd.concat(space.read(path))


@pytest.fixture(scope="module")
def html(made_tables, context, designs, tmp_path_factory) -> str:
    """The page of the made-up tables with the contenders of a real design space, and blank figures."""
    folder = tmp_path_factory.mktemp("results")
    save(plt.figure(figsize=(9, 4)), folder / "blank.png")
    (folder / "figures").mkdir()
    for name in [*FIGURES, "dag"]:
        shutil.copy(folder / "blank.png", folder / f"figures/{name}.png")
    able = contenders(designs)
    able = able[[*DESIGN, *NEEDS[:2], *OBJECTIVES, "edp_uj_ms", "utilization", "stall_share"]].assign(
        design=names(able)
    )
    about = made_tables["winners"][["workload", "dataset"]].drop_duplicates()
    facts = context(made_tables | {"contenders": about.merge(able, how="cross")})
    facts["arch"] |= {"constraints": QUESTIONS, "space": AXES}
    return page(render(TEMPLATES / "report.md.j2", facts), folder, TEMPLATES / "report.html.j2", facts)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, html, tmp_path):
    """Opens the page in a window of some kind; in the end nothing may have gone wrong or asked for anything else."""
    file = tmp_path / "report.html"
    file.write_text(html, encoding="utf-8")
    wrong, asked = [], []

    def opened(viewport: dict = DESKTOP, **options):
        tab = browser.new_context(viewport=viewport, **options).new_page()
        tab.set_default_timeout(60_000)
        tab.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(file.as_uri())
        return tab

    yield opened
    assert not wrong
    assert {url for url in asked if not url.startswith(("data:", "blob:"))} == {file.as_uri()}


def chart(tab, name: str):
    """A chart's canvas, once it is drawn."""
    box = tab.locator(f"#chart-{name}")
    box.scroll_into_view_if_needed()
    canvas = box.locator("canvas")
    canvas.wait_for()
    return canvas


PICTURE = "document.querySelector('#chart-{} canvas').toDataURL()"


def picture(canvas) -> str:
    return canvas.evaluate("canvas => canvas.toDataURL()")


def corner(canvas) -> int:
    """How light the background of a chart is, 0…255."""
    return canvas.evaluate("""canvas => {
      const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      return copy.getImageData(1, 1, 1, 1).data[0];
    }""")


def winner(tab) -> tuple[str, str]:
    """The design that the page names, with clock and bandwidth; empty where none is within the limits."""
    text = tab.locator("#winner").inner_text()
    found = re.match(r"Winner: (\S+ at \S+ MHz, \S+ GB/s)", text)
    return found[1] if found else ""


def named(row) -> str:
    return f"{row.design} at {row.clock_mhz:g} MHz, {row.dram_gb_per_s:g} GB/s"


def test_page_holds_its_figures_and_points_nowhere_else(html):
    own = re.sub(r"<script type=.*?</script>", "", html, flags=re.DOTALL)
    images = re.findall(r'<img[^>]*src="([^"]{0,30})', own)
    assert len(images) == len(FIGURES) + 1 and all(image.startswith("data:image/png;base64,") for image in images)
    assert "default-src 'none'" in own and 'name="viewport"' in own
    assert not re.search(r'(src|href)="(?!data:|#)', own) and "url(" not in own
    assert all(f'id="{place}"' in own for place in re.findall(r'href="#([^"]+)"', own))


def test_answers_come_first_then_charts_then_evidence(html):
    places = [html.index(part) for part in ('id="answers"', 'id="explore"', 'id="why-this-quantization-strategy"')]
    assert places == sorted(places)
    cards = html[places[0] : places[1]]
    for about in ("tiny_cnn_2d on CIFAR-10", "signal_cnn_1d on synthetic signals", "resnet18"):
        assert about in cards


def test_the_same_tables_give_the_same_page(made_tables, context, tmp_path):
    facts = context(made_tables)
    pages = {
        page("# Title\n\nText.\n\n## A\n\n## B\n\n## C", tmp_path, TEMPLATES / "report.html.j2", facts) for _ in "ab"
    }
    assert len(pages) == 1


def test_a_missing_figure_stops_the_page(made_tables, context, tmp_path):
    with pytest.raises(FileNotFoundError):
        page("# Title\n\n![x](figures/x.png)", tmp_path, TEMPLATES / "report.html.j2", context(made_tables))


@needs_browser
def test_every_question_has_the_winner_of_the_whole_design_space(visit, designs):
    tab = visit()
    for index, row in enumerate(winners(designs, QUESTIONS).itertuples()):
        tab.select_option("[name=question]", str(index))
        assert winner(tab) == ("" if row.reason else named(row))


@needs_browser
def test_a_limit_changes_the_panels_and_the_winner(visit, designs):
    tab = visit()
    canvas = chart(tab, "designs")
    pictures, found = [picture(canvas)], [winner(tab)]
    for column, limit in {"area_mm2": 0.2, "latency_ms": 0.5}.items():
        tab.fill(f"[name={column}]", str(limit))
        tab.wait_for_function(
            "before => document.querySelector('#chart-designs canvas').toDataURL() != before", arg=pictures[-1]
        )
        pictures.append(picture(canvas))
        found.append(winner(tab))
    limited = winners(designs, [{"name": "both", "minimise": "edp_uj_ms", "area_mm2": 0.2, "latency_ms": 0.5}]).iloc[0]
    assert len(set(pictures)) == 3 and found[0] != found[1] and found[2] == named(limited)
    assert tab.input_value("[name=question]") == "-1"


@needs_browser
def test_dataflow_bandwidth_and_slider_are_limits_too(visit, designs):
    tab = visit()
    for flow in ("ws", "is"):
        tab.uncheck(f"[name=dataflow][value={flow}]")
    tab.select_option("[name=dram_gb_per_s]", "0.5")
    tab.select_option("[name=minimise]", "energy_uj")
    able = designs[(designs.dataflow == "os") & (designs.dram_gb_per_s == 0.5)]
    assert winner(tab) == named(winners(able, [{"name": "least energy", "minimise": "energy_uj"}]).iloc[0])
    slider = tab.get_by_label("processing elements, at most")
    slider.fill(slider.get_attribute("min"))
    assert float(tab.input_value("[name=pes]")) == 16
    assert winner(tab).startswith("4x4_os_")


@needs_browser
def test_a_rectangle_drawn_in_one_panel_narrows_the_others_and_the_list(visit):
    tab = visit()
    canvas = chart(tab, "designs")
    before, best = picture(canvas), tab.locator("#shortlist tbody tr").first.inner_text()
    place = canvas.bounding_box()
    tab.mouse.move(place["x"] + place["width"] * 0.2, place["y"] + 40)
    tab.mouse.down()
    tab.mouse.move(place["x"] + place["width"] * 0.45, place["y"] + 260, steps=4)
    tab.mouse.up()
    expect(tab.locator("#shortlist tbody tr").first).not_to_have_text(best)
    tab.wait_for_function(f"before => {PICTURE.format('designs')} != before", arg=before)
    low, high = tab.evaluate("document.querySelector('#chart-designs').view.signal('brush').latency_ms")
    listed = [float(text) for text in tab.locator("#shortlist td:nth-child(7)").all_inner_texts()]
    assert listed and all(low * 0.999 <= latency <= high * 1.001 for latency in listed)


MARK = """([box, panel, name]) => {
  // Where on the canvas a panel's mark of that design lies.
  const look = (item, x, y) => {
    if (item.name?.startsWith(panel) && item.name.endsWith("_marks")) {
      const mark = item.items.find((mark) => mark.datum.design === name);
      if (mark) return [x + mark.x, y + mark.y];
    }
    for (const child of item.items ?? []) {
      const moved = item.marktype === "group";
      const found = look(child, x + (moved ? child.x ?? 0 : 0), y + (moved ? child.y ?? 0 : 0));
      if (found) return found;
    }
  };
  const view = document.querySelector(box).view;
  const [x, y] = look(view.scenegraph().root, ...view.origin());
  return [x + view.padding().left, y + view.padding().top];
}"""


@needs_browser
def test_pointing_at_a_design_names_it_and_its_files(visit):
    tab = visit()
    canvas = chart(tab, "designs")
    design = tab.locator("#winner code").inner_text()
    x, y = tab.evaluate(MARK, ["#chart-designs", "time_energy", design])
    canvas.hover(position={"x": x, "y": y})
    tip = tab.locator("#vg-tooltip-element")
    expect(tip).to_contain_text(design)
    expect(tip).to_contain_text("results/arch/signal_cnn_1d/designs.parquet")


@needs_browser
def test_network_without_data_has_its_designs_alone(visit):
    tab = visit()
    tab.select_option("[name=network]", "resnet18")
    chart(tab, "designs")
    for name in ("schemes", "widths", "numerics"):
        expect(tab.locator(f"#explore-{name} .absent")).to_be_visible()
        expect(tab.locator(f"#explore-{name} .content")).to_be_hidden()
    tab.select_option("[name=network]", "tiny_cnn_2d on CIFAR-10")
    for name in ("schemes", "widths", "numerics"):
        expect(tab.locator(f"#explore-{name} .absent")).to_be_hidden()
        chart(tab, name)


@needs_browser
def test_batch_and_layer_change_their_charts(visit):
    tab = visit()
    for name, field, value in (("schemes", "batch", "64"), ("widths", "layer", "fc")):
        canvas = chart(tab, name)
        before = canvas.evaluate(f"() => document.querySelector('#chart-{name}').view.data('{name}')")
        tab.select_option(f"[name={field}]", value)
        after = canvas.evaluate(f"() => document.querySelector('#chart-{name}').view.data('{name}')")
        assert len(before) == len(after) and {str(row[field]) for row in after} == {value} != {str(before[0][field])}


@needs_browser
def test_a_click_on_a_heading_sorts_the_table_and_another_reverses_it(visit):
    tab = visit()
    for column, cost in ((5, "edp_uj_ms"), (6, "latency_ms")):
        heading = tab.locator("#shortlist th").nth(column)
        assert heading.get_attribute("data-column") == cost
        for order in ("ascending", "descending"):
            heading.get_by_role("button").click()
            texts = tab.locator(f"#shortlist td:nth-child({column + 1})").all_inner_texts()
            values = [float(text.replace(",", "")) for text in texts]
            assert len(set(values)) > 2 and values == sorted(values, reverse=order == "descending")
            assert heading.get_attribute("aria-sort") == order
    assert tab.locator("th:not(:has(button))").count() == 0


@needs_browser
def test_text_sorts_as_people_do_and_what_is_missing_comes_last(visit):
    tab = visit()
    table = tab.locator("table", has=tab.get_by_role("button", name="QAT")).first
    for order in ("ascending", "descending"):
        table.get_by_role("button", name="QAT").click()
        texts = table.locator("td:nth-child(8)").all_inner_texts()
        values = [float(text) for text in texts if text != "–"]
        assert "–" in texts and texts[len(values) :] == ["–"] * (len(texts) - len(values))
        assert values == sorted(values, reverse=order == "descending")


@needs_browser
def test_charts_follow_the_system_and_the_button_in_light_and_dark(visit):
    tab = visit(color_scheme="dark")
    canvases = [chart(tab, name) for name in ("designs", "schemes")]
    background = "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] < 128"
    assert tab.evaluate(background) and all(corner(canvas) < 128 for canvas in canvases)
    tab.emulate_media(color_scheme="light")
    tab.wait_for_timeout(300)
    assert not tab.evaluate(background) and all(corner(canvas) > 128 for canvas in canvases)
    tab.click("#theme")
    tab.wait_for_timeout(300)
    assert tab.evaluate(background) and all(corner(canvas) < 128 for canvas in canvases)
    tab.reload()
    assert tab.evaluate(background) and corner(chart(tab, "designs")) < 128


WIDE = """() => [...document.querySelectorAll('main *')].filter(
  (part) => !part.closest('.scroll, .figure, .chart') && part.getBoundingClientRect().right > innerWidth + 1
).length"""


@needs_browser
def test_nothing_overflows_on_a_phone_and_what_is_tapped_is_large_enough(visit):
    tab = visit(PHONE, has_touch=True, is_mobile=True)
    for name in ("designs", "schemes", "widths", "numerics"):
        canvas = chart(tab, name)
        assert canvas.bounding_box()["width"] <= PHONE["width"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    # What is wider, a table or a figure, scrolls in a box of its own.
    assert tab.evaluate(WIDE) == 0
    for field in tab.locator("button:visible, select:visible, input[type=number]:visible").all():
        assert field.bounding_box()["height"] >= 32


@needs_browser
def test_page_is_ready_soon(visit):
    tab = visit()
    chart(tab, "designs")
    assert tab.evaluate("performance.getEntriesByType('navigation')[0].domInteractive") < 20_000
