"""The statements that a plan becomes.

Rows get a status in one pass: 0 kept, k > 0 dropped by the k-th rule, negative where something is wrong with them. The
groups are split by it, so that the same scan checks, cleans, sums and writes the audit.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darkmarket_estimates.assumptions import HoldingPrice
from darkmarket_estimates.engines import sql
from darkmarket_estimates.engines.conditions import Problem, fine, problems
from darkmarket_estimates.engines.plan import Clean, Convert, Step
from darkmarket_estimates.engines.schema import Schema
from darkmarket_estimates.totals import COLUMNS, MISSING, WITHIN

#: Statuses at and below this one are about the days of the k-th step: `NO_RATE` - k.
NO_RATE = -100
_HASH = '"the hash of the listing"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked of a table."""

    schema: Schema
    columns: sql.Columns
    steps: tuple[Step, ...]
    by: tuple[str, ...]
    bands: tuple[float, ...]
    #: Stands before the status of rows that are not kept, in the place of their vendor; no text of a table can guess it.
    mark: str = field(default_factory=lambda: f"\x1f{secrets.token_urlsafe(8)}")

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
    def joins_markets(self) -> bool:
        """Whether the column of the vendor is answered within its market already."""
        s = self.schema
        return (self._marks_vendors and s.market is not None and s.vendor_scope == "market"
                and self.columns.types[s.market] == "VARCHAR")

    @property
    def stage_names(self) -> tuple[str, ...]:
        """The value before the first and after each conversion."""
        return tuple(f"value_{i}" for i in range(1 + self._conversions))

    @property
    def group_names(self) -> tuple[str, ...]:
        """Our names of the group columns."""
        return tuple(f"group_{i}" for i in range(len(self.by)))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What a row is checked for; the status of the i-th is -1 - i."""
        return problems(self.schema, self.columns)

    # -- statements -------------------------------------------------------------------------------------------------

    def rows(self, source: str, *, checked: bool = False, also: str = "") -> str:
        """Rows with our names, their prices at each stage, and their status.

        Parameters
        ----------
        checked : bool
            Whether an earlier statement found nothing wrong: the checks are left out.
        also : str
            Further columns of the source, ``"x AS y, "``.
        """
        cases = [] if checked else [f"WHEN {p.condition} THEN {-1 - i}" for i, p in enumerate(self.problems)]
        price, stages, joins, limits, stage = "price_0", [], [], [], 0
        for at, step in enumerate(self.steps, 1):
            if isinstance(step, Convert):
                stage += 1
                if isinstance(step.rates, tuple):
                    joins.append(f"LEFT JOIN {sql.rate_table(*step.rates).format(alias=f'rates_{at}')} "
                                 f"ON day = rates_{at}.rate_day")
                    cases.append(f"WHEN rates_{at}.rate IS NULL THEN {NO_RATE - at}")
                    limits.append(f"rates_{at}.rate IS NOT NULL")
                    price = f"{price} * rates_{at}.rate"
                else:
                    price = f"{price} * {sql.number(step.rates)}"
                stages.append(f", {price} AS price_{stage}")
            elif step.rule.cap is not None and step.rule.action == "drop":
                cases.append(f"WHEN {price} > {sql.number(step.rule.cap)} THEN {at}")
                limits.append(f"{price} <= {sql.number(step.rule.cap)}")
        # most rows are fine, and one condition tells: the chain of cases is walked for the others
        conditions = [*([] if checked else [fine(self.schema, self.columns)]), *limits]
        first = f"WHEN {' AND '.join(f'({c})' for c in conditions)} THEN 0 " if conditions else ""
        status = f"CAST(CASE {first}{' '.join(cases)} ELSE 0 END AS SMALLINT)" if cases else "CAST(0 AS SMALLINT)"
        inner = f"SELECT {also}{', '.join(self._named())} FROM {source}"
        unit = "1 / d" if self.schema.days is not None else sql.number(1.0)
        return (f"SELECT *, {status} AS status{''.join(stages)} FROM (SELECT *, {unit} AS u FROM ({inner})) "
                f"{' '.join(joins)}")

    def cells(self, source: str, touched: str | None) -> str:
        """The one scan: sums by group and status, without the touched listings."""
        rows = f"FROM ({self.rows(source)})" + self._without(touched)
        band = [f"{sql.band(self._price, self.bands)} AS band"] if self.bands else []
        keys = [*self._keys, *band]
        if self._whole_listings:
            return self._within_markets(f"SELECT {', '.join(keys)}, {sql.listed(self._sums)} {rows} GROUP BY ALL")
        # the listings of a cell by hash: the ids of millions, as text, take more memory than all their sums
        parts = f"SELECT {', '.join(keys)}, h, {sql.listed(self._sums)} {rows} GROUP BY ALL"
        sums = {name: f"sum({name})" for name in sql.once(self._sums)}
        value = self.answers["value"]
        # a sum of whole numbers is a HUGEINT, which would arrive as decimals
        sums |= {"n": "CAST(sum(n) AS BIGINT)", "n_listings": "count(*)", "listing_value_sq": f"sum({value} * {value})",
                 "max_listing_value": f"max({value})"}
        named = [key.rpartition(" AS ")[2] for key in keys]
        return self._within_markets(f"SELECT {', '.join(named)}, {sql.listed(sums)} FROM ({parts}) GROUP BY ALL")

    @property
    def answers(self) -> dict[str, str]:
        """Column of the answer that holds each sum; equal sums are made once."""
        once = {expression: name for name, expression in reversed(self._sums.items())}
        found = {name: once[expression] for name, expression in self._sums.items()}
        return found if self._whole_listings else found | {
            name: name for name in ("n_listings", "listing_value_sq", "max_listing_value")}

    @property
    def kept_names(self) -> list[str]:
        """The columns of the answer that `Totals` are made of: keys and sums."""
        keys = ["market"] if self.schema.market is not None and not self.joins_markets else []
        keys += ["captures"] if self.schema.captures is not None else []
        keys += ["band"] if self.bands else []
        return [*self.group_names, *keys, "who", *dict.fromkeys(("n", *(self.answers[name] for name in COLUMNS)))]

    def statuses(self, cells: pa.Table) -> np.ndarray:
        """The status of each cell of an answer."""
        if "status" in cells.column_names:
            return cells.column("status").to_numpy()
        who = cells.column("who")
        marked = np.flatnonzero(pc.fill_null(pc.starts_with(who, self.mark), False).to_numpy())
        status = np.zeros(cells.num_rows, dtype=np.int64)
        status[marked] = [int(text[len(self.mark):]) for text in who.take(marked).to_pylist()]
        return status

    def touched(self, source: str) -> str:
        """Listings that a rule on whole listings may touch, by hash: a collision only adds to them.

        A multiple U of the median m can refuse a price only where max > U min, for m >= min; the same below. Rows are
        not checked here: what is wrong with them is found by the scan that sums, or where the listing is touched.
        """
        conditions = ["count(*) > 1"] if self._joins_repeats else []
        rules: list[tuple[str, str, HoldingPrice]] = []
        stage, limits = 0, list[str]()
        for step in self.steps:
            if isinstance(step, Convert):
                stage += 1
                continue
            price = f"price_{stage}"
            if step.rule.cap is not None and step.rule.action == "drop":
                limits.append(f"{price} <= {sql.number(step.rule.cap)}")
            if step.rule.uses_median:
                rules.append((" AND ".join(limits) or "true", price, step.rule))
        # rows that an only rule does not see are left out before they are grouped, which is cheaper than a CASE
        alone = len(rules) == 1 and not conditions
        for alive, price, rule in rules:
            own = price if alone else f"CASE WHEN {alive} THEN {price} END"
            multiples = []
            if rule.upper_multiple is not None:
                multiples.append(f"max({own}) > {sql.number(rule.upper_multiple)} * min({own})")
            if rule.lower_multiple is not None:
                multiples.append(f"min({own}) < {sql.number(rule.lower_multiple)} * max({own})")
            if multiples:
                enough = f"count({'*' if alone else own}) >= {sql.number(rule.min_observations)}"
                conditions.append(f"{enough} AND ({' OR '.join(multiples)})")
            if rule.cap is not None and rule.action == "median":
                conditions.append(f"max({own}) > {sql.number(rule.cap)}")
        either = " OR ".join(f"({c})" for c in conditions)
        return (f"SELECT h, count(*) AS n FROM ({self.rows(source, checked=True)}) "
                f"WHERE {rules[0][0] if alone else 'true'} GROUP BY h HAVING coalesce({either}, false)")

    def raw(self, source: str, touched: str | None, parts: int, part: int) -> str:
        """The source's own columns of the touched listings, one part of them."""
        wanted = ", ".join(map(sql.name, dict.fromkeys((*self.schema.columns, *self.by))))
        return (f"SELECT {wanted} FROM (SELECT {wanted}, {self._hash()} AS {_HASH} FROM {source}) AS ours "
                f"SEMI JOIN {touched} AS touched ON ours.{_HASH} = touched.h WHERE {_HASH} % {parts} = {part}")

    def prices(self, source: str, touched: str | None, limits: Sequence[float] = ()) -> str:
        """The rows with reviews: how many, the highest price, how many prices are positive, how many from each limit on."""
        price = self._price
        high = "".join(f", count_if({price} >= {sql.number(limit)}) AS high_{i}" for i, limit in enumerate(limits))
        return (f"SELECT count(*) AS n, max({price}) AS top, count_if({price} > 0) AS positive{high} "
                f"FROM ({self.rows(source, checked=True)}){self._without(touched)} WHERE status = 0 AND c > 0")

    def repeats(self, source: str) -> str:
        """Hashes of listings that stand on more than one row."""
        return f"SELECT {self._hash()} AS h FROM {source} GROUP BY h HAVING count(*) > 1"

    # -- parts of statements ----------------------------------------------------------------------------------------

    @property
    def _conversions(self) -> int:
        return sum(isinstance(s, Convert) for s in self.steps)

    @property
    def _joins_repeats(self) -> bool:
        """Whether the rows of a listing become one."""
        return self.schema.listing is not None and self.schema.duplicates in ("largest", "sum")

    @property
    def _price(self) -> str:
        """The price after the last conversion."""
        return f"price_{self._conversions}"

    @property
    def _whole_listings(self) -> bool:
        """Whether every row is a listing of its own."""
        return self.schema.listing is None or self.schema.duplicates != "keep"

    @property
    def _marks_vendors(self) -> bool:
        """Whether the column of the vendor has room for the status of rows that are not kept."""
        return self.columns.types[self.schema.vendor] == "VARCHAR"

    @property
    def _sums(self) -> dict[str, str]:
        """Every sum by name."""
        u = "u * " if self.schema.days is not None else ""
        worth = f"{u}{self._price}"
        found = {
            "n": "count(*)", "count": "sum(c)", "reviews": f"sum({u}c)", "value": f"sum({worth} * c)",
            "price_sq_reviews": f"sum({worth} * ({worth} * c))", "rate_sq_reviews": f"sum({u}{u}c)",
            **{name: f"sum({u}price_{i} * c)" for i, name in enumerate(self.stage_names)},
        }
        return found if not self._whole_listings else found | {
            "n_listings": "count(*)", "listing_value_sq": f"sum(({worth} * c) * ({worth} * c))",
            "max_listing_value": f"max({worth} * c)"}

    @property
    def _keys(self) -> list[str]:
        """Keys of the groups.

        A key for the status would cost a quarter of the scan: where the vendor is text, its column has room for the
        status of rows that are not kept.
        """
        named = ["market"] if self.schema.market is not None else []
        named += ["captures"] if self.schema.captures is not None else []
        if self._marks_vendors:
            who = [f"CASE WHEN status = 0 THEN vendor ELSE {sql.text(self.mark)} || status END AS who"]
        else:
            who = ["vendor AS who", "status"]
        return [*self.group_names, *named, *who]

    def _named(self) -> list[str]:
        """The columns of the source under our names."""
        s, columns = self.schema, self.columns
        found = {"vendor": columns.key(s.vendor), "price_0": columns.float(s.price),
                 "c": sql.number(1.0) if s.count is None else columns.float(s.count)}
        found |= {ours: columns.key(theirs) for ours, theirs in zip(self.group_names, self.by)}
        for ours, theirs in (("market", s.market), ("listing", s.listing)):
            found |= {} if theirs is None else {ours: columns.key(theirs)}
        for ours, theirs in (("d", s.days), ("captures", s.captures)):
            found |= {} if theirs is None else {ours: columns.float(theirs)}
        for ours, theirs in (("price_0", s.price), ("c", s.count), ("d", s.days), ("captures", s.captures)):
            if theirs is not None and (text := columns.not_a_number(theirs)) is not None:
                found[f"text_{ours}"] = text
        if s.currency_column is not None:
            found["money"] = f"CAST({sql.name(s.currency_column)} AS VARCHAR)"
        if any(isinstance(step, Convert) and isinstance(step.rates, tuple) for step in self.steps):
            assert s.date is not None
            found["day"] = columns.day(s.date)
        if s.listing is not None:
            found["h"] = self._hash()
        return [f"{expression} AS {ours}" for ours, expression in found.items()]

    def _within_markets(self, cells: str) -> str:
        """Cells with the vendor joined to its market, where both are text."""
        if not self.joins_markets:
            return cells
        as_it_is = f"starts_with(who, {sql.text(self.mark)}) OR who = {sql.text(MISSING)}"  # the latter is refused
        within = f"coalesce(market, {sql.text(MISSING)}) || {sql.text(WITHIN)} || who"
        return f"SELECT * REPLACE (CASE WHEN {as_it_is} THEN who ELSE {within} END AS who) FROM ({cells})"

    def _hash(self) -> str:
        s = self.schema
        assert s.listing is not None
        return f"hash({', '.join(self.columns.key(c) for c in (s.market, s.listing) if c is not None)})"

    @staticmethod
    def _without(touched: str | None) -> str:
        return "" if touched is None else f" AS ours ANTI JOIN {touched} AS touched ON ours.h = touched.h"
