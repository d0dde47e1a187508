"""Imports go one way, stay light, and the frequentist half runs without the heavy packages."""

import ast
import pathlib
import statistics
import subprocess
import sys
import textwrap

import pytest

import darkmarket_estimates

ROOT = pathlib.Path(darkmarket_estimates.__file__).parent
#: From the bottom to the top; a module imports only from rooms before its own, or from its own.
ORDER = ["_version", "errors", "_checks", "review_share", "assumptions", "audit", "totals", "_render", "distribution", "plots",
         "coverage", "factors", "inference", "undetected", "unseen_bounds", "rows", "prose", "budget", "concentration",
         "comparison", "figures", "as_tables", "compared", "estimate", "estimator",
         "engines", "listings", "api", "bayes", "simulate", "evaluation", "published", "demand", "triangulate", "cli", "__main__"]


def room(path: pathlib.Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: pathlib.Path) -> set[str]:
    """Rooms that a module imports from, at the top or inside a function, imports for types aside."""
    tree = ast.parse(path.read_text())
    typing_only = {id(n) for block in ast.walk(tree) if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
                   for n in ast.walk(block)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("darkmarket_estimates"):
            parts = node.module.split(".")[1:]
            names = [parts[0]] if parts else [a.name for a in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name.split(".")[1] for a in node.names if a.name.startswith("darkmarket_estimates.")]
        found |= set(names)
    return found


def test_every_room_has_its_place():
    rooms = {room(p) for p in ROOT.rglob("*.py")} - {"__init__"}
    assert rooms <= set(ORDER), rooms - set(ORDER)


@pytest.mark.parametrize("path", sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py"),
                         ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_downwards(path):
    own = ORDER.index(room(path))
    for name in imported_rooms(path):
        assert ORDER.index(name) <= own, f"{room(path)} imports {name}"


def test_no_module_bears_the_name_of_a_public_function():
    modules = {p.stem for p in ROOT.glob("*.py")} | {p.name for p in ROOT.iterdir() if p.is_dir()}
    functions = {n for n in darkmarket_estimates.__all__ if callable(getattr(darkmarket_estimates, n))}
    assert not modules & functions


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True).stdout


def test_import_loads_nothing_heavy():
    out = run("""
        import sys, darkmarket_estimates
        print([m for m in ("pymc", "arviz", "matplotlib", "dask", "duckdb", "numba", "llvmlite") if m in sys.modules])
    """)
    assert out.strip() == "[]"


def test_import_is_as_light_as_its_parts():
    """At most half as much again as its two largest parts, in processor time, which other programs do not use up.

    The two are imported in turns, so that a slow minute hits both; a machine that is paused in one of them spoils one of
    three ratios, and not their median.
    """
    def seconds(code: str) -> float:
        return float(run(f"import time\n{code}\nprint(time.process_time())"))

    seconds("import darkmarket_estimates")  # reads the files once: what is on the disk alone would count for the first
    ratios = [seconds("import darkmarket_estimates") / seconds("import pandas, scipy.stats") for _ in range(3)]
    assert statistics.median(ratios) < 1.5, ratios


def test_what_an_import_adds_is_its_own():
    """Whatever the clock says: beside its two largest parts an import loads nothing of others but the standard library."""
    out = run("""
        import sys
        import pandas, scipy.stats
        before = set(sys.modules)
        import darkmarket_estimates
        print(*sorted({m.partition(".")[0] for m in set(sys.modules) - before}))
    """)
    assert set(out.split()) - set(sys.stdlib_module_names) <= {"darkmarket_estimates"}


BLOCKED = """
    import sys
    for name in ("duckdb", "pymc", "arviz", "matplotlib", "numba", "llvmlite", "dask", "polars"):
        sys.modules[name] = None
    import scipy.stats
    import darkmarket_estimates as dme
"""


def test_totals_by_hand_need_no_engine_and_no_sampler():
    out = run(BLOCKED + """
    totals = dme.Totals.from_cells(vendor=list("abcd"), value=[900.0, 600, 300, 50], reviews=[9, 10, 3, 1], currency="USD",
                                   groups={"country": ["NL", "NL", "US", "US"]})
    rate = dme.ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.11)
    for estimand in ("realised", "expected"):
        print(dme.turnover(totals, review_rate=rate, market_coverage=scipy.stats.beta(80, 20), estimand=estimand))
    """)
    assert out.count("95% hybrid") == 2


def test_the_one_line_needs_no_engine_either():
    out = run(BLOCKED + """
    table = {"price": [5.0, 7.0], "reviews": [1, 2], "seller": ["a", "b"]}
    print(dme.turnover(table, price="price", reviews="reviews", vendor="seller", currency="USD").value)
    """)
    assert out.strip() == "19.0"
