"""What DuckDB answers to the one scan, as the parts of `Totals`."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darkmarket_estimates.audit import Audit, Entry
from darkmarket_estimates.engines import duplicates, identities
from darkmarket_estimates.engines.plan import MENDED_NOWHERE, Convert
from darkmarket_estimates.engines.query import Query
from darkmarket_estimates.engines.source import Source, is_text
from darkmarket_estimates.engines.text_order import text_order
from darkmarket_estimates.totals import BAND, CAPTURES, COLUMNS, MISSING, VENDOR, Key, band_labels
from darkmarket_estimates.totals.labels import Texts

#: For what is large and made once: Arrow's own pool may ask for huge pages, which take longer to clear than they save.
_POOL = pa.system_memory_pool()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Answer:
    """The cells that a query found, in the order of their vendors where these are text.

    Attributes
    ----------
    query : Query
    cells : pyarrow.Table
        As `Query.cells` asks for them, in no order.
    order : int array of shape (n_cells,)
        Rows of `cells`.
    status : int array of shape (n_cells,)
        Of each row of `cells`.
    """

    query: Query
    cells: pa.Table
    order: np.ndarray
    status: np.ndarray

    @classmethod
    def of(cls, query: Query, cells: pa.Table) -> Answer:
        """Put an answer in order: half of what an ORDER BY costs, and less memory."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            cells = pa.table(dict(zip(cells.column_names, pool.map(_in_one_piece, cells.columns))))
        who = cells.column("who")
        order = text_order(who) if is_text(who.type) else np.arange(len(who))
        return cls(query, cells, order, query.statuses(cells, order))

    @property
    def is_wrong(self) -> bool:
        """Whether something is wrong with a row."""
        return bool((self.status < 0).any())

    def kept(self) -> np.ndarray:
        """The rows of `cells` that no rule drops, in order."""
        return self.order[self.status[self.order] == 0]

    def markets(self) -> tuple[str, ...]:
        """Names of the markets, also of those of which nothing is kept."""
        column = self.query.schema.market
        if column is None:
            return ()
        found = Source(pa.table({"market": pc.unique(self.cells.column("market"))})).labels("market")
        return identities.check_markets(found, column).labels

    def sums(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The columns of a `Totals` at some rows, side by side: memory is what they wait for."""
        def taken(name: str) -> np.ndarray:
            return self.cells.column(name).to_numpy()[rows].astype(np.float64, copy=False)

        names = sorted({self.query.answers[name] for name in COLUMNS})  # equal sums are made once
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = dict(zip(names, pool.map(taken, names)))
        return {name: found[self.query.answers[name]] for name in COLUMNS}

    def keys(self, rows: np.ndarray) -> dict[str, Key]:
        """The keys of some rows, which are in order."""
        query, schema = self.query, self.query.schema
        who = self.cells.column("who")
        if query.key_names == ["who"] and is_text(who.type) and who.num_chunks == 1:  # each vendor is one cell
            labels = Texts(who.chunk(0), rows)
            if MISSING not in labels:  # else refused below
                return {VENDOR: Key(np.arange(len(rows)), labels.as_tuple())}
        cells = pc.take(self.cells.select(query.key_names), pa.array(rows), memory_pool=_POOL)
        source = Source(cells)
        keys = {name: source.labels(ours) for name, ours in zip(query.by, query.group_names)}
        if query.bands:
            keys[BAND] = Key(cells.column("band").to_numpy().astype(np.int64), band_labels(query.bands))
        if schema.captures is not None:
            keys[CAPTURES] = Key.encode(cells.column("captures").to_numpy().astype(np.int64))
        vendor = source.labels("who")
        keys[VENDOR] = identities.within(source.labels("market"), vendor) if (
            schema.market is not None and schema.vendor_scope == "market" and not query.joins_markets) else vendor
        return keys

    def audit(self) -> Audit:
        """Lines from the cells: each has the status of the rule that dropped it."""
        query, schema, status = self.query, self.query.schema, self.status
        sums = {name: self.cells.column(query.answers[name]).to_numpy() for name in ("n", "count", *query.stage_names)}

        def line(rule: str, rows: np.ndarray, stage: int, currency: str, *, kept: bool) -> Entry:
            value = float(sums[f"value_{stage}"][rows].sum())
            return Entry(rule=rule, rows=int(sums["n"][rows].sum()), count=float(sums["count"][rows].sum()), value=value,
                         value_after=value if kept else 0.0, currency=currency)

        stage, currency = 0, schema.currency
        nothing = np.zeros(len(status), dtype=bool)
        lines = [line("rows read", ~nothing, 0, currency, kept=False)]
        if schema.listing is not None and schema.duplicates in ("largest", "sum"):
            lines.append(line(duplicates.words(schema.duplicates), nothing, 0, currency, kept=True))
        for at, step in enumerate(query.steps, 1):
            if isinstance(step, Convert):
                stage, currency = stage + 1, step.to
                lines.append(line(step.words, (status == 0) | (status > at), stage, currency, kept=True))
            else:
                lines.append(line(str(step.rule), status == at, stage, currency, kept=False))
                if step.rule.action == "median":
                    lines.append(line(MENDED_NOWHERE, nothing, stage, currency, kept=False))
        read = replace(lines[0], value_after=lines[0].value)
        return Audit((read, *lines[1:]))


def _in_one_piece(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column that is one array, as each of its uses would make it, where that can hold all its text."""
    return pa.table([column], names=["it"]).combine_chunks(memory_pool=_POOL).column(0)
