import json
import math

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy.special import ndtri

import darkmarket_estimates as dme
from darkmarket_estimates.distribution.law import NormalLaw
from darkmarket_estimates.evaluation import Interrupted, Report, benchmark, crps, operating
from darkmarket_estimates.evaluation.job import judged
from darkmarket_estimates.evaluation.variants import Answer
from darkmarket_estimates.simulate import Market, MarketSpec, ReviewShares, Scraper

SPEC = MarketSpec(n_vendors=40, n_listings=80, orders=800, random_vendors=True,
                  review_shares=ReviewShares(mean=0.45, sd=0.1))
RATE = dme.ReviewRate(mean=0.45, between_vendor_sd=0.1)
VARIANTS = {"floor": {}, "realised": {"review_rate": RATE}, "expected": {"review_rate": RATE, "estimand": "expected"},
            "resampled": {"review_rate": RATE, "estimand": "expected", "interval": "poisson-bootstrap",
                          "n_resamples": 100}}


def run(variants=VARIANTS, market=SPEC, scraper=None, **options) -> Report:
    return benchmark(variants, market, scraper, **{"n_simulations": 5, "progress": False} | options)


def same(a: Report, b: Report) -> bool:
    assert_frame_equal(a.runs.drop(columns="seconds"), b.runs.drop(columns="seconds"), check_exact=True)
    assert a.alarms == b.alarms == ()
    return True


# -- the benchmark can tell ---------------------------------------------------------------------------------------------

def sample(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """25 numbers with mean 100 and standard deviation 10."""
    return rng.normal(100, 10, 25), 100.0


def mean(data: np.ndarray, factor: float = 1.0, shift: float = 0.0) -> tuple[float, float, float]:
    half = 1.959964 * 10 / 5 * factor
    return data.mean() + shift, data.mean() + shift - half, data.mean() + shift + half


KNOWN = {
    "right": mean,
    "standard error halved": lambda data: mean(data, 0.5),
    "standard error doubled": lambda data: mean(data, 2.0),
    "wrong by 2": lambda data: mean(data, shift=2),
    "right value": lambda data: data.mean(),
    "wrong value": lambda data: data.mean() + 0.5,
    "at least": lambda data: (data.mean(), data.mean() - 1.644854 * 2, math.inf),
    "not at least": lambda data: (data.mean(), data.mean(), math.inf),
    "at most": lambda data: (data.mean(), -math.inf, data.mean() + 1.644854 * 2),
}


N = 1_000


@pytest.fixture(scope="module")
def known() -> pd.DataFrame:
    return run(KNOWN, sample, n_simulations=N, rng=3).table().set_index("variant")


def test_wrong_estimators_and_wrong_standard_errors_are_caught(known):
    assert known["verdict"].to_dict() == {
        "right": "holds", "standard error halved": "fails", "standard error doubled": "conservative",
        "wrong by 2": "fails", "right value": "no bias seen", "wrong value": "biased", "at least": "holds",
        "not at least": "fails", "at most": "holds"}
    assert known["judged_as"].tolist()[4:] == ["value", "value", "lower bound", "lower bound", "upper bound"]


def test_operating_characteristics_are_those_of_the_normal_law(known):
    right, error = known.loc["right"], 1 / math.sqrt(N)
    assert abs(right.bias) < 4 * 2 * error and right.relative_bias == pytest.approx(right.bias / 100)
    assert right.relative_bias_error == pytest.approx(0.02 * error, rel=0.1)
    assert right.rmse == pytest.approx(2, abs=4 * 2 / math.sqrt(2) * error)
    assert right.median_absolute_error == pytest.approx(2 * 0.67449, abs=4 * 2 * 0.79 * error)
    assert right.width == pytest.approx(2 * 1.959964 * 2 / 100)
    # the interval score of a right normal interval: 2 phi(z) / (alpha / 2) standard errors
    assert right.interval_score == pytest.approx(2 * 2 * 0.0584507 / 0.025, rel=0.1)
    for wrong in ("standard error halved", "standard error doubled", "wrong by 2"):
        assert known.loc[wrong, "interval_score"] > right.interval_score
    expected = 2 * 0.0249979
    assert abs(right.truth_below + right.truth_above - expected) < 4 * math.sqrt(expected / N)
    assert right.coverage == pytest.approx(1 - right.truth_below - right.truth_above)
    low = known.loc["wrong by 2"]
    assert low.truth_below > 5 * low.truth_above
    assert known.loc["not at least", "truth_below"] == pytest.approx(0.5, abs=0.05)


def test_few_runs_give_no_verdict():
    table = run(KNOWN, sample, n_simulations=60).table().set_index("variant")["verdict"]
    assert table["right"] == table["right value"] == table["wrong value"] == "too few runs to tell"
    assert table["not at least"] == "short so far"


def test_a_market_that_ignores_its_seed_is_caught():
    report = run(KNOWN, lambda rng: sample(np.random.default_rng(1)), n_simulations=6)
    assert "ignores its seed" in report.alarms[0][1] and "ALARM" in str(report)
    assert set(report.table()["verdict"]) == {"none: see the alarms"}


def test_a_variant_that_ignores_its_seed_is_caught():
    own = np.random.default_rng()
    report = run({"right": mean, "random": lambda data: own.normal()}, sample)
    assert "random" in report.alarms[0][1] and "right" not in report.alarms[0][1]
    assert set(report.table()["verdict"]) == {"none: see the alarms"}


def test_a_variant_that_raises_is_a_failure():
    def sometimes(data: np.ndarray) -> tuple[float, float, float]:
        if data[0] < 100:
            raise RuntimeError("below 100")
        return mean(data)

    report = run({"sometimes": sometimes, "never": lambda data: 1 / 0, "always": mean}, sample, n_simulations=50)
    table = report.table().set_index("variant")
    failed = report.runs.query("variant == 'sometimes'")["error"].str.contains("below 100").sum()
    assert 0 < failed < 50 and table["failures"].tolist() == [failed, 50, 0]
    assert table.loc["never", "verdict"] == "no answer" and table["runs"].tolist() == [50] * 3


# -- seeds, processes, files --------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def report() -> Report:
    return run()


def test_same_rng_same_report(report):
    assert same(report, run()) and same(report, run(rng=np.random.SeedSequence(7)))
    assert not run(rng=8).runs["value"].equals(report.runs["value"])
    assert same(run(rng=np.random.default_rng(4)), run(rng=np.random.default_rng(4)))


def test_a_spawned_seed_is_another_seed(report):
    child = run(n_simulations=1, rng=np.random.SeedSequence(7).spawn(1)[0]).runs
    assert not np.isin(child["truth"][:2], report.runs["truth"][report.runs["estimand"] != "expected"]).any()


def test_scores_of_one_answer_by_hand():
    row = judged(Answer(value=0.0, low=-1.0, high=1.0, confidence_level=0.8, law=lambda: NormalLaw(0.0, 1.0)), 1.5)
    assert row["interval_score"] == pytest.approx(2 + 10 * 0.5)
    p = np.array([0.01, 0.025, *np.arange(0.05, 0.96, 0.05), 0.975, 0.99])
    q = ndtri(p)
    assert row["weighted_interval_score"] == pytest.approx(2 * np.mean(((q > 1.5) - p) * (q - 1.5)), rel=1e-9)
    assert row["crps"] == pytest.approx(crps(1.5, NormalLaw(0.0, 1.0)))


def test_a_run_can_be_repeated_alone(report):
    seeds = np.random.SeedSequence(7).spawn(5)
    market = SPEC.simulate(np.random.default_rng(seeds[3].spawn(3)[0]))
    rows = report.runs[report.runs["run"] == 3].set_index("variant")
    assert rows.loc["realised", "truth"] == market.truth.realised_turnover
    assert rows.loc["expected", "truth"] == market.truth.expected_turnover
    assert rows.loc["floor", "value"] == pytest.approx((market.listings["price"] * market.listings["reviews"]).sum())


def test_more_runs_change_no_earlier_one(report):
    more = run(n_simulations=7).runs
    assert_frame_equal(more[more["run"] < 5].drop(columns="seconds"), report.runs.drop(columns="seconds"))


def test_parallel_is_serial(report):
    assert same(report, run(processes=2))


def test_parallel_needs_callables_that_can_be_sent():
    with pytest.raises(dme.DataError, match="another process"):
        run({"local": lambda data: 1.0}, processes=2)


def test_resumed_is_uninterrupted(report, tmp_path):
    path = tmp_path / "runs.jsonl"
    run(n_simulations=2, path=path)
    with path.open("a") as file:
        file.write('[{"scenario": "", "run": 2, "vari')  # torn by a crash
    before = path.read_bytes().splitlines()[:3]
    assert same(report, run(path=path))
    assert path.read_bytes().splitlines()[:3] == before and len(path.read_bytes().splitlines()) == 6
    assert same(report, run(path=path)) and same(report, Report.load(path))
    assert same(run(n_simulations=3), run(n_simulations=3, path=path))


def test_a_file_torn_in_its_first_line_starts_anew(report, tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text('{"format": "darkmarket_esti')
    assert same(report, run(path=path))


@pytest.mark.parametrize(("change", "field"), [
    ({"rng": 8}, "entropy"), ({"scenario": "other"}, "scenario"), ({"truth": "realised"}, "truth"),
    ({"confidence_level": 0.9}, "confidence_level"), ({"variants": {"floor": {}}}, "variants"),
    ({"market": MarketSpec(n_vendors=41)}, "market"), ({"scraper": Scraper()}, "scraper"),
])
def test_a_file_of_another_benchmark_is_refused(tmp_path, change, field):
    path = tmp_path / "runs.jsonl"
    run(n_simulations=1, path=path)
    before = path.read_bytes()
    with pytest.raises(dme.DataError, match=f"its {field} differs"):
        run(path=path, **change)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["not json\n", "{}\n", "1,2,3", '{"format": "darkmarket_estimates benchmark 1"}\n[{"run": 1}]\n',
                                  json.dumps({"format": "another"}) + "\n",
                                  json.dumps({"format": "darkmarket_estimates benchmark 1", "headers": []}) + "\n"])
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path, text):
    path = tmp_path / "runs.jsonl"
    path.write_text(text)
    with pytest.raises(dme.DataError, match="no file of benchmark runs"):
        run(path=path)
    assert path.read_text() == text


def test_a_folder_is_no_file_for_runs(tmp_path):
    with pytest.raises(dme.DataError, match="names a folder"):
        run(path=tmp_path)


def test_file_whose_runs_came_from_other_code_is_caught(report, tmp_path):
    path = tmp_path / "runs.jsonl"
    run(n_simulations=1, path=path)
    text = path.read_text()
    value = float(report.runs["value"].iloc[0])
    path.write_text(text.replace(repr(value), repr(value + 1)))
    assert "other code" in run(path=path).alarms[0][1]


@pytest.mark.parametrize("with_path", [True, False])
def test_an_interrupt_loses_nothing(report, tmp_path, monkeypatch, with_path):
    path = tmp_path / "runs.jsonl" if with_path else None
    whole = operating.Job.run
    with monkeypatch.context() as patch:
        def stop(job, i):
            if i == 3:
                raise KeyboardInterrupt
            return whole(job, i)

        patch.setattr(operating.Job, "run", stop)
        with pytest.raises(Interrupted, match="3 of 5 runs") as stopped:
            run(path=path)
    rows = report.runs[report.runs["run"] < 3].drop(columns="seconds")
    assert_frame_equal(stopped.value.report.runs.drop(columns="seconds"), rows)
    if with_path:
        assert len(path.read_bytes().splitlines()) == 4 and same(report, run(path=path))


def test_progress_is_shown_on_a_terminal_only(capsys, monkeypatch):
    run({"floor": {}}, progress=True)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    run({"floor": {}}, progress=True, scenario="base")
    shown = capsys.readouterr().err
    assert "base: 5 of 5 runs" in shown and shown.endswith("\n")


# -- truths and data ----------------------------------------------------------------------------------------------------

def test_truths():
    both = {"realised": {"review_rate": RATE}, "expected": {"review_rate": RATE, "estimand": "expected"}}
    by_estimand = run(both).runs.pivot(index="run", columns="variant", values="truth")
    assert (by_estimand["expected"] == SPEC.expected_turnover).all() and by_estimand["realised"].nunique() == 5
    for name in ("realised", "expected"):
        asked = run(both, truth=name).runs.pivot(index="run", columns="variant", values="truth")
        assert (asked["realised"] == by_estimand[name]).all() and (asked["expected"] == by_estimand[name]).all()
    orders = run({"orders": {"review_rate": RATE, "measure": "orders"}}, truth=lambda market: market.truth.orders)
    assert abs(orders.table()["relative_bias"][0]) < 0.2


def test_a_market_without_that_truth_is_a_failure():
    spec = MarketSpec(n_vendors=20, n_listings=40, orders=400, new_vendors=True, new_listings=1.0)
    report = run({"expected": {"review_rate": RATE, "estimand": "expected"}}, spec, n_simulations=2)
    assert report.table()["failures"][0] == 2 and "no closed form" in report.runs["error"][0]
    pair = run({"half": {"review_rate": 0.5}}, lambda rng: (dme.Totals.from_cells(
        vendor=["a"], value=[rng.random()], reviews=[1], currency="USD"), {"expected": 2.0}), n_simulations=2)
    assert pair.table()["failures"][0] == 2


def test_scrapes_become_listings_of_what_was_seen():
    spec = MarketSpec(n_vendors=30, n_listings=60, orders=600, days=40, window=(0, 30))
    whole = run({"all": {"review_rate": 1.0}}, spec).runs
    assert np.allclose(whole["value"], whole["truth"], rtol=1e-12)
    for dates in ("exact", "interval"):
        all_pages = Scraper(first=0, interval=5, duration=0, page_failure=0, dates=dates)
        seen = run({"all": {"review_rate": 1.0}}, spec, all_pages).runs
        assert np.allclose(seen["value"], seen["truth"], rtol=1e-12 if dates == "exact" else 0.25)
    some = Scraper(first=31, interval=30, share=0.5, page_failure=0, dates="exact")
    half = run({"half of the pages": {"review_rate": 1.0}}, spec, some, n_simulations=40).table()
    assert abs(half["relative_bias"][0] + 0.5) < 4 * half["relative_bias_error"][0]


def test_prepare_decides_what_the_variants_get():
    seen = run({"pages": lambda scrapes: len(scrapes.listings)}, SPEC, Scraper(interval=10),
               prepare=lambda market, scrapes: scrapes, truth=lambda market: 3.0 * len(market.listings))
    assert abs(seen.table()["relative_bias"][0]) < 0.2


def test_the_level_is_that_of_the_benchmark_unless_a_variant_names_its_own():
    report = run({"shared": {"review_rate": RATE}, "own": {"review_rate": RATE, "confidence_level": 0.8},
                  "callable": lambda data: (1.0, 0.0, 2.0)}, confidence_level=0.9)
    assert report.table()["confidence_level"].tolist() == pytest.approx([0.9, 0.8, 0.9])


def test_a_truth_of_zero_and_intervals_without_ends():
    report = run({"all": lambda data: (0.0, -math.inf, math.inf), "none": lambda data: 0.0,
                  "some": lambda data: (data, 0.0, 1.0) if data > 0.5 else data},
                 lambda rng: (rng.random(), 0.0), n_simulations=20)
    table = report.table().set_index("variant")
    assert table.loc["all", ["judged_as", "coverage"]].tolist() == ["interval", 1.0]
    assert math.isnan(table.loc["none", "relative_bias"]) and table.loc["none", "bias"] == 0
    # an answer without the interval that the others have is a failure
    assert table.loc["some", "failures"] == (report.runs.query("variant == 'some'")["value"] <= 0.5).sum() > 0
    assert math.isnan(table.loc["some", "width"])


def test_a_law_that_cannot_be_computed_is_a_failure(monkeypatch):
    from darkmarket_estimates.evaluation import job

    def no(truth, law):
        raise ArithmeticError("no law")

    monkeypatch.setattr(job, "crps", no)
    report = run({"realised": {"review_rate": RATE}, "floor": {}}, n_simulations=2)
    assert report.table()["failures"].tolist() == [2, 0] and "no law" in report.runs["error"][0]


def test_an_interrupt_before_the_first_run_still_has_a_report(monkeypatch):
    def stop(job, i):
        raise KeyboardInterrupt

    monkeypatch.setattr(operating.Job, "run", stop)
    with pytest.raises(Interrupted, match="0 of 5") as stopped:
        run()
    assert len(stopped.value.report.table()) == 0 and "verdict" in str(stopped.value.report)


def test_scores_need_a_law_and_bounds_are_judged_as_bounds():
    report = run({"floor": {}, "bounds": {"review_rate": dme.Range(0.1, 0.9), "interval": None},
                  "off": {"review_rate": dme.Range(0.8, 0.9), "interval": None}, "law": {"review_rate": RATE},
                  "known": {"review_rate": 0.45, "interval": None}})
    table = report.table().set_index("variant")
    assert table["judged_as"].tolist() == ["lower bound", "bounds", "bounds", "interval", "value"]
    assert table["coverage"].tolist()[:3] == [1, 1, 0] and table.loc["off", "truth_above"] == 1
    assert table["crps"].notna().tolist() == table["weighted_interval_score"].notna().tolist() == [False] * 3 + [True, False]
    assert table.loc["law", "crps"] < table.loc["law", "interval_score"]


@pytest.mark.parametrize(("market", "options"), [
    (Market.small(rng=1), {}), ("hansa", {}), (MarketSpec, {}), (lambda rng: 3, {}), (lambda rng: (1, 2, 3), {}),
    (sample, {"scraper": Scraper()}), (sample, {"truth": lambda market: 1.0}), (lambda rng: (1, "much"), {}),
    (SPEC, {"truth": "true"}), (SPEC, {"n_simulations": 0}), (SPEC, {"n_simulations": 2.5}), (SPEC, {"processes": 0}),
    (SPEC, {"confidence_level": 95}), (SPEC, {"rng": "seven"}), (SPEC, {"variants": {}}),
])
def test_bad_input_is_refused(market, options):
    with pytest.raises(dme.DataError):
        run(market=market, **options)
