"""Every study: its file, its rows, and what happens when a printed figure changes."""

import json
import math
import re

import pytest

from darkmarket_estimates import published
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.published.recipe import ancestry
from darkmarket_estimates.published.recipes import RECIPES
from darkmarket_estimates.published.status import STATUSES
from darkmarket_estimates.published.study import study_from_toml, study_text

STUDIES = published.list()


@pytest.fixture(scope="module")
def results():
    return {name: published.get(name).reproduce() for name in STUDIES}


def test_all_studies_of_the_record_are_here():
    assert STUDIES == ("kruithof2016", "letter2012", "ndm2024", "cryptodrug", "unodc2018", "emcdda2017", "aldridge2016",
                       "christin2013", "soska2015", "cuevas2022", "denton2017", "hiramoto2020")


@pytest.mark.parametrize("name", STUDIES)
def test_every_figure_has_a_source_and_a_tag(name):
    frame = published.get(name).figures
    assert frame["source"].str.len().min() > 3 and set(frame["tag"]) <= {"R", "S", "D", "M"}
    assert (frame["fact"] == (frame["tag"] != "M")).all()
    assert (frame["low"] <= frame["high"]).all() and frame["key"].is_unique
    assert {"what", "printed", "unit", "scope", "period", "markets", "currency", "note"} <= set(frame)
    assert frame[["what", "unit", "scope", "period", "markets", "currency"]].map(len).gt(0).all().all()


@pytest.mark.parametrize("name", STUDIES)
def test_nothing_reproduces_itself(name):
    """A figure that is an input, or that shares a printed figure with the inputs, is consistent at best."""
    study, recipe = published.get(name), RECIPES[name]
    rows = iter(study.reproduce().rows)
    for step in recipe.names:
        if recipe.target(step) is None:
            continue
        row = next(rows)
        names = [study.by_key[k].name if k in study.by_key else k for k in recipe.inputs(step)]
        family = set().union(*(ancestry(n, study.by_key) for n in names))
        assert set(row.inputs) == set(names)
        assert all(study.by_key[k].is_fact for k in recipe.inputs(step) if k in study.by_key)
        if family & ancestry(row.theirs.name, study.by_key):
            assert row.status != "reproduced", row.figure


@pytest.mark.parametrize("name", STUDIES)
def test_rows(name, results):
    result = results[name]
    frame = result.to_frame()
    assert list(frame.columns[:3]) == ["study", "figure", "ours"]
    assert {"theirs", "low", "high", "unit", "status", "note"} <= set(frame)
    assert len(frame) == len(result.rows) > 0 and set(frame["status"]) <= set(STATUSES)
    assert frame["figure"].is_unique and (frame["study"] == name).all()
    assert sum(result.counts.values()) == len(frame)
    for row in result.rows:
        if row.status == "inputs unpublished":
            assert row.ours is None and row.note
        else:
            assert row.ours is not None and row.theirs is not None  # no printed inputs are impossible
            assert (row.status == "conflict") == (not row.ours.meets(row.theirs.value))
    data = result.to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data and all("status" in r for r in data["rows"])
    assert name in str(result)


@pytest.mark.parametrize("name", STUDIES)
def test_pictures(name, results):
    import matplotlib.pyplot as plt

    if not any(row.ours is not None and row.theirs is not None for row in results[name].rows):
        pytest.skip("nothing to draw")
    ax = results[name].plot()
    drawn = [r for r in results[name].rows if r.ours is not None and r.theirs is not None and r.theirs.value.low > 0]
    assert len(ax.get_yticks()) == len(drawn)
    own = plt.figure().add_subplot()
    assert results[name].plot(own) is own
    plt.close("all")


KRUITHOF = {
    "wide scope, upper bound": ("reproduced", 24.7185, 25.2207),
    "letter, lower bound": ("reproduced", 12.3436, 12.5577),
    "letter, upper bound": ("reproduced", 21.5629, 22.2254),
    "letter, upper bound, without the multiplier": ("reproduced", 21.6654, 22.1203),
    "letter, lower bound, had the rate of the month of sale been used": ("conflict", 13.0343, 13.1278),
    "rate of January 2016": ("conflict", 0.87234, 0.88124),
    "cannabis, 31% of 14.2 as a share of 12.0": ("reproduced", 35.8154, 37.5628),
    "stimulants, 24% of 14.2 as a share of 12.0": ("reproduced", 27.5954, 29.2155),
    "ecstasy, 16% of 14.2 as a share of 12.0": ("reproduced", 18.2012, 19.6757),
    "Netherlands, rank": ("reproduced", 5, 5),
    "Netherlands, yearly turnover from 7.8%": ("reproduced", 13.1595, 13.4235),
    "Netherlands, yearly turnover from 7.1%": ("conflict", 11.9709, 12.2265),
    "transactions": ("consistent", 89743.59, 97297.30),
    "turnover against September 2013, doubled": ("reproduced", 1.891922, 1.907418),
}


@pytest.mark.parametrize("figure", KRUITHOF)
def test_kruithof(figure, results):
    row = results["kruithof2016"].row(figure)
    status, low, high = KRUITHOF[figure]
    assert row.status == status
    assert row.ours.as_floats() == pytest.approx((low, high), rel=2e-5)


YEARS = 1182 / 365.25
BELGIUM = (0.5 / (305 * 0.92125) * 100, 1.5 / (165 * 0.88135) * 100)
#: Written out by hand, ends of every interval.
BY_HAND = {
    ("kruithof2016", "C-7 all markets 2011-2015: EMCDDA's EUR 80 million, 46% of the total, beside UNODC"):
        (79.5 / 0.465 / YEARS / 0.74835, 80.5 / 0.455 / YEARS / 0.74825),
    ("kruithof2016", "C-2 wholesale threshold of USD 1,000, in euros"): (1000 * 18.45 / 21.15, 1000 * 18.55 / 21.05),
    ("kruithof2016", "offline market of the EU, in euros"): (2.25 * 18.45 / 21.15, 2.35 * 18.55 / 21.05),
    ("kruithof2016", "offline market of the EU, a month of the letter's year"): (23.5 / 12, 24.5 / 12),
    ("kruithof2016", "United States, monthly turnover"): (14.15 * 0.3585, 14.25 * 0.3595),
    ("kruithof2016", "United Kingdom, monthly turnover"): (14.15 * 0.1605, 14.25 * 0.1615),
    ("kruithof2016", "mean order, reviewed money over transactions"): (14.15e6 / (18000 / 0.185), 14.25e6 / (17500 / 0.195)),
    ("kruithof2016", "cannabis, stimulants and ecstasy together"): (69.5, 72.5),
    ("emcdda2017", "C-7 worldwide a year, in dollars, beside UNODC for the same data"):
        (79.5 / 0.465 / YEARS / 0.74835, 80.5 / 0.455 / YEARS / 0.74825),
    ("unodc2018", "C-7 the same data by EMCDDA, worldwide a year, in dollars"):
        (79.5 / 0.465 / YEARS / 0.74835, 80.5 / 0.455 / YEARS / 0.74825),
    ("unodc2018", "year, low end: RAND's lower bound twelve times"): (169.8, 171.0),
    ("unodc2018", "year, high end: RAND's upper bound twelve times"): (294, 306),
    ("unodc2018", "year, high end: from the lower bound and the narrow scope's multiplier"):
        (14.15 * 21.05 / 12.05 * 12, 14.25 * 21.15 / 11.95 * 12),
    ("soska2015", "a year, beside UNODC's European study"): (250_000 * 365e-6, 550_000 * 365e-6),
    ("soska2015", "EU's 46% of 1,182 such days, in euros, beside EMCDDA's EUR 80 million"):
        (0.25 * 1182 * 0.455 * 0.74825, 0.55 * 1182 * 0.465 * 0.74835),
    ("aldridge2016", "growth since mid-2012, as a multiple"): (8965 / 14.45, 8975 / 14.35),
    ("aldridge2016", "growth since mid-2012, as an increase"): (8965 / 14.45 - 100, 8975 / 14.35 - 100),
    ("christin2013", "turnover, second version, from its commission at the first version's commission rate"):
        (91.5 / (143.5 / 1.85), 92.5 / (142.5 / 1.95)),
    ("christin2013", "a year, as quoted by Aldridge and Décary-Hétu"): (14.4, 15.6),
    ("christin2013", "all bitcoins at the final rate"): (9.519664 * 0.1255, 9.519664 * 0.1265),
    ("christin2013", "mean rate that USD 183 million imply"): (182.5 / 9.519664, 183.5 / 9.519664),
    ("ndm2024", "transactions in 27 days, at the old pace of 1,000 a day"): (25_650, 28_350),
    ("ndm2024", "transactions in 27 days, between the old pace and 8,000 a day"): (25_650, 229_500),
    ("letter2012", "orders a day for each advert, Hansa 2017"): (950 / 42_500, 1050 / 37_500),
    ("cryptodrug", "share of the world's drug trade, from the two ranges"): (16.5 / 652.5, 30.5 / 425.5),
    ("cryptodrug", "Belgium, EUR 1 million of USD 170-300 million, beside the literature's lowest"): BELGIUM,
    ("cryptodrug", "Belgium, EUR 1 million of USD 170-300 million, beside the literature's highest"): BELGIUM,
    ("cryptodrug", "orders above EUR 200, from mean, money share and maximum, whatever the distribution"):
        (25 * 74.5 / 973.5, 35 * 75.5 / 200),
    ("cryptodrug", "persons who also bought for customers"): (5.445, 6.435),
    ("cuevas2022", "events of five kinds"): (445_551, 445_551),
    ("cuevas2022", "listings live at the end"): (84_051, 84_051),
    ("cuevas2022", "one perfect scrape on the last day sees"): (8_405_100 / 123_132, 8_405_100 / 123_132),
    ("cuevas2022", "reviews per listing"): (258_184 / 123_132, 258_184 / 123_132),
    ("cuevas2022", "reviews a day"): (258_184 / 700, 258_184 / 700),
    ("cuevas2022", "deleted share of listings"): (3_608_100 / 123_132, 3_608_100 / 123_132),
}


@pytest.mark.parametrize(("name", "figure"), BY_HAND, ids=lambda x: x[:40])
def test_by_hand(name, figure, results):
    assert results[name].row(figure).ours.as_floats() == pytest.approx(BY_HAND[name, figure], rel=1e-12)


@pytest.mark.parametrize(("name", "line"), [
    ("kruithof2016", "largest vendor: 206,000 / [rate] / (14.2 × 1000000) × 100 = 1.636 to 1.673 % of turnover"),
    ("kruithof2016", "mean order of British vendors, at most: 14.2 × 1000000 × 16.1 / 100 / more than 20,000 = 0.0 to 115.1 USD"),
    ("kruithof2016", "C-3 vendors that the letter's sixfold means: 1,031 × 6 = 5,670 to 6,702 vendors"),
    ("emcdda2017", "worldwide, the whole period: 80 / (46 / 100) = 171.0 to 176.9 EUR million"),
    ("emcdda2017", "C-5 Netherlands, if 10.3 were a year: 2015 to 2017: 10.3 × 3 = 30.75 to 31.05 EUR million"),
    ("christin2013", "commission in the complaint: 614,305 / 9,519,664 × 100 = 6.453 % of sales"),
    ("christin2013", "the final rate overstates by a factor of: 126 / [mean rate that USD 183 million imply] = 6.511 to 6.599"),
    ("ndm2024", "orders a day for each advert: 1,000 / 40,000 = 0.02235 to 0.02800 orders per advert a day"),
])
def test_steps_are_shown(name, line, results):
    assert line in results[name].arithmetic


def test_all_conflicts_are_shown(results):
    shown = {m for row in results["kruithof2016"].rows for m in re.findall(r"C-\d", row.figure)}
    assert shown == {f"C-{i}" for i in range(1, 8)}
    for i in range(1, 8):
        rows = [r.status for r in results["kruithof2016"].rows if r.figure.startswith(f"C-{i}")]
        assert "conflict" in rows, f"C-{i} {rows}"


def test_the_estimator_gives_what_exact_arithmetic_gives(results):
    rows = results["kruithof2016"]
    for exact, run in (("wide scope, upper bound", "wide scope, upper bound, by turnover()"),
                       ("letter, upper bound", "letter, upper bound, by turnover()")):
        assert rows.row(run).ours.as_floats() == pytest.approx(rows.row(exact).ours.as_floats(), rel=1e-12)


def test_the_demo_reads_the_first_rows(results):
    assert [r.figure for r in results["kruithof2016"].rows[:3]] == [
        "wide scope, upper bound", "letter, lower bound", "letter, upper bound"]
    lines = results["kruithof2016"].arithmetic
    assert lines[0] == "multiplier: 21.1 / 12.0 = 1.747 to 1.770 upper / lower bound"
    assert lines[1].startswith("review share: 12.0 / 21.1 = 0.5650 to 0.5724")
    assert lines[2] == "rate: both 10.5 / 12.0 and 18.5 / 21.1 = 0.8723 to 0.8812 EUR per USD"
    assert lines[3].startswith("wide scope, upper bound: 14.2 × [multiplier] = 24.72 to 25.22 USD million a month; printed 25")


# One printed figure moved by more than its rounding: what follows from it moves too.
@pytest.mark.parametrize(("name", "key", "printed", "figure", "before", "after"), [
    ("kruithof2016", "narrow_upper_usd", "22.0", "wide scope, upper bound", "reproduced", "conflict"),
    ("kruithof2016", "narrow_lower_usd", "11.4", "wide scope, upper bound", "reproduced", "conflict"),
    ("kruithof2016", "wide_lower_usd", "14.8", "wide scope, upper bound", "reproduced", "conflict"),
    ("kruithof2016", "letter_lower_eur", "14", "letter, lower bound", "reproduced", "conflict"),
    ("kruithof2016", "letter_upper_eur", "23", "letter, upper bound", "reproduced", "conflict"),
    ("kruithof2016", "cannabis_narrow", "35", "cannabis, 31% of 14.2 as a share of 12.0", "reproduced", "conflict"),
    ("kruithof2016", "share_nl", "8.5", "Netherlands, rank", "reproduced", "conflict"),
    ("unodc2018", "rand_low", "14.9", "year, low end: RAND's lower bound twelve times", "reproduced", "conflict"),
    ("christin2013", "v2_commission", "103,000",
     "turnover, second version, from its commission at the first version's commission rate", "reproduced", "conflict"),
    ("christin2013", "final_rate", "19", "all bitcoins at the final rate", "reproduced", "conflict"),
    ("christin2013", "nrc_total", "1,200", "at the rates of the days of sale, as printed in 2017", "conflict", "reproduced"),
    ("cuevas2022", "events", "445,551", "events of five kinds", "conflict", "reproduced"),
    ("aldridge2016", "total_usd_year", "80.0", "growth since mid-2012, as a multiple", "reproduced", "conflict"),
    ("cryptodrug", "mean_order", "150", "orders above EUR 200, log-normal", "reproduced", "conflict"),
    ("ndm2024", "police_days", "60", "transactions in 27 days, at the old pace of 1,000 a day", "conflict", "reproduced"),
    ("emcdda2017", "be_alphabay", "1.1",
     "C-5 Belgium, about EUR 1 million a year in CRYPTODRUG beside 0.4 on AlphaBay", "conflict", "consistent"),
])
def test_a_changed_input_changes_the_status(name, key, printed, figure, before, after):
    study = published.get(name)
    old = study.by_key[key].value
    changed = study.with_figure(key, printed)
    assert not old.meets(changed.by_key[key].value)  # more than its rounding
    assert study.reproduce().row(figure).status == before
    assert changed.reproduce().row(figure).status == after
    assert study.by_key[key].value == old  # the study itself is as it was
    assert f"{key} is {printed} here" in changed.reproduce().row(figure).note
    assert "here," not in study.reproduce().row(figure).note


def test_impossible_inputs_become_rows_not_crashes():
    result = published.get("kruithof2016").with_figure("narrow_upper_usd", "9.0").reproduce()
    row = result.row("wide scope, upper bound, by turnover()")
    assert row.status == "conflict" and row.ours is None and "impossible" in row.note
    assert "contradict" in result.row("letter, lower bound").note or "in common" in result.row("letter, lower bound").note


def test_unknown_names():
    with pytest.raises(DataError, match="kruithof2016"):
        published.get("nobody2000")
    with pytest.raises(DataError, match="no such figure"):
        published.get("kruithof2016").with_figure("nothing", "1")
    with pytest.raises(DataError, match="no such row"):
        published.get("kruithof2016").reproduce().row("nothing")


def test_the_library_refuses_what_cannot_be_estimated(results):
    letter = results["letter2012"].row("turnover of the trade on closed networks")
    assert letter.status == "inputs unpublished" and "reviews=" in letter.note and "sold=" in letter.note
    silk = results["christin2013"].row("at the rates of the days of sale, by the library")
    assert silk.status == "inputs unpublished" and "899 days" in silk.note


def test_spending_brackets_and_mean_do_not_fit(results):
    row = results["cryptodrug"].row("mean spending, at the least, from the two brackets")
    assert row.status == "conflict" and row.ours.low == 125 + 750 * 0.195


def test_denton_to_the_dollar(real_data):
    row = published.get("denton2017").reproduce().row("turnover a day")
    assert row.status == "reproduced" and row.ours.as_floats()[0] == pytest.approx(982_446.9489, abs=1e-3)


def test_without_the_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("DARKMARKET_DATA", str(tmp_path))
    for name in ("denton2017", "hiramoto2020"):
        result = published.get(name).reproduce()
        assert {r.status for r in result.rows if any(i.startswith("data:") for i in r.inputs)} == {"inputs unpublished"}
        assert any("DARKMARKET_DATA" in r.note for r in result.rows)


# -- the files ----------------------------------------------------------------------------------------------------------

GOOD = """
title = "t"
source = "s"
scope = "all"
period = "2016"
markets = "one"
currency = "USD"
[figures.a]
what = "turnover"
printed = "14.2"
unit = "USD million"
source = "page 3"
tag = "R"
"""


def study(text):
    return study_from_toml("letter2012", text)


def test_a_good_file():
    s = study(GOOD)
    assert s.by_key["a"].value.as_floats() == (14.15, 14.25) and s.by_key["a"].scope == "all"
    assert study(GOOD + 'scope = "drugs"').by_key["a"].scope == "drugs"


@pytest.mark.parametrize(("old", "new", "message"), [
    ('source = "page 3"\n', "", "has no source"),
    ('source = "page 3"', 'source = " "', "source must be text"),
    ('tag = "R"', "", "has no tag"),
    ('tag = "R"', 'tag = "X"', "tag is unknown"),
    ('tag = "R"', 'tag = "M"', "from memory stands among the facts"),
    ('tag = "R"', 'tag = "D"', "says what it follows from"),
    ('tag = "R"', 'tag = "R"\nderived_from = ["b"]', "says what it follows from"),
    ('tag = "R"', 'tag = "D"\nderived_from = ["b"]', "not there"),
    ('tag = "R"', 'tag = "D"\nderived_from = "b"', "not a list"),
    ('printed = "14.2"', "printed = 14.2", "printed must be text"),
    ('printed = "14.2"', 'printed = "about 14"', "cannot be read"),
    ('printed = "14.2"', 'printed = "14.2"\nstep = 0.5', "cannot be read"),
    ('printed = "14.2"', 'printed = "14.2"\nstep = "0"', "cannot be read"),
    ('printed = "14.2"', 'printed = "14.2"\nlow = "1"', 'belong to reading = "between"'),
    ('printed = "14.2"', 'printed = "x"\nreading = "between"\nlow = "3"\nhigh = "1"', "cannot be read"),
    ('printed = "14.2"', 'printed = "14.2"\nreading = "roughly"', "reading is unknown"),
    ('printed = "14.2"', 'printed = "14.2"\nreading = "exact"\nstep = "1"', "step belongs"),
    ('unit = "USD million"\n', "", "has no unit"),
    ('unit = "USD million"', 'unit = "USD million"\nuntis = "x"', "nobody reads"),
    ('title = "t"\n', "", "has no title"),
    ('period = "2016"\n', "", "has no period"),
    ('title = "t"', 'title = "t"\nauthor = "x"', "nobody reads"),
    ('title = "t"', "title = ", "not TOML"),
    ("[figures.a]", "[unverified.a]", "verified figure stands among the unverified"),
])
def test_bad_files(old, new, message):
    assert old in GOOD
    with pytest.raises(DataError, match=message) as caught:
        study(GOOD.replace(old, new))
    assert "letter2012" in str(caught.value)


@pytest.mark.parametrize(("section", "message"), [
    ('[figures]\nb = 3', "not a table"),
    ('[unpublished.x]\nwhat = "a"\nunit = "b"', "a gap must say"),
    ('[borrowed]\nb = "kruithof2016.nothing"', "cannot be borrowed"),
    ('[borrowed]\nb = "nobody.nothing"', "no such study"),
    ('[borrowed]\nb = "letter2012.a"', "cannot be borrowed"),
    ('[borrowed]\na = "kruithof2016.adverts"', "cannot be borrowed"),
    ('[borrowed]\nb = "kruithof2016.adverts_exact"', "cannot be borrowed"),  # what is from memory is not lent
])
def test_bad_sections(section, message):
    text = GOOD if not section.startswith("[figures]") else GOOD.split("[figures.a]")[0]
    with pytest.raises(DataError, match=message):
        study(text + section)


def test_what_is_borrowed_keeps_its_tag_and_source():
    s = study(GOOD + '[borrowed]\nb = "kruithof2016.mean_order"')
    assert s.by_key["b"].tag == "D" and s.by_key["b"].study == "kruithof2016"
    # the whole derivation comes along, so that circles are seen across studies
    assert {"kruithof2016.prescription_share", "kruithof2016.wide_lower_usd"} <= ancestry(s.by_key["b"].name, s.by_key)


@pytest.mark.parametrize("name", STUDIES)
def test_files_name_no_machine(name):
    assert not re.search(r"(?<![\w.])/(?:[\w.-]+/)+|localhost", study_text(name))


def test_figures_that_are_unbounded_are_none_in_json():
    rows = published.get("kruithof2016").reproduce().to_dict()["rows"]
    sixfold = next(r for r in rows if r["figure"] == "adverts against September 2013, sixfold")
    assert sixfold["ours_high"] is None and sixfold["ours_low"] == pytest.approx(5.1707, rel=1e-4)
    assert math.isnan(published.get("kruithof2016").reproduce().to_frame().set_index("figure").loc[
        "adverts against September 2013, sixfold", "ours_high"])


def test_no_module_bears_the_name_of_a_public_function():
    import pathlib

    here = pathlib.Path(published.__file__).parent
    modules = {p.stem for p in here.glob("*.py")} | {p.name for p in here.iterdir() if p.is_dir()}
    assert not modules & {n for n in published.__all__ if callable(getattr(published, n))}
