"""What a user types first: the names that completion shows, messages that tell the way, and objects as they print."""

import copy
import dataclasses
import inspect
import itertools
import json
import pickle

import pandas as pd
import pytest

import darkmarket_estimates as dme
from darkmarket_estimates import bayes, coverage, demand, evaluation, published, simulate, triangulate
from darkmarket_estimates import listings as listings_room
from darkmarket_estimates.cli.terminal import print_prose

TABLE = {"price": [50.0, 20.0, 80.0], "reviews": [4, 10, 1], "seller": ["a", "a", "b"], "country": ["NL", "US", "US"]}
ROLES = {"price": "price", "reviews": "reviews", "vendor": "seller", "currency": "USD"}
LISTINGS = dme.Listings(TABLE, window=("2016-01-01", "2016-02-01"), **ROLES)
TOTALS = LISTINGS.totals(by="country")
RAND = "kruithof2016"
MARKET = dme.Listings(simulate.Market.small(rng=2016).listings, price="price", reviews="reviews", vendor="vendor",
                      currency="USD", window=("2016-01-01", "2016-01-31")).clean(dme.HoldingPrice(cap=2_000))


# -- names ------------------------------------------------------------------------------------------------------------


def test_the_options_of_turnover_are_named_where_a_notebook_completes_them():
    shown = inspect.signature(dme.turnover).parameters
    doors = (dme.Listings.__init__, dme.Listings.totals, dme.estimator.turnover)
    known = {name for door in doors for name in inspect.signature(door).parameters}
    assert set(shown) == known - {"self", "frame", "totals", "assumptions"} | {"data", "clean"}
    assert all(p.kind is p.KEYWORD_ONLY for name, p in shown.items() if name != "data")
    names = ("confidence_level", "estimand", "vendor_scope", "price")
    assert [shown[name].default for name in names] == [0.95, "realised", "market", None]


@pytest.mark.parametrize("door", ["from_scrapes", "from_reviews"])
def test_the_options_of_the_doors_are_named_and_described(door):
    method, function = getattr(dme.Listings, door), getattr(listings_room, door)
    assert list(inspect.signature(method).parameters.values()) == list(inspect.signature(function).parameters.values())
    named = [name for name, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY]
    assert [name for name in named if f"``{name}=``" not in inspect.getdoc(method)] == []


def test_turnover_takes_what_it_shows():
    options = {name: p.default for name, p in inspect.signature(dme.turnover).parameters.items() if name != "data"}
    assert dme.turnover(TABLE, **(options | ROLES)).floor == 480


@pytest.mark.parametrize("module", [dme, bayes, coverage, evaluation, published, simulate], ids=lambda m: m.__name__)
def test_completion_shows_the_public_names_alone(module):
    assert dir(module) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in dir(module))


# -- the column of a share --------------------------------------------------------------------------------------------


def test_the_only_column_of_groups_need_not_be_named():
    est = dme.turnover(TOTALS, review_rate=dme.ReviewRate(mean=0.5, between_vendor_sd=0.1))
    assert str(est.share("NL")) == str(est.share("NL", of="country"))
    pd.testing.assert_frame_equal(est.shares(), est.shares("country"))
    pd.testing.assert_frame_equal(est.ranks(n_resamples=100), est.ranks("country", n_resamples=100))


@pytest.mark.parametrize(("by", "expected", "fix"), [
    ((), "totals with groups", "listings.totals"), (("country", "seller"), "one of 'country', 'seller'", "of='country'")],
    ids=["none", "two"])
def test_of_several_columns_one_must_be_named(by, expected, fix):
    est = dme.turnover(LISTINGS.totals(by=by), review_rate=0.5)
    for ask in (est.shares, est.ranks, lambda: est.share("NL")):
        with pytest.raises(dme.DataError, match="which column") as error:
            ask()
        assert error.value.expected == expected and error.value.fix.startswith(fix)


# -- messages ---------------------------------------------------------------------------------------------------------


def test_grouping_totals_anew_is_told_where_to_group():
    with pytest.raises(TypeError, match=r"unknown option 'by' for Totals.*; group or read them before: listings\.totals"):
        dme.turnover(TOTALS, by="country")
    with pytest.raises(TypeError, match=r"progress$"):
        dme.turnover(TOTALS, colour="red")


@pytest.mark.parametrize(("call", "fix"), [
    (lambda: LISTINGS.clean(1_000), "clean(HoldingPrice(cap=1000))"),
    (lambda: LISTINGS.clean("cap"), "clean(HoldingPrice(cap=10_000))"),
    (lambda: dme.turnover(TOTALS, review_rate="0.4-0.6"), "Range(0.4, 0.6)"),
    (lambda: dme.turnover(TOTALS, review_rate=".4 to 1"), "Range(0.4, 1)"),
    (lambda: dme.turnover(TOTALS, review_rate="0.4"), "0.4, without quotes"),
    (lambda: dme.turnover(TOTALS, review_rate="half"), None),
    (lambda: dme.turnover(TOTALS, review_rate={"NL": 0.5}), 'ByGroup("the column of these groups", {...})'),
    (lambda: dme.turnover(TOTALS, coverage=dme.ValueChao), "ValueChao(...)"),
    (lambda: dme.turnover(TOTALS, review_rate=dme.Range(40, 60)), "Range(0.4, 0.6), if those were percentages"),
    (lambda: dme.turnover(TOTALS, review_rate=dme.Range(0.5, 400)), None),
    (lambda: dme.turnover(TOTALS).group(Country="NL"), "write 'country'"),
    (lambda: dme.turnover(TOTALS).group(city="Delft"), "listings.totals(by=['country', 'city'])"),
    (lambda: dme.Listings.from_reviews({"at": ["31/01/2016"], "id": ["a"], "usd": [2.0], "seller": ["x"]}, listing="id",
                                       vendor="seller", price="usd", date="at", currency="USD"),
     'say how the text is meant: pandas.to_datetime(column, format="%d/%m/%Y")'),
    (lambda: dme.benchmark({"floor": {}}, simulate.Market.small(rng=1), n_simulations=1), "pass market.spec"),
    (lambda: dme.Listings(TABLE, window="2016-12", **ROLES), 'window=("2016-12-01", "2017-01-01")'),
    (lambda: dme.Listings(TABLE, window="2016-02", **ROLES), 'window=("2016-02-01", "2016-03-01")'),
    (lambda: dme.Listings(TABLE, window="January", **ROLES), None),
    (lambda: dme.Listings(TABLE, window="9999-12", **ROLES), None),
    (lambda: TOTALS + dme.Listings(TABLE, window=("2016-02-01", "2016-03-01"), **ROLES).totals(by="country"),
     "earlier.then(later) joins windows that adjoin"),
    (lambda: TOTALS + dme.Listings(TABLE, window=("2016-01-01", "2016-02-01"), **ROLES).totals(),
     "treat every part alike, then add"),
    (lambda: dme.Listings(["a.csv", "b.csv"], **ROLES), 'pass the folder of the files, or a glob such as "2016/*.csv"'),
    (lambda: dme.Listings("a.xlsx", **ROLES), "pass a table instead: pandas.read_excel(path), duckdb.sql(query), ..."),
    (lambda: dme.Listings("not here.csv", **ROLES), "check the path: a relative one starts at the working folder"),
    (lambda: published.get("RAND 2016"), f"{RAND!r} is {published.get(RAND).title}"),
    (lambda: published.get("nobody"), None),
    (lambda: published.get("2016"), None),
], ids=["clean-number", "clean-text", "share-dash", "share-to", "share-text", "share-word", "mapping", "class",
        "percentages", "not-percentages", "spelling", "not-grouped", "text-dates", "market",
        "december", "february", "month-word", "last-month",
        "two-months", "two-groupings", "list", "spreadsheet", "no-file", "title", "no-title", "digits"])
def test_messages_say_what_to_do(call, fix):
    with pytest.raises(dme.DataError) as error:
        call()
    assert error.value.fix == fix


@pytest.mark.parametrize(("estimand", "interval", "what", "other"), [
    ("realised", "bootstrap", "interval is unknown", '"expected" are \'bca-tail\''),
    ("realised", "bca", "a 'bca' interval means nothing for the realised total", '"expected" are \'bca-tail\''),
    ("expected", "predictive", "a 'predictive' interval means nothing for the expected total",
     '"realised" are \'predictive\'')], ids=["unknown", "bca", "predictive"])
def test_an_interval_that_is_none_is_told_those_of_the_other_estimand(estimand, interval, what, other):
    with pytest.raises(dme.AssumptionError) as error:
        dme.turnover(TOTALS, review_rate=0.5, estimand=estimand, interval=interval)
    assert error.value.what == what and other in error.value.fix


def test_rates_that_cannot_be_read_show_their_columns():
    with pytest.raises(dme.DataError) as error:
        LISTINGS.to_currency("EUR", pd.DataFrame({"Day": ["2016-01-01"], "EUR": [0.9]}))
    assert error.value.got == "DataFrame with columns 'Day', 'EUR'"


# -- as they print ----------------------------------------------------------------------------------------------------


def test_an_audit_shows_itself_in_a_notebook():
    audit = LISTINGS.clean(dme.HoldingPrice(cap=60)).audit
    assert repr(audit) == str(audit) and repr(audit).splitlines()[1].startswith("holding price (drop): price > 60: 1 rows")


def test_a_study_and_its_reproduction_are_one_line_each():
    study = published.get(RAND)
    result = study.reproduce()
    assert repr(study) == f"<Study {RAND}: {len(study.by_key)} figures of {study.title}>"
    assert repr(result) == f"<Reproduction of {RAND}: " + ", ".join(f"{n} {s}" for s, n in result.counts.items()) + ">"
    assert repr(published.reconstruct(RAND)).endswith(" listings, 26 of 26 margins hold>")


def test_a_reproduction_is_a_table_in_a_notebook_and_gaps_say_why():
    result = published.get(RAND).reproduce()
    html = result._repr_html_()
    assert html.count("<tr>") == len(result.rows) + 1 and "<td>24.72 to 25.22</td><td>25</td>" in html
    gap = next(row for row in result.rows if row.ours is None and row.theirs is None)
    assert f"{gap.figure}: {gap.note}" in str(result) and "ours -, theirs -" not in str(result)
    half = dataclasses.replace(result.rows[0], ours=None)
    assert f"{half.figure}: ours -, theirs 25 " in str(dataclasses.replace(result, rows=(half,)))


def test_sources_on_one_scale_print_what_they_are():
    month = {"currency": "USD", "per": "month"}
    reviews = triangulate.Source(name="reviews", side="supply side", low=14.2e6, high=25e6, kind="bounds", scope="8", **month)
    floor = triangulate.Source(name="floor", side="supply side", low=1e6, high=float("inf"), kind="lower bound", **month)
    most = triangulate.Source(name="survey", side="demand side", low=0, high=60e6, kind="upper bound", **month)
    chain = triangulate.Source(name="chain", side="on-chain", low=50e6, high=50e6, kind="point", **month)
    both = triangulate.one_scale([reviews, floor, most, chain], **month)
    assert repr(both) == str(both) == "\n".join([
        "4 sources, USD a month; nothing is averaged", "  reviews: 14.2 to 25.0 million (bounds, supply side, 8)",
        "  floor: at least 1.00 million (lower bound, supply side)", "  survey: at most 60.0 million (upper bound, demand side)",
        "  chain: 50.0 million (point, on-chain)",
        "  apart by a factor of 2: reviews and chain"])


def test_spending_shows_its_fits():
    survey = demand.from_spending_brackets([0, 250, 1000, float("inf")], [49, 30, 20], currency="EUR", period="in 12 months")
    assert repr(survey) == str(survey)


def test_a_summary_says_what_its_amounts_are_of():
    rate = dme.ReviewRate(mean=0.5, between_vendor_sd=0.1)
    month = dme.turnover(TOTALS, review_rate=rate).per("month").summary()
    assert "Reviewed turnover is USD 471 a month: a floor" in month and "The median of its distribution is USD " in month
    orders = dme.turnover(TOTALS, review_rate=rate, measure="orders").summary()
    assert "Reviewed are 15.00 orders: a floor if every review is a genuine order." in orders
    sold = dme.turnover(TABLE, price="price", sold="reviews", vendor="seller", currency="USD", measure="orders").summary()
    assert "Counted sales make 15.00 orders." in sold


def test_the_axis_of_a_picture_says_which_days():
    matplotlib = pytest.importorskip("matplotlib")
    est = dme.turnover(TOTALS, review_rate=dme.ReviewRate(mean=0.5, between_vendor_sd=0.1))
    with matplotlib.rc_context({"backend": "agg"}):
        assert est.plot().get_xlabel() == "USD, 1-31 January 2016"
        assert est.per("month").plot().get_xlabel() == "USD a month"
        assert dme.turnover(TABLE, review_rate=0.5, **ROLES).plot("distribution").get_xlabel() == "USD"
        matplotlib.pyplot.close("all")


@pytest.mark.parametrize("kind", ["forest", "distribution", "shares"])
def test_pictures_of_a_column_s_width_overlap_nowhere(kind):
    import matplotlib.pyplot as plt

    with plt.rc_context({"backend": "agg"}):
        figure, ax = plt.subplots(figsize=(3.5, 2.8), layout="constrained")
        dme.turnover(MARKET.totals(by="country"), review_rate=dme.ReviewRate(mean=0.44, between_vendor_sd=0.13)).plot(kind, ax=ax)
        figure.canvas.draw()
        ticks = [label.get_window_extent() for label in ax.get_xticklabels() if label.get_text()]
        inside = [box for box in ticks if ax.bbox.x0 - 1 <= (box.x0 + box.x1) / 2 <= ax.bbox.x1 + 1]
        title = ax._left_title.get_window_extent()
        plt.close(figure)
    assert len(inside) >= 2 and all(left.x1 < right.x0 for left, right in itertools.pairwise(inside))
    assert title.x1 <= figure.bbox.x1 and "\n" in ax.get_title(loc="left")


def test_a_wide_picture_has_a_title_of_one_line_and_as_many_ticks_as_before():
    import matplotlib.pyplot as plt

    with plt.rc_context({"backend": "agg"}):
        ax = dme.turnover(MARKET.totals(), review_rate=0.5, interval=None).plot()
        shown = [x for x in ax.get_xticks() if x <= ax.get_xlim()[1]]
        plt.close("all")
    assert "\n" not in ax.get_title(loc="left") and len(shown) >= 6


def test_a_lasting_result_is_the_same_after_a_copy_a_pickle_and_json():
    """Results are compared by what they hold: as objects each is its own."""
    rate = dme.ReviewRate(mean=0.5, standard_error=0.02, between_vendor_sd=0.1)
    est = dme.turnover(TOTALS, review_rate=rate, rng=1)
    held = est.to_dict()
    for other in (pickle.loads(pickle.dumps(est)), copy.deepcopy(est), copy.copy(est),
                  dme.turnover(TOTALS, review_rate=rate, rng=1)):
        assert other != est and other.to_dict() == held
    assert json.loads(json.dumps(held)) == held
    assert rate == dme.ReviewRate(mean=0.5, standard_error=0.02, between_vendor_sd=0.1)  # assumptions are values


# -- tables to hand over ----------------------------------------------------------------------------------------------


def test_csv_reads_back_and_runs_no_formula(tmp_path):
    table = TABLE | {"country": ["=1+1", "US", "US"]}
    est = dme.turnover(table, by="country", review_rate=dme.Range(0.5, 1.0), interval=None, **ROLES)
    path = tmp_path / "est.csv"
    assert est.to_csv(path) is None and path.read_bytes().decode() == est.to_csv()
    back = pd.read_csv(path)
    assert back.columns.tolist() == est.to_frame().columns.tolist()
    assert back["country"].tolist() == ["'=1+1", "US", "(all)"]
    assert back["upper_bound"].tolist() == [400.0, 560.0, 960.0]


def test_markdown_has_the_columns_that_hold_something():
    rate = dme.ReviewRate(mean=0.5, between_vendor_sd=0.1)
    columns = {name: est.to_markdown().splitlines()[0] for name, est in {
        "floor": dme.turnover(TOTALS), "bounds": dme.turnover(TOTALS, review_rate=dme.Range(0.4, 0.6), interval=None),
        "interval": dme.turnover(TOTALS, review_rate=rate, confidence_level=0.9)}.items()}
    assert columns == {"floor": "| country | value | floor |", "bounds": "| country | floor | bounds |",
                       "interval": "| country | value | floor | 90% interval |"}


def test_markdown_shows_labels_as_they_are():
    table = TABLE | {"country": ["a|b", "<b>*x*</b>", "<b>*x*</b>"]}
    lines = dme.turnover(table, by="country", **ROLES).to_markdown().splitlines()
    assert lines[1:] == ["|:--|--:|--:|", r"| \<b\>\*x\*\</b\> | 280 | 280 |", r"| a\|b | 200 | 200 |",
                         "| (all) | 480 | 480 |"]


def test_amounts_of_a_table_are_per_the_unit_of_the_estimate():
    est = dme.turnover(LISTINGS.totals(), review_rate=dme.Range(0.5, 1.0), interval=None).per("day")
    assert est.to_markdown().splitlines()[2] == "| 15.48 | 15.48 to 30.97 |"
    known = dme.turnover(LISTINGS.totals(), review_rate=1.0, interval=None).per("day")
    assert known.to_markdown().splitlines()[2] == "| 15.48 | 15.48 |"


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "file"])
def test_prose_is_wrapped_between_words_on_a_terminal_alone(terminal, monkeypatch, capsys):
    text = f"{'so many words ' * 9}end.\n\nlast"
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    print_prose(text)
    shown = capsys.readouterr().out
    assert shown.split() == text.split() and "\n\nlast\n" in shown
    assert max(map(len, shown.splitlines())) == (130 if not terminal else 38)
