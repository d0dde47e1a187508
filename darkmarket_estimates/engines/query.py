"""The statements that a plan becomes.

The groups are split by the status of their rows, so that the same scan checks, cleans, sums and writes the audit.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from darkmarket_estimates.assumptions import HoldingPrice
from darkmarket_estimates.engines import sql
from darkmarket_estimates.engines.plan import Clean, Convert
from darkmarket_estimates.engines.rows import Rows
from darkmarket_estimates.totals import MISSING, WITHIN

_HASH = '"the hash of the listing"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(Rows):
    """What is asked of a table."""

    bands: tuple[float, ...]

    # -- what has to be asked ---------------------------------------------------------------------------------------

    @property
    def refuses_repeats(self) -> bool:
        """Whether a listing may stand on one row only."""
        return self.schema.listing is not None and self.schema.duplicates == "error"

    @property
    def looks_at_listings(self) -> bool:
        """Whether a rule needs the rows of a listing together; the only row of a listing is its own median."""
        mends_caps = any(isinstance(s, Clean) and s.rule.cap is not None and s.rule.action == "median" for s in self.steps)
        medians = any(isinstance(s, Clean) and s.rule.uses_median for s in self.steps)
        return self._joins_repeats or mends_caps or (medians and not self.refuses_repeats)

    @property
    def sums_listings_apart(self) -> bool:
        """Whether the scan that looks at listings may sum them: the rows that it sees are kept, few listings lie in two cells."""
        rules = [s.rule for s in self.steps if isinstance(s, Clean)]
        return (not self._whole_listings and not self.by and not self.bands and self.schema.captures is None
                and [i for i, rule in enumerate(rules, 1) if rule.uses_median] == [len(rules)])

    @property
    def can_join_medians(self) -> bool:
        """Whether rows can be judged one by one once the median of each listing is known."""
        return (self.looks_at_listings and not self._joins_repeats
                and [rule.action for _, _, rule in self._median_rules] == ["drop"])

    @property
    def joins_markets(self) -> bool:
        """Whether the column of the vendor is answered within its market already."""
        s = self.schema
        return (self.marks_vendors and s.market is not None and s.vendor_scope == "market"
                and self.columns.types[s.market] == "VARCHAR")

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The value before the first and after each conversion."""
        return tuple(f"value_{i}" for i in range(1 + self.conversions))

    # -- statements -------------------------------------------------------------------------------------------------

    def cells(self, source: str, touched: str | None, listings: str | None = None) -> str:
        """The one scan: sums by group and status, without the touched listings.

        With `listings`, the answer to the statement of that name, sums over listings are taken from there.
        """
        rows = f"FROM ({self.rows(source)})" + self._without(touched)
        band = [f"{sql.band(self.price, self.bands)} AS band"] if self.bands else []
        keys = [*self._keys, *band]
        cells = f"SELECT {', '.join(keys)}, {sql.listed(self._sums)} {rows} GROUP BY ALL"
        if listings is not None:
            theirs = ", ".join(_over_listings(""))  # those of dropped rows have none
            cells = f"SELECT cells.*, {theirs} FROM ({cells}) AS cells LEFT JOIN {listings} ON g = {self._cell('who')}"
        elif not self._whole_listings:
            # the listings of a cell by hash: the ids of millions, as text, take more memory than all their sums
            parts = f"SELECT {', '.join(keys)}, h, {sql.listed(self._sums)} {rows} GROUP BY ALL"
            sums = {name: f"sum({name})" for name in sql.once(self._sums)} | _over_listings(self.answers["value"])
            sums["n"] = "CAST(sum(n) AS BIGINT)"  # a sum of whole numbers is a HUGEINT, which would arrive as decimals
            named = [key.rpartition(" AS ")[2] for key in keys]
            cells = f"SELECT {', '.join(named)}, {sql.listed(sums)} FROM ({parts}) GROUP BY ALL"
        return self._within_markets(cells)

    @property
    def answers(self) -> dict[str, str]:
        """Column of the answer that holds each sum; equal sums are made once."""
        once = {expression: name for name, expression in reversed(self._sums.items())}
        found = {name: once[expression] for name, expression in self._sums.items()}
        return found if self._whole_listings else found | {name: name for name in _over_listings("")}

    @property
    def key_names(self) -> list[str]:
        """The columns of the answer that the keys of `Totals` are made of."""
        keys = ["market"] if self.schema.market is not None and not self.joins_markets else []
        keys += ["captures"] if self.schema.captures is not None else []
        keys += ["band"] if self.bands else []
        return [*self.group_names, *keys, "who"]

    def statuses(self, cells: pa.Table, order: np.ndarray) -> np.ndarray:
        """The status of each cell of an answer; `order` is that of their vendors, where those that are marked stand together."""
        if "status" in cells.column_names:
            return cells.column("status").to_numpy()
        who = cells.column("who")
        start, end = (bisect.bisect_left(order, text, key=lambda at: who[at].as_py())
                      for text in (self.mark, f"{self.mark}\U0010ffff"))
        marked = order[start:end]
        status = np.zeros(cells.num_rows, dtype=np.int16)
        status[marked] = [int(text[len(self.mark):]) for text in who.take(pa.array(marked)).to_pylist()]
        return status

    def touched(self, source: str) -> str:
        """Listings that a rule on whole listings may touch, by hash: a collision only adds to them."""
        conditions = ["count(*) > 1"] if self._joins_repeats else []
        rules = self._median_rules
        # rows that an only rule does not see are left out before they are grouped, which is cheaper than a CASE
        alone = len(rules) == 1 and not conditions
        for sees, price, rule in rules:
            own = f"CASE WHEN {sees} THEN {price} END"
            conditions += _reach(rule, *_ends(price)) if alone else _reach(rule, *_ends(own), f"count({own})")
        return (f"SELECT h, count(*) AS n FROM ({self.rows(source, checked=True)}) "
                f"WHERE {rules[0][0] if alone else 'true'} GROUP BY h HAVING {_either(conditions)}")

    def listings(self, source: str) -> str:
        """The same where `sums_listings_apart`, by cell (the hash g of its keys), beside sums over its other listings.

        A listing that lies in two cells counts as touched.
        """
        (sees, price, rule), = self._median_rules
        touched = _either(["min(g) <> max(g)", *_reach(rule, *_ends(price))])
        each = (f"SELECT h, min(g) AS g, count(*) AS n, sum({self._worth} * c) AS value, {touched} AS is_touched "
                f"FROM (SELECT *, {self._cell('vendor')} AS g FROM ({self.rows(source, checked=True)})) WHERE {sees} GROUP BY h")
        sums = ", ".join(f"{sum_} FILTER (NOT is_touched) AS {name}" for name, sum_ in _over_listings("value").items())
        return f"SELECT g, {sums}, list({{'h': h, 'n': n}}) FILTER (is_touched) AS touched FROM ({each}) GROUP BY g"

    def judged_listings(self, source: str) -> str:
        """The same where each row is judged by its listing's median: none is touched."""
        each = (f"SELECT g, sum({self._worth} * c) AS value FROM (SELECT *, {self._cell('vendor')} AS g "
                f"FROM ({self.rows(source, checked=True)})) WHERE status = 0 GROUP BY h, g")
        return f"SELECT g, {sql.listed(_over_listings('value'))} FROM ({each}) GROUP BY g"

    def medians_of(self, source: str) -> str:
        """Where `can_join_medians`, the medians of the listings that the rule can touch."""
        (sees, price, rule), = self._median_rules
        each = f"SELECT h, list_sort(list({price})) AS p FROM ({self.rows(source, checked=True)}) WHERE {sees} GROUP BY h"
        low, high = "p[(n + 1) // 2]", "p[n // 2 + 1]"
        return (f"SELECT h AS of_listing, {low} + ({high} - {low}) / 2 AS median_price "  # as `grouped_median` has it
                f"FROM (SELECT h, p, len(p) AS n FROM ({each})) WHERE {_either(_reach(rule, 'p[n]', 'p[1]', 'n'))}")

    def head(self, source: str, rows: int) -> str:
        """Where `can_join_medians`, how many listings stand on several of the first rows, and how many the rule can touch.

        They may have more prices in the rest, so that the least number of prices is not asked for.
        """
        (sees, price, rule), = self._median_rules
        found = _either(_reach(replace(rule, min_observations=1), *_ends(price)))
        each = (f"SELECT {found} AS is_touched FROM ({self.rows(f'(SELECT * FROM {source} LIMIT {rows})', checked=True)}) "
                f"WHERE {sees} GROUP BY h HAVING count(*) > 1")
        return f"SELECT count(*) AS n, count(*) FILTER (is_touched) AS touched FROM ({each})"

    @staticmethod
    def touched_of(listings: str) -> str:
        """What `touched` gives, from the answer to `listings`."""
        return f"SELECT unnest(touched, recursive := true) FROM {listings}"

    def raw(self, source: str, touched: str | None, parts: int, part: int) -> str:
        """The source's own columns of the touched listings, one part of them."""
        wanted = ", ".join(map(sql.name, dict.fromkeys((*self.schema.columns, *self.by))))
        return (f"SELECT {wanted} FROM (SELECT {wanted}, {self.listing_hash} AS {_HASH} FROM {source}) AS ours "
                f"SEMI JOIN {touched} AS touched ON ours.{_HASH} = touched.h WHERE {_HASH} % {parts} = {part}")

    def prices(self, source: str, touched: str | None, limits: Sequence[float] = ()) -> str:
        """The rows with reviews: how many, the highest price, how many prices are positive, how many from each limit on."""
        price = self.price
        high = "".join(f", count(*) FILTER ({price} >= {sql.number(limit)}) AS high_{i}" for i, limit in enumerate(limits))
        return (f"SELECT count(*) AS n, max({price}) AS top, count(*) FILTER ({price} > 0) AS positive{high} "
                f"FROM ({self.rows(source, checked=True)}){self._without(touched)} WHERE status = 0 AND c > 0")

    def repeats(self, source: str) -> str:
        """Hashes of listings that stand on more than one row."""
        # not by our name: the table may have a column of that name
        return f"SELECT {self.listing_hash} AS h FROM {source} GROUP BY ALL HAVING count(*) > 1"

    # -- parts of statements ----------------------------------------------------------------------------------------

    @property
    def _median_rules(self) -> list[tuple[str, str, HoldingPrice]]:
        """Rules on the median of a listing: which rows each sees, at which price."""
        found, stage, limits = [], 0, list[str]()
        for step in self.steps:
            if isinstance(step, Convert):
                stage += 1
                continue
            if step.rule.cap is not None and step.rule.action == "drop":
                limits.append(f"price_{stage} <= {sql.number(step.rule.cap)}")
            if step.rule.uses_median:
                found.append((" AND ".join(limits) or "true", f"price_{stage}", step.rule))
        return found

    @property
    def _joins_repeats(self) -> bool:
        """Whether the rows of a listing become one."""
        return self.schema.listing is not None and self.schema.duplicates in ("largest", "sum")

    @property
    def _whole_listings(self) -> bool:
        """Whether every row is a listing of its own."""
        return self.schema.listing is None or self.schema.duplicates != "keep"

    @property
    def _sums(self) -> dict[str, str]:
        """Every sum by name."""
        u, worth = self._unit, self._worth
        found = {
            "n": "count(*)", "count": "sum(c)", "reviews": f"sum({u}c)", "value": f"sum({worth} * c)",
            "price_sq_reviews": f"sum({worth} * ({worth} * c))", "rate_sq_reviews": f"sum({u}{u}c)",
            **{name: f"sum({u}price_{i} * c)" for i, name in enumerate(self.stage_names)},
        }
        return found | (_over_listings(f"({worth} * c)") if self._whole_listings else {})

    @property
    def _unit(self) -> str:
        """What a row's money and count are multiplied with."""
        return "u * " if self.schema.days is not None else ""

    @property
    def _worth(self) -> str:
        """What an order of a row is worth."""
        return f"{self._unit}{self.price}"

    def _cell(self, vendor: str) -> str:
        """64 bits of the keys of a cell that has no other key."""
        return f"hash({'market, ' if self.schema.market is not None else ''}{vendor})"

    @property
    def _keys(self) -> list[str]:
        """Keys of the groups.

        A key for the status would cost a quarter of the scan: where the vendor is text, its column has room for the
        status of rows that are not kept.
        """
        named = ["market"] if self.schema.market is not None else []
        named += ["captures"] if self.schema.captures is not None else []
        return [*self.group_names, *named, "who", *([] if self.marks_vendors else ["status"])]

    def _within_markets(self, cells: str) -> str:
        """Cells with the vendor joined to its market, where both are text."""
        if not self.joins_markets:
            return cells
        as_it_is = f"starts_with(who, {sql.text(self.mark)}) OR who = {sql.text(MISSING)}"  # the latter is refused
        within = f"coalesce(market, {sql.text(MISSING)}) || {sql.text(WITHIN)} || who"
        return f"SELECT * REPLACE (CASE WHEN {as_it_is} THEN who ELSE {within} END AS who) FROM ({cells})"

    @staticmethod
    def _without(touched: str | None) -> str:
        return "" if touched is None else f" AS ours ANTI JOIN {touched} AS touched ON ours.h = touched.h"


def _over_listings(value: str) -> dict[str, str]:
    """Sums over listings that are each worth `value`."""
    return {"n_listings": "count(*)", "listing_value_sq": f"sum({value} * {value})", "max_listing_value": f"max({value})"}


def _ends(price: str) -> tuple[str, str]:
    """The highest and the lowest price of a group."""
    return f"max({price})", f"min({price})"


def _reach(rule: HoldingPrice, top: str, least: str, times: str = "count(*)") -> list[str]:
    """When a rule can touch a listing that has so many prices, the highest and the lowest of which are given.

    A multiple U of the median m can refuse a price only where max > U min, for m >= min; the same below. Rows are not
    checked here: what is wrong with them is found by the scan that sums, or where the listing is touched.
    """
    multiples = []
    if rule.upper_multiple is not None:
        multiples.append(f"{top} > {sql.number(rule.upper_multiple)} * {least}")
    if rule.lower_multiple is not None:
        multiples.append(f"{least} < {sql.number(rule.lower_multiple)} * {top}")
    found = [f"{times} >= {sql.number(rule.min_observations)} AND ({_either(multiples)})"] if multiples else []
    return found + ([f"{top} > {sql.number(rule.cap)}"] if rule.cap is not None and rule.action == "median" else [])


def _either(conditions: Sequence[str]) -> str:
    """Whether one of them holds for sure."""
    return f"coalesce({' OR '.join(f'({c})' for c in conditions)}, false)"
