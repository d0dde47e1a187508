"""Pages that name other pages, and commands that name files, must be right."""

import ast
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


def anchors(page: pathlib.Path) -> set[str]:
    """What links may name in a page: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_into_pages_lead_to_headings(page):
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)", page.read_text(encoding="utf-8"))
    missing = [f"{name}#{anchor}" for name, anchor in links if anchor not in anchors(page.parent / name if name else page)]
    assert not missing


@pytest.mark.parametrize("page", [*PAGES, ROOT / "Makefile"], ids=lambda p: p.name)
def test_scripts_that_are_named_exist(page):
    scripts = set(re.findall(r"(?:benchmarks|examples)/\w+\.py", page.read_text(encoding="utf-8")))
    assert not [script for script in scripts if not (ROOT / script).exists()]


def test_design_names_every_room_in_the_order_of_imports():
    tree = ast.parse((ROOT / "tests" / "test_imports.py").read_text(encoding="utf-8"))
    order = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)
                 and ast.unparse(node.targets[0]) == "ORDER")
    table = (ROOT / "docs" / "design.md").read_text(encoding="utf-8").partition("| room |")[2].partition("\n\n")[0]
    first = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert re.findall(r"`(\w+)`", " ".join(first)) == [room for room in order if room not in ("_version", "__main__")]


def test_design_names_files_that_exist():
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    files = [name for name in re.findall(r"`(\w+/[\w/]+\.\w+)`", text) if "/name." not in name]
    places = (ROOT, ROOT / "darkmarket_estimates")
    assert files and not [name for name in files if not any((place / name).exists() for place in places)]


def test_readme_names_every_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in PAGES[1:] if f"docs/{page.name}" not in text]
