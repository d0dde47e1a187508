"""Errors of tables that are elsewhere: what the scan counted, and the first bad row, which is looked for only now."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from darkmarket_estimates.engines import sql
from darkmarket_estimates.engines.checks import one_currency
from darkmarket_estimates.engines.duckdb import Session
from darkmarket_estimates.engines.duplicates import repeated
from darkmarket_estimates.engines.identities import missing_identity
from darkmarket_estimates.engines.plan import Convert, missing_days, no_date, unusable
from darkmarket_estimates.engines.query import Query
from darkmarket_estimates.engines.rows import NO_RATE
from darkmarket_estimates.engines.source import Source, label, not_a_number, place
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.totals import WITHIN


def raise_first(session: Session, query: Query, cells: pa.Table, status: np.ndarray, ordered: bool) -> None:
    """Raise the first problem in the order of the checks, if a row of the scan had one."""
    if not (status < 0).any():
        return
    n = cells.column("n").to_numpy()
    first = int(status[status < 0].max())
    times, of = int(n[status == first].sum()), int(n.sum())
    if first < NO_RATE:
        raise _about_days(session, query, NO_RATE - first, times, ordered)
    problem = query.problems[-1 - first]
    if problem.kind == "currency":
        money = sql.name(problem.column)
        known = session.fetch(f"SELECT DISTINCT {money} AS money FROM {session.source} LIMIT 1000")
        one_currency(query.schema, Source(known).labels("money").labels)
    row = _example(session, query, problem.column, f"status = {first}", ordered)
    where = place(problem.column, row)
    if problem.kind == "text":
        raise not_a_number(problem.role, times, where, row["raw"])
    if problem.kind == "missing":
        raise missing_identity(problem.role, times, where, problem.fix)
    got = "missing" if row["ours"] is None or np.isnan(row["ours"]) else repr(row["ours"])
    raise unusable(problem.role, times, of, where, problem.expected, got, problem.fix)


def raise_repeated(session: Session, query: Query) -> None:
    """Raise if a listing stands on several rows; hashes first, which are small, then the ids behind those that repeat."""
    suspects = session.keep(query.repeats(session.source))
    if session.fetch(f"SELECT h FROM {suspects} LIMIT 1").num_rows == 0:
        return
    ids = ["market", "listing"] if query.schema.market is not None else ["listing"]
    named = ", ".join(ids)
    rows = query.rows(session.source, checked=True)
    groups = (f"SELECT {named}, count(*) AS n FROM ({rows}) WHERE h IN (SELECT h FROM {suspects}) "
              f"GROUP BY {named} HAVING count(*) > 1")
    worst = session.fetch(f"SELECT *, count(*) OVER () AS listings FROM ({groups}) "
                          f"ORDER BY {', '.join(f'CAST({i} AS VARCHAR)' for i in ids)} LIMIT 1").to_pylist()
    if worst:
        theirs = [query.schema.market, query.schema.listing] if len(ids) == 2 else [query.schema.listing]
        found = {str(column): label(worst[0][i]) if worst[0][i] is not None else "(missing)"
                 for column, i in zip(theirs, ids)}
        raise repeated(worst[0]["listings"], place(str(query.schema.listing), {"named": found}),
                       WITHIN.join(found.values()), worst[0]["n"])


def _about_days(session: Session, query: Query, at: int, times: int, ordered: bool) -> DataError:
    step, column = query.steps[at - 1], str(query.schema.date)
    assert isinstance(step, Convert) and isinstance(step.rates, tuple)
    raw = sql.name(column)
    rows = query.rows(session.source, checked=True, also=f"{raw} AS raw, ")
    bad = f"FROM ({rows}) WHERE status = {NO_RATE - at}"
    count = session.fetch(f"SELECT count_if(raw IS NULL) AS missing, count_if(raw IS NOT NULL AND day IS NULL) AS wrong, "
                          f"count(DISTINCT day) AS days {bad}").to_pylist()[0]
    if count["missing"]:
        row = _example(session, query, column, f"status = {NO_RATE - at} AND raw IS NULL", ordered)
        return no_date(count["missing"], place(column, row))
    if count["wrong"]:
        row = _example(session, query, column, f"status = {NO_RATE - at} AND day IS NULL", ordered)
        return DataError("the date is not a date", where=place(column, row), expected="ISO text such as 2016-01-31",
                         got=repr(row["raw"]))
    days = session.fetch(f"SELECT DISTINCT day {bad} ORDER BY day LIMIT 6").column(0).to_pylist()
    return missing_days(np.array(days, dtype="datetime64[D]"), step.rates[0], count["days"])


def _example(session: Session, query: Query, column: str, condition: str, ordered: bool) -> dict[str, Any]:
    """The first bad row of a file, or that of the first vendor by name where rows have no order."""
    ours = {query.schema.price: "price_0", query.schema.count: "c", query.schema.days: "d",
            query.schema.captures: "captures"}.get(column, "NULL")
    source, also = session.source, f"{sql.name(column)} AS raw, "
    order = ", ".join(f"CAST({n} AS VARCHAR)" for n, c in (
        ("market", query.schema.market), ("vendor", query.schema.vendor), ("listing", query.schema.listing)) if c)
    if ordered:
        source = f'(SELECT row_number() OVER () - 1 AS "the row", * FROM {source})'
        also, order = f'{also}"the row" AS at_row, ', "at_row"
    answer = session.fetch(f"SELECT *, {ours} AS ours FROM ({query.rows(source, also=also)}) "
                           f"WHERE {condition} ORDER BY {order} LIMIT 1").to_pylist()[0]
    names = {"market": query.schema.market, "vendor": query.schema.vendor, "listing": query.schema.listing}
    answer["at"] = answer.get("at_row")
    answer["named"] = {theirs: label(answer[n]) for n, theirs in names.items()
                       if theirs is not None and answer[n] is not None}
    return answer
