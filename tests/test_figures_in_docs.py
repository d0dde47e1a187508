"""Figures in the prose and the tables of the docs that no example prints: each is computed here and compared."""

from __future__ import annotations

import itertools
import json
import math
import pathlib
import re
import runpy

import numpy as np
import pandas as pd
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates import coverage, estimator, published
from darkmarket_estimates.distribution import confidence
from darkmarket_estimates.evaluation import characteristics, job
from darkmarket_estimates.inference import INTERVALS, laws
from darkmarket_estimates.listings import rates
from darkmarket_estimates.simulate import HoldingPrices, LogNormalSizes, MarketSpec, Quantities, presets

ROOT = pathlib.Path(__file__).parents[1]
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def prose(name: str) -> str:
    """A page on one line."""
    return " ".join((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").split())


def rows(name: str, header: str) -> list[list[str]]:
    """Cells of the table whose header starts so."""
    lines = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(header))
    body = itertools.takewhile(lambda line: line.startswith("|"), lines[at + 2 :])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body]


def numbers(cell: str) -> list[float]:
    return [float(n.replace(",", "")) for n in NUMBER.findall(cell)]


# -- intervals.md, getting-started.md, evaluation.md: constants -------------------------------------------------------


def test_the_table_of_intervals_is_that_of_the_code():
    named = {cells[0].removeprefix('`"').removesuffix('"`'): cells[1:3] for cells in rows("intervals", "| `interval=`")}
    assert set(named) == {i for known in INTERVALS.values() for i in known}
    for side, estimand in enumerate(("realised", "expected")):
        assert {i for i, cells in named.items() if cells[side]} == set(INTERVALS[estimand])
        assert [i for i, cells in named.items() if cells[side] == "default"] == [INTERVALS[estimand][0]]


def test_the_limits_that_intervals_md_names():
    text = prose("intervals")
    many, symmetric = confidence.MANY_VENDORS, confidence.NEARLY_SYMMETRIC
    assert f"at {many} or more effective vendors and a skewness of at most {symmetric:g}" in text
    assert f"below {confidence.MANY_VENDORS} effective vendors" in text
    assert f"one law at each of {laws.FACTOR_POINTS} Sobol points" in text


@pytest.mark.parametrize(("vendors", "indicative"), [(30, False), (29, True)])
def test_fewer_than_30_vendors_are_indicative(vendors, indicative):
    assert "fewer than 30 vendors" in prose("intervals")
    flags = dme.turnover(even(vendors), review_rate=0.5, estimand="expected").flags
    assert any(f.startswith("indicative") for f in flags) == indicative


@pytest.mark.parametrize(("share", "indicative"), [(0.31, False), (0.32, True)])
def test_fewer_than_10_effective_vendors_are_indicative(share, indicative):
    # one vendor with this share, 999 alike: n_eff = 1 / (share^2 + (1 - share)^2 / 999), 10.36 and 9.72
    assert "n_eff < 10" in prose("intervals")
    y = np.r_[share, np.full(999, (1 - share) / 999)] * 1e6
    flags = dme.turnover(even(1000, y), review_rate=0.5, estimand="expected", interval="delta").flags
    assert any(f.startswith("indicative") for f in flags) == indicative


def even(n: int, y: np.ndarray | None = None) -> dme.Totals:
    return dme.Totals.from_cells(vendor=[f"v{i}" for i in range(n)], value=np.full(n, 100.0) if y is None else y,
                                 reviews=np.ones(n), currency="USD")


def test_the_limits_that_getting_started_names():
    text = prose("getting-started")
    assert f"over more than {rates.ONE_RATE_DAYS} days" in text
    assert f"more than {100 * estimator.SUSPICIOUS_SHARE:g} % of the money (and ten times its even share)" in text


def test_what_evaluation_md_says_of_verdicts_and_scores():
    text = prose("evaluation")
    assert "`weighted_interval_score` over eleven levels" in text and len(job.LEVELS) == 11
    assert f"at {characteristics.ENOUGH:,} runs or more" in text
    assert f"short by more than {characteristics.ERRORS:g} Monte Carlo errors" in text


def test_what_evaluation_md_says_of_hansa():
    runs = json.loads((ROOT / "benchmarks" / "variants.json").read_text(encoding="utf-8"))["table"]
    found = {row["variant"]: row for row in runs if row["scenario"] == "hansa-like"}
    miss = {name: 100 * row["median_absolute_error"] / row["truth"] for name, row in found.items()}
    names = ("sum of reviews x price", "share and units known", "share and units known, life table")
    plain, known, lived = (miss[name] for name in names)
    text, life = prose("evaluation"), found[names[2]]
    assert f"by a median of {plain:.0f} %: a factor of four too low" in text and 3.5 < 100 / (100 - plain) < 4.5
    assert f"the median error is {known:.0f} %" in text and f"it is {lived:.1f} %" in text
    assert f"in {life['coverage']:g} of {life['runs']} runs" in text


# -- simulate.md ------------------------------------------------------------------------------------------------------


def test_the_defaults_and_presets_that_simulate_md_names():
    text = prose("simulate")
    small = presets.small()
    counts = f"{small['n_vendors']} vendors, {small['n_listings']:,} listings, {small['orders']:,} orders"
    assert f"{counts} in {small['days']} days" in text
    assert "the default is 1.5" in text and MarketSpec().sizes == LogNormalSizes(sd=1.5)
    assert "1 + Binomial(20, 0.02)" in text and Quantities() == Quantities(trials=20, probability=0.02)
    assert "prices of 9,999 and more" in text and min(HoldingPrices(rate=0.1, back=0.1).levels) == 9_999
    shares = small["review_shares"]
    assert f"Torrez 2021: {shares.mean:g}, spread {shares.sd:g}" in text


# -- published.md -----------------------------------------------------------------------------------------------------


def ours(study: str, figure: str) -> tuple[float, float]:
    return published.get(study).reproduce().row(figure).ours.as_floats()


def test_what_published_md_says_of_the_letter_at_the_rate_of_january():
    low, _ = ours("kruithof2016", "letter, lower bound, had the rate of the month of sale been used")
    _, high = ours("kruithof2016", "letter, upper bound, had the rate of the month of sale been used")
    assert f"EUR {low:.1f}-{high:.1f} million" in prose("published")


def test_what_published_md_says_of_christin():
    study = published.get("christin2013")
    figures = study.figures.set_index("key")
    low, high = ours("christin2013", "at the rates of the days of sale, as printed in 2017")
    all_at_once = sum(ours("christin2013", "all bitcoins at the final rate")) / 2
    assert "six and a half times" in prose("published") and round(2 * all_at_once / ((low + high) / 2)) / 2 == 6.5
    text = prose("published")
    assert "9,519,664 bitcoins" in text and "9,519,664" in set(figures.printed)
    assert "over 899 days" in text
    assert "over 899 days" in study.reproduce().row("at the rates of the days of sale, by the library").note


def test_what_published_md_says_of_orders_and_spending():
    text = prose("published")
    law = published.fit_order_values(mean=75, threshold=200, money_above=0.3)
    assert f"{100 * law.sf(200):.1f} % of the orders above 200" in text
    table = published.compare_order_values(mean=75, threshold=200, money_above=0.3, orders_above_limit=0.1, maximum=973)
    assert "about 800 orders" in text and round(table.typical[0], -2) == 800
    low, _ = ours("cryptodrug", "mean spending, at the least, from the two brackets")
    assert f"at the least {low:.0f}" in text


def test_what_published_md_says_of_denton(real_data, monkeypatch):
    monkeypatch.setenv("DARKMARKET_DATA", str(real_data))
    result = published.get("denton2017").reproduce()
    assert "USD 982,447 a day" in prose("published") and result.row("turnover a day").status == "reproduced"
    low, high = result.row("largest listing, share of the published sum").ours.as_floats()
    assert "a fifth of it one holding price" in prose("published") and 17.5 < low <= high < 22.5


# -- scrapes.md and coverage.md: Agora, where its data are at hand ----------------------------------------------------


@pytest.fixture(scope="module")
def agora(real_data):
    folder = real_data / "agora2014"
    pages, sightings = (pd.read_parquet(folder / f"{name}.parquet") for name in ("listings", "review_observations"))
    example = runpy.run_path(str(ROOT / "examples" / "agora_2014.py"))
    return example, pages, sightings, example["counters"](pages).scrapes().set_index("scrape")


def test_the_crawls_of_agora(agora):
    table = agora[3]
    printed = {pd.Timestamp(f"{cells[0]} 2014"): cells[1:] for cells in rows("scrapes", "| crawl |")}
    assert set(printed) == set(table.index[table.flag != ""])
    for day, (alive, captured, flag) in printed.items():
        found = table.loc[day]
        assert flag == found.flag
        if alive:
            assert numbers(alive) == [found.known_alive] and numbers(captured) == [round(found.captured_share, 2)]
    sure = table.captured_share[table.flag == ""].dropna()
    assert f"saw {sure.min():.2f} to {sure.max():.2f} of the listings known alive" in prose("scrapes")


def test_the_reconciled_reviews_of_agora(agora):
    example, pages, sightings, _ = agora
    table = example["reconcile"](pages, sightings)["reviews"].drop(3)  # "sum"
    assert [numbers(cells[1])[0] for cells in rows("scrapes", "| | reviews |")] == table.tolist()


@pytest.mark.filterwarnings("ignore::darkmarket_estimates.HoldingPriceWarning")  # as the example does
def test_agora_a_day(agora):
    example, pages, sightings, crawls = agora
    good = [day for day, flag in crawls["flag"].items() if flag != "partial"]
    table = example["by_interval"](pages, sightings, good).reset_index()
    printed = rows("scrapes", "| from | to |")
    assert len(printed) == len(table)
    for cells, (_, row) in zip(printed, table.iterrows()):
        assert [pd.Timestamp(f"{day} 2014") for day in cells[:2]] == [pd.Timestamp(row["from"]), pd.Timestamp(row["to"])]
        got = [n for cell in (*cells[2:4], cells[5], cells[6]) for n in numbers(cell)]
        want = row[["counters: seen", "reviews: seen", "edges none", "edges all", "no start"]]
        assert got == pytest.approx(list(want), abs=0.51)
        for shown, value in zip(numbers(cells[4]), row[["low", "high"]]):  # three digits
            assert shown == float(f"{value:.3g}")


def test_agora_with_crawls_left_out(agora):
    example, pages, _, crawls = agora
    table = example["thinned"](pages, ("2014-01-09", "2014-03-06"), crawls["flag"])
    printed = rows("scrapes", "| | seen, USD |")
    assert len(printed) == len(table)
    for cells, (_, row) in zip(printed, table.iterrows()):
        assert [numbers(cell)[0] for cell in cells[1:3]] == pytest.approx([row["seen"], row["no start"]], abs=0.51)
        assert numbers(cells[3])[0] == pytest.approx(row["ratio"], abs=0.0051)


def test_closed_models_on_agora(agora):
    pages = agora[1]
    seen = pd.crosstab(pages["listing_id"], pages["scrape_date"]).to_numpy() > 0
    caught, text = seen.sum(axis=0), prose("coverage")
    assert f"saw {len(seen):,} listings; the crawls caught from {caught.min():,} to {caught.max():,} of them" in text
    m0, mt, chao, schnabel = (getattr(coverage, name)(seen).value for name in ("m0", "mt", "chao2", "schnabel"))
    assert f"M0 gives {m0:,.0f}, Mt {mt:,.0f}, Chao2 a lower bound of {chao:,.0f}, and Schnabel {schnabel:,.0f}" in text
    live = coverage.jolly_seber(seen)
    assert f"at {live.value:,.0f} (standard error {live.standard_error:.0f})" in text and math.isfinite(live.value)
