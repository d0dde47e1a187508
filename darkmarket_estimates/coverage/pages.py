"""The share of value on pages that were opened, where the crawls' own logs say how many were."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from darkmarket_estimates._checks import confidence_level as _level
from darkmarket_estimates._checks import float_array
from darkmarket_estimates.coverage.abundance import SHARE, Abundance, share_interval
from darkmarket_estimates.coverage.arguments import measured
from darkmarket_estimates.errors import DataError


def pages_opened(y: Any, opened: Any, *, confidence_level: float = 0.95) -> Abundance:
    r"""Share of value on pages that some crawl opened, from the share of the live pages that each one opened.

    .. math:: P = 1 - \prod_j (1 - f_j), \qquad SE = P \sqrt{(1 - P) \sum y^2} \, / \sum y

    The error is that of opening pages at random (Horvitz and Thompson 1952): of the total it is
    :math:`\sum y^2 (1 - P) / P^2` over the listings seen.

    Parameters
    ----------
    y : array of shape (listings,)
        Value of each listing seen, >= 0, in any currency.
    opened : array of shape (crawls,)
        f_j in [0, 1]: pages that crawl j read over pages that were live, from its log. One crawl is enough.
    confidence_level : float

    Returns
    -------
    Abundance
        `value` is P; ``law()`` of it goes into ``turnover(coverage=...)``. ``details``: seen, total (seen / P).

    Raises
    ------
    DataError
        A share outside [0, 1]; no page was opened; nothing of value was seen.

    Examples
    --------
    >>> est = pages_opened([100.0, 40.0, 60.0, 300.0], opened=[0.5, 0.6])
    >>> round(est.value, 4), round(est.standard_error, 4), est.details["total"]
    (0.8, 0.2321, 625.0)
    """
    level = _level(confidence_level)
    y = measured(y, "y", low=0)
    share = 1 - float(np.prod(1 - opened_shares(opened)))
    seen = float(y.sum())
    if share == 0 or seen == 0:
        raise DataError("nothing was seen", expected="a page opened, and a positive value on it", got="none")
    error = share * math.sqrt((1 - share) * float(y @ y)) / seen
    return Abundance(
        value=share, standard_error=error, interval=share_interval(share, error, level), interval_kind="beta",
        confidence_level=level, method="pages opened", quantity=SHARE, details={"seen": seen, "total": seen / share},
        assumptions=("closed: the same listings existed at every crawl",
                     "every live page has the same chance to be opened in a crawl, whatever it sells",
                     "one capture reveals all of a listing's value"),
    )


def opened_shares(opened: Any, crawls: int | None = None) -> np.ndarray:
    """Return the shares of pages opened, one a crawl, in [0, 1]."""
    shares = float_array(opened, "opened", low=0)
    if not len(shares) or (shares > 1).any() or len(shares) != (crawls or len(shares)):
        raise DataError("the shares of pages opened cannot be used", got=", ".join(f"{f:g}" for f in shares[:8]) or "none",
                        expected=f"{crawls or 'a'} share(s) in [0, 1], one a crawl: pages read / pages live")
    return shares
