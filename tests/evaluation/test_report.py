import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import darkmarket_estimates as dme
from darkmarket_estimates.evaluation import Report, benchmark, characteristics
from darkmarket_estimates.simulate import MarketSpec, ReviewShares

RATE = dme.ReviewRate(mean=0.45, between_vendor_sd=0.1)
VARIANTS = {"floor": {}, "scenario $x$": {"review_rate": dme.Range(0.3, 0.6), "interval": None},
            "realised": {"review_rate": RATE}, "fails": {"review_rate": 2}}


def make(scenario: str, sd: float) -> Report:
    spec = MarketSpec(n_vendors=40, n_listings=80, orders=800, review_shares=ReviewShares(mean=0.45, sd=sd))
    return benchmark(VARIANTS, spec, n_simulations=12, progress=False, scenario=scenario)


@pytest.fixture(scope="module")
def joined() -> Report:
    return Report.join(make("base", 0.1), make("wide", 0.3))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_runs_are_tidy_and_the_table_has_a_row_a_scenario_and_variant(joined):
    assert len(joined.runs) == 2 * 12 * 4 and not joined.runs.duplicated(["scenario", "run", "variant"]).any()
    table = joined.table()
    assert table[["scenario", "variant"]].to_numpy().tolist() == [[s, v] for s in ("base", "wide") for v in VARIANTS]
    assert [h["scenario"] for h in joined.headers] == ["base", "wide"]
    rows = joined.runs.query("scenario == 'wide' and variant == 'realised'")
    row = table.query("scenario == 'wide' and variant == 'realised'").iloc[0]
    assert row.bias == pytest.approx(rows.value.mean() - rows.truth.mean())
    error = rows.value - rows.truth
    assert row.rmse == pytest.approx(np.sqrt((error**2).mean())) and row.rmse > error.std(ddof=0) * 1.000001
    assert row.median_absolute_error == pytest.approx(error.abs().median())
    assert row.relative_bias_error == pytest.approx(error.std() / np.sqrt(12) / rows.truth.mean())
    assert row.width == pytest.approx((rows.high - rows.low).median() / rows.truth.mean())
    assert row.crps == pytest.approx(rows.crps.mean()) and row.seconds == rows.seconds.median()
    assert row.coverage == pytest.approx(((rows.low <= rows.truth) & (rows.truth <= rows.high)).mean())
    assert "base" in str(joined) and "2 scenario(s), 24 runs" in repr(joined)


@pytest.mark.parametrize(("errors", "interval", "value"), [
    (2.7, "holds", "no bias seen"), (3.3, "fails", "biased")], ids=["2.7 errors", "3.3 errors"])
def test_verdicts_change_at_three_monte_carlo_errors(errors, interval, value):
    """1,600 runs: exactly so many misses, and a bias of exactly so many standard errors of the mean."""
    n, level = 1_600, 0.9
    missed = np.arange(n) < round(n * (1 - level) + errors * np.sqrt(n * level * (1 - level)))
    noise = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    shared = {"scenario": "", "run": range(n), "truth": 100.0, "floor": np.nan, "lower_bound": np.nan, "upper_bound": np.nan,
              "confidence_level": level, "interval_score": 1.0, "weighted_interval_score": 1.0, "crps": 1.0, "seconds": 1.0,
              "kind": "", "estimand": "", "flags": "", "error": ""}
    ends = pd.DataFrame({**shared, "variant": "interval", "value": 100.0, "low": np.where(missed, 101.0, 99.0), "high": 102.0})
    bare = pd.DataFrame({**shared, "variant": "value", "low": np.nan, "high": np.nan,
                         "value": 100 + noise + errors * noise.std(ddof=1) / np.sqrt(n)})
    verdicts = characteristics.table(pd.concat([ends, bare])).set_index("variant")["verdict"]
    assert verdicts.to_dict() == {"interval": interval, "value": value}


def test_relative_bias_is_over_the_truth_of_the_same_runs():
    """Values without an interval are judged by their bias alone: both sides of the quotient are of the same markets."""
    def twice(truth):
        return 2 * truth if truth > 50 else (2 * truth, truth, 3 * truth)

    report = benchmark({"twice": twice}, lambda rng: (t := rng.choice([1.0, 100.0]), t), n_simulations=40, progress=False,
                       rng=1)
    row = report.table().iloc[0]
    assert set(report.runs["truth"]) == {1.0, 100.0} and row.judged_as == "interval"
    assert row.relative_bias == pytest.approx(1) and row.coverage == 1 and row.truth == 1


def test_saved_and_read_again(joined, tmp_path):
    joined.save(tmp_path / "joined.jsonl")
    again = Report.load(tmp_path / "joined.jsonl")
    assert_frame_equal(again.runs, joined.runs, check_exact=True)
    assert_frame_equal(again.table(), joined.table(), check_exact=True)
    assert [h["market"] for h in again.headers] == [h["market"] for h in joined.headers]


def test_alarms_survive_saving(tmp_path):
    own = np.random.default_rng()
    report = benchmark({"random": lambda data: own.random()}, lambda rng: (rng.random(), 0.5), n_simulations=3, progress=False)
    report.save(tmp_path / "runs.jsonl")
    assert Report.load(tmp_path / "runs.jsonl").alarms == report.alarms != ()


def test_joining_needs_distinct_names(joined):
    for reports in ((), (joined, joined)):
        with pytest.raises(dme.DataError, match="joined"):
            Report.join(*reports)


def test_reading_what_is_not_there(tmp_path):
    with pytest.raises(dme.DataError, match="cannot be read"):
        Report.load(tmp_path / "none.jsonl")


@pytest.mark.parametrize(("kind", "options"), [("zip", {"variant": "realised", "scenario": "wide"}), ("bias", {}),
                                               ("coverage", {})])
def test_pictures(joined, kind, options):
    before = dict(plt.rcParams)
    _, ax = plt.subplots()
    assert joined.plot(kind, ax=ax, **options) is ax
    ax.figure.canvas.draw()
    assert dict(plt.rcParams) == before and ax.get_title(loc="left")
    assert joined.plot(kind, **options).figure is not ax.figure


def test_a_variant_has_one_look_in_both_pictures(joined):
    looks = []
    for kind in ("bias", "coverage"):
        ax = joined.plot(kind)
        handles, labels = ax.get_legend_handles_labels()
        looks.append({label: h.lines[0].get_color() for h, label in zip(handles, labels) if hasattr(h, "lines")})
    assert looks[0]["realised"] == looks[1]["realised"] and "scenario \\$x\\$" in looks[1]


def test_a_zip_plot_draws_each_interval_once_and_says_how_many_hold(joined):
    ax = joined.plot("zip", variant="realised", scenario="base")
    drawn = sum(len(c.get_segments()) for c in ax.collections)
    rows = joined.runs.query("scenario == 'base' and variant == 'realised'")
    share = ((rows.low <= rows.truth) & (rows.truth <= rows.high)).mean()
    assert drawn == 12 and f"{share:.1%}" in " ".join(t.get_text() for t in ax.get_legend().get_texts())


@pytest.mark.parametrize("shift", [-3, 3])
def test_a_zip_plot_counts_misses_on_both_sides(shift):
    report = benchmark({"off": lambda x: (x + shift, x + shift - 1, x + shift + 1)}, lambda rng: (9 + rng.random(), 9.5),
                       n_simulations=4, progress=False)
    assert "misses it: 100.0%" in " ".join(t.get_text() for t in report.plot("zip").get_legend().get_texts())


@pytest.mark.parametrize("options", [{}, {"variant": "realised"}, {"variant": "none", "scenario": "base"},
                                     {"variant": "floor", "scenario": "base"}])
def test_a_zip_plot_needs_one_variant_with_intervals(joined, options):
    with pytest.raises(dme.DataError):
        joined.plot("zip", **options)


def test_unknown_pictures_are_refused(joined):
    with pytest.raises(dme.AssumptionError, match="kind"):
        joined.plot("pie")
