"""Pages that name other pages, and commands that name files, must be right."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", [*PAGES, ROOT / "Makefile"], ids=lambda p: p.name)
def test_scripts_that_are_named_exist(page):
    scripts = set(re.findall(r"(?:benchmarks|examples)/\w+\.py", page.read_text(encoding="utf-8")))
    assert not [script for script in scripts if not (ROOT / script).exists()]


def test_readme_names_every_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in PAGES[1:] if f"docs/{page.name}" not in text]
