"""The notebook's one line: a table straight into an estimate."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from typing import Any

from darkmarket_estimates import estimator
from darkmarket_estimates.assumptions import HoldingPrice, Huggins
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.estimate import Estimate
from darkmarket_estimates.listings.table import Listings
from darkmarket_estimates.totals import Totals


def _parameters(function: Callable[..., Any], *left_out: str) -> dict[str, inspect.Parameter]:
    return {name: p for name, p in inspect.signature(function).parameters.items() if name not in left_out}


_COLUMNS = _parameters(Listings.__init__, "self", "frame")
_GROUPING = _parameters(Listings.totals, "self", "assumptions")
_CHOICES = _parameters(estimator.turnover, "totals")
_NEEDED = tuple(name for name, p in _COLUMNS.items() if p.default is p.empty)


def turnover(data: Any, *, clean: HoldingPrice | None = None, **options: Any) -> Estimate:
    """Estimate turnover from totals, listings or a table.

    Parameters
    ----------
    data : Totals, Listings, or any table that `Listings` reads
    clean : HoldingPrice, optional
        Applied first; not for totals.
    **options
        Of a table: the arguments of `Listings` (``price=``, ``vendor=``, ``reviews=`` or ``sold=``, ``currency=``,
        ``listing=``, ``market=``, ``window=``, ``duplicates=``, ...). Of a table or listings: ``by=`` and ``bands=`` of
        `Listings.totals`. Always the assumptions and choices below, which
        `darkmarket_estimates.estimator.turnover` describes in full.

    Other Parameters
    ----------------
    review_rate : number, Range, distribution, ReviewRate or ByGroup, optional
        Reviews per sale, in (0, 1]. Without one the result is a floor, and has no interval.
    genuine_share, units_per_order, market_coverage : number, Range, distribution or ByGroup, optional
        Share of reviews that stand for an order; units of the listed price an order; share of the turnover asked for
        that was made on the markets in the table.
    coverage : ValueChao, Huggins, CountTimesMean, number, Range, distribution or ByGroup, optional
        Listings that no scrape saw: a detection model, or the share of turnover on listings in the table.
    exchange_rate : ExchangeRate, optional
        With ``to=``; may be uncertain.
    estimand : {"realised", "expected"}
        What was sold in the window, or what a market like this produces.
    interval : str or None
        Method of the interval; None computes none.
    confidence_level : float
        In (0, 1); 0.95 by default.
    measure : {"money", "orders"}

    Returns
    -------
    Estimate

    Examples
    --------
    >>> import darkmarket_estimates as dme
    >>> table = {"price": [50.0, 20.0, 80.0], "reviews": [4, 10, 1], "seller": ["a", "a", "b"]}
    >>> est = dme.turnover(table, price="price", reviews="reviews", vendor="seller", currency="USD",
    ...                    review_rate=dme.Range(0.5, 1.0))
    >>> est.bounds
    (480.0, 960.0)
    """
    allowed = tuple(_CHOICES) if isinstance(data, Totals) else (*_GROUPING, *_CHOICES)
    if not isinstance(data, Totals | Listings):
        allowed = (*_COLUMNS, *allowed)
    unknown = [name for name in options if name not in allowed]
    if unknown:
        way = "; group or read them before: listings.totals(by=...)" if unknown[0] in (*_COLUMNS, *_GROUPING) else ""
        raise TypeError(f"turnover() got an unknown option {unknown[0]!r} for {type(data).__name__}; it takes "
                        + ", ".join(allowed) + way)
    missing = [] if isinstance(data, Totals | Listings) else [f"{name}=" for name in _NEEDED if name not in options]
    if missing:
        raise TypeError(f"turnover() of a table ({type(data).__name__}) also needs {', '.join(missing)}: which columns hold "
                        "the prices and the vendors, and the currency")
    if isinstance(data, Totals):
        if clean is not None:
            raise DataError("totals cannot be cleaned", fix="listings.clean(rule).totals(...)")
        return estimator.turnover(data, **options)
    listings = data if isinstance(data, Listings) else Listings(data, **_pick(options, _COLUMNS))
    if clean is not None:
        listings = listings.clean(clean)
    grouping = _pick(options, _GROUPING)
    if isinstance(options.get("coverage"), Huggins):
        grouping["assumptions"] = [options["coverage"]]
    return estimator.turnover(listings.totals(**grouping), **_pick(options, _CHOICES))


def _signature() -> inspect.Signature:
    """That of `turnover` with every option by name: what `help()` and the completion of a notebook show."""
    given = _parameters(turnover, "options")
    named = {name: p.replace(kind=p.KEYWORD_ONLY, default=None if p.default is p.empty else p.default)
             for name, p in (_COLUMNS | _GROUPING | _CHOICES).items()}
    return inspect.Signature([*given.values(), *named.values()], return_annotation=Estimate)


def _pick(options: dict[str, Any], names: Container[str]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in names}


turnover.__signature__ = _signature()  # type: ignore[attr-defined]
