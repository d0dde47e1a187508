"""Do the standing scenarios run, and do the defaults hold where their assumptions do?"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest

from darkmarket_estimates.evaluation import benchmark

ROOT = Path(__file__).parents[2]


def load() -> ModuleType:
    path = ROOT / "benchmarks" / "variants.py"
    spec = importlib.util.spec_from_file_location("standing_scenarios", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


standing = load()
SCENARIOS = {s.name: s for s in standing.scenarios()}
DEFAULTS = {name: standing.ALL[name] for name in ("realised: predictive (default)", "expected: bca-tail (default)")}


#: What the library refuses where crawls and window overlap.
REFUSED = {"short-lived listings": {"share; pages opened", "share; ValueChao, at least", "share; Huggins on reviews"}}


def assert_the_defaults_cover(n: int) -> None:
    table = benchmark(DEFAULTS, SCENARIOS["base"].market, n_simulations=n, rng=11, progress=False).table()
    error = math.sqrt(0.95 * 0.05 / n)
    assert (table["failures"] == 0).all() and (table["relative_bias"].abs() < 4 * table["relative_bias_error"]).all()
    assert (table["coverage"] > 0.95 - 3 * error).all()
    if n >= 1_000:
        assert set(table["verdict"]) <= {"holds", "conservative"}


@pytest.mark.statistical
def test_smoke_the_defaults_cover_in_the_base_scenario():
    assert_the_defaults_cover(40)


@pytest.mark.long
@pytest.mark.statistical
def test_the_defaults_cover_in_the_base_scenario():
    assert_the_defaults_cover(1_000)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "hansa-like"])
def test_every_variant_answers_in_every_scenario(name):
    s = SCENARIOS[name]
    report = benchmark(s.variants, s.market, s.scraper, prepare=s.prepare, n_simulations=1, progress=False)
    refused = report.runs["error"] != ""
    assert report.alarms == () and set(report.runs["variant"][refused]) == REFUSED.get(name, set())
    assert report.runs["error"][refused].str.startswith("NotIdentifiedError: one capture does not reveal all").all()


@pytest.mark.long
@pytest.mark.statistical
def test_hansa_like_recommended_beside_the_plain_sum():
    s = SCENARIOS["hansa-like"]
    report = benchmark(s.variants, s.market, s.scraper, prepare=s.prepare, n_simulations=5, progress=False, rng=2)
    table = report.table().set_index("variant")
    error = table["median_absolute_error"] / table["truth"]
    assert error["sum of reviews x price"] > 0.65 and error["share and units known"] > 0.3
    assert error["share and units known, life table"] < 0.04


def test_the_page_says_how_many_runs_and_which_seed(tmp_path):
    s = standing.replace(SCENARIOS["30 vendors"], variants=DEFAULTS)
    report = standing.run(s, 3, tmp_path, 1)
    assert standing.run(s, 2, tmp_path, 1).runs["run"].nunique() == 3  # never fewer than are there
    page = standing.page([(s, report)])
    assert f"seed {standing.SEED}" in page and "3 runs." in page and page.count("| realised: predictive (default) |") == 1
    row = next(line for line in page.splitlines() if line.startswith("| realised: predictive"))
    assert row.count("|") == len(standing.HEAD) + 1


def test_published_table_is_of_this_seed():
    table = json.loads((ROOT / "benchmarks" / "variants.json").read_text(encoding="utf-8"))
    base = [row for row in table["table"] if row["scenario"] == "base"]
    assert table["seed"] == standing.SEED
    assert {row["variant"] for row in base} == set(standing.ALL)
    assert all(row["runs"] >= 1_000 and row["failures"] == 0 for row in base)
    assert all(row["verdict"] in ("holds", "conservative") for row in base if "default" in row["variant"])
    told = [row for row in table["table"] if row["variant"] == "expected: bca"]
    assert len(told) >= 7 and all(row["runs"] >= 1_000 for row in told)
    spare = {row["scenario"]: row for row in table["table"] if "life table" in row["variant"]}
    assert set(spare) == {"short-lived listings", "hansa-like"} and all(row["coverage"] > 0.9 for row in spare.values())
