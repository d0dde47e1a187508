"""The library's own estimator on published sums: each end of a printed interval goes through `turnover`."""

from __future__ import annotations

from darkmarket_estimates.assumptions import ExchangeRate, Range
from darkmarket_estimates.estimate import Estimate
from darkmarket_estimates.estimator import turnover
from darkmarket_estimates.published.rounding import Rounded
from darkmarket_estimates.totals import Totals

MILLION = 1e6


def turnover_bounds(
    reviewed: Rounded, *, review_rate: Rounded | None = None, exchange_rate: Rounded | None = None, to: str = "EUR"
) -> Rounded:
    """Bounds of `turnover` for a published sum of reviewed money.

    Parameters
    ----------
    reviewed : Rounded
        Sum of price x reviews, in millions.
    review_rate : Rounded, optional
        Reviews per sale, as a Range; without one the floor.
    exchange_rate : Rounded, optional
        Units of `to` per unit, as a Range.

    Returns
    -------
    Rounded
        From the lower bound at the smallest sum that the print allows to the upper bound at the largest.

    Examples
    --------
    >>> print(turnover_bounds(Rounded.printed("14.2"), review_rate=Rounded.between("0.5", "0.8")))
    17.69 to 28.50
    """
    spoken = [reviewed.text, *(f"{name} {x.text}" for name, x in
                               (("review share", review_rate), ("rate", exchange_rate)) if x is not None)]
    rate = None if exchange_rate is None else ExchangeRate(Range(*exchange_rate.as_floats()), to=to)
    share = None if review_rate is None else Range(*review_rate.as_floats())

    def run(money: float) -> tuple[float, float]:
        totals = Totals.from_cells(vendor=["all vendors"], value=[money * MILLION], reviews=[1], currency="USD")
        estimate: Estimate = turnover(totals, review_rate=share if share is not None else 1.0, exchange_rate=rate)
        return estimate.bounds or (estimate.value, estimate.value)

    low, high = reviewed.as_floats()
    return Rounded.computed(run(low)[0] / MILLION, run(high)[1] / MILLION, f"turnover({', '.join(spoken)})")
