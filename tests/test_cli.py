import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from darkmarket_estimates.cli import app, parse_spec
from tests.tables import listing_table

ROLES = ["--price", "price", "--reviews", "reviews", "--vendor", "seller", "--listing", "id", "--currency", "USD"]


@pytest.fixture
def table(tmp_path):
    listing_table().to_csv(tmp_path / "t.csv", index=False)
    return str(tmp_path / "t.csv")


def call(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_package_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "darkmarket_estimates", "estimate"], capture_output=True, text=True)
    assert done.returncode == 2 and "python -m darkmarket_estimates estimate" in done.stderr and "Traceback" not in done.stderr


def test_floor_and_table_of_groups(table):
    result = call("estimate", table, *ROLES, "--by", "category", "--window", "2016-01-01:2016-02-01")
    assert result.exit_code == 0 and "At least USD" in result.stdout and "Cannabis" in result.stdout


def test_json_is_alone_on_stdout_and_complete(table):
    result = call("estimate", table, *ROLES, "--json", "--by", "country", "--review-rate", "0.44+-0.02",
                  "--between-vendor-sd", "0.11", "--market-coverage", "0.8+-0.04", "--exchange-rate", "0.88+-0.01",
                  "--to", "EUR", "--level", "0.9", "--cap", "10000")
    answer = json.loads(result.stdout)
    assert answer["currency"] == "EUR" and answer["confidence_level"] == 0.9 and len(answer["interval"]) == 2
    assert answer["kind"] == "hybrid prediction interval" and len(answer["assumptions"]) == 3


def test_csv_neutralises_formulas(tmp_path):
    frame = listing_table()
    frame.loc[0, "category"] = "=HYPERLINK(1)"
    frame.to_csv(tmp_path / "t.csv", index=False)
    result = call("estimate", tmp_path / "t.csv", *ROLES, "--by", "category", "--csv")
    assert "'=HYPERLINK(1)" in result.stdout and "\n=HYPERLINK" not in result.stdout


def test_markup_in_labels_is_text(tmp_path):
    frame = listing_table()
    frame.loc[0, "category"] = "[red]x[/red]"
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert "[red]x[/red]" in call("estimate", tmp_path / "t.csv", *ROLES, "--by", "category").stdout


def test_picture(table, tmp_path):
    result = call("estimate", table, *ROLES, "--review-rate", "0.57:1", "--plot", tmp_path / "p.png")
    assert result.exit_code == 0 and (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(("options", "message"), [
    (["--review-rate", "0"], "review share"), (["--review-rate", "abc"], "cannot be read"), (["--level", "95"], "0.95"),
    (["--by", "colour"], "no column 'colour'"), (["--window", "2016-02-01:2016-01-01"], "ends before"),
    (["--between-vendor-sd", "0.1"], "needs --review-rate"), (["--to", "EUR"], "belong together"),
    (["--json", "--csv"], "exclude"), (["--plot", "x.bmp"], "cannot be written"),
    (["--per", "day"], "--window 2016-01-01:2016-02-01"),
    (["--plot", "/no/such/folder/x.png"], "cannot be written"),
])
def test_bad_input_is_one_message_and_exit_code_2(table, options, message):
    result = call("estimate", table, *ROLES, *options)
    assert result.exit_code == 2 and message in result.stderr and "Traceback" not in result.output
    assert not result.stdout


def test_missing_file_and_missing_option(tmp_path):
    assert call("estimate", tmp_path / "none.csv", *ROLES).exit_code == 2
    assert call("estimate", tmp_path / "none.csv").exit_code == 2


def test_holding_prices_warn_on_stderr(tmp_path):
    frame = listing_table()
    frame.loc[0, ["price", "reviews"]] = (99_999, 5)
    frame.to_csv(tmp_path / "t.csv", index=False)
    result = call("estimate", tmp_path / "t.csv", *ROLES, "--json")
    assert "warning: holding price suspected" in result.stderr and json.loads(result.stdout)


def test_version_and_help():
    from darkmarket_estimates import __version__

    assert call("--version").stdout.strip() == __version__
    assert "estimate" in call("--help").stdout


@pytest.mark.parametrize("text", ["", "-0.4", "0.4+-", "0.4:0.5:0.6", "0,44", "nan", "1e", "0.4;import os"])
def test_specs_that_cannot_be_read(text):
    from darkmarket_estimates import AssumptionError

    with pytest.raises(AssumptionError):
        parse_spec(text, "review rate")


def test_reproduce_prints_every_figure_with_a_status():
    result = call("reproduce", "kruithof2016")
    assert result.exit_code == 0 and "24.7" in result.stdout and "reproduced" in result.stdout
    rows = json.loads(call("reproduce", "kruithof2016", "--json").stdout)
    assert all(row["status"] for row in rows["rows"])
    assert call("reproduce").exit_code == call("reproduce", "nothing2016").exit_code == 2
    assert call("reproduce", "kruithof2016", "--all").exit_code == 2


def test_simulate_then_estimate_then_compare(tmp_path):
    made = call("simulate", "small", "--out", tmp_path / "m", "--seed", 3)
    assert made.exit_code == 0 and "3,000 simulated listings" in made.stdout
    truth = json.loads((tmp_path / "m" / "truth.json").read_text())
    assert truth["simulated"] is True and truth["realised_turnover"] > 0
    again = call("simulate", "small", "--out", tmp_path / "n", "--seed", 3)
    assert again.exit_code == 0
    assert (tmp_path / "m" / "listings.csv").read_bytes() == (tmp_path / "n" / "listings.csv").read_bytes()
    (tmp_path / "v.toml").write_text('[floor]\ncap = 2000\n\n["with a share"]\ncap = 2000\nreview_rate = "0.44+-0.02"\n'
                                     'between_vendor_sd = 0.13\n\n[broken]\nestimand = "none"\n')
    roles = ["--price", "price", "--reviews", "reviews", "--vendor", "vendor", "--listing", "listing", "--currency", "USD"]
    result = call("compare", tmp_path / "m" / "listings.csv", *roles, "--variants", tmp_path / "v.toml", "--json")
    rows = {row["variant"]: row for row in json.loads(result.stdout)}
    assert rows["floor"]["kind"] == "floor" and rows["with a share"]["low"] < rows["with a share"]["value"]
    assert "estimand" in rows["broken"]["error"]
    table = call("compare", tmp_path / "m" / "listings.csv", *roles, "--variants", tmp_path / "v.toml")
    assert "with a share" in table.stdout


@pytest.mark.parametrize(("text", "message"), [
    ("not toml", "cannot be read"), ("[a]\nshare = 1\n", "a table with keys"), ("a = 1\n", "a table with keys"),
    ('[a]\nreview_rate = "x"\n', "cannot be read"), ("[a]\nbetween_vendor_sd = 0.1\n", "needs --review-rate"),
    ("[a]\n['cap 10k']\ncap = '10k'\n", "where: the variant 'cap 10k'"), ("[a]\nlevel = 0.9\nconfidence-level = 0.5\n", "twice"),
], ids=["no-toml", "unknown-key", "no-table", "share", "spread-alone", "the-variant-is-named", "one-thing-twice"])
def test_variants_that_cannot_be_read(table, tmp_path, text, message):
    (tmp_path / "v.toml").write_text(text)
    result = call("compare", table, *ROLES, "--variants", tmp_path / "v.toml")
    assert result.exit_code == 2 and message in result.stderr
    assert call("simulate", "alphabay", "--out", tmp_path / "x").exit_code == 2


VARIANTS = '[floor]\ncap = 9000\n\n["with a share"]\ncap = 9000\nreview_rate = "0.441"\nbetween_vendor_sd = 0.134\n'


def test_benchmark_judges_variants_on_simulated_markets(tmp_path):
    (tmp_path / "v.toml").write_text(VARIANTS)
    options = ["benchmark", "small", "--variants", tmp_path / "v.toml", "--runs", 3, "--seed", 5]
    told = json.loads(call(*options, "--json", "--path", tmp_path / "runs.jsonl").stdout)
    assert told["alarms"] == [] and [row["judged_as"] for row in told["table"]] == ["lower bound", "interval"]
    assert all(row["runs"] == 3 and row["failures"] == 0 for row in told["table"])
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 4
    again = json.loads(call(*options, "--json", "--path", tmp_path / "runs.jsonl").stdout)
    assert [row["bias"] for row in again["table"]] == [row["bias"] for row in told["table"]]
    other = json.loads(call(*options[:-1], 6, "--json").stdout)
    assert other["table"][0]["bias"] != told["table"][0]["bias"]
    assert "with a share" in call(*options).stdout and call(*options, "--csv").stdout.startswith("scenario,variant")


def test_benchmark_with_crawls_sees_less(tmp_path):
    (tmp_path / "v.toml").write_text(VARIANTS)
    options = ["benchmark", "small", "--variants", tmp_path / "v.toml", "--runs", 2, "--json"]
    bias = [json.loads(call(*options, *more).stdout)["table"][1]["relative_bias"]
            for more in ([], ["--interval", 10, "--share", 0.3])]
    assert bias[1] < bias[0] - 0.1


@pytest.mark.parametrize(("options", "message"), [
    (["--share", "0.5"], "needs crawls"), (["--interval", "0"], "interval"), (["--runs", "0"], "n_simulations"),
    (["--json", "--csv"], "exclude"), (["--level", "95"], "0.95"),
], ids=["share", "interval", "runs", "formats", "level"])
def test_benchmarks_that_cannot_be_run(tmp_path, options, message):
    (tmp_path / "v.toml").write_text(VARIANTS)
    result = call("benchmark", "small", "--variants", tmp_path / "v.toml", *options)
    assert result.exit_code == 2 and message in result.stderr and not result.stdout


def test_compare_takes_the_listings_own_days(tmp_path):
    frame = listing_table().assign(days=10.0)
    frame.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "v.toml").write_text("[floor]\n")
    options = ["compare", tmp_path / "t.csv", *ROLES, "--variants", tmp_path / "v.toml", "--json"]
    plain, daily = (json.loads(call(*options, *more).stdout)[0]["floor"] for more in ([], ["--days", "days"]))
    assert daily == pytest.approx(plain / 10)


@pytest.mark.parametrize(("option", "text"), [("--market-coverage", "1+-0.1"), ("--genuine-share", "0.9+-0.3"),
                                              ("--review-rate", "1+-0.1"), ("--market-coverage", "0.8+-0")],
                         ids=["coverage-of-1", "error-too-large", "share-of-1", "no-error"])
def test_shares_without_room_for_their_error_name_themselves(table, option, text):
    result = call("estimate", table, *ROLES, option, text)
    assert result.exit_code == 2 and option[2:].replace("-", " ") in result.stderr and "0.8:1" in result.stderr


HINTS = {
    "percent": (["--review-rate", "44%"], "to do: 0.44"),
    "decimal commas": (["--review-rate", "0,44+-0,02"], "to do: 0.44+-0.02"),
    "swapped": (["--review-rate", "0.6:0.4"], "to do: 0.4:0.6"),
    "window": (["--window", "2016-01"], "2016-01-01:2016-02-01"),
    "level": (["--level", "95"], "write --level 0.95"),
    "named as the option": (["--level", "1.5"], "error: --level is out of range"),
    "per": (["--per", "day"], "or --days"),
    "duplicates": (["--duplicates", "nope"], "'first'"),
    "no currency": (["--exchange-rate", "0.9", "--to", ""], 'such as "USD"'),
    "error": (["--exchange-rate", "0.9+-1", "--to", "EUR"], "0.85:0.95"),
    "no error": (["--units-per-order", "1.2+-0"], "units per order"),
}


@pytest.mark.parametrize(("options", "hint"), HINTS.values(), ids=HINTS)
def test_hints_name_options_of_the_command_line(table, options, hint):
    result = call("estimate", table, *ROLES, *options)
    assert result.exit_code == 2 and hint in result.stderr


def test_hints_of_the_table_and_warnings_name_options_too(tmp_path):
    frame = listing_table()
    frame.loc[1, "id"] = frame.loc[0, "id"]
    frame.to_csv(tmp_path / "twice.csv", index=False)
    assert "--duplicates first (in row order)" in call("estimate", tmp_path / "twice.csv", *ROLES).stderr
    frame.loc[1, ["id", "price", "reviews"]] = ("other", 99_999, 5)
    frame.to_csv(tmp_path / "held.csv", index=False)
    assert "clean the listings with --cap, or say why not" in call("estimate", tmp_path / "held.csv", *ROLES).stderr


def test_a_number_with_an_error_has_that_mean_and_that_standard_deviation():
    for name in ("exchange rate", "units per order"):
        law = parse_spec("0.9+-0.2", name)
        assert (law.mean(), law.std()) == pytest.approx((0.9, 0.2), rel=1e-12)
    share = parse_spec("0.8+-0.04", "market coverage")
    assert (share.mean(), share.std()) == pytest.approx((0.8, 0.04), rel=1e-12)


def test_variants_may_be_written_as_options_are(table, tmp_path):
    (tmp_path / "v.toml").write_text('["a"]\nreview-rate = "0.44+-0.02"\nbetween-vendor-sd = 0.1\nlevel = 0.8\n\n'
                                     '["b"]\nreview_rate = "0.44+-0.02"\nbetween_vendor_sd = 0.1\nconfidence_level = 0.8\n')
    a, b = json.loads(call("compare", table, *ROLES, "--variants", tmp_path / "v.toml", "--json").stdout)
    assert (a["low"], a["high"]) == (b["low"], b["high"]) and a["low"] > 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("options", [[], ["--json"], ["--csv"]], ids=["text", "json", "csv"])
def test_a_full_disk_is_one_message(table, options):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "darkmarket_estimates", "estimate", table, *ROLES, *options], stdout=full,
                              stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "No space left" in done.stderr and "Traceback" not in done.stderr


def test_a_reader_that_has_had_enough_is_no_error(table):
    command = [sys.executable, "-m", "darkmarket_estimates", "estimate", table, *ROLES, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 1


@pytest.mark.parametrize("path", [None, "runs.jsonl"], ids=["not-kept", "kept"])
def test_an_interrupted_benchmark_says_whether_its_runs_are_kept(path, tmp_path, monkeypatch):
    from darkmarket_estimates.evaluation import job

    whole, times = job.Job.run, iter([True, False])

    def run(self, number):
        if not next(times):
            raise KeyboardInterrupt
        return whole(self, number)

    monkeypatch.setattr(job.Job, "run", run)
    (tmp_path / "v.toml").write_text("[floor]\n")
    more = [] if path is None else ["--path", tmp_path / path]
    result = call("benchmark", "small", "--variants", tmp_path / "v.toml", "--runs", 5, *more)
    assert result.exit_code == 130 and "1 of 5 runs are finished" in result.stderr and ".report" not in result.stderr
    assert ("the same call goes on from there" if path else "start it with --path") in result.stderr
