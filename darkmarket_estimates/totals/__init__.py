"""Totals: what an estimator needs to know of a table, and nothing else."""

from darkmarket_estimates.totals.cells import (
    BAND,
    CAPTURES,
    COLUMNS,
    MISSING,
    VENDOR,
    WITHIN,
    Key,
    band_labels,
    check_by,
    collect,
    merge_column,
)
from darkmarket_estimates.totals.header import Detection, Header
from darkmarket_estimates.totals.table import Totals

__all__ = ["BAND", "CAPTURES", "COLUMNS", "MISSING", "VENDOR", "WITHIN", "Detection", "Header", "Key", "Totals",
           "band_labels", "check_by", "collect", "merge_column"]
