"""Money of listings that no scrape saw: capture counts given value, under a named law of what makes listings differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import special

from darkmarket_estimates._checks import beta_shapes, choice, number, shown
from darkmarket_estimates.bayes.bases import contrasts
from darkmarket_estimates.bayes.captured import CaptureCounts, ValueClasses, value_classes
from darkmarket_estimates.bayes.detection_law import (
    LAWS,
    beta_log_likelihood,
    log_counts,
    mixing,
    normal_log_likelihood,
    seen_share,
)
from darkmarket_estimates.bayes.priors import HalfNormal, Normal
from darkmarket_estimates.bayes.protocol import Data, Draws, Outcome, Replicates
from darkmarket_estimates.errors import DataError, NotSupportedError

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

LIKELIHOODS = {"logit-normal": normal_log_likelihood, "beta": beta_log_likelihood}
PARAMETERS = ("intercept", "value_slope", "heterogeneity", "scrape_effects")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    r"""Capture counts given log value, zero-truncated.

    In scrape j a listing of standardised log value x is seen with chance :math:`expit(\theta + \omega_j)`, where
    :math:`\theta` varies between listings of equal value around :math:`\beta_0 + \beta_1 x`. Unseen listings of a class of
    value with :math:`n_b` seen: :math:`N_{0b} \sim NegBin(n_b, \pi^*_b)`, the posterior under :math:`p(N) \propto 1 / N`; their
    money is a sum of that many values of the class.

    Which law :math:`\theta` has is not identified: laws of equal fit give different numbers of unseen listings (Link 2003).
    `detect` fits both and shows both.

    Parameters
    ----------
    law : {"logit-normal", "beta"}
        :math:`\theta` normal with standard deviation `heterogeneity`, or the chance of capture (in a scrape of average
        size) Beta with correlation `heterogeneity` between two captures of a listing. The Beta law puts more listings near
        chance 0 and extrapolates further.
    intercept : Normal
        Of the logit of the chance in one scrape, at the mean log value.
    value_slope : Normal
        Change of that logit with one standard deviation of log value.
    spread : HalfNormal
        Of the logit-normal law's standard deviation.
    correlation : (float, float)
        Beta prior of the Beta law's correlation.
    scrape_sd : float
        Standard deviation of the scrape effects on the logit; they act where the histories are known.

    Notes
    -----
    Closed market: the listings existed at every scrape; captures of different listings are independent given value. The
    result is money on listings, seen or not: it is divided by no review share. Its `coverage` goes into ``turnover``.
    """

    law: str = "logit-normal"
    intercept: Normal = Normal(0.0, 1.5)  # noqa: RUF009
    value_slope: Normal = Normal(0.0, 1.0)  # noqa: RUF009
    spread: HalfNormal = HalfNormal(1.0)  # noqa: RUF009
    correlation: tuple[float, float] = (1.0, 4.0)
    scrape_sd: float = 1.0

    estimands: ClassVar[tuple[str, ...]] = ("realised",)

    def __post_init__(self) -> None:
        choice(self.law, "law", LAWS)
        number(self.scrape_sd, "scrape_sd", low=0, open_low=True)
        for name, kind in (("intercept", Normal), ("value_slope", Normal), ("spread", HalfNormal)):
            if not isinstance(getattr(self, name), kind):
                raise DataError(f"the prior of {name} cannot be read", expected=f"{kind.__name__}(...)",
                                got=shown(getattr(self, name)))
        object.__setattr__(self, "correlation", beta_shapes(self.correlation, "correlation"))

    # -- data -------------------------------------------------------------------------------------------------------

    def data(self, totals: Any) -> Data:
        """Compress `CaptureCounts` (or listings from scrapes) to (captures, class of log value) cells.

        Raises
        ------
        DataError, NotIdentifiedError
            As `CaptureCounts`; totals, which no longer know single listings, are refused.
        """
        if isinstance(totals, CaptureCounts):
            counts = totals
        elif hasattr(totals, "histories"):
            counts = CaptureCounts.from_listings(totals)
        else:
            raise DataError("detection is fitted on single listings", expected="CaptureCounts(...) or listings from scrapes",
                            got=type(totals).__name__, fix="bayes.CaptureCounts(value=..., captures=..., occasions=...)")
        classes = value_classes(counts.value, counts.captures, counts.occasions)  # type: ignore[arg-type]
        t = classes.counts.shape[1]
        sizes = np.zeros(t) if counts.scrape_sizes is None else counts.scrape_sizes
        flags = [*counts.flags, "law of unseen differences between listings: " + self.law + ", which no data can tell "
                 "from others of equal fit", "reviewed money on listings, seen or not: no review share is in it"]
        if t == 2:
            flags.append("two scrapes: how listings of equal value differ comes from its prior")
        if counts.scrape_sizes is None:
            flags.append("scrapes are taken as equal in size: only the number of captures is known")
        return Data(arrays={"x": classes.x, "counts": classes.counts, "sizes": sizes},
                    coords={"value_class": range(len(classes.x)), "scrape": range(1, t + 1)}, totals=counts, own=classes,
                    flags=tuple(flags))

    # -- model ------------------------------------------------------------------------------------------------------

    def model(self, data: Data) -> pm.Model:
        """The PyMC model; scrape effects sum to 0."""
        import pymc as pm
        import pytensor.tensor as pt

        from darkmarket_estimates.bayes._density import log_density

        t = data.arrays["counts"].shape[1]
        with pm.Model(coords=data.coords) as model:
            arrays = [pm.Data(name, data.arrays[name]) for name in ("x", "counts", "sizes")]
            intercept = self.intercept.variable("intercept")
            slope = self.value_slope.variable("value_slope")
            spread = (self.spread.variable("heterogeneity") if self.law == "logit-normal"
                      else pm.Beta("heterogeneity", *self.correlation))
            if data.arrays["sizes"].any():
                contrast = pm.Normal("scrape_contrasts", 0.0, self.scrape_sd, shape=t - 1)
                omega = (contrasts(t)[:, 1:] * contrast).sum(axis=1)
            else:
                omega = pt.as_tensor_variable(np.zeros(t))
            omega = pm.Deterministic("scrape_effects", omega, dims="scrape")
            value = log_density(LIKELIHOODS[self.law], (intercept, slope, spread, omega), arrays)
            pm.Potential("log_likelihood", value)
        return model

    # -- afterwards -------------------------------------------------------------------------------------------------

    def coverage(self, data: Data, draws: Draws) -> np.ndarray:
        r"""Chance :math:`\pi^*` to be seen, of shape (draws, value classes)."""
        x = data.arrays["x"]
        return np.stack([seen_share(self.law, a + b * x, h, omega) for a, b, h, omega in _each(draws)])

    def unseen(self, data: Data, draws: Draws, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draws of the number of unseen listings and of their money, each of shape (draws,)."""
        classes: ValueClasses = data.own
        n = data.arrays["counts"].sum(axis=1)
        missing = np.zeros((len(draws["intercept"]), len(n)))
        occupied = n > 0
        star = np.clip(self.coverage(data, draws)[:, occupied], 1e-12, 1.0)
        missing[:, occupied] = rng.negative_binomial(n[occupied], star)
        money = missing * classes.mean + np.sqrt(missing) * classes.sd * rng.standard_normal(missing.shape)
        money = np.clip(money, missing * classes.low, missing * classes.high)
        return missing.sum(axis=1), money.sum(axis=1)

    def after(self, data: Data, draws: Draws, rng: np.random.Generator, *, estimand: str) -> Outcome:
        """Reviewed money of all listings, seen and unseen."""
        if estimand != "realised":
            raise NotSupportedError("the money of unseen listings is that of listings that exist", got=repr(estimand),
                                    expected='estimand="realised"', fix="turnover(totals, coverage=..., estimand='expected')")
        number_, money = self.unseen(data, draws, rng)
        counts: CaptureCounts = data.totals
        flags = [f"unseen: {np.median(number_):,.0f} listings with {counts.currency} {np.median(money):,.0f} (medians)"]
        return Outcome(totals=counts.table(), draws=(counts.seen + money)[:, None], estimand="realised", flags=tuple(flags))

    def replicate(self, data: Data, draws: Draws, rng: np.random.Generator) -> Replicates:
        """How often listings were seen, and how that goes with value, in data made with the draws."""
        observed = data.arrays["counts"]
        n = observed.sum(axis=1).astype(np.int64)
        found: dict[str, list[float]] = {}
        for parameters in _each(draws):
            p = count_probabilities(self.law, data.arrays["x"], parameters)
            made = np.stack([rng.multinomial(size, row) for size, row in zip(n, p, strict=True)])
            for name, value in _statistics(made, data.arrays["x"]).items():
                found.setdefault(name, []).append(value)
        return Replicates(observed=_statistics(observed, data.arrays["x"]),
                          replicated={name: np.array(values) for name, values in found.items()},
                          units=dict.fromkeys(("seen once", "seen twice", "seen in every scrape"), "listings"))

    def simulate(self, rng: np.random.Generator, data: Data) -> tuple[dict[str, Any], Data]:
        """A draw of the prior, and histories of as many listings of each value class as were seen."""
        x, counts = data.arrays["x"], data.arrays["counts"]
        t = counts.shape[1]
        known = bool(data.arrays["sizes"].any())
        contrast = rng.normal(0, self.scrape_sd, t - 1)
        omega = contrasts(t)[:, 1:] @ contrast if known else np.zeros(t)
        h = self.spread.draw(rng) if self.law == "logit-normal" else rng.beta(*self.correlation)
        truth = {"intercept": self.intercept.draw(rng), "value_slope": self.value_slope.draw(rng), "heterogeneity": h,
                 "scrape_effects": omega, **({"scrape_contrasts": contrast} if known else {})}
        nodes = mixing(self.law, truth["intercept"] + truth["value_slope"] * x, h)
        theta = np.broadcast_to(nodes.theta, nodes.weight.shape)
        made, sizes = np.zeros_like(counts), np.zeros(t)
        for b, n in enumerate(counts.sum(axis=1).astype(np.int64)):
            seen = nodes.weight[b] * -np.expm1(-np.logaddexp(0.0, theta[b][:, None] + omega).sum(axis=1))
            node = rng.choice(len(seen), size=n, p=seen / seen.sum())
            histories = seen_once_or_more(special.expit(theta[b][node][:, None] + omega), rng)
            made[b] = np.bincount(histories.sum(axis=1), minlength=t + 1)[1:]
            sizes += histories.sum(axis=0)
        arrays = {"x": x, "counts": made, "sizes": sizes if known else np.zeros(t)}
        return truth, replace(data, arrays=arrays, totals=None)

    def quantities(self, data: Data, draws: Draws) -> dict[str, np.ndarray]:
        """Share of money that was seen (by inverse chance), and the log-likelihood."""
        n, classes = data.arrays["counts"].sum(axis=1), data.own
        money = n * classes.mean
        seen = money.sum() / (money / np.maximum(self.coverage(data, draws), 1e-12)).sum(axis=1)
        values = [LIKELIHOODS[self.law](*p, *(data.arrays[k] for k in ("x", "counts", "sizes")))[0] for p in _each(draws)]
        return {"seen_share": seen, "log_likelihood": np.array(values)}

    def prior_predictive(self, counts: Any, *, draws: int = 500, rng: Any = None) -> pd.DataFrame:
        """What the priors say before data: the share that is seen, and money; see `prior_tables.described`."""
        from darkmarket_estimates.bayes.prior_tables import of_detection

        return of_detection(self, counts, draws=draws, rng=rng)

    def log_likelihood(self, data: Data, draws: Draws) -> dict[str, np.ndarray]:
        """Log-likelihood of the cells of value class and captures, multiplicities included: (draws, cells)."""
        values = self.listing_log_likelihood(data, draws) * data.arrays["counts"]
        return {"listings": values.reshape(len(values), -1)}

    def listing_log_likelihood(self, data: Data, draws: Draws) -> np.ndarray:
        """Log-probability of k captures in each cell, of shape (draws, value classes, t)."""
        return np.log(np.stack([count_probabilities(self.law, data.arrays["x"], p) for p in _each(draws)]))


def _each(draws: Draws) -> Any:
    """Parameters of one draw after the other, in the order of the likelihood."""
    return zip(*(draws[name] for name in PARAMETERS), strict=True)


def symmetric(omega: np.ndarray) -> np.ndarray:
    """Elementary symmetric polynomials e_1..e_t of exp(omega): the ways to be seen k times."""
    e = np.zeros(len(omega) + 1)
    e[0] = 1.0
    for factor in np.exp(omega):
        e[1:] = e[1:] + factor * e[:-1]
    return e[1:]


def count_probabilities(law: str, x: np.ndarray, parameters: tuple[Any, ...]) -> np.ndarray:
    """P(k | seen, value class) of shape (classes, t)."""
    intercept, slope, h, omega = parameters
    p = symmetric(omega) * np.exp(log_counts(law, intercept + slope * x, h, omega))
    return p / p.sum(axis=1, keepdims=True)


def seen_once_or_more(chance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Histories of listings with these chances, given that each was seen: the first capture, then the scrapes after it."""
    before = np.cumprod(np.concatenate([np.ones((len(chance), 1)), 1 - chance[:, :-1]], axis=1), axis=1)
    first = chance * before
    edges = np.cumsum(first, axis=1)
    at = (rng.uniform(size=(len(chance), 1)) * edges[:, -1:] > edges).sum(axis=1)
    at = np.minimum(at, chance.shape[1] - 1)
    scrape = np.arange(chance.shape[1])
    return (scrape == at[:, None]) | ((scrape > at[:, None]) & (rng.uniform(size=chance.shape) < chance))


def _statistics(counts: np.ndarray, x: np.ndarray) -> dict[str, float]:
    n, t = counts.sum(), counts.shape[1]
    k = np.arange(1, t + 1)
    mean = counts @ k / np.maximum(counts.sum(axis=1), 1)
    weight = counts.sum(axis=1) / n
    overall = float(weight @ mean)
    dependence = float(weight @ (x * (mean - overall)))
    found = {"seen once": float(counts[:, 0].sum()), "captures a listing": overall, "captures with log value": dependence}
    if t > 2:
        found |= {"seen twice": float(counts[:, 1].sum()), "seen in every scrape": float(counts[:, -1].sum())}
    return found

