"""What really happened: the numbers that an estimate is judged by."""

from __future__ import annotations

from dataclasses import dataclass, fields

from darkmarket_estimates.errors import NotIdentifiedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The truth about a simulated market in its window.

    Parameters
    ----------
    realised_turnover : float
        Sum over orders of price x units, in the market's currency.
    orders, units, reviewed_orders, fake_reviews : int
        Orders placed, units sold, orders that left a review, reviews without an order.
    reviewed_turnover : float
        Realised turnover of the reviewed orders.
    review_share, spread : float
        Turnover-weighted mean and standard deviation of the vendors' review shares, on this market. An interval that
        takes this share as known is too good: the share of the *law* is ``market.spec.review_shares.mean``.
    genuine_share : float
        Genuine reviews over all reviews.
    units_per_order : float
        Turnover-weighted: realised turnover over the sum of price x orders.
    listings_live, listings_ever : int
        Listings that can be opened at the end of the window, and listings there at any time in it ("state" and
        "transcript").
    turnover_live, turnover_hidden, turnover_deleted : float
        Realised turnover in the window of the listings that are live, hidden and deleted at its end; they add up to
        `realised_turnover`.
    """

    realised_turnover: float
    orders: int
    units: int
    reviewed_orders: int
    fake_reviews: int
    reviewed_turnover: float
    review_share: float
    spread: float
    genuine_share: float
    units_per_order: float
    listings_live: int
    listings_ever: int
    turnover_live: float
    turnover_hidden: float
    turnover_deleted: float
    _expected: float | None = None

    @property
    def expected_turnover(self) -> float:
        """Mean turnover of markets drawn from the specification, in closed form: the truth of estimand "expected".

        Raises
        ------
        NotIdentifiedError
            If the specification conditions on published margins, or lets vendors arrive: no closed form.
        """
        if self._expected is None:
            raise NotIdentifiedError(
                "the expected turnover of this market has no closed form",
                expected="a specification without margins and without new_vendors",
                fix="average truth.realised_turnover over many simulated markets",
            )
        return self._expected

    def to_dict(self) -> dict[str, float]:
        """Return the numbers by name; the expected turnover only where it is known."""
        names = [f.name for f in fields(self) if not f.name.startswith("_")]
        known = {} if self._expected is None else {"expected_turnover": self._expected}
        return {name: getattr(self, name) for name in names} | known
