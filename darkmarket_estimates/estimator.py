"""`turnover()`: from totals and assumptions to an estimate."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from darkmarket_estimates._checks import choice, generator, replicates, text
from darkmarket_estimates._checks import confidence_level as check_level
from darkmarket_estimates.assumptions import CountTimesMean, ExchangeRate, Huggins, ValueChao
from darkmarket_estimates.errors import AssumptionError, HoldingPriceWarning
from darkmarket_estimates.estimate import Estimate, build
from darkmarket_estimates.factors import REVIEW_SHARE, Factor, resolve
from darkmarket_estimates.inference import INTERVALS, Model, Progress
from darkmarket_estimates.totals import Totals
from darkmarket_estimates.undetected import check

PACKAGE = __name__.partition(".")[0]
#: A listing with more than this share of the money (and ten times its even share) is suspected.
SUSPICIOUS_SHARE = 0.05


def turnover(
    totals: Totals,
    *,
    review_rate: Any = None,
    genuine_share: Any = None,
    units_per_order: Any = None,
    market_coverage: Any = None,
    coverage: Any = None,
    exchange_rate: ExchangeRate | None = None,
    estimand: str = "realised",
    measure: str = "money",
    interval: str | None = "default",
    confidence_level: float = 0.95,
    spread_law: str = "default",
    number_of_vendors: str = "random",
    n_resamples: int = 2000,
    rng: int | np.random.Generator | np.random.SeedSequence | None = None,
    progress: Progress = None,
) -> Estimate:
    r"""Estimate turnover.

    .. math:: T = \sum_{cells} \frac{y \, \psi \, \kappa \, e}{\rho \, \gamma \, \lambda}

    with :math:`y` the sum of price x reviews, :math:`\psi` the genuine share, :math:`\kappa` units per order, :math:`e`
    the exchange rate, :math:`\rho` the review share, :math:`\gamma` the market coverage and :math:`\lambda` the listing
    coverage. A number is known, a `Range` gives bounds, a frozen distribution is the uncertainty about one common
    value, `ByGroup` gives each group its own.

    Parameters
    ----------
    totals : Totals
        From `Listings.totals`.
    review_rate : number, Range, distribution, ReviewRate or ByGroup, optional
        Reviews per sale. Without one the result is a floor, called so, and has no interval. A distribution is that of
        the mean; differences between vendors are ``ReviewRate(between_vendor_sd=...)``.
    genuine_share, units_per_order, market_coverage : number, Range, distribution or ByGroup, optional
        Share of reviews that stand for an order; units of the listed price an order; share of the market's turnover
        that the table covers.
    coverage : ValueChao, Huggins, CountTimesMean, number, Range, distribution or ByGroup, optional
        Listings that no scrape saw. `ValueChao` raises the total to a lower bound: kind "lower bound", no interval, a
        one-sided `limit`. `Huggins` needs ``listings.totals(assumptions=[...])``. Anything else is the share of the
        markets' turnover that lies on listings in the table.
    exchange_rate : ExchangeRate, optional
        With ``to=``; may be uncertain.
    estimand : {"realised", "expected"}
        What was sold in the window (prediction interval), or the rate that a market like this produces (confidence
        interval).
    measure : {"money", "orders"}
    interval : str or None
        "default", or one of ``INTERVALS[estimand]``: "predictive" (default), "delta", "lognormal" for realised;
        "bca-tail" (default), "bca", "tail", "skew-corrected", "compound-poisson", "poisson-bootstrap", "delta",
        "lognormal" for expected. None computes no interval.
    confidence_level : float
    spread_law : {"default", "conservative"}
        Law of a vendor's multiplier given its reviews (realised, predictive).
    number_of_vendors : {"random", "fixed"}
        Whether the number of vendors is part of what is random (expected; "delta" and "lognormal").
    n_resamples : int
        Of "poisson-bootstrap".
    rng : int, Generator, SeedSequence or None
        Of "poisson-bootstrap"; its entropy is recorded.
    progress : callable or bool, optional
        Is told the fraction of the groups that is done; True shows a bar, by default where standard error is a terminal
        and the work takes longer than two seconds.

    Returns
    -------
    Estimate

    Raises
    ------
    AssumptionError
        An assumption that cannot be, or an interval that means nothing for this estimand.
    NotIdentifiedError
        The totals lack what an assumption needs; the message prints the call that makes it.

    Warns
    -----
    HoldingPriceWarning
        One listing carries more than 5 % of the money (and ten times its even share), or one price is more than 100
        times the 99th percentile.

    Examples
    --------
    >>> totals = Totals.from_cells(vendor=["a", "b", "c"], value=[900.0, 600.0, 300.0], reviews=[9, 10, 3],
    ...                            currency="USD", window=("2016-01-01", "2016-02-01"))
    >>> print(turnover(totals))
    At least USD 1,800: a floor, no review share was stated (reviewed turnover, 1-31 January 2016)
    >>> from darkmarket_estimates.assumptions import Range
    >>> turnover(totals, review_rate=Range(0.5, 1.0)).bounds
    (1800.0, 3600.0)
    """
    if not isinstance(totals, Totals):
        raise AssumptionError("turnover() takes totals", got=type(totals).__name__,
                              fix="listings.totals(by=...), or dme.turnover(frame, price=..., reviews=..., vendor=...)")
    choice(estimand, "estimand", tuple(INTERVALS))
    choice(measure, "measure", ("money", "orders"))
    choice(spread_law, "spread_law", ("default", "conservative"))
    choice(number_of_vendors, "number_of_vendors", ("random", "fixed"))
    level = check_level(confidence_level)
    method = _interval(interval, estimand)
    if number_of_vendors == "fixed" and (estimand, method) not in (("expected", "delta"), ("expected", "lognormal")):
        raise AssumptionError("a fixed number of vendors is a form of the delta method",
                              fix='estimand="expected", interval="delta" or "lognormal"')
    detection = coverage if isinstance(coverage, ValueChao | Huggins | CountTimesMean) else None
    factors = resolve(totals, review_rate=review_rate, genuine_share=genuine_share, units_per_order=units_per_order,
                      market_coverage=market_coverage, listing_coverage=None if detection else coverage,
                      exchange_rate=exchange_rate, measure=measure)
    model = Model(
        totals=totals, factors=factors, estimand=estimand, measure=measure, interval=method, spread_law=spread_law,
        number_of_vendors=number_of_vendors, n_resamples=replicates(n_resamples, "n_resamples", low=100, each=64),
        entropy=_entropy(rng), target=None if exchange_rate is None else exchange_rate.to, coverage=detection,
    )
    notes = () if detection is None else check(totals, detection, factors, measure=measure, has_share=model.has_share)
    alarms = _alarms(totals)
    for alarm in (a for a in alarms if a.startswith("holding price")):  # what dates leave open is a flag, no alarm
        warnings.warn(f"{alarm}; clean the listings with HoldingPrice(cap=...), or say why not", HoldingPriceWarning,
                      stacklevel=_depth())
    return build(model, level, (*alarms, *_share_flags(model), *notes), progress)


def _depth() -> int:
    """How far above `turnover` the first line outside this library is: a warning points there."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        depth, frame = depth + 1, frame.f_back
    return depth


def _interval(interval: str | None, estimand: str) -> str:
    known = INTERVALS[estimand]
    if interval is None:
        return "none"
    text(interval, "interval")
    if interval in ("none", "default"):
        return known[0] if interval == "default" else "none"
    if interval not in known:
        other = next(name for name in INTERVALS if name != estimand)
        raise AssumptionError(
            f"a {interval!r} interval means nothing for the {estimand} total" if interval in INTERVALS[other]
            else "interval is unknown", expected="one of " + ", ".join(map(repr, known)), got=repr(interval),
            fix=f'choose one of these; those of estimand="{other}" are ' + ", ".join(map(repr, INTERVALS[other])))
    return interval


def _entropy(rng: int | np.random.Generator | np.random.SeedSequence | None) -> int:
    """One 64-bit seed: a counter-based method needs no more, and the result can record it."""
    return int(generator(rng).integers(2**63))


def _alarms(totals: Totals) -> tuple[str, ...]:
    top, total = float(totals.columns["max_listing_value"].max(initial=0.0)), totals.sum("value")
    listings = totals.sum("n_listings")
    found = list(totals.header.flags)
    if listings > 1 and total > 0 and top > max(SUSPICIOUS_SHARE, min(10 / listings, 0.9)) * total:
        found.append(f"holding price suspected: one listing carries {top / total:.0%} of the money")
    return tuple(found)


def _share_flags(model: Model) -> tuple[str, ...]:
    """What the stated review shares leave open."""
    def partial(factor: Factor) -> bool:
        return factor.rate is not None and factor.rate.between_vendor_sd is None and factor.rate.mean != 1

    found = []
    shares = [f for f in model.factors if f.name == REVIEW_SHARE]
    if model.estimand == "realised" and any(map(partial, shares)):
        found.append("no spread between vendors assumed")
    if any(f.rate is not None and f.rate.fit is not None and f.rate.between_market_sd is None for f in shares):
        found.append("review share fitted from counts: its standard error holds for the market that it was fitted on")
    return tuple(found)
