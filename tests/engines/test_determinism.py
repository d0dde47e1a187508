"""One table in other orders, types, parts and threads: the same totals, estimates and bootstrap replicates."""

import decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from darkmarket_estimates import HoldingPrice, Listings, Totals, turnover
from tests.engines.tables_elsewhere import assert_alike

RATES = {f"2016-01-{day:02d}": 0.8 + day / 100 for day in range(1, 32)}
ROLES = {"price": "p", "reviews": "r", "vendor": "v", "listing": "id", "market": "m", "date": "d", "currency": "USD",
         "duplicates": "keep"}
LABELS = ["id", "v", "m", "g"]
N = 1500


def table() -> pd.DataFrame:
    """Rows of listings that several vendors share, whose ids and counts fit every type of whole number."""
    rng = np.random.default_rng(5)
    return pd.DataFrame({
        "id": rng.integers(0, 250, N), "p": np.round(rng.lognormal(3.5, 1, N), 2), "r": rng.poisson(3, N),
        "v": rng.integers(0, 120, N), "m": rng.integers(0, 3, N), "g": rng.integers(0, 4, N),
        "d": pd.Timestamp("2016-01-01") + pd.to_timedelta(rng.integers(0, 31, N), unit="D")})


def totals(frame, **options) -> Totals:
    listings = Listings(frame, **{**ROLES, **options})
    rule = HoldingPrice(cap=900, upper_multiple=4, lower_multiple=0.3, action="median")
    return listings.clean(rule).to_currency("EUR", RATES).totals(by="g", bands=[20, 100])


def with_prices(frame: pd.DataFrame, prices: pa.Array) -> pa.Table:
    given = pa.Table.from_pandas(frame, preserve_index=False)
    return given.set_column(given.column_names.index("p"), "p", prices)


def relation(frame: pd.DataFrame, threads: int, ordered: bool) -> duckdb.DuckDBPyRelation:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}; SET preserve_insertion_order = {ordered}")
    connection.register("given", frame)
    return connection.sql("FROM given")


SHAPES = {
    "shuffled": lambda f: f.sample(frac=1, random_state=1), "reversed": lambda f: f.iloc[::-1],
    "every other row": lambda f: f.iloc[np.repeat(np.arange(N), 2)].iloc[::2],
    "int32": lambda f: f.astype(dict.fromkeys([*LABELS, "r"], "int32")),
    "uint8": lambda f: f.astype(dict.fromkeys([*LABELS, "r"], "uint8")),
    "uint64": lambda f: f.astype(dict.fromkeys([*LABELS, "r"], "uint64")),
    "floats": lambda f: f.astype(dict.fromkeys([*LABELS, "r"], "float64")),
    "text": lambda f: f.astype(dict.fromkeys(LABELS, str)),
    "arrow text": lambda f: f.astype(dict.fromkeys(LABELS, "string[pyarrow]")),
    "categories": lambda f: f.astype(dict.fromkeys(LABELS, "category")),
    "categories of text": lambda f: f.astype(dict.fromkeys(LABELS, str)).astype(dict.fromkeys(LABELS, "category")),
    "objects": lambda f: f.astype(object), "nullable": lambda f: f.convert_dtypes(),
    "arrow types": lambda f: f.convert_dtypes(dtype_backend="pyarrow"),
    "decimals": lambda f: with_prices(f, pa.array([decimal.Decimal(f"{p:.2f}") for p in f.p], pa.decimal128(12, 2))),
    "arrays": lambda f: {name: f[name].to_numpy() for name in f},
    "other order of bytes": lambda f: {name: f[name].to_numpy().astype(">i4" if name in (*LABELS, "r") else f[name].dtype)
                                       for name in f} | {"p": f.p.to_numpy().astype(">f8")},
    "polars": pl.from_pandas, "lazyframe": lambda f: pl.from_pandas(f).lazy(),
    "one thread": lambda f: relation(f, 1, True), "four threads in no order": lambda f: relation(f, 4, False),
}


@pytest.fixture(scope="module")
def reference() -> dict[str, Totals]:
    return {policy: totals(table(), duplicates=policy) for policy in ("keep", "largest")}


@pytest.mark.parametrize("policy", ["keep", "largest"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_totals(shape, policy, reference):
    assert_alike(reference[policy], totals(SHAPES[shape](table()), duplicates=policy))


@pytest.mark.parametrize("shape", ["shuffled", "text", "floats", "four threads in no order"])
def test_the_same_estimates_and_replicates(shape, reference):
    """Replicates are keyed by the name of the vendor; a predictive quantile is solved for, to 1e-8 of itself."""
    other = totals(SHAPES[shape](table()))
    expected = {"estimand": "expected"}
    for options, rel in (({**expected, "interval": "poisson-bootstrap", "n_resamples": 100, "rng": 1}, 1e-12),
                         ({**expected, "interval": "compound-poisson"}, 1e-12), (expected, 1e-12), ({}, 1e-8)):
        a, b = (turnover(each, review_rate=0.5, progress=False, **options) for each in (reference["keep"], other))
        columns = ["value", "floor", "low", "high"]
        np.testing.assert_allclose(a.to_frame()[columns].to_numpy(float), b.to_frame()[columns].to_numpy(float), rtol=rel)
        if "rng" in options:
            np.testing.assert_allclose(a.concentration(100).select_dtypes("number"), b.concentration(100).select_dtypes("number"),
                                       rtol=rel)


@pytest.mark.parametrize("n", [2, 7])
def test_parts_by_listing_add_up_to_the_same(n, reference):
    frame = table()
    parts = [totals(frame[frame.id % n == i]) for i in range(n)]
    whole = sum(parts[1:], parts[0])
    assert_alike(reference["keep"], whole)
    boots = [turnover(t, review_rate=0.5, estimand="expected", interval="poisson-bootstrap", n_resamples=100, rng=1,
                      progress=False).interval for t in (reference["keep"], whole)]
    assert boots[0] == pytest.approx(boots[1], rel=1e-12)


def test_the_largest_of_a_tie_is_that_of_the_first_day():
    """The rate of its day makes its money: which of the rows is kept may not depend on their order."""
    days = pd.to_datetime(["2016-01-03", "2016-01-02", "2016-01-31"])
    frame = pd.DataFrame({"p": 10.0, "r": 1, "v": "a", "id": "x", "d": days})
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        listings = Listings(frame.iloc[order], price="p", reviews="r", vendor="v", listing="id", date="d", currency="USD",
                            duplicates="largest")
        assert listings.to_currency("EUR", RATES).totals().sum("value") == pytest.approx(8.2, rel=1e-15)
