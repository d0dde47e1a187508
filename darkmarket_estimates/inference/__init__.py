"""The law of a total: which vendors, which factors, which interval; for one row or for thousands in one pass."""

from darkmarket_estimates.inference.intervals import imbens_manski
from darkmarket_estimates.inference.laws import Kept
from darkmarket_estimates.inference.model import Configuration, Model
from darkmarket_estimates.inference.names import BETWEEN_VENDORS, INTERVALS, UNREVIEWED, VENDORS_SAMPLED
from darkmarket_estimates.inference.progress import Progress, Tell, quiet, showing, within

__all__ = ["BETWEEN_VENDORS", "INTERVALS", "UNREVIEWED", "VENDORS_SAMPLED", "Configuration", "Kept", "Model", "Progress", "Tell",
           "imbens_manski", "quiet", "showing", "within"]
