"""Spark in local mode: every rule, partitions that split vendors and listings, and errors in our words."""

import copy
import os
import pickle
import re
import shutil
import sys
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkmarket_estimates import DataError, HoldingPrice, Listings, NotSupportedError
from darkmarket_estimates.engines import capabilities
from darkmarket_estimates.engines.capabilities import Refusal, ability
from tests.engines.tables_elsewhere import assert_alike
from tests.engines.test_capabilities import use
from tests.engines.test_elsewhere import some, table
from tests.engines.test_parity import RATES, RULES, repeated_listings
from tests.tables import ROLES
from tests.test_totals import BY

pytest.importorskip("pyspark", reason="pyspark is not installed")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Spark needs Java, which is not here", allow_module_level=True)

#: Such as "local[2]": the tests run over Spark Connect.
REMOTE = os.environ.get("DARKMARKET_SPARK_REMOTE", "")

# PySpark warns that it has not been tested with pandas 3; what is used here does not go through pandas
pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    config = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.sql.shuffle.partitions": "4",
              "spark.driver.bindAddress": "127.0.0.1", "spark.sql.adaptive.enabled": "false",
              "spark.sql.session.timeZone": "America/New_York", "spark.driver.memory": "1g",
              "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse"))}
    builder = SparkSession.builder.appName("tests")
    if REMOTE:  # Spark Connect, with a server of its own
        pytest.importorskip("grpc", reason="pyspark[connect] is not installed")
        builder = builder.remote(REMOTE)
    else:
        builder = builder.master("local[2]")
    for name, value in config.items():
        builder = builder.config(name, value)
    with warnings.catch_warnings():
        if REMOTE:  # the server has those that only its start can set, and says so for each
            warnings.filterwarnings("ignore", "Failed to set", UserWarning)
        session = builder.getOrCreate()
    if not REMOTE:
        session.sparkContext.setLogLevel("OFF")  # tests of errors make Spark print pages
    yield session
    session.stop()


@pytest.fixture
def there(spark, tmp_path):
    """A table in Spark, in three partitions that split vendors and listings."""
    def put(given: pa.Table):
        days = [pa.field(f.name, pa.timestamp("us", f.type.tz)) if pa.types.is_timestamp(f.type) else f
                for f in given.schema]
        given = given.cast(pa.schema(days))
        folder = tmp_path / f"t{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for i in range(3):
            pq.write_table(given.take(np.arange(i, given.num_rows, 3)), folder / f"{i}.parquet")
        return spark.read.parquet(*(str(folder / f"{i}.parquet") for i in range(3))).repartition(3)
    return put


def assert_parity(there, given, question, asked, **roles):
    listings = question(Listings(given, **roles))
    want = listings.totals(**asked)
    got = question(Listings(there(given), **roles))
    assert_alike(want, got.totals(**asked))
    assert len(got) == len(listings)
    return want


@pytest.mark.parametrize("rule", RULES)
def test_rules(there, rule):
    assert_parity(there, repeated_listings(), RULES[rule], {"by": BY, "bands": [20, 75.5]}, **ROLES, market="market", date="day",
           duplicates="keep")


@pytest.mark.parametrize("policy", ["error", "largest", "sum", "keep"])
def test_duplicates(there, policy):
    given = repeated_listings(90 if policy == "error" else 500)
    for rule in ("nothing", "median"):
        assert_parity(there, given, RULES[rule], {"by": "country", "bands": [50]}, **ROLES, duplicates=policy)


@pytest.mark.parametrize("options", [
    {"days": "days"}, {"market": "market", "vendor_scope": "all markets"}, {"captures": "k", "occasions": 5},
    {"listing": None}, {"reviews": None, "sold": "reviews"}, {"reviews": 1}, {"currency": "money"},
    {"window": ("2016-01-01", "2016-02-01")},
], ids=lambda options: "+".join(options))
def test_roles(there, options):
    given = repeated_listings()
    given = given.append_column("money", pa.array(["USD"] * len(given)))
    assert_parity(there, given, RULES["cap"], {"by": ["category", "day"]}, **{**ROLES, "duplicates": "keep", **options})


def test_kinds_of_columns(there):
    import decimal

    n = 240
    rng = np.random.default_rng(1)
    given = pa.table({
        "id": pa.array(rng.choice([2014.0, 1.5, -0.0, 0.0, 3e20], n)), "price": pa.array(
            [decimal.Decimal(int(v)) / 100 for v in rng.integers(1, 99_999, n)], pa.decimal128(12, 2)),
        "reviews": pa.array(rng.integers(0, 2**40, n).astype(np.uint64)), "seller": pa.array(rng.integers(0, 9, n) + 2**62),
        "market": pa.array([1.0, np.nan, None, 0.0, -0.0, 7.0][i % 6] for i in range(n)),
        "a.b`c": pa.array(["ü", "u\u0308", "日本", None] * 60),
        "sort": pa.array(["x", None, "y\x00z", ""] * 60).dictionary_encode(),
        "zone": pa.array(pd.to_datetime(["2016-01-01T23:30Z", "2016-01-02T00:30Z", "2016-01-03T12:00Z"] * 80), pa.timestamp(
            "us", "UTC")),
        "big": pa.array([decimal.Decimal(10**30 + i % 4) for i in range(n)], pa.decimal128(38, 0)),
        "flag": pa.array([True, False, None] * 80),
    })
    roles = {**ROLES, "market": "market", "duplicates": "keep"}
    rates = {"2016-01-01": 1.0, "2016-01-02": 2.0, "2016-01-03": 4.0}
    want = assert_parity(there, given, RULES["multiples"], {"by": ["a.b`c", "sort", "zone", "big", "flag"]}, **roles)
    assert want.header.markets == ("(missing)", "0", "1", "7")
    assert_parity(there, given, lambda t: t.to_currency("EUR", rates), {}, **roles, date="zone")


@pytest.mark.parametrize("rule", [r for r in capabilities.rules() if r != "row numbers in errors"])
def test_spark_can_what_the_table_says(there, rule):
    given = repeated_listings(90 if rule == "duplicates error" else 300)
    can = ability(rule, "spark")
    if isinstance(can, Refusal):
        with pytest.raises(NotSupportedError) as caught:
            use(rule, there(given))
        assert caught.value.fix == can.fix
    else:
        assert_alike(use(rule, given), use(rule, there(given)))


def test_a_listing_in_two_partitions_is_one_listing(there, spark):
    given = pa.table({"price": [1.0, 3.0, 2.0, 2.0], "reviews": [1] * 4, "seller": ["a"] * 4, "id": ["x", "y", "x", "y"]})
    naive = there(given).selectExpr("*", "spark_partition_id() AS p").groupBy("p", "id").count().count()
    assert naive > 2  # each partition by itself would count its own listings
    totals = Listings(there(given), **ROLES, duplicates="keep").totals()
    assert totals.sum("n_listings") == 2 and totals.sum("listing_value_sq") == 9 + 25
    with pytest.raises(DataError, match="more than one row"):
        Listings(there(given), **ROLES).totals()


def test_most_partitions_may_be_empty(there, spark):
    given = table().slice(0, 5)
    assert_alike(Listings(given, **ROLES).totals(), Listings(there(given).repartition(20), **{**ROLES, "listing": None}).totals())
    with pytest.raises(DataError, match="table is empty"):
        Listings(there(given).where("price < 0"), **ROLES).totals()
    with pytest.raises(DataError, match="table is empty"):
        Listings(there(given).where("price < 0").selectExpr("*", "'USD' AS money"), **{**ROLES, "currency": "money"})


@pytest.mark.parametrize(("columns", "match", "named"), [
    ({"price": some(None)}, "price cannot be used in 1", "missing"), ({"price": some(-1.5)}, "price cannot", "-1.5"),
    ({"reviews": some(0.5)}, "reviews cannot be used", "0.5"),
    ({"seller": some(None, fill="s")}, "vendor is missing in 1", "row"),
    ({"id": [f"l{min(i, 58)}" for i in range(60)]}, "1 listing id.* more than one row", "'l58' on 2 rows"),
    ({"price": ["1.234,50"] * 60}, "price is not a number", "1.234,50"),
    ({"price": [1e200] * 60}, "too large", "cap="),
], ids=["null", "negative", "half", "vendor", "twice", "text", "huge"])
def test_bad_rows_are_found(there, columns, match, named):
    with pytest.raises(DataError, match=match) as caught:
        Listings(there(table(**columns)), **ROLES).totals()
    text = str(caught.value)
    assert named in text and "one partition" in text and "Traceback" not in text
    if "cannot be used" in match:
        assert re.search("seller 's\\d+', id 'l0041'", text)


def test_what_needs_no_job_is_said_at_once(there):
    frame = there(table())
    for roles, match in (({"price": "cost"}, "no column 'cost'"), ({"duplicates": "first"}, "cannot do this")):
        with pytest.raises(DataError, match=match):
            Listings(frame, **{**ROLES, **roles})
    lazily = Listings(frame, **ROLES)
    assert repr(lazily) == "Listings(spark, USD, 0 rule(s) waiting)"
    with pytest.raises(DataError, match="no column 'colour'"):
        lazily.totals(by="colour")
    with pytest.raises(DataError, match="cannot label anything"):
        Listings(frame.selectExpr("price", "reviews", "seller", "array(id) AS id"), **ROLES).totals()


def test_two_currencies(there):
    with pytest.raises(DataError, match=r"more than one currency[\s\S]*EUR, USD"):
        Listings(there(table(money=some("EUR", fill="USD"))), **{**ROLES, "currency": "money"}).totals()


def test_days_and_rates(there):
    rates = {day: rate for day, rate in RATES.items() if day != "2016-01-17"}
    frame = there(table(day=pd.Timestamp("2016-01-17")))
    with pytest.raises(DataError, match=r"lacks 1 day\(s\)[\s\S]*2016-01-17"):
        Listings(frame, **ROLES, date="day").to_currency("EUR", rates).totals()


def test_what_spark_cannot_read(there, spark, tmp_path):
    frame = there(table())
    for part in tmp_path.rglob("*.parquet"):
        part.unlink()
    with pytest.raises(DataError, match="Spark cannot read the frame"):
        Listings(frame, **ROLES).totals()
    with pytest.raises(NotSupportedError, match="no end"):
        Listings(spark.readStream.format("rate").load(), **ROLES)
    with pytest.raises(NotSupportedError, match="not known"):
        Listings(spark, **ROLES)


def test_a_frame_stays_in_its_session(there):
    listings = Listings(there(table()), **ROLES)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(NotSupportedError, match="stays in its process"):
            pickle.dumps(listings, protocol)
    assert_alike(copy.deepcopy(listings).totals(), Listings(table(), **ROLES).totals())


def test_workers_without_the_library():
    from pyspark.errors import PythonException

    from darkmarket_estimates.engines.spark import _our_words

    with pytest.raises(DataError, match="install darkmarket-estimates for the Python of every worker"), _our_words():
        raise PythonException("\n".join(["Traceback", "ModuleNotFoundError: No module named 'darkmarket_estimates'"]))


@pytest.mark.parametrize("broken", [EOFError(), OSError("timed out"), pa.ArrowInvalid("no schema")],
                         ids=lambda e: type(e).__name__)
def test_an_answer_that_breaks_off_is_no_short_answer(broken, there, monkeypatch):
    """A DataFrame's collect() takes the end of its socket for the end of the rows; toArrow() does not."""
    frame = there(table())

    def breaks(self):
        raise broken

    listings = Listings(frame, **ROLES)
    monkeypatch.setattr(type(frame), "toArrow", breaks)
    monkeypatch.setattr(type(frame), "collect", None)
    with pytest.raises(DataError, match="answer of Spark broke off"):
        listings.totals()


def test_large_answers_come_in_pieces(there):
    given = table().select(["price", "reviews"]).append_column("seller", pa.array([f"{i:0100000d}" for i in range(60)]))
    roles = {**ROLES, "listing": None}
    assert_alike(Listings(given, **roles).totals(), Listings(there(given), **roles).totals())  # two megabytes a partition


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "serverless"])
def test_answers_wait_on_the_executors(there, spark, monkeypatch, keeps):
    """Large ones are read in rounds, each made once; nothing stays behind. A Spark that keeps nothing is read at once."""
    from pyspark.errors import PySparkException

    from darkmarket_estimates.engines import spark as ours

    given = table().select(["price", "reviews"]).append_column("seller", pa.array([f"{i:0100000d}" for i in range(60)]))
    frame, roles = there(given), {**ROLES, "listing": None}
    kind, asked, kept = type(frame), [], []
    arrow, persist, unpersist = kind.toArrow, kind.persist, kind.unpersist

    def keep(self, level):
        if not keeps:
            raise PySparkException("PERSIST is not supported")
        kept.append(1)
        return persist(self, level)

    monkeypatch.setattr(kind, "toArrow", lambda self: asked.append(1) or arrow(self))
    monkeypatch.setattr(kind, "persist", keep)
    monkeypatch.setattr(kind, "unpersist", lambda self, *given: kept.append(-1) or unpersist(self, *given))
    monkeypatch.setattr(ours, "_ROUND", 2**20)
    assert_alike(Listings(given, **roles).totals(), Listings(frame, **roles).totals())
    assert (len(asked) >= 1 + 6 and kept == [1, -1]) if keeps else (len(asked) == 1 and kept == [])
    with pytest.raises(DataError, match="price cannot be used"):
        Listings(frame.selectExpr("-price AS price", "reviews", "seller"), **roles).totals()
    assert sum(kept) == 0


def test_the_whole_table_on_the_driver(there):
    given = table()
    listings = Listings(there(given), **ROLES, engine="memory")
    assert_alike(Listings(given, **ROLES).clean(HoldingPrice(cap=60)).totals(), listings.clean(HoldingPrice(cap=60)).totals())
    assert len(listings.to_frame()) == 60


def test_real_sales(there, real_data):
    given = pq.read_table(real_data / "alphabay2017" / "listings.parquet")
    roles = {"price": "price_usd", "sold": "n_sold", "days": "days_listed", "vendor": "vendor_id", "listing": "listing_id",
             "currency": "USD"}
    want = assert_parity(there, given, lambda t: t, {}, **roles, duplicates="keep")
    assert round(want.sum("value")) == 982_447
    rule = HoldingPrice(cap=9_998.99)
    assert_parity(there, given, lambda t: t.clean(rule), {"bands": [10, 100, 1000]}, **roles, duplicates="largest")


def test_real_reviews(there, real_data):
    given = pq.read_table(real_data / "agora2014" / "reviews.parquet")
    roles = {"price": "price_usd_at_first_seen", "reviews": 1, "vendor": "vendor_id", "listing": "listing_id",
             "currency": "USD"}
    rule = HoldingPrice(cap=10_000, upper_multiple=3, lower_multiple=0.3, min_observations=3, action="median")
    want = assert_parity(there, given, lambda t: t.clean(rule), {"by": "category", "bands": [100]}, **roles)
    assert list(want.audit)[1].rows > 0


def test_the_page_on_clusters(spark, tmp_path, monkeypatch):
    from tests.engines import test_clusters_page as page

    names = page.run(tmp_path, monkeypatch, 0, 1, 3)  # the session of these tests is the one that the page gets
    page.assert_alike(names["here"], names["on_spark"])


def test_replicates_do_not_depend_on_the_partitions_of_spark(there):
    from tests.engines.test_partitions import answer, replicates

    given = repeated_listings()
    (weights, draws), (want_weights, want_draws) = replicates(answer(there(given))), replicates(answer(given))
    np.testing.assert_array_equal(weights, want_weights)
    np.testing.assert_allclose(draws, want_draws, rtol=1e-12)
