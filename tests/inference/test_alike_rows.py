"""Rows on which the same factors act are estimated together, whatever the order of the groups."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates import ByGroup, ReviewRate, Totals
from darkmarket_estimates.inference import intervals as module

RATES = {f"m{i}": ReviewRate(mean=0.4 + 0.05 * i, standard_error=0.02, between_vendor_sd=0.1) for i in range(4)}


def table(n: int = 1500, n_cities: int = 90, seed: int = 3) -> Totals:
    """Cities before markets in the order of the groups: rows of one market are far from each other."""
    rng = np.random.default_rng(seed)
    reviews, price = 1 + rng.poisson(4, n), rng.lognormal(3, 0.7, n)
    return Totals.from_cells(vendor=[f"v{v}" for v in rng.integers(0, 400, n)], value=price * reviews, reviews=reviews,
                             currency="USD", groups={"city": [f"c{c:02}" for c in rng.integers(0, n_cities, n)],
                                                     "market": [f"m{m}" for m in rng.integers(0, 4, n)]})


def test_portions_hold_rows_of_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    totals = table()
    market = totals.keys["market"]
    portions = []
    laws = module.laws

    def kept(model: object, rows: list[np.ndarray], *args: object) -> object:
        portions.append([{market.labels[code] for code in market.codes[cells]} for cells in rows])
        return laws(model, rows, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "laws", kept)
    est = dme.turnover(totals, review_rate=ByGroup("market", RATES))
    assert len(est.rows) - 1 > module.ROWS
    for portion in portions:
        changes = sum(a != b for a, b in itertools.pairwise(portion))
        assert changes <= 4  # from one market to the next, and to the total
    whole = est.model
    for row in est.rows[:-1:23]:
        assert row.interval == pytest.approx(whole.interval_of(row.cells, 0.95), rel=1e-12)


def test_rows_that_are_left_out_stay_out() -> None:
    est = dme.turnover(table(), review_rate=ByGroup("market", RATES))
    which = list(range(9, len(est.rows) - 1))
    found = module._alike_together(est.model, [row.cells for row in est.rows], which)
    assert sorted(found) == which != found


def test_few_rows_stay_as_they_are() -> None:
    est = dme.turnover(table(n_cities=5), review_rate=ByGroup("market", RATES))
    rows = [row.cells for row in est.rows]
    assert module._alike_together(est.model, rows, [3, 1, 2]) == [3, 1, 2]
    assert module._alike_together(dme.turnover(table(), review_rate=0.5).model, rows, list(range(9))) == list(range(9))


def test_resampled_laws_are_made_in_portions_that_fit_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    totals = table(n_cities=5)
    options = {"review_rate": 0.5, "estimand": "expected", "interval": "poisson-bootstrap", "n_resamples": 400, "rng": 1}
    plain = dme.turnover(totals, **options)
    sizes = []
    laws = module.laws
    monkeypatch.setattr(module, "laws", lambda model, rows, *args: sizes.append(len(rows)) or laws(model, rows, *args))
    monkeypatch.setattr(module, "DRAWS", 1300)
    again = dme.turnover(totals, **options)
    assert max(sizes) == 3 and sum(sizes) == len(plain.rows)
    assert [row.interval for row in again.rows] == [row.interval for row in plain.rows]
