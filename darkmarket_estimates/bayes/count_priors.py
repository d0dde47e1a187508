"""Priors of `ReviewCount`, with defaults on the scale of the data."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from darkmarket_estimates.bayes.cells import Vendors
from darkmarket_estimates.bayes.priors import HalfNormal, LogNormal, Normal, Prior, as_prior

#: Parameters that are positive; the others are on a log scale of their own.
POSITIVE = ("size_sd", "upper_tail", "lower_tail", "size_mean", "size_shape", "value_sd", "review_sd", "value_lower_tail",
            "group_value_sd", "group_share_sd", "group_slope_sd", "concentration", "heavy_share")
#: Largest tail index: at 1 the mean of a Pareto law is infinite.
HEAVIEST = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class CountPriors:
    """Priors of `ReviewCount`; None is a default, a number a known value.

    Attributes
    ----------
    size_centre : Normal
        Of the log rate (reviews per unit of exposure). Default: the log of the mean rate, sd 2.
    size_sd : LogNormal or HalfNormal
        Of the body of log rates. Default: median 1, sd 0.5 of its log.
    upper_tail, lower_tail : HalfNormal
        Mean log distance into each tail; 1 / upper_tail is the Pareto index. Defaults: sd 0.4 below 0.95, sd 1.5.
    size_mean, size_shape : LogNormal
        Of ``size_law="gamma"``. Defaults: the mean rate and sd 1.5; median 0.7 and sd 1.
    value_level : Normal
        Log of the mean money a review, of a vendor of average size. Default: the log of the pooled mean, sd 1.5.
    value_slope : Normal
        Change of the log value with the log count. Default: sd 0.25.
    value_bend : Normal
        Change of that slope above the vendors that have half of all reviews. Default: sd 0.25.
    value_few : Normal
        Log value of a vendor with one review beside what the slope says; a tenth of it with ten. Default: sd 1.
    value_sd, review_sd : HalfNormal
        Between vendors, and of a single review within a vendor. Defaults: sd 1.5, sd 1.
    value_sd_slope : Normal
        Change with the log count of the log of `value_sd`: larger vendors' prices may lie closer together. Default: sd 0.1.
    value_lower_tail : HalfNormal
        Mean log distance into the lower tail of values (``value_tails="lower"``). Default: sd 1.
    heavy_share : HalfNormal
        Share of vendors with twice the spread (``value_tails="heavy"``). Default: sd 0.1 below 0.5.
    group_value_sd, group_share_sd, group_slope_sd : LogNormal
        Between groups: of log values, log shares, and slopes of log shares in the log count. Kept away from 0, so that a
        few groups do not pool into one. Defaults: medians 0.5, 1, 0.1, sd 0.5.
    concentration : LogNormal
        How alike vendors split over groups; small: each sells in one. Default: median 1, sd 1.
    """

    size_centre: Prior | float | None = None
    size_sd: Prior | float | None = None
    upper_tail: Prior | float | None = None
    lower_tail: Prior | float | None = None
    size_mean: Prior | float | None = None
    size_shape: Prior | float | None = None
    value_level: Prior | float | None = None
    value_slope: Prior | float | None = None
    value_bend: Prior | float | None = None
    value_few: Prior | float | None = None
    value_sd: Prior | float | None = None
    review_sd: Prior | float | None = None
    value_sd_slope: Prior | float | None = None
    value_lower_tail: Prior | float | None = None
    heavy_share: Prior | float | None = None
    group_value_sd: Prior | float | None = None
    group_share_sd: Prior | float | None = None
    group_slope_sd: Prior | float | None = None
    concentration: Prior | float | None = None

    def __post_init__(self) -> None:
        for f in fields(self):
            given = getattr(self, f.name)
            if given is not None:
                object.__setattr__(self, f.name, as_prior(given, f.name, positive=f.name in POSITIVE))

    def resolved(self, vendors: Vendors) -> CountPriors:
        """The same priors with every default filled in, scales rounded to one decimal of the logarithm."""
        rate = float(vendors.reviews.sum() / vendors.exposure.sum())
        price = float(vendors.row_value.sum() / vendors.row_reviews.sum())
        centre, level = round(math.log(rate), 1), round(math.log(price), 1)
        defaults: dict[str, Prior] = {
            "size_centre": Normal(centre, 2.0), "size_sd": LogNormal(1.0, 0.5), "upper_tail": HalfNormal(0.4, HEAVIEST),
            "lower_tail": HalfNormal(1.5), "size_mean": LogNormal(math.exp(centre), 1.5), "size_shape": LogNormal(0.7, 1.0),
            "value_level": Normal(level, 1.5), "value_slope": Normal(0.0, 0.25),
            "value_bend": Normal(0.0, 0.25), "value_few": Normal(0.0, 1.0), "value_sd": HalfNormal(1.5),
            "review_sd": HalfNormal(1.0), "value_sd_slope": Normal(0.0, 0.1), "value_lower_tail": HalfNormal(1.0),
            "heavy_share": HalfNormal(0.1, 0.5), "group_value_sd": LogNormal(0.5, 0.5),
            "group_share_sd": LogNormal(1.0, 0.5), "group_slope_sd": LogNormal(0.1, 0.5), "concentration": LogNormal(1.0, 1.0),
        }
        return replace(self, **{k: v for k, v in defaults.items() if getattr(self, k) is None})

    def draw(self, rng: np.random.Generator, names: tuple[str, ...], n_groups: int) -> dict[str, Any]:
        """One draw of the parameters of these names, and of those of groups where there are several."""
        out: dict[str, Any] = {name: float(getattr(self, name).draw(rng)) for name in names}
        if n_groups > 1:
            for name in ("group_value_sd", "group_share_sd", "group_slope_sd", "concentration"):
                out[name] = float(getattr(self, name).draw(rng))
            for name in ("value", "share", "slope"):
                z = rng.standard_normal(n_groups)
                out[f"group_{name}"] = out[f"group_{name}_sd"] * (z - z.mean())
        return out
