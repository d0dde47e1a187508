"""The rows of a table under our names, priced and judged: what every statement of a plan starts from."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from darkmarket_estimates.assumptions import HoldingPrice
from darkmarket_estimates.engines import sql
from darkmarket_estimates.engines.conditions import Problem, fine, problems
from darkmarket_estimates.engines.plan import Convert, Step
from darkmarket_estimates.engines.schema import Schema

#: Statuses at and below this one are about the days of the k-th step: `NO_RATE` - k.
NO_RATE = -100


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A plan as far as it concerns single rows.

    Rows get a status in one pass: 0 kept, k > 0 dropped by the k-th rule, negative where something is wrong with them.
    """

    schema: Schema
    columns: sql.Columns
    steps: tuple[Step, ...]
    by: tuple[str, ...]
    #: Stands before the status of rows that are not kept, in the place of their vendor; no text of a table can guess it.
    mark: str = field(default_factory=lambda: f"\x1f{secrets.token_urlsafe(8)}")
    #: Table of `of_listing` (a hash) and `median_price`, where each row is judged by a multiple of it.
    medians: str | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What a row is checked for; the status of the i-th is -1 - i."""
        return problems(self.schema, self.columns)

    @property
    def group_names(self) -> tuple[str, ...]:
        """Our names of the group columns."""
        return tuple(f"group_{i}" for i in range(len(self.by)))

    @property
    def marks_vendors(self) -> bool:
        """Whether the column of the vendor has room for the status of rows that are not kept."""
        return self.columns.types[self.schema.vendor] == "VARCHAR"

    @property
    def conversions(self) -> int:
        """How often prices change their currency."""
        return sum(isinstance(s, Convert) for s in self.steps)

    @property
    def _reads_days(self) -> bool:
        """Whether a conversion asks for the day of each row."""
        return any(map(_is_daily, self.steps))

    @property
    def price(self) -> str:
        """The price after the last conversion."""
        return f"price_{self.conversions}"

    @property
    def listing_hash(self) -> str:
        """64 bits of market and id, from the source's own columns."""
        s = self.schema
        assert s.listing is not None
        return f"hash({', '.join(self.columns.key(c) for c in (s.market, s.listing) if c is not None)})"

    def rows(self, source: str, *, checked: bool = False, also: str = "") -> str:
        """Rows with our names, their prices at each stage, their status, and their vendor, marked where they are not kept.

        Parameters
        ----------
        checked : bool
            Whether an earlier statement found nothing wrong: the checks are left out.
        also : str
            Further columns of the source, ``"x AS y, "``.
        """
        cases = [] if checked else [(p.condition, -1 - i) for i, p in enumerate(self.problems)]
        if self._reads_days and self.columns.is_text(str(self.schema.date)):  # also where a rule drops the row: as in memory
            cases.append(("no_day", NO_RATE - 1 - self.steps.index(next(filter(_is_daily, self.steps)))))
        price, stages, joins, limits, stage = "price_0", [], [], [], 0
        for at, step in enumerate(self.steps, 1):
            if isinstance(step, Convert):
                stage += 1
                if isinstance(step.rates, tuple):
                    joins.append(f"LEFT JOIN {sql.rate_table(*step.rates).format(alias=f'rates_{at}')} "
                                 f"ON day = rates_{at}.rate_day")
                    cases.append((f"rates_{at}.rate IS NULL", NO_RATE - at))
                    limits.append(f"rates_{at}.rate IS NOT NULL")
                    price = f"{price} * rates_{at}.rate"
                else:
                    price = f"{price} * {sql.number(step.rates)}"
                stages.append(f", {price} AS price_{stage}")
                continue
            rule = step.rule
            if rule.cap is not None and rule.action == "drop":
                cases.append((f"{price} > {sql.number(rule.cap)}", at))
                limits.append(f"{price} <= {sql.number(rule.cap)}")
            if rule.uses_median and self.medians is not None:
                joins.append(f"LEFT JOIN {self.medians} AS medians ON h = of_listing")
                refused = _refused(rule, price)
                cases.append((refused, at))
                limits.append(f"NOT {refused}")
        conditions = [*([] if checked else [fine(self.schema, self.columns)]), *limits]

        def judged(kept: str, told: Callable[[int], str]) -> str:
            """Most rows are fine, and one condition tells: the chain of cases is walked for the others."""
            first = " AND ".join(f"({c})" for c in conditions) or "true"
            others = " ".join(f"WHEN {condition} THEN {told(status)}" for condition, status in cases)
            return f"CASE WHEN {first} THEN {kept} {others} ELSE {kept} END"

        # not from the status: a column more that is written for every row costs a tenth of the scan
        who = judged("vendor", lambda status: sql.text(f"{self.mark}{status}")) if self.marks_vendors else "vendor"
        inner = f"SELECT {also}{', '.join(self._named())} FROM {source}"
        unit = "1 / d" if self.schema.days is not None else sql.number(1.0)
        return (f"SELECT *, CAST({judged('0', str)} AS SMALLINT) AS status, {who} AS who{''.join(stages)} "
                f"FROM (SELECT *, {unit} AS u FROM ({inner})) {' '.join(joins)}")

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
        if self._reads_days:
            assert s.date is not None
            found["day"] = columns.day(s.date)
            if columns.is_text(s.date):
                found["no_day"] = f"({sql.name(s.date)} IS NOT NULL AND ({found['day']}) IS NULL)"
        if s.listing is not None:
            found["h"] = self.listing_hash
        return [f"{expression} AS {ours}" for ours, expression in found.items()]


def _refused(rule: HoldingPrice, price: str) -> str:
    """Whether a multiple of its listing's median refuses a price; most listings have no median that is needed."""
    found = [] if rule.upper_multiple is None else [f"{price} > {sql.number(rule.upper_multiple)} * median_price"]
    found += [] if rule.lower_multiple is None else [f"{price} < {sql.number(rule.lower_multiple)} * median_price"]
    return f"coalesce({' OR '.join(found)}, false)"


def _is_daily(step: Step) -> bool:
    return isinstance(step, Convert) and isinstance(step.rates, tuple)
