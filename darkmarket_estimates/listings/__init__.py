"""The doors: from a table to `Listings`."""

import inspect

from darkmarket_estimates.listings.reviews import from_reviews
from darkmarket_estimates.listings.scrapes import from_scrapes
from darkmarket_estimates.listings.table import Listings

__all__ = ["Listings"]

for _door in (from_scrapes, from_reviews):  # `help()` and the completion of a notebook show every option by name
    _options = inspect.signature(_door)
    _method = vars(Listings)[_door.__name__].__func__
    _method.__signature__ = _options.replace(
        parameters=[inspect.Parameter("cls", inspect.Parameter.POSITIONAL_ONLY), *_options.parameters.values()])
