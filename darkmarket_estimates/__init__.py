"""Turnover of online anonymous marketplaces from review counts and prices, with honest uncertainty."""

__version__ = "0.1.0"
