"""The committed pages agree with each other and with the project: links, commands, versions, names of pages."""

import datetime
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "results/README.md"])
READMES = {"en": (ROOT / "README.md").read_text(), "zh": (ROOT / "README.zh.md").read_text()}


def fenced(text: str) -> list[tuple[str, str]]:
    """Language and content of the code blocks of a page."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """The code of a page without its comments."""
    return [re.sub(r"[ \t]*# .*", "", content) for _, content in fenced(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    gone = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not gone


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_tests_are_there(page):
    assert all((ROOT / name).exists() for name in re.findall(r"\btests/[\w/]+\.py\b", page.read_text()))


def test_the_pages_that_a_run_fills_are_there():
    rules = (ROOT / "rules" / "report.smk").read_text()
    declared = re.search(r"DOCUMENTS = \{(.*?)\n\}", rules, re.DOTALL)[1]
    names = re.findall(r'^    "([\w/]+)":', declared, re.MULTILINE)
    assert len(names) >= 6
    for name in [*names, "measured", "gallery/README"]:
        assert (ROOT / "docs" / f"{name}.md").is_file()
    assert {f"examples/{path.stem.removesuffix('.md')}" for path in ROOT.glob("docs/examples/*.j2")} < set(names)


def test_both_readmes_have_the_same_commands_headings_links_and_rows():
    en, zh = READMES.values()
    assert commands(en) == commands(zh) and len(commands(en)) > 4
    headings = {name: re.findall(r"^(#+) ", text, re.MULTILINE) for name, text in READMES.items()}
    assert headings["en"] == headings["zh"] and len(headings["en"]) > 8
    links = {name: re.findall(r"\]\(([^)]+)\)", text) for name, text in READMES.items()}
    links["en"].remove("README.zh.md")
    links["zh"].remove("README.md")
    assert links["en"] == links["zh"]
    assert en.count("\n|") == zh.count("\n|")


def test_a_readme_shows_no_more_numbers_than_matter_to_a_visitor():
    for text in READMES.values():
        section = re.search(r"<!-- measured -->(.*)<!-- /measured -->", text, re.DOTALL)[1]
        assert section.count("\n|") <= 2 + 10


def test_configuration_files_named_in_the_readme_are_there():
    named = set(re.findall(r"configs/\w+\.yaml", READMES["en"]))
    assert named == {f"configs/{path.name}" for path in ROOT.glob("configs/*.yaml")}


def test_citation_has_what_the_format_asks_for_and_this_version():
    """Required keys, types and values of Citation File Format 1.2.0, https://doi.org/10.5281/zenodo.5171937."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    known = {"abstract", "date-released", "keywords", "license", "type", "url", "version", "repository-code"}
    assert set(citation) <= known | {"cff-version", "message", "title", "authors"}
    assert citation["cff-version"] == "1.2.0" and citation["type"] in ("software", "dataset")
    assert all(author.get("name") or author.get("family-names") for author in citation["authors"])
    assert all(isinstance(value, (str, list)) for value in citation.values())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_changelog_names_this_version_and_versions_are_in_order():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (\S+)", text, re.MULTILINE)[0] == "Unreleased"
    releases = re.findall(r"^## (\d+\.\d+\.\d+) – (\S+)$", text, re.MULTILINE)
    dates = [datetime.date.fromisoformat(date) for _, date in releases]
    assert dates == sorted(dates, reverse=True)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert releases[0][0] == version
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}  # of Keep a Changelog
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds
