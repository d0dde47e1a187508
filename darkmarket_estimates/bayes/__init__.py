"""Bayesian models of turnover: hierarchical, fitted with PyMC on compressed tables, read with ArviZ.

PyMC, PyTensor and ArviZ are loaded when a model is fitted, not before.
"""

from __future__ import annotations

from darkmarket_estimates.bayes.both_counters import BothCounters
from darkmarket_estimates.bayes.calibrated import CalibratedShare, calibrate_share
from darkmarket_estimates.bayes.calibration import Calibration, calibrate
from darkmarket_estimates.bayes.captured import CaptureCounts
from darkmarket_estimates.bayes.count_priors import CountPriors
from darkmarket_estimates.bayes.detect import DetectionLaws, detect
from darkmarket_estimates.bayes.detection import Detection
from darkmarket_estimates.bayes.diagnostics import Check, Checks, ConvergenceError, ConvergenceWarning
from darkmarket_estimates.bayes.fit import fit
from darkmarket_estimates.bayes.months import Months, by_month
from darkmarket_estimates.bayes.posterior import Posterior
from darkmarket_estimates.bayes.predictive import PredictiveCheck
from darkmarket_estimates.bayes.priors import HalfNormal, Known, LogNormal, Normal
from darkmarket_estimates.bayes.review_count import ReviewCount
from darkmarket_estimates.bayes.share_law import ShareLaw
from darkmarket_estimates.bayes.trend import Trend

load = Posterior.load

__all__ = [
    "BothCounters", "CalibratedShare", "Calibration", "CaptureCounts", "Check", "Checks", "ConvergenceError",
    "ConvergenceWarning", "CountPriors", "Detection", "DetectionLaws", "HalfNormal", "Known", "LogNormal", "Months", "Normal",
    "Posterior", "PredictiveCheck", "ReviewCount", "ShareLaw", "Trend", "by_month", "calibrate", "calibrate_share", "detect",
    "fit", "load",
]


def __dir__() -> list[str]:
    return sorted(__all__)
