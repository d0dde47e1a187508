"""Listings that no scrape saw: bounds, detection models, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

import darkmarket_estimates as dme
from darkmarket_estimates import coverage
from darkmarket_estimates.simulate import Market, Scraper
from tests.tables import vendor_totals

MARKED = dme.ReviewRate(mean=0.41, between_vendor_sd=0.13)


def market(seed=1, **changes):
    return Market.small(rng=seed, price_changes=None, holding_prices=None, **changes)


def seen(m, seed, failure=0.7, **options):
    """Reviews with exact dates in the first 20 days, from scrapes after them."""
    s = m.scrape(Scraper(interval=2, duration=0, page_failure=failure, first=20, dates="exact"), rng=seed)
    rows = s.reviews.merge(m.listings[["listing", "category"]], on="listing", how="left")
    rows["category"] = rows["category"].fillna("gone")
    return dme.Listings.from_reviews(rows, s.listings, listing="listing", scrape="scrape", date="date", price="price",
                                     vendor="vendor", window=("2016-01-01", "2016-01-21"), currency="USD", **options)


def truth(m):
    return m.reviews.loc[m.reviews["date"] < "2016-01-21", "price"].sum()


@pytest.fixture(scope="module")
def listings():
    return seen(market(), 2)


@pytest.fixture(scope="module")
def by_listing(listings):
    """Value, captures and first scrape of each listing with reviews, by hand."""
    histories = listings.histories()
    frame = listings.to_frame().assign(listing=listings._table.listing.take())
    y = frame.groupby("listing")["value"].sum()
    h = histories.loc[y.index].to_numpy()
    return y.to_numpy(), h.sum(axis=1), h.argmax(axis=1), h, frame.groupby("listing")["price"].mean().to_numpy()


# -- identities --------------------------------------------------------------------------------------------------------


def test_value_chao_is_that_of_the_arrays(listings, by_listing):
    y, k, first, h, _ = by_listing
    reference = coverage.value_chao(y, k, first, h.shape[1])
    for options in ({}, {"review_rate": 1.0}):
        est = dme.turnover(listings, coverage=dme.ValueChao(), **options)
        assert est.value == pytest.approx(reference.value, rel=1e-10)
        assert est.limit == pytest.approx(reference.interval[0], rel=1e-10)
        assert est.undetected == pytest.approx(reference.details["unseen"], rel=1e-9)
        assert (est.kind, est.interval, est.bounds) == ("lower bound", None, None)
    equal = coverage.value_chao(y, k, None, h.shape[1], form="equal scrapes")
    est = dme.turnover(listings, coverage=dme.ValueChao(form="equal scrapes"))
    assert est.limit == pytest.approx(equal.interval[0], rel=1e-10)


@pytest.mark.parametrize("estimand", ["realised", "expected"])
def test_clustered_value_chao_is_that_of_the_arrays(listings, by_listing, estimand):
    y, k, first, h, _ = by_listing
    table = listings._table
    vendor = pd.Series(table.vendor.take()).groupby(table.listing.take()).first().to_numpy()
    reference = coverage.value_chao(y, k, first, h.shape[1], vendor=vendor, estimand=estimand)
    est = dme.turnover(listings, coverage=dme.ValueChao(clustered=True), estimand=estimand, review_rate=1.0)
    assert est.limit == pytest.approx(reference.interval[0], rel=1e-10)


@pytest.mark.parametrize("clustered", [False, True])
def test_huggins_is_that_of_the_arrays(listings, by_listing, clustered):
    y, _, _, h, price = by_listing
    table = listings._table
    vendor = pd.Series(table.vendor.take()).groupby(table.listing.take()).first().to_numpy()
    fit = coverage.huggins(captures=h.sum(axis=1), occasions=h.shape[1], covariates=np.log1p(price),
                           clusters=vendor if clustered else None)
    reference = coverage.huggins_value(y, fit)
    spec = dme.Huggins(covariates=["log price"], clustered=clustered)
    est = dme.turnover(listings, coverage=spec, review_rate=1.0)
    assert est.value == pytest.approx(reference.value, rel=1e-9)
    assert est.undetected == pytest.approx(reference.details["unseen"], rel=1e-8)
    assert math.sqrt(est.law.variance) == pytest.approx(reference.standard_error, rel=1e-4)
    by = dme.turnover(listings, by="category", coverage=spec, review_rate=1.0)
    assert sum(row.value for row in by.rows[:-1]) == pytest.approx(est.value, rel=1e-9)
    assert by.rows[-1].interval == pytest.approx(est.interval, rel=1e-9)


@pytest.mark.filterwarnings("ignore::darkmarket_estimates.HoldingPriceWarning")
def test_captures_that_go_together_widen_the_error():
    m = market()
    s = m.scrape(Scraper(interval=2, duration=0, page_failure=0.2, first=20, dates="exact"), rng=7)
    lost = np.random.default_rng(8).random((len(m.vendors), len(s.log))) < 0.6  # a vendor's pages fail together
    kept = s.listings[~lost[s.listings["vendor"], np.searchsorted(s.log["scrape"], s.listings["scrape"])]]
    rows = s.reviews[s.reviews["listing"].isin(kept["listing"])]
    got = dme.Listings.from_reviews(rows, kept, listing="listing", scrape="scrape", date="date", price="price",
                                    vendor="vendor", window=("2016-01-01", "2016-01-21"), currency="USD")
    fitted = got.totals(assumptions=[dme.Huggins()])
    assert fitted.header.detection.c_hat > 1.5
    est = dme.turnover(fitted, coverage=dme.Huggins(), review_rate=1.0)
    table = got._table
    k = got.histories().sum(axis=1)
    frame = got.to_frame().assign(listing=table.listing.take(), vendor=table.vendor.take()).groupby("listing")
    y, vendor = frame["value"].sum(), frame["vendor"].first()
    fit = coverage.huggins(captures=k.loc[y.index].to_numpy(), occasions=len(s.log), clusters=vendor.to_numpy())
    assert math.sqrt(est.law.variance) == pytest.approx(coverage.huggins_value(y, fit).standard_error, rel=1e-4)


def test_the_expected_total_counts_the_sampling_of_vendors_once(listings):
    spec = dme.Huggins(["log price"])
    totals = listings.totals(assumptions=[spec])
    est = dme.turnover(totals, coverage=spec, review_rate=1.0, estimand="expected", interval="delta")
    key, value = totals.keys["vendor"], totals.columns["value"]
    by_vendor = np.bincount(key.codes, weights=value)
    gradient = np.array([totals.sum("ht_gradient_0"), totals.sum("ht_gradient_1")])
    model = gradient @ np.array(totals.header.detection.covariance) @ gradient
    weight = est.value / value.sum()
    assert est.law.variance == pytest.approx(weight**2 * (by_vendor @ by_vendor) + model, rel=1e-6)


def test_a_share_scales_the_bound_and_other_uncertainty_lowers_the_limit(listings):
    alone = dme.turnover(listings, coverage=dme.ValueChao())
    half = dme.turnover(listings, coverage=dme.ValueChao(), review_rate=0.5, interval=None)
    assert (half.value, half.limit) == pytest.approx((2 * alone.value, 2 * alone.limit), rel=1e-10)
    known = dme.turnover(listings, coverage=dme.ValueChao(), review_rate=MARKED)
    vague = dme.turnover(listings, coverage=dme.ValueChao(), review_rate=dme.ReviewRate(
        mean=0.41, standard_error=0.05, between_vendor_sd=0.13))
    assert vague.limit < known.limit < alone.limit / 0.41
    assert vague.value == pytest.approx(known.value)
    assert dme.turnover(listings, coverage=dme.ValueChao(), confidence_level=0.99).limit < alone.limit


def test_half_of_the_error_goes_to_the_other_sources(listings):
    alone = dme.turnover(listings, coverage=dme.ValueChao(), confidence_level=0.975).limit
    seen_only = dme.turnover(listings, review_rate=MARKED)
    est = dme.turnover(listings, coverage=dme.ValueChao(), review_rate=MARKED)
    assert est.limit == pytest.approx(alone / 0.41 * seen_only.quantile(0.025) / seen_only.value, rel=1e-9)
    share = scipy.stats.beta(410, 590)
    known = dme.turnover(listings, coverage=dme.ValueChao(), review_rate=0.41, estimand="expected", confidence_level=0.975)
    vague = dme.turnover(listings, coverage=dme.ValueChao(), review_rate=share, estimand="expected")
    assert vague.limit == pytest.approx(known.limit * 0.41 / share.ppf(0.975), rel=5e-3)
    level = dme.turnover(listings, coverage=dme.ValueChao(), review_rate=0.41, estimand="expected")
    assert level.limit > known.limit


def test_limit_is_monotone_in_the_level_and_never_above_the_value(listings):
    limits = [dme.turnover(listings, coverage=dme.ValueChao(), review_rate=MARKED, confidence_level=c).limit
              for c in (0.6, 0.8, 0.9, 0.95, 0.99)]
    assert limits == sorted(limits, reverse=True)


def test_the_total_is_the_sum_of_its_groups_and_says_so(listings):
    est = dme.turnover(listings, by="category", coverage=dme.ValueChao())
    assert sum(row.value for row in est.rows[:-1]) == pytest.approx(est.value, rel=1e-12)
    assert any("sum of the bounds of its" in flag for flag in est.flags)
    frame = est.to_frame()
    assert list(frame.columns[-2:]) == ["undetected", "limit"]
    assert (frame["limit"] <= frame["value"] * (1 + 1e-12)).all()
    one = est.group(category="ecstasy")
    row = frame.set_index("category").loc["ecstasy"]
    assert (one.value, one.limit) == pytest.approx((row["value"], row["limit"]), rel=1e-12)


def test_errors_of_groups_that_share_vendors_go_together_at_worst(listings):
    est = dme.turnover(listings, by="category", coverage=dme.ValueChao(clustered=True))
    z, firm = scipy.stats.norm.ppf(0.95), [row for row in est.rows[:-1] if row.limit < row.value]
    assert len(firm) == len(est.rows) - 1
    sd = [r.undetected * math.sqrt(math.expm1((math.log(r.undetected / (r.limit - r.floor)) / z) ** 2)) for r in firm]
    expected = est.floor + est.undetected / math.exp(z * math.sqrt(math.log1p((sum(sd) / est.undetected) ** 2)))
    assert est.limit == pytest.approx(expected, rel=1e-9)


def test_few_recaptures_leave_the_limit_only():
    m = market(n_listings=60, orders=150, n_vendors=20)
    est = dme.turnover(seen(m, 3, failure=0.5), coverage=dme.ValueChao())
    assert est.value == est.limit
    assert any("fewer than 10 listings" in flag for flag in est.flags)


@pytest.mark.parametrize(("singles", "doubles", "few"), [(9, 30, True), (10, 30, False), (30, 9, True), (30, 10, False)])
def test_ten_listings_of_positive_value_are_enough(singles, doubles, few):
    k = np.repeat([1, 2, 3], [singles, doubles, 20])
    frame = pd.DataFrame({"price": 10.0 + np.arange(len(k)) % 7, "reviews": 1, "seller": range(len(k)), "id": range(len(k)),
                          "k": k})
    listings = dme.Listings(frame, price="price", reviews="reviews", vendor="seller", listing="id", captures="k",
                            occasions=3, currency="USD")
    est = dme.turnover(listings, coverage=dme.ValueChao(form="equal scrapes"))
    assert (est.value == est.limit) == few
    assert any("fewer than 10" in flag for flag in est.flags) == few


def test_money_and_currency_scale_everything(listings):
    est = dme.turnover(listings, coverage=dme.ValueChao())
    other = dme.turnover(listings.to_currency("EUR", dme.ExchangeRate(0.5, source="test", date="2016-01-15")),
                         coverage=dme.ValueChao())
    assert (other.value, other.limit) == pytest.approx((est.value / 2, est.limit / 2), rel=1e-10)
    day = est.per("day")
    assert (day.limit, day.undetected) == pytest.approx((est.limit / 20, est.undetected / 20), rel=1e-12)


def test_known_coverage_divides_and_a_range_gives_bounds():
    totals = vendor_totals([900.0, 600.0, 300.0])
    assert dme.turnover(totals, coverage=0.9, review_rate=0.5).value == pytest.approx(4000.0)
    assert dme.turnover(totals, coverage=dme.Range(0.8, 0.9), review_rate=0.5).bounds == pytest.approx((4000.0, 4500.0))
    est = dme.turnover(totals, coverage=scipy.stats.beta(90, 10), review_rate=0.5)
    assert "listing coverage" in est.summary()
    with pytest.raises(dme.AssumptionError, match="listing coverage"):
        dme.turnover(totals, coverage=1.1, review_rate=0.5)


def test_words_budget_and_dictionary(listings):
    est = dme.turnover(listings, coverage=dme.ValueChao())
    assert str(est).startswith("At least USD ")
    text = est.summary()
    for words in ("one-sided 95% limit", "lower bound", "unseen listings make at least", "30 to 75%"):
        assert words in text
    row = est.budget().set_index("kind").loc["undetected"]
    assert (row["money"], row["low"]) == (est.undetected, est.limit)
    shared = dme.turnover(listings, coverage=dme.ValueChao(), review_rate=MARKED)
    assert "variance" not in set(shared.budget()["kind"])
    assert est.to_dict()["limit"] == est.limit
    assert est.influence(2)["low_without"].isna().all()
    model = dme.turnover(listings, coverage=dme.Huggins(covariates=["log price"]), review_rate=MARKED)
    assert "if the covariates explain catchability" in model.summary()
    assert "goodness of fit" in model.summary()
    assert model.kind == "prediction interval"
    assert "undetected listings" in set(model.budget().query("kind == 'variance'")["source"])
    assert model.influence(1)["low_without"].notna().all()


def test_count_times_mean_says_that_it_is_biased(listings, by_listing):
    y, k, _, h, _ = by_listing
    with pytest.raises(dme.AssumptionError, match="9-13 %"):
        dme.CountTimesMean()
    est = dme.turnover(listings, coverage=dme.CountTimesMean(i_know_it_is_biased=True), review_rate=1.0)
    assert est.value == pytest.approx(coverage.count_times_mean(y, k, h.shape[1]).value, rel=1e-9)
    assert any("too high" in flag for flag in est.flags)


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_what_means_nothing_is_refused(listings):
    totals = listings.totals()
    bound, model = dme.ValueChao(), dme.Huggins(covariates=["log price"])
    cases = [
        (totals, {"coverage": bound, "review_rate": dme.Range(0.4, 0.6)}, dme.AssumptionError, "takes no Range"),
        (totals, {"coverage": bound, "measure": "orders"}, dme.NotSupportedError, "acts on money"),
        (totals, {"coverage": model, "review_rate": 1.0}, dme.NotIdentifiedError, "the listings themselves"),
        (listings, {"coverage": model}, dme.AssumptionError, "no review share"),
        (vendor_totals([1.0]), {"coverage": bound}, dme.NotIdentifiedError, "how often each listing was seen"),
        (listings.totals(assumptions=[dme.Huggins()]), {"coverage": model, "review_rate": 1.0}, dme.AssumptionError,
         "another detection model"),
    ]
    for data, options, error, message in cases:
        with pytest.raises(error, match=message):
            dme.turnover(data, **options)
    est = dme.turnover(totals, coverage=bound, review_rate=0.5)
    for call in (lambda: est.law, lambda: est.cdf(1.0)):
        with pytest.raises(dme.NotIdentifiedError, match="lower bound"):
            call()
    with pytest.raises(dme.NotSupportedError, match="unseen listings"):
        est.ratio(est)
    with pytest.raises(dme.AssumptionError, match="one Huggins"):
        listings.totals(assumptions=[bound])


def test_one_capture_must_reveal_all_of_the_value():
    m = market()
    s = m.scrape(Scraper(interval=5, duration=0, page_failure=0.4), rng=2)
    roles = {"listing": "listing", "scrape": "scrape", "price": "price", "vendor": "vendor", "reviews": "n_reviews",
             "currency": "USD"}
    for options, words in (({}, "difference between its captures"),
                           ({"unknown_start": "window", "window": m.window}, "ends after the first scrape"),
                           ({"unknown_start": "window", "window": m.window, "page_cap": 3}, "page cap"),
                           ({"counter": "window"}, "before that capture only")):
        totals = dme.Listings.from_scrapes(s.listings, **roles, **options).totals()
        with pytest.raises(dme.NotIdentifiedError, match=words):
            dme.turnover(totals, coverage=dme.ValueChao())


def test_the_table_door_needs_the_equal_form_and_is_flagged():
    rng = np.random.default_rng(5)
    n = 400
    frame = pd.DataFrame({"price": np.round(rng.lognormal(4, 1, n), 2), "reviews": rng.poisson(3, n),
                          "seller": rng.integers(0, 40, n), "id": range(n), "k": rng.integers(1, 4, n)})
    totals = dme.Listings(frame, price="price", reviews="reviews", vendor="seller", listing="id", captures="k",
                          occasions=3, currency="USD").totals()
    with pytest.raises(dme.NotIdentifiedError, match="equal scrapes"):
        dme.turnover(totals, coverage=dme.ValueChao())
    est = dme.turnover(totals, coverage=dme.ValueChao(form="equal scrapes"))
    y = (frame["price"] * frame["reviews"]).to_numpy()
    reference = coverage.value_chao(y, frame["k"].to_numpy(), None, 3, form="equal scrapes")
    assert est.limit == pytest.approx(reference.interval[0], rel=1e-9)
    assert any(flag.startswith("not checked") for flag in est.flags)
    assert len(est.rows) == 1


# -- simulated truth ---------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::darkmarket_estimates.HoldingPriceWarning")
def test_the_limit_lies_at_or_below_the_truth_and_above_the_floor():
    """24 scrapes of 6 markets; at 95 % the chance of more than 4 misses is 0.6 % were the limit exact."""
    missed, raised = 0, 0
    for seed in range(6):
        m = market(seed)
        for again in range(4):
            got = seen(m, 100 * seed + again, failure=0.75)
            est = dme.turnover(got, coverage=dme.ValueChao())
            missed += est.limit > truth(m)
            raised += est.limit > est.floor
    assert missed <= 4
    assert raised == 24


def test_huggins_covers_the_reviewed_turnover_of_listings_that_exist():
    """Every page fails with one probability: the intercept alone explains catchability. 95 % of 24: 19 or more (99.8 %)."""
    covered = 0
    for seed in range(6):
        m = market(seed, deletion=None, hiding=None)
        for again in range(4):
            est = dme.turnover(seen(m, 100 * seed + again), coverage=dme.Huggins(clustered=False), review_rate=1.0)
            covered += est.interval[0] <= truth(m) <= est.interval[1]
    assert covered >= 19
