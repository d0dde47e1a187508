"""The example: a calibrated share carried to a market with reviews alone, beside the closed form."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "bayes_torrez_agora.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("bayes_torrez_agora", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def agree(result):
    """The hierarchical model and the closed form have one predictive law, up to Monte Carlo error."""
    model, closed = result["model"], result["closed form"]
    assert model.floor == pytest.approx(closed.floor)
    p = [0.1, 0.25, 0.5, 0.75, 0.9]
    np.testing.assert_allclose(model.quantile(p), closed.quantile(p), rtol=0.06)
    own, new = result["own"], closed
    assert np.diff(new.interval) > 3 * np.diff(own.interval)  # the transport between markets is what is not known
    assert model.kind == "posterior predictive interval"


@pytest.mark.filterwarnings("ignore::darkmarket_estimates.HoldingPriceWarning")
@pytest.mark.long
def test_simulated_markets(example):
    _, counts, totals = example.simulated()
    result = example.analyse(counts, totals, draws=500, chains=2, on_failure="ignore")
    agree(result)
    frame = result["share"].to_frame()
    assert frame["share"].iloc[0] == pytest.approx(5.6 / 12.7, abs=3 * frame["standard_error"].iloc[0])


def test_what_the_example_reads_is_of_the_shape_of_the_real_data(example):
    name, counts, totals = example.simulated()
    assert name.startswith("simulated")
    assert len(counts["sales"]) == 668
    assert (counts["sales"] == 0).sum() == 58
    assert (counts["reviews"] <= counts["sales"]).all()
    assert totals.header.counted == "reviews"
    assert totals.header.days > 0


@pytest.mark.filterwarnings("ignore::darkmarket_estimates.HoldingPriceWarning")
@pytest.mark.long
def test_torrez_and_agora(example, real_data):
    name, counts, totals = example.real(real_data)
    assert name == "Agora 2014"
    assert totals.sum("value") / totals.header.days == pytest.approx(34_140, rel=1e-3)
    result = example.analyse(counts, totals, draws=700)
    agree(result)
    share = result["share"]
    assert share.to_frame()["share"].iloc[0] == pytest.approx(0.443, abs=0.006)
    assert share.target.mean() == pytest.approx(0.45, abs=0.02)
    low, high = result["model"].interval
    assert low == pytest.approx(44_500, rel=0.1)
    assert high == pytest.approx(193_000, rel=0.2)


def test_real_data_are_read_where_they_are(example, real_data):
    _, counts, totals = example.real(real_data)
    assert counts["sales"].sum() == 104_058
    assert counts["reviews"].sum() == 45_874
    assert totals.sum("reviews") == np.rint(totals.sum("reviews"))
