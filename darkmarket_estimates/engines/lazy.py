"""Tables that DuckDB can reach: the plan becomes one grouped scan, and only its cells come into memory.

Listings that a rule looks at as a whole (repeated ids, multiples of the median) are found by a second, narrow scan.
Those that the rule can touch are few: their rows are brought into memory, where the reference engine applies the rule,
and their totals are added to those of the rest. So every rule is written once.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from darkmarket_estimates._version import __version__
from darkmarket_estimates.engines import alarms, checks, kernels, sql
from darkmarket_estimates.engines.answers import Answer
from darkmarket_estimates.engines.capabilities import refuse
from darkmarket_estimates.engines.duckdb import Place, Session
from darkmarket_estimates.engines.files import FilePlace
from darkmarket_estimates.engines.plan import Convert, PlannedTable, check_finite, empty, lowest_cap
from darkmarket_estimates.engines.problems import raise_first, raise_repeated
from darkmarket_estimates.engines.query import Query
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.engines.source import Source, label, require
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.totals import Header, Totals, check_by

#: Rows of touched listings that are brought into memory at a time.
CHUNK = 2_000_000
#: Where these are more, and more than a quarter of all, rows stay where they are, and each is judged by its listing's median.
MANY = 1 / 4
#: The first rows of a file tell beforehand, where so many listings stand on several of them.
HEAD, TOLD = 100_000, 100


@dataclass(frozen=True, slots=True)
class LazyOpener:
    """A place whose columns are known."""

    place: Place
    columns: tuple[str, ...]
    types: dict[str, str]

    def open(self, schema: Schema) -> LazyTable:
        """Check what can be checked without a scan."""
        require(self.columns, schema.columns)
        table = LazyTable(engine=self.place.engine, schema=schema, place=self.place, names=self.columns,
                          columns=sql.Columns(self.types, self.place.text_numbers))
        if schema.listing is not None and schema.duplicates == "first":
            raise refuse("duplicates first", self.place.engine)
        numbers = [(schema.price, "the price"), (schema.count, schema.counted), (schema.days, "days"),
                   (schema.captures, "captures")]
        for column, role in numbers:
            if column is not None and not table.columns.is_number(column):
                raise DataError(f"{role} is not a number", where=f"column {column!r}", expected="a numeric column",
                                got=f"type {self.types[column]}",
                                fix="convert the column to numbers first, and check what each text means "
                                    "(is 1.234,50 one thousand or one?)")
        if schema.currency_column is None:
            return table
        with self.place.session() as session:
            column = sql.name(schema.currency_column)
            first = session.fetch(f"SELECT {column} FROM {session.source} LIMIT 1").column(0).to_pylist()
        if not first:
            raise empty()
        currency = label(first[0]) if first[0] is not None else "(missing)"
        return replace(table, schema=replace(schema, currency=currency))


def opener(place: Place) -> LazyOpener:
    """Ask a place for its columns."""
    with place.session() as session:
        return LazyOpener(place, tuple(session.columns()), session.types())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class LazyTable(PlannedTable):
    """A place, its schema, and the rules that wait."""

    place: Place
    names: tuple[str, ...]
    columns: sql.Columns

    def scan(self, by: Sequence[str], bands: Sequence[float]) -> tuple[Totals, int]:
        """Totals of the untouched listings in SQL, of the touched ones in memory, added."""
        groups = check_by(by)
        require(self.names, groups)
        query = Query(schema=self.schema, columns=self.columns, steps=self.steps, by=groups, bands=tuple(bands))
        with self.place.session() as session:
            touched, n_touched, listings = None, 0, None
            if self._touches_many_at_first(session, query):
                query, listings = self._with_medians(session, query)
            elif query.looks_at_listings:
                if session.keeps and query.sums_listings_apart:
                    listings = session.keep(query.listings(session.source))
                found = session.keep(query.touched(session.source) if listings is None else query.touched_of(listings))
                n_touched = int(session.fetch(f"SELECT coalesce(sum(n), 0) FROM {found}").column(0)[0].as_py())
                touched = found if n_touched else None
                if query.can_join_medians and self._are_many(session, n_touched):
                    touched, n_touched = None, 0
                    query, listings = self._with_medians(session, query)
            answer = Answer.of(query, session.fetch(query.cells(session.source, touched, listings)))
            if answer.cells.num_rows == 0 and touched is None:
                raise empty()
            if answer.is_wrong:
                self._refuse(session, query, touched, answer)
            if query.refuses_repeats:
                raise_repeated(session, query)
            markets = answer.markets()
            own, more, prices = self._touched(session, query, touched, n_touched)
            kept = answer.kept()
            rows, sums = int(answer.cells.column("n").to_numpy()[kept].sum()), answer.sums(kept)
            with np.errstate(over="ignore"):
                if not all(np.isfinite(values.sum()) for values in sums.values()):
                    check_finite(sums, session.fetch(query.prices(session.source, touched)).column("top")[0].as_py())
            flags = self._flags(session, query, sums, rows, touched, prices)
        # only now, without the session: what DuckDB held makes room for the labels
        schema = self.schema
        header = Header(
            currency=self.currency, counted=schema.counted, window=schema.window, per_day=schema.days is not None,
            markets=markets, by=groups, bands=tuple(map(float, bands)), occasions=schema.occasions,
            conversions=tuple(s.words for s in self.steps if isinstance(s, Convert)), version=__version__)
        totals = Totals(header, *kernels.merged(answer.keys(kept), sums), answer.audit())
        del answer
        totals = totals if own is None else totals + own
        return replace(totals, header=replace(totals.header, flags=flags)), rows + more

    def _touches_many_at_first(self, session: Session, query: Query) -> bool:
        """Whether the rule can touch many of the listings that the first rows of a file show."""
        if not query.can_join_medians or not isinstance(self.place, FilePlace):  # the head of a query can cost the whole
            return False
        told = session.fetch(query.head(session.source, HEAD)).to_pylist()[0]
        return told["n"] >= TOLD and told["touched"] > MANY * told["n"]

    @staticmethod
    def _are_many(session: Session, n_touched: int) -> bool:
        return n_touched > CHUNK and n_touched > MANY * int(
            session.fetch(f"SELECT count(*) FROM {session.source}").column(0)[0].as_py())

    @staticmethod
    def _with_medians(session: Session, query: Query) -> tuple[Query, str | None]:
        """The query with a table of the medians of the listings that the rule can touch; the sums over listings, where apart."""
        query = replace(query, medians=session.keep(query.medians_of(session.source)))
        apart = session.keeps and query.sums_listings_apart
        return query, session.keep(query.judged_listings(session.source)) if apart else None

    def _touched(
        self, session: Session, query: Query, touched: str | None, n: int
    ) -> tuple[Totals | None, int, np.ndarray]:
        """Totals of the touched listings, the rows that are kept of them, and the prices of rows with reviews."""
        totals, rows, prices, parts = list[tuple[int, Totals]](), 0, [np.empty(0)], -(-n // CHUNK)
        for part in range(parts):
            raw = session.fetch(query.raw(session.source, str(touched), parts, part))
            if raw.num_rows == 0:
                continue
            try:
                table = checks.open_table(Source(raw, text_numbers=self.place.text_numbers, ordered=False), self.schema)
                for step in self.steps:
                    table = step.apply(table)
            except DataError:
                self._refuse(session, query, touched)  # the same in the words of the whole table
                raise
            _push(totals, 1, table.totals(query.by, query.bands))
            rows += len(table)
            prices.append(table.sold_prices())
        whole = functools.reduce(operator.add, (found for _, found in reversed(totals))) if totals else None
        return whole, rows, np.concatenate(prices)

    def _refuse(self, session: Session, query: Query, touched: str | None, answer: Answer | None = None) -> None:
        """Raise what is wrong with rows: all of them are asked where a first scan left some out."""
        if answer is None or touched is not None:
            answer = Answer.of(query, session.fetch(query.cells(session.source, None)))
        raise_first(session, query, answer.cells, answer.status, self.place.ordered)

    def _flags(
        self, session: Session, query: Query, sums: dict[str, np.ndarray], rows: int, touched: str | None, mine: np.ndarray
    ) -> tuple[str, ...]:
        """The alarm, with the prices that are in memory: a narrow scan more, where the sums alone do not silence it."""
        top = float(mine.max(initial=0))
        reached, most = np.zeros(0), lowest_cap(self.steps)
        if self.schema.days is None:  # sums of money a day tell nothing of prices
            reached, most = alarms.bounds(sums["value"], sums["price_sq_reviews"], sums["max_listing_value"], most)
        limits = [alarms.threshold(max(top, float(reached.max(initial=0)))), alarms.threshold(max(top, most))]
        # each cell that reaches a high price holds at least one
        if 100 * (np.count_nonzero(reached >= limits[1]) + np.count_nonzero(mine >= limits[1])) >= rows + len(mine):
            return ()
        while True:  # both limits mostly tell the same; else that of the highest price does
            answer = session.fetch(query.prices(session.source, touched, limits)).to_pylist()[0]
            n, positive = answer["n"] + len(mine), answer["positive"] + np.count_nonzero(mine)
            high = (answer[f"high_{i}"] + np.count_nonzero(mine >= limit) for i, limit in enumerate(limits))
            told = {alarms.suspected(n, positive, max(1, times)) for times in high}
            if len(told) == 1:
                return (alarms.FLAG,) if True in told else ()
            limits = [alarms.threshold(max(top, answer["top"] or 0.0))]


def _push(sums: list[tuple[int, Totals]], parts: int, totals: Totals) -> None:
    """Add one to sums of falling numbers of parts: each cell is merged in few of the additions, and few sums are held."""
    while sums and sums[-1][0] == parts:
        before, earlier = sums.pop()
        parts, totals = parts + before, earlier + totals
    sums.append((parts, totals))
