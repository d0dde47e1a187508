"""The doors: from a table to `Listings`."""

from darkmarket_estimates.listings.table import Listings

__all__ = ["Listings"]
