"""Variants of an estimate side by side, and judged where the truth is known."""

from darkmarket_estimates.evaluation.job import listings_of
from darkmarket_estimates.evaluation.operating import Interrupted, benchmark
from darkmarket_estimates.evaluation.report import Report
from darkmarket_estimates.evaluation.scores import (
    Coverage,
    coverage,
    crps,
    interval_score,
    quantile_score,
    weighted_interval_score,
)
from darkmarket_estimates.evaluation.variants import compare

__all__ = [
    "Coverage",
    "Interrupted",
    "Report",
    "benchmark",
    "compare",
    "coverage",
    "crps",
    "interval_score",
    "listings_of",
    "quantile_score",
    "weighted_interval_score",
]


def __dir__() -> list[str]:
    return sorted(__all__)
