"""The table of all estimators, the result type, and the shape of the package."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path

import numpy as np
import pytest

from darkmarket_estimates import coverage as cov
from darkmarket_estimates.errors import DataError

FOLDER = Path(cov.__file__).parent


def test_table_holds_each_estimator(sample):
    h, x = sample
    table = cov.compare(h, covariates=x)
    s = cov.summary(h)
    for row, est in (
        ("m0", cov.m0(h)),
        ("mt", cov.mt(h)),
        ("chao2", cov.chao2(h)),
        ("schnabel chapman", cov.schnabel(h, form="chapman")),
        ("jackknife 2", cov.jackknife(h, order=2)),
        ("ice", cov.ice(h)),
        ("huggins", cov.huggins(h, x)),
        ("jolly_seber", cov.jolly_seber(h)),
        ("chao2 classic", cov.chao2(h, bias_corrected=False)),
        ("petersen (last two)", cov.petersen(s.caught[4], s.caught[5], s.together[4, 5])),
    ):
        got = table.loc[row]
        assert (got.value, got.standard_error, got.low, got.high) == (est.value, est.standard_error, *est.interval)
        assert got["flags"] == "; ".join(est.flags) and got.assumptions == "; ".join(est.assumptions)
        assert got.interval_kind == est.interval_kind
    clusters = np.arange(len(h)) % 9
    clustered = cov.compare(h, clusters=clusters).loc["huggins"]
    assert clustered.standard_error == cov.huggins(h, clusters=clusters).standard_error
    assert len(table) == 16 and table.loc["chao2", "fit"] == "lower bound"
    assert cov.compare(h, confidence_level=0.5).loc["m0", "low"] > table.loc["m0", "low"]
    same = cov.compare(np.packbits(h, axis=1), occasions=6, covariates=x)
    assert same.equals(table)


def test_fit_verdicts(draw):
    rng = np.random.default_rng(8)
    alike, _, _, _ = draw(rng, n=4000, t=5)
    table = cov.compare(alike)
    assert all(table.loc[row, "fit"].startswith("fits") for row in ("m0", "mt", "schnabel"))
    mixed, _, _, _ = draw(rng, n=4000, t=5, spread=1.5)
    table = cov.compare(mixed)
    assert table.loc["m0", "fit"].startswith("does not fit")
    one_gone = np.concatenate([alike, np.tile([1, 0, 0, 0, 0], (900, 1))])  # listings that left after the first scrape
    assert cov.compare(one_gone).loc["mt", "fit"].startswith("does not fit")


def test_what_does_not_apply_says_why():
    two = cov.compare([[1, 1], [1, 0], [0, 1], [1, 1]])
    assert "3 scrapes" in two.loc["jolly_seber", "fit"] and "3 scrapes" in two.loc["schumacher_eschmeyer", "fit"]
    assert "needs 3 scrapes" in two.loc["m0", "fit"] and math.isnan(two.loc["jolly_seber", "value"])
    table = cov.compare(frequencies=[25, 22, 13, 5, 1, 2], occasions=6)
    assert table.loc["m0", "value"] == pytest.approx(75.4336, abs=1e-4)
    assert "frequencies do not tell" in table.loc["mt", "fit"]
    never_again = cov.compare(np.eye(5, dtype=bool))
    assert "twice" in never_again.loc["m0", "fit"] and "no listing" in never_again.loc["petersen (last two)", "fit"]
    empty_end = cov.compare([[1, 1, 0], [1, 0, 0], [0, 1, 0]])
    assert "saw nothing" in empty_end.loc["chapman (last two)", "fit"]


def test_bad_input_is_not_hidden(sample):
    h, x = sample
    for call in (
        lambda: cov.compare(h, covariates=x[1:]),
        lambda: cov.compare(h, covariates=np.ones(len(x))),
        lambda: cov.compare(),
        lambda: cov.compare(frequencies=[5, 3], occasions=2, covariates=x),
        lambda: cov.compare(cov.summary(h), covariates=x),
        lambda: cov.compare(h, confidence_level=2),
        lambda: cov.compare(h, covariates=x, clusters=x * 0),
    ):
        with pytest.raises(DataError):
            call()


def test_result_type(sample):
    h, x = sample
    fit = cov.huggins(h, x)
    assert isinstance(fit, cov.Abundance) and len(repr(fit)) < 400
    as_dict = json.loads(json.dumps(fit.to_dict()))
    assert as_dict["value"] == fit.value and as_dict["interval"] == list(fit.interval)
    assert as_dict["details"]["goodness_of_fit"]["observed"] == fit.details["goodness_of_fit"]["observed"].tolist()
    with pytest.raises(AttributeError):
        fit.value = 3.0
    est = cov.chapman(948, 421, 167)
    assert repr(est) == "<chapman: 2,382.8 listings, 95% interval 2,124.4 to 2,701.4 (exact binomial)>"
    k, first, t = cov.captures(h)
    bound = cov.value_chao(np.exp(x), k, first, t, confidence_level=0.9)
    assert "90% at least" in repr(bound) and "lower bound" in repr(bound)
    assert type(est.value) is type(est.standard_error) is type(est.interval[0]) is float


def test_modules_do_not_bear_names_of_functions_and_import_only_downwards():
    modules = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert not modules & set(cov.__all__)
    for path in FOLDER.glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = (
                [node.module]
                if isinstance(node, ast.ImportFrom)
                else [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else []
            )
            for name in names:
                assert not name.startswith("pandas") and "stats" not in name
                if name.startswith("darkmarket_estimates"):
                    assert name.startswith(
                        ("darkmarket_estimates.coverage", "darkmarket_estimates._checks", "darkmarket_estimates.errors")
                    )
