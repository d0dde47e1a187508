"""What makes the push-down fast changes no number: each shortcut beside the reference engine, on tables made to break it."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from darkmarket_estimates import DataError, ExchangeRate, HoldingPrice, Listings
from darkmarket_estimates.engines import alarms, lazy
from darkmarket_estimates.engines import duckdb as sessions
from darkmarket_estimates.engines.answers import Answer
from darkmarket_estimates.engines.plan import Clean, Convert, lowest_cap
from darkmarket_estimates.engines.query import Query
from tests.engines.tables_elsewhere import assert_parity, elsewhere
from tests.engines.test_parity import repeated_listings
from tests.tables import ROLES, listing_table

KEPT = {**ROLES, "duplicates": "keep"}


@pytest.fixture(autouse=True)
def _rows_are_not_judged_where_they_lie(monkeypatch):
    """That way has tests of its own."""
    monkeypatch.setattr(lazy, "TOLD", math.inf)


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str, pa.Table]]:
    """Every statement and its answer."""
    found: list[tuple[str, pa.Table]] = []
    fetch = sessions.OwnSession.fetch

    def told(self, statement):
        answer = fetch(self, statement)
        found.append((statement, answer))
        return answer

    monkeypatch.setattr(sessions.OwnSession, "fetch", told)
    return found


@pytest.mark.parametrize("roles", [KEPT, {**ROLES, "listing": None}], ids=["by listing", "by row"])
def test_no_answer_is_a_decimal(roles, tmp_path, asked):
    """DuckDB's sum of whole numbers is a HUGEINT, which becomes Python objects: a fifth of the scan went there."""
    frame, options = elsewhere(repeated_listings(), tmp_path, "parquet")
    Listings(frame, **roles, market="market", **options).totals()
    types = {name: str(kind) for name, kind in zip(asked[-1][1].column_names, asked[-1][1].schema.types)}
    assert types["n"] == "int64" and {types[name] for name in types if name not in ("market", "who", "n", "n_listings")} == {
        "double"}


@pytest.mark.parametrize("scope", ["market", "all markets"])
@pytest.mark.parametrize("kind", ["parquet", "relation", "csv"])
def test_vendors_are_joined_with_their_markets_in_order(kind, scope, tmp_path):
    """Labels in the order of the joined text, not of the pairs: "a" < "a-" but "a-|x" < "a|x" where "-" < "|"."""
    frame = listing_table(240)
    frame["market"] = [["a", "a\x1e", "a ", "b", None, "(missin"][i % 6] for i in range(240)]
    frame["seller"] = [["x", "\x01low", "ü", "日本", "\x7f"][i % 5] for i in range(240)]
    table = pa.Table.from_pandas(frame, preserve_index=False)
    want = assert_parity(table, tmp_path, kind, lambda t: t.clean(HoldingPrice(cap=60)), {"by": "category"},
                         **ROLES, market="market", vendor_scope=scope)
    assert list(want.keys["vendor"].labels) == sorted(want.keys["vendor"].labels)


@pytest.mark.parametrize("seller", [["\x01a", "\x02b", "z"], ["x", "y", "z"], ["\x01a", "\x02b", "\x03"], [1, 2, 3]],
                         ids=["around", "above", "below", "numbers"])
def test_rows_that_a_rule_drops_are_left_out_wherever_they_are_sorted(seller, tmp_path):
    """Cells of dropped rows stand together at the head, in the middle, at the end, or among the others."""
    frame = listing_table(90).assign(seller=[seller[i % 3] for i in range(90)])
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for market in (None, "market"):
        want = assert_parity(table, tmp_path, "parquet", lambda t: t.clean(HoldingPrice(cap=50)), {"by": "country"},
                             **ROLES, market=market)
        assert list(want.audit)[1].rows > 9
    assert_parity(table, tmp_path, "parquet", lambda t: t.clean(HoldingPrice(cap=1e-9)), {}, **ROLES)


def answered(who: pa.ChunkedArray) -> Answer:
    """An answer with these vendors, where the mark is \\x1fm."""
    query = SimpleNamespace(statuses=lambda *given: Query.statuses(SimpleNamespace(mark="\x1fm"), *given))
    cells = pa.table({"who": who})
    return Answer.of(query, cells if pa.types.is_string(who.type) else cells.append_column("status", pa.array([0] * len(who))))


@pytest.mark.parametrize("who", [["c", "a", "b", "e", "d"], [3, 1, 2, 5, 4]], ids=["text", "numbers"])
def test_cells_by_vendor(who):
    """Text in its order; numbers as they stand, which become text only later."""
    got = answered(pa.chunked_array([who[:2], who[2:]])).order
    assert got.tolist() == ([1, 2, 0, 4, 3] if isinstance(who[0], str) else [0, 1, 2, 3, 4])


@pytest.mark.parametrize("who", [
    [], ["a"], ["\x1fm0"], ["\x1fm-3", "\x1fm12"], ["z", "\x1fm1", "\x01", "\x1fm-2", "\x1f", "\x1fl", "\x1fn", "\x1fm1", "m7"],
    ["\x1fm4", "\x01"], ["\x1fm5", "\U0010ffff"]], ids=range(7))
def test_the_status_of_cells_is_found_in_their_order(who):
    """Those of rows that are not kept bear the mark, wherever other texts are sorted."""
    answer = answered(pa.chunked_array([who[:3], who[3:]], pa.string()))
    assert answer.status.tolist() == [int(text[2:]) if text.startswith("\x1fm") else 0 for text in who]
    kept = [text for text in who if text == "\x1fm0" or not text.startswith("\x1fm")]
    assert [who[i] for i in answer.kept()] == sorted(kept)


@pytest.mark.parametrize("kind", ["parquet", "relation"])
def test_a_vendor_of_the_reserved_name_is_refused(kind, tmp_path):
    table = pa.Table.from_pandas(listing_table(20).assign(seller="(missing)"), preserve_index=False)
    with pytest.raises(DataError, match="group without a label"):
        Listings(table, **ROLES, market="market").totals()
    frame, options = elsewhere(table, tmp_path, kind)
    with pytest.raises(DataError, match="group without a label"):
        Listings(frame, **ROLES, market="market", **options).totals()


def wild(**columns) -> pa.Table:
    """Three rows a listing; in every second one, the last price is nine times the others."""
    n = 60
    frame = pd.DataFrame({"id": [f"l{i // 3}" for i in range(n)], "price": [90.0 if i % 6 == 5 else 10.0 for i in range(n)],
                          "reviews": [2.0] * n, "seller": [f"s{i // 3 % 4}" for i in range(n)],
                          "day": pd.Timestamp("2016-01-03")})
    return pa.Table.from_pandas(frame.assign(**columns), preserve_index=False)


def put(values: list, **where: object) -> list:
    """The values with others at some rows."""
    return [where.get(f"at{i}", value) for i, value in enumerate(values)]


PRICES, COUNTS = wild().column("price").to_pylist(), [2.0] * 60


@pytest.mark.parametrize("kind", ["parquet", "relation", "lazyframe"])
@pytest.mark.parametrize("columns", [
    {"price": put(PRICES, at4=-1.0)}, {"price": put(PRICES, at1=-1.0, at4=None)}, {"price": put(PRICES, at0=np.inf)},
    {"price": put(PRICES, at3=np.nan, at1=np.nan)}, {"reviews": put(COUNTS, at4=0.5)},
    {"reviews": put(COUNTS, at1=0.5, at4=-1.0)}, {"seller": put(["s"] * 60, at5=None)},
    {"day": put([pd.Timestamp("2016-01-03")] * 60, at3=pd.Timestamp("2016-02-01"), at1=pd.Timestamp("2016-02-02"))},
], ids=["touched", "both", "infinite", "nan", "count", "counts", "vendor", "days"])
def test_bad_rows_of_touched_listings_are_told_as_those_of_the_whole_table(kind, columns, tmp_path):
    """The scan for touched listings checks nothing, and the scan that sums leaves them out."""
    def ask(frame, **options):
        listings = Listings(frame, **KEPT, date="day", **options).to_currency("EUR", {"2016-01-03": 2.0})
        return listings.clean(HoldingPrice(upper_multiple=5)).totals()

    table = wild(**columns)
    with pytest.raises(DataError) as want:
        ask(table)
    frame, options = elsewhere(table, tmp_path, kind)
    with pytest.raises(DataError) as got:
        ask(frame, **options)
    assert got.value.what.replace("of 60 ", "") == want.value.what.replace("of 60 ", "")
    if kind == "parquet" and "day" not in columns:
        assert got.value.where == want.value.where and got.value.got == want.value.got


TWICE = {
    "two medians": lambda t: t.clean(HoldingPrice(cap=200, upper_multiple=2)).clean(HoldingPrice(cap=90, lower_multiple=0.5)),
    "a later cap": lambda t: t.clean(HoldingPrice(upper_multiple=2)).clean(HoldingPrice(cap=40)),
    "an earlier cap": lambda t: t.clean(HoldingPrice(cap=90)).clean(HoldingPrice(upper_multiple=1.5, min_observations=5)),
    "mended, then multiples": lambda t: (t.clean(HoldingPrice(cap=90, action="median"))
                                         .clean(HoldingPrice(upper_multiple=1.5, lower_multiple=0.7))),
    "a cap between": lambda t: (t.to_currency("EUR", ExchangeRate(0.5)).clean(HoldingPrice(cap=60))
                                .to_currency("GBP", ExchangeRate(3.0)).clean(HoldingPrice(cap=120, lower_multiple=0.5))),
}


@pytest.mark.parametrize("rule", TWICE)
@pytest.mark.parametrize("policy", ["keep", "sum", "largest"])
def test_rules_one_after_the_other(rule, policy, tmp_path):
    assert_parity(repeated_listings(), tmp_path, "parquet", TWICE[rule], {"by": "category"}, **{**ROLES, "duplicates": policy})


@pytest.mark.parametrize("policy", ["sum", "largest"])
def test_rows_above_the_cap_are_repeats_too(policy, tmp_path):
    """A listing of which the cap would leave one row is still one of several rows, which become one before the cap."""
    table = pa.table({"id": ["x", "x", "y"], "price": [300.0, 50.0, 60.0], "reviews": [5, 3, 1], "seller": ["a", "a", "b"]})
    rule = HoldingPrice(cap=200, upper_multiple=2)
    want = assert_parity(table, tmp_path, "parquet", lambda t: t.clean(rule), {}, **{**ROLES, "duplicates": policy})
    assert want.sum("value") == 60


def narrow(table: pa.Table, tmp_path, asked, *rules: HoldingPrice, policy: str = "keep") -> int | None:
    """Rows of the listings that the narrow scan found; None where there was no such scan."""
    frame, options = elsewhere(table, tmp_path, "parquet")
    listings = Listings(frame, **{**ROLES, "duplicates": policy, **options})
    for rule in rules:
        listings = listings.clean(rule)
    asked.clear()
    listings.totals()
    found = [answer for statement, answer in asked if statement.startswith("SELECT coalesce(sum(n), 0)")]
    return found[0].column(0)[0].as_py() if found else None


def test_only_listings_that_the_rule_can_touch_are_read(tmp_path, asked):
    assert narrow(wild(), tmp_path, asked, HoldingPrice(upper_multiple=5)) == 30
    assert narrow(wild(), tmp_path, asked, HoldingPrice(upper_multiple=9)) == 0
    assert narrow(wild(), tmp_path, asked, HoldingPrice(upper_multiple=8.999)) == 30
    assert narrow(wild(), tmp_path, asked, HoldingPrice(lower_multiple=1 / 8.999)) == 30
    assert narrow(wild(), tmp_path, asked, HoldingPrice(lower_multiple=1 / 9.001)) == 0
    assert narrow(wild(), tmp_path, asked, HoldingPrice(upper_multiple=5, min_observations=3)) == 30
    assert narrow(wild(), tmp_path, asked, HoldingPrice(upper_multiple=5, min_observations=4)) == 0
    assert narrow(wild(), tmp_path, asked, HoldingPrice(cap=50, upper_multiple=5)) == 0
    assert narrow(wild(), tmp_path, asked, HoldingPrice(cap=90, upper_multiple=5)) == 30
    assert narrow(wild(), tmp_path, asked, HoldingPrice(cap=50, action="median")) == 30
    assert narrow(wild(), tmp_path, asked, HoldingPrice(cap=90, action="median")) == 0
    assert narrow(wild(), tmp_path, asked, HoldingPrice(upper_multiple=50), HoldingPrice(cap=50, upper_multiple=5)) == 0
    assert narrow(wild(), tmp_path, asked, HoldingPrice(upper_multiple=50), HoldingPrice(cap=90, upper_multiple=5)) == 30
    table = wild(price=[1.0, 10.0, 90.0] * 20)
    for least, rows in ((2, 60), (3, 0)):  # the second rule sees two prices of a listing
        second = HoldingPrice(cap=50, upper_multiple=5, min_observations=least)
        assert narrow(table, tmp_path, asked, HoldingPrice(upper_multiple=100), second) == rows


def test_a_listing_of_one_row_is_its_own_median(tmp_path, asked):
    """Where no listing repeats, multiples touch nothing, and there is no scan for them; a cap may still have to mend."""
    table = pa.Table.from_pandas(listing_table(60), preserve_index=False)
    rule = HoldingPrice(upper_multiple=2, lower_multiple=0.5, min_observations=1)
    assert narrow(table, tmp_path, asked, rule, policy="error") is None
    assert narrow(table, tmp_path, asked, HoldingPrice(upper_multiple=2)) == 0
    above = int((listing_table(60).price > 60).sum())
    assert narrow(table, tmp_path, asked, HoldingPrice(cap=60, upper_multiple=2, action="median"), policy="error") == above > 0
    for rule in (HoldingPrice(upper_multiple=1, min_observations=1), HoldingPrice(cap=60, lower_multiple=1, action="median")):
        assert_parity(table, tmp_path, "parquet", lambda t, rule=rule: t.clean(rule), {"by": "country"}, **ROLES)


def test_labels_are_made_when_duckdb_has_let_go(tmp_path, monkeypatch):
    """What DuckDB holds and what Python makes of its answer are not in memory together."""
    open_now: list[int] = []
    close, keys = sessions.connection, Answer.keys

    def counted(limits):
        manager = close(limits)

        class Session:
            def __enter__(self):
                open_now.append(1)
                return manager.__enter__()

            def __exit__(self, *error):
                open_now.pop()
                return manager.__exit__(*error)

        return Session()

    from darkmarket_estimates.engines import files

    monkeypatch.setattr(files, "connection", counted)
    monkeypatch.setattr(Answer, "keys", lambda self, *given: open_now.append(-len(open_now)) or keys(self, *given))
    frame, options = elsewhere(repeated_listings(), tmp_path, "parquet")
    Listings(frame, **KEPT, **options).clean(HoldingPrice(upper_multiple=2)).totals()
    assert open_now == [0]


@pytest.mark.parametrize("top", [9_999.0, 10_024.0, 10_026.0])
@pytest.mark.parametrize("listing", [None, "id"])
def test_the_alarm_looks_at_prices_with_reviews(top, listing, tmp_path):
    """A high price without reviews is none; the threshold is a hundredth of the highest that has some, by quarters."""
    n = 301
    table = pa.table({"id": [f"l{i // 3}" for i in range(n)], "price": [100.0] * (n - 2) + [top, 1e9],
                      "reviews": [1] * (n - 1) + [0], "seller": [f"s{i % 2}" for i in range(n)]})
    want = assert_parity(table, tmp_path, "parquet", lambda t: t, {}, **{**KEPT, "listing": listing})
    assert bool(want.header.flags) == (top > 10_025)


def test_the_alarm_hears_prices_of_touched_listings(tmp_path, asked):
    """The rule may touch the listing of the high price, and does not: the price is in memory, the others are not."""
    table = pa.table({"id": [f"l{i // 3}" for i in range(301)] + ["l100"], "price": [100.0] * 301 + [12_000.0],
                      "reviews": [1] * 302, "seller": [f"s{i // 3 % 2}" for i in range(301)] + ["s0"]})
    rule = HoldingPrice(upper_multiple=100)
    assert narrow(table, tmp_path, asked, rule) == 2
    want = assert_parity(table, tmp_path, "parquet", lambda t: t.clean(rule), {}, **KEPT)
    assert want.header.flags and list(want.audit)[1].rows == 0


def test_the_alarm_where_every_listing_is_touched(tmp_path, asked):
    """No row with reviews is left for the scan that counts prices: its answer is 0 and not NULL."""
    table = pa.table({"id": ["a"] * 2 + ["b"] * 300, "price": [100.0, 12_000.0, 1.0] + [101.0] * 299, "reviews": [1] * 302,
                      "seller": ["s"] * 302})
    rule = HoldingPrice(upper_multiple=100)
    assert narrow(table, tmp_path, asked, rule) == 302
    assert assert_parity(table, tmp_path, "parquet", lambda t: t.clean(rule), {}, **KEPT).header.flags


# -- sums over listings, from the scan that looks for the touched ones ------------------------------------------------

def apart(statements) -> int:
    """How many scans summed listings apart."""
    return sum("AS is_touched" in statement and "list({" in statement for statement, _ in statements)


ONLY = HoldingPrice(cap=300, upper_multiple=1.7, lower_multiple=0.6, min_observations=3)


@pytest.mark.parametrize("options", [{"market": "market"}, {"market": "market", "vendor_scope": "all markets"}, {},
                                     {"market": "market", "days": "days"}, {"vendor": "number"}],
                         ids=["in markets", "across markets", "no market", "a day", "numbers"])
@pytest.mark.parametrize("rule", [
    lambda t: t.clean(ONLY), lambda t: t.clean(HoldingPrice(cap=200)).clean(ONLY),
    lambda t: t.to_currency("EUR", ExchangeRate(0.88)).clean(ONLY).to_currency("GBP", ExchangeRate(0.7)),
    lambda t: t.clean(HoldingPrice(cap=90, upper_multiple=1.5, action="median")),
    lambda t: t.clean(HoldingPrice(upper_multiple=9)),
], ids=["multiples", "cap before", "converted", "mended", "hardly any"])
def test_listings_summed_apart(options, rule, tmp_path, asked):
    """Touched and untouched listings, listings of two vendors and markets, vendors that lose all their rows."""
    frame = repeated_listings().to_pandas()
    frame["number"] = frame["seller"].str[1:].astype(int) * 3
    frame.loc[::50, ["seller", "number"]] = ["s1", 3]
    frame.loc[frame["seller"] == "s4", "price"] = 1e6
    table = pa.Table.from_pandas(frame, preserve_index=False)
    want = assert_parity(table, tmp_path, "parquet", rule, {}, **{**KEPT, **options})
    assert apart(asked) == 1
    assert want.sum("n_listings") > 80


def test_a_listing_of_two_vendors_is_looked_at_as_one(tmp_path, asked):
    """Neither vendor's prices reach the multiple; together they do."""
    table = pa.table({"id": ["a"] * 6 + ["b"] * 3, "price": [10.0, 11.0, 12.0, 13.0, 60.0, 61.0, 7.0, 7.0, 7.0],
                      "reviews": [1] * 9, "seller": ["x"] * 4 + ["y"] * 2 + ["y"] * 3})
    rule = HoldingPrice(upper_multiple=4)
    assert narrow(table, tmp_path, asked, rule) == 6 and apart(asked) == 1
    want = assert_parity(table, tmp_path, "parquet", lambda t: t.clean(rule), {}, **KEPT)
    assert list(want.audit)[1].rows == 2
    assert narrow(table, tmp_path, asked, HoldingPrice(upper_multiple=100)) == 6


@pytest.mark.parametrize(("asks", "rules", "options"), [
    ({"by": "country"}, [ONLY], {}), ({"bands": [50]}, [ONLY], {}), ({}, [ONLY], {"captures": "k", "occasions": 5}),
    ({}, [ONLY, HoldingPrice(cap=60)], {}), ({}, [ONLY, ONLY], {}), ({}, [ONLY], {"duplicates": "largest"}),
], ids=["groups", "bands", "captures", "cap after", "two rules", "one row a listing"])
def test_listings_are_not_summed_apart(asks, rules, options, tmp_path, asked):
    """Where many listings lie in several cells, or where rows that the rule sees are dropped by another."""
    def cleaned(listings):
        for rule in rules:
            listings = listings.clean(rule)
        return listings

    want = assert_parity(repeated_listings(), tmp_path, "parquet", cleaned, asks, **{**KEPT, "market": "market", **options})
    assert apart(asked) == 0 and sum(line.rows for line in list(want.audit)[1:])


def test_listings_of_a_relation_are_not_summed_apart(tmp_path, monkeypatch):
    """Nothing can be kept on the user's connection: the scan would be made again for each statement that needs it."""
    statements, fetch = [], sessions.RelationSession.fetch
    monkeypatch.setattr(sessions.RelationSession, "fetch",
                        lambda self, statement: statements.append(statement) or fetch(self, statement))
    assert_parity(repeated_listings(), tmp_path, "relation", lambda t: t.clean(ONLY), {}, **KEPT)
    assert statements and not any("is_touched" in statement for statement in statements)


# -- the alarm, from sums --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("scale", [1e-170, 1.0, 1e140], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_sums_bound_the_prices(seed, scale):
    """Each cell holds a price that its mean reaches, and none is above the money of a listing; also where squares are 0."""
    rng = np.random.default_rng(seed)
    price, count, cell = scale * rng.lognormal(0, 3, 400), rng.integers(0, 4, 400), rng.integers(0, 60, 400)
    price[:3] = 0.0
    value, squares, listing, top = np.zeros(60), np.zeros(60), np.zeros(60), np.zeros(60)
    np.add.at(value, cell, price * count)
    np.add.at(squares, cell, price**2 * count)
    np.maximum.at(listing, cell, price * count)
    np.maximum.at(top, cell, price * (count > 0))
    reached, most = alarms.bounds(value, squares, listing, np.inf)
    assert (reached <= top).all() and top.max() <= most <= 3.01 * top.max()
    assert alarms.bounds(value, squares, listing, top.max())[1] == top.max()
    if scale == 1:
        assert (reached[top > 0] > 0).all()
    one = alarms.bounds(*(np.array([x]) for x in (6.0, 12.0, 6.0)), np.inf)  # a price of 2, three times
    assert one[0][0] == pytest.approx(2, rel=2e-6) and one[0][0] < 2 and one[1] == pytest.approx(6, rel=2e-6) and one[1] > 6


def alarm(prices: list[float], counts: list[int], sellers: int) -> pa.Table:
    n = len(prices)
    return pa.table({"id": [f"l{i}" for i in range(n)], "price": prices, "reviews": counts,
                     "seller": [f"s{i % sellers}" for i in range(n)], "days": [200.0 + i % 3 for i in range(n)]})


@pytest.mark.parametrize(("prices", "counts", "sellers", "cap", "scans", "told"), [
    ([100.0] * 300, [1] * 300, 40, None, 0, False),
    ([10.0] * 300, [2000] * 300, 40, None, 2, False),
    ([10.0] * 300 + [9000.0], [1] * 301, 40, None, 1, True),
    ([10.0] * 300 + [9000.0], [50] * 301, 40, None, 1, True),
    ([10.0] * 300 + [9000.0], [1] * 301, 40, 9000.0, 1, True),
    ([100.0] * 300 + [9000.0], [1] * 301, 40, 9000.0, 0, False),
    ([10.0] * 297 + [50.0] * 3 + [2000.0], [5] * 301, 2, None, 2, False),
    ([10.0] * 297 + [19.0] * 3 + [2000.0], [5] * 301, 2, None, 2, True),
], ids=["silent", "low", "high", "often", "cap", "silent by the cap", "between, silent", "between, told"])
def test_the_alarm_scans_prices_where_sums_do_not_tell(prices, counts, sellers, cap, scans, told, tmp_path, asked):
    rule = HoldingPrice(cap=cap or 1e9)
    want = assert_parity(alarm(prices, counts, sellers), tmp_path, "parquet", lambda t: t.clean(rule) if cap else t, {}, **ROLES)
    assert bool(want.header.flags) == told
    assert sum("AS positive" in statement for statement, _ in asked) == scans


@pytest.mark.parametrize("days", [None, "days"])
@pytest.mark.parametrize("high", [90.0, 120.0])
@pytest.mark.parametrize(("steps", "listing"), [
    *((steps, listing) for steps in ("none", "cap, then rate", "rate, then cap") for listing in (None, "id")),
    ("cap mended", "id")])
def test_the_alarm_in_every_currency(steps, high, listing, days, tmp_path):
    """A cap bounds prices in its own currency only; sums of money a day bound none."""
    rate = ExchangeRate(1000.0)
    question = {
        "none": lambda t: t, "cap, then rate": lambda t: t.clean(HoldingPrice(cap=130)).to_currency("EUR", rate),
        "rate, then cap": lambda t: t.to_currency("EUR", rate).clean(HoldingPrice(cap=130_000)),
        "cap mended": lambda t: t.clean(HoldingPrice(cap=130, upper_multiple=500, action="median")),
    }[steps]
    table = alarm([1.0] * 300 + [high], [3] * 301, 4)
    want = assert_parity(table, tmp_path, "parquet", question, {}, **{**KEPT, "listing": listing}, days=days)
    assert bool(want.header.flags) == (high == 120)


@pytest.mark.parametrize("kind", ["parquet", "relation"])
def test_sums_beyond_floats_name_the_highest_price(kind, tmp_path):
    """The sums have no column of the highest price: it is asked for where they overflow."""
    frame, options = elsewhere(alarm([1.0, 2e200, 3.0], [1, 1, 1], 2), tmp_path, kind)
    with pytest.raises(DataError, match=r"(?s)too large for a float.*prices up to 2e\+200"):
        Listings(frame, **{**ROLES, **options}).totals()


@pytest.mark.parametrize(("others", "often", "listing", "told"), [
    ([0.0] * 150, 1, [1.0, 600.0], True), ([10.0] * 60, 1, [3.0] + [10.0] * 48 + [2000.0], True),
    ([10.0] * 246, 2000, [2000.0, 50.0, 50.0, 3.0], False), ([10.0] * 297, 2000, [2000.0, 50.0, 3.0], True),
], ids=["positive", "rows", "high", "few high"])
def test_the_alarm_counts_the_rows_of_touched_listings(others, often, listing, told, tmp_path):
    """They are in memory, the others are not: each count is that of both."""
    n, k = len(others), len(listing)
    table = pa.table({"id": [f"l{i}" for i in range(n)] + ["x"] * k, "price": others + listing, "seller": ["a"] * (n + k),
                      "reviews": [often] * n + [1] * k})
    rule = HoldingPrice(upper_multiple=500, min_observations=1)
    want = assert_parity(table, tmp_path, "parquet", lambda t: t.clean(rule), {}, **KEPT)
    assert bool(want.header.flags) == told


def test_the_lowest_cap_is_that_since_the_last_conversion():
    cap, rate = (lambda c: Clean(HoldingPrice(cap=c))), Convert("EUR", 2.0, "words")
    assert lowest_cap(()) == lowest_cap((Clean(HoldingPrice(upper_multiple=2)),)) == lowest_cap((cap(5), rate)) == np.inf
    assert lowest_cap((cap(5), cap(9))) == lowest_cap((cap(9), cap(5))) == lowest_cap((cap(1), rate, cap(9), cap(5))) == 5
