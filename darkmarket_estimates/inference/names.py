"""Names of intervals and of sources of uncertainty."""

from __future__ import annotations

from collections.abc import Mapping

#: Which interval goes with which estimand; the first is the default.
INTERVALS: Mapping[str, tuple[str, ...]] = {
    "realised": ("predictive", "delta", "lognormal"),
    "expected": ("bca-tail", "bca", "tail", "skew-corrected", "compound-poisson", "poisson-bootstrap", "delta",
                 "lognormal"),
}
#: Sources of the sum over vendors, as the budget names them; each can be frozen at its central value.
BETWEEN_VENDORS, UNREVIEWED, VENDORS_SAMPLED = "spread between vendors", "unreviewed sales", "vendors sampled"
