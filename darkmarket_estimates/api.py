"""The notebook's one line: a table straight into an estimate."""

from __future__ import annotations

import inspect
from typing import Any

from darkmarket_estimates import estimator
from darkmarket_estimates.assumptions import HoldingPrice, Huggins
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.estimate import Estimate
from darkmarket_estimates.listings.table import Listings
from darkmarket_estimates.totals import Totals

_COLUMNS = {name: p for name, p in inspect.signature(Listings.__init__).parameters.items() if name not in ("self", "frame")}
_LISTINGS, _NEEDED = tuple(_COLUMNS), tuple(name for name, p in _COLUMNS.items() if p.default is p.empty)
_TOTALS = ("by", "bands")
_TURNOVER = tuple(p for p in inspect.signature(estimator.turnover).parameters if p != "totals")


def turnover(data: Any, *, clean: HoldingPrice | None = None, **options: Any) -> Estimate:
    """Estimate turnover from totals, listings or a table.

    Parameters
    ----------
    data : Totals, Listings, or any table that `Listings` reads
    clean : HoldingPrice, optional
        Applied first; not for totals.
    **options
        Of a table: the arguments of `Listings` (``price=``, ``reviews=``, ``vendor=``, ``currency=``, ...). Of a table
        or listings: ``by=`` and ``bands=`` of `Listings.totals`. Always: the assumptions and choices of
        `darkmarket_estimates.estimator.turnover` (``review_rate=``, ``estimand=``, ``interval=``, ...).

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
    allowed = _TURNOVER if isinstance(data, Totals) else (*_TOTALS, *_TURNOVER)
    if not isinstance(data, Totals | Listings):
        allowed = (*_LISTINGS, *allowed)
    unknown = [name for name in options if name not in allowed]
    if unknown:
        raise TypeError(f"turnover() got an unknown option {unknown[0]!r} for {type(data).__name__}; it takes "
                        + ", ".join(allowed))
    missing = [] if isinstance(data, Totals | Listings) else [f"{name}=" for name in _NEEDED if name not in options]
    if missing:
        raise TypeError(f"turnover() of a table ({type(data).__name__}) also needs {', '.join(missing)}: which columns hold "
                        "the prices and the vendors, and the currency")
    if isinstance(data, Totals):
        if clean is not None:
            raise DataError("totals cannot be cleaned", fix="listings.clean(rule).totals(...)")
        return estimator.turnover(data, **options)
    listings = data if isinstance(data, Listings) else Listings(data, **_pick(options, _LISTINGS))
    if clean is not None:
        listings = listings.clean(clean)
    grouping = _pick(options, _TOTALS)
    if isinstance(options.get("coverage"), Huggins):
        grouping["assumptions"] = [options["coverage"]]
    return estimator.turnover(listings.totals(**grouping), **_pick(options, _TURNOVER))


def _pick(options: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in names}
