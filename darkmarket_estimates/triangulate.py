"""Several ways of measuring one market, on one scale: what each says, and what each misses.

No figure is averaged with another: they measure different things, and the differences are the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from darkmarket_estimates._checks import choice, is_number, number, shown, text
from darkmarket_estimates._checks import kind as kind_of
from darkmarket_estimates._render import amount, span
from darkmarket_estimates.assumptions import ExchangeRate, Range
from darkmarket_estimates.errors import DataError, NotIdentifiedError
from darkmarket_estimates.estimate import DAYS, Estimate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: What each kind of source misses, and counts too much; printed with every row.
MISSES: Mapping[str, tuple[str, str]] = {
    "supply side": ("orders without a review, undetected listings, sales outside the markets",
                    "holding prices, padded reviews"),
    "demand side": ("buyers who do not answer or do not remember, resale abroad",
                    "spending outside the markets that are meant"),
    "on-chain": ("privacy coins, wallets that were not attributed",
                 "deposits that are withdrawn, goods other than those meant, vendor bonds"),
    "order count": ("the value of an order, which must come from elsewhere", "orders that were cancelled"),
}
EITHER = ("lower bound", "upper bound", "bounds", "interval", "point")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One way of measuring, in money per unit of time.

    Parameters
    ----------
    name : str
    side : {"supply side", "demand side", "on-chain", "order count"}
    low, high : float
        Infinite `high` for a lower bound, 0 `low` for an upper bound; equal for a point.
    kind : {"lower bound", "upper bound", "bounds", "interval", "point"}
    currency : str
    per : {"day", "month", "year"}
    scope : str
        Markets, goods and period, in words: sources of other scopes are not like for like.
    note : str
        What is special about this one.
    """

    name: str
    side: str
    low: float
    high: float
    kind: str
    currency: str
    per: str
    scope: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        choice(self.side, "side", tuple(MISSES))
        choice(self.kind, "kind", EITHER)
        choice(self.per, "per", tuple(DAYS))
        for name in ("name", "currency", "scope", "note"):
            text(getattr(self, name), name)
        number(self.low, "low", low=0)
        if not (is_number(self.high) and self.high >= self.low):
            raise DataError("the ends of a source are swapped, or not numbers", where=self.name,
                            expected="low <= high", got=f"{shown(self.low)}, {shown(self.high)}")
        if self.high != math.inf:
            number(self.high, "high", low=0)
        if math.isinf(self.high) != (self.kind == "lower bound"):
            raise DataError("a lower bound, and only it, has no upper end", where=self.name,
                            expected="high = infinity with kind 'lower bound'", got=f"{self.high:g}, {self.kind!r}")
        if (self.low == self.high) != (self.kind == "point"):
            raise DataError("a point, and only it, has equal ends", where=self.name,
                            got=f"{self.low:g} to {self.high:g}, {self.kind!r}")

    @classmethod
    def from_estimate(cls, estimate: Estimate, name: str, *, per: str = "month", scope: str = "",
                      note: str = "") -> Source:
        """Take bounds, interval or floor of an estimate of this library.

        Parameters
        ----------
        estimate : Estimate
            With a window, so that a month means something.
        name, scope, note : str
        per : {"day", "month", "year"}
        """
        if not isinstance(estimate, Estimate):
            raise DataError("a source is made of an estimate", expected="the result of turnover()", got=kind_of(estimate))
        scaled = estimate.per(per)
        if scaled.currency == "orders":
            raise NotIdentifiedError("an estimate of orders is not money", fix="Source.from_orders(...)")
        low, high, kind = scaled.floor, math.inf, "lower bound"
        pair, found = (scaled.bounds, "bounds") if scaled.bounds is not None else (scaled.interval, "interval")
        if pair is not None and pair[0] < pair[1]:
            (low, high), kind = pair, found
        elif estimate.kind in ("census", "point"):
            low = high = scaled.value
            kind = "point"
        return cls(name=name, side="supply side", low=low, high=high, kind=kind, currency=scaled.currency, per=per,
                   scope=scope, note=note)

    @classmethod
    def from_orders(cls, orders: float | Range, order_value: float | Range, name: str, *, currency: str,
                    per: str = "day", scope: str = "", note: str = "") -> Source:
        """Multiply a count of orders by the value of an order.

        Parameters
        ----------
        orders, order_value : number or Range
            Orders per unit of time; money an order.
        name, currency, per, scope, note : str
        """
        n, v = (x if isinstance(x, Range) else Range(x, x) for x in (orders, order_value))
        low = number(n.low, "orders", low=0) * number(v.low, "order_value", low=0)
        high = number(n.high * v.high, "orders x order_value")
        return cls(name=name, side="order count", low=low, high=high, kind="point" if low == high else "bounds",
                   currency=currency, per=per, scope=scope, note=note)


@dataclass(frozen=True, slots=True, kw_only=True)
class Triangulation:
    """Sources on one scale.

    Attributes
    ----------
    sources : tuple of Source
        In one currency, per one unit of time.
    currency, per : str
    """

    sources: tuple[Source, ...]
    currency: str
    per: str

    def to_frame(self) -> pd.DataFrame:
        """One row a source: source, side, low, high, kind, scope, misses, counts_too_much, note."""
        import pandas as pd

        return pd.DataFrame([{"source": s.name, "side": s.side, "low": s.low, "high": s.high, "kind": s.kind,
                              "scope": s.scope, "misses": MISSES[s.side][0], "counts_too_much": MISSES[s.side][1],
                              "note": s.note} for s in self.sources])

    def apart(self) -> tuple[tuple[str, str, float], ...]:
        """Pairs of sources that cannot both hold as they stand, with the factor between their nearest ends.

        Examples
        --------
        >>> a = Source(name="reviews", side="supply side", low=14.2e6, high=25e6, kind="bounds", currency="USD",
        ...            per="month")
        >>> b = Source(name="blockchain", side="on-chain", low=50e6, high=50e6, kind="point", currency="USD",
        ...            per="month")
        >>> one_scale([a, b], currency="USD", per="month").apart()
        (('reviews', 'blockchain', 2.0),)
        """
        found = []
        for i, a in enumerate(self.sources):
            for b in self.sources[i + 1:]:
                below, over = (a, b) if a.high < b.low else (b, a)
                if below.high < over.low:
                    found.append((below.name, over.name, math.inf if below.high == 0 else over.low / below.high))
        return tuple(found)

    def __str__(self) -> str:
        lines = [f"{len(self.sources)} sources, {self.currency} a {self.per}; nothing is averaged"]
        for s in self.sources:
            figure = {"point": amount(s.low), "lower bound": f"at least {amount(s.low)}",
                      "upper bound": f"at most {amount(s.high)}"}.get(s.kind, span(s.low, s.high))
            lines.append(f"  {s.name}: {figure} ({', '.join(filter(None, (s.kind, s.side, s.scope)))})")
        lines += [f"  apart by a factor of {factor:.3g}: {low} and {high}" for low, high, factor in self.apart()]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw every source on one log axis; lower bounds end in an arrow."""
        from darkmarket_estimates.plots import style

        ax = style.axes(ax, 9.0, 1.8 + 0.5 * len(self.sources))
        positive = [x for s in self.sources for x in (s.low, s.high) if 0 < x < math.inf]
        if not positive:
            raise DataError("no source has a positive figure to draw")
        left, right = min(positive) / 1.5, max(positive) * 1.5
        colours = dict(zip(MISSES, (style.VALUE, style.BOUNDS, "#3d8b5f", "#8a5a9b")))
        for y, s in enumerate(self.sources):
            colour = colours[s.side]
            if s.kind == "point":
                ax.plot([max(s.low, left)], [y], "o", color=colour, markersize=8, label=s.side, zorder=3)
                continue
            ax.plot([max(s.low, left), min(s.high, right)], [y, y], color=colour, linewidth=6, solid_capstyle="butt",
                    label=s.side, zorder=3)
            if math.isinf(s.high) or s.low == 0:
                end, arrow = (right, ">") if math.isinf(s.high) else (left, "<")
                ax.plot([end], [y], arrow, color=colour, markersize=9, clip_on=False, zorder=4)
        ax.set_xscale("log")
        ax.set_xlim(left, right)
        ax.set_ylim(len(self.sources) - 0.4, -0.6)
        ax.set_yticks(range(len(self.sources)),
                      [f"{style.text(s.name, 44)}: {s.kind}\n{style.text(s.scope, 52)}" for s in self.sources],
                      fontsize=8)
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: style.tick(x)))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xlabel(f"{self.currency} a {self.per} (log scale)")
        style.title(ax, "One market, measured in several ways: not like for like")
        ax.grid(axis="x", **style.GRID)
        style.tidy(ax)
        style.legend_below(ax)
        return ax


def one_scale(
    sources: Sequence[Source], *, currency: str, per: str = "month", rates: Mapping[str, ExchangeRate] | None = None
) -> Triangulation:
    """Put sources on one scale.

    Parameters
    ----------
    sources : sequence of Source
    currency : str
    per : {"day", "month", "year"}
        A month is 30.44 days, a year 365.24.
    rates : mapping of currency to ExchangeRate, optional
        Units of `currency` per unit of that one, for each other currency that occurs. A Range widens a source.

    Returns
    -------
    Triangulation

    Raises
    ------
    DataError
        A currency without a rate; a name that stands twice.

    Examples
    --------
    >>> euro = Source(name="press", side="supply side", low=600_000, high=800_000, kind="bounds", currency="EUR",
    ...               per="day")
    >>> scaled = one_scale([euro], currency="USD", per="month", rates={"EUR": ExchangeRate(1.1)})
    >>> round(scaled.sources[0].low), scaled.sources[0].currency
    (20088338, 'USD')
    """
    choice(per, "per", tuple(DAYS))
    text(currency, "currency")
    listed: list[Any] = list(sources) if isinstance(sources, Iterable) and getattr(sources, "ndim", 1) != 0 else [sources]
    strange = [s for s in listed if not isinstance(s, Source)]
    if strange:
        raise DataError("sources hold something else", expected="a list of Source(...)", got=kind_of(strange[0]))
    rates = {} if rates is None else rates
    if not isinstance(rates, Mapping):
        raise DataError("rates cannot be read", expected='{"EUR": ExchangeRate(...)}', got=kind_of(rates))
    names = [s.name for s in listed]
    if not names or len(set(names)) < len(names):
        raise DataError("sources need names of their own", got=", ".join(names) or "no sources")
    return Triangulation(sources=tuple(_scaled(s, currency, per, rates) for s in listed), currency=currency, per=per)


def _scaled(source: Source, currency: str, per: str, rates: Mapping[str, ExchangeRate]) -> Source:
    rate: Any = 1.0
    if source.currency != currency:
        if source.currency not in rates:
            raise DataError("a source is in another currency", where=source.name,
                            expected=f"a rate for {source.currency}",
                            fix=f'rates={{"{source.currency}": ExchangeRate(..., source=..., date=...)}}')
        given = rates[source.currency]
        if not isinstance(given, ExchangeRate):
            raise DataError("a rate cannot be read", where=f"rates[{source.currency!r}]", got=kind_of(given),
                            expected="ExchangeRate(..., source=..., date=...)")
        if given.to not in (None, currency):
            raise DataError("the rate leads to another currency", where=source.name, expected=currency,
                            got=str(given.to))
        rate = given.rate
    ends = rate if isinstance(rate, Range) else Range(number(rate, "the exchange rate"), float(rate))
    time = DAYS[per] / DAYS[source.per]
    low = number(float(source.low) * ends.low * time, f"money of {source.name!r}")
    high = math.inf if math.isinf(source.high) else number(float(source.high) * ends.high * time, f"money of {source.name!r}")
    kind = "bounds" if source.kind == "point" and low < high else source.kind
    return Source(name=source.name, side=source.side, low=low, high=high, kind=kind, currency=currency, per=per,
                  scope=source.scope, note=source.note)
