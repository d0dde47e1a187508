"""The table of the docs is the table of the code, and the code does what it says."""

import pathlib

import pytest

from darkmarket_estimates import HoldingPrice, Listings, NotSupportedError
from darkmarket_estimates.engines import capabilities
from darkmarket_estimates.engines import duckdb as sessions
from darkmarket_estimates.engines.capabilities import ENGINES, SECOND, Refusal, ability
from tests.engines.tables_elsewhere import assert_alike, elsewhere
from tests.engines.test_parity import RATES, repeated_listings
from tests.tables import ROLES

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "engines.md"
EXAMPLE = {"duckdb": "parquet", "stream": "lazyframe", "dask": "dask"}


def test_the_docs_hold_the_table():
    assert capabilities.to_markdown() in DOCS.read_text()


def use(rule: str, table, **options):
    """Do what a rule of the table is about."""
    roles = {**ROLES, "date": "day", "duplicates": "keep", **options}
    if rule.startswith("duplicates"):
        roles["duplicates"] = rule.split()[1]
    if rule == "captures":
        roles |= {"captures": "k", "occasions": 5}
    listings = Listings(table, **roles)
    cleaning = {"price cap": HoldingPrice(cap=60), "multiples of the median": HoldingPrice(upper_multiple=1.5),
                "median of accepted prices": HoldingPrice(cap=60, action="median")}
    if rule in cleaning:
        listings = listings.clean(cleaning[rule])
    if rule == "daily exchange rates":
        listings = listings.to_currency("EUR", RATES)
    if rule == "rows as a frame":
        listings.to_frame()
    return listings.totals(by="country", bands=[50] if rule == "groups and price bands" else [])


@pytest.mark.parametrize("engine", EXAMPLE)
@pytest.mark.parametrize("rule", [r for r in capabilities.rules() if r != "row numbers in errors"])
def test_engines_can_what_the_table_says(engine, rule, tmp_path, monkeypatch):
    table = repeated_listings(90 if rule == "duplicates error" else 300)
    frame, options = elsewhere(table, tmp_path, EXAMPLE[engine])
    can = ability(rule, engine)
    if isinstance(can, Refusal):
        with pytest.raises(NotSupportedError) as caught:
            use(rule, frame, **options)
        assert caught.value.fix == can.fix
        return
    scans: list[str] = []
    fetch = sessions.OwnSession.fetch

    def counted(self, statement):
        if self.source in statement and "DESCRIBE" not in statement and "AS positive" not in statement:
            scans.append(statement)
        return fetch(self, statement)

    monkeypatch.setattr(sessions.OwnSession, "fetch", counted)
    assert_alike(use(rule, table), use(rule, frame, **options))
    if engine != "dask":
        assert (len(scans) > 1) == (can == SECOND)


def test_every_engine_has_an_opinion_on_every_rule():
    for rule in capabilities.rules():
        assert all(ability(rule, engine) for engine in ENGINES)
