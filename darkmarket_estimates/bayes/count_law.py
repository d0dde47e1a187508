"""The law behind `ReviewCount`: as a PyMC model, as NumPy over draws, and as a simulator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from darkmarket_estimates.bayes.cells import Vendors
from darkmarket_estimates.bayes.count_priors import CountPriors
from darkmarket_estimates.bayes.protocol import Data, Draws
from darkmarket_estimates.bayes.size_law import SizeLaw, count_nodes
from darkmarket_estimates.bayes.value_law import MEAN, SPREAD, ValueLaw, log_mean, variance

if TYPE_CHECKING:
    import pymc as pm

#: How often vendors without a review are drawn anew.
REDRAWS = 20
#: Entries of an intermediate array over (draws, counts or cells).
BLOCK = 4_000_000


def model(data: Data, priors: CountPriors, law: type[SizeLaw], values: ValueLaw) -> pm.Model:
    """The PyMC model: three potentials on the cells."""
    import pymc as pm
    import pytensor.tensor as pt

    from darkmarket_estimates.bayes.law_coordinates import beside, positive

    n_groups = len(data.coords["group"])
    with pm.Model(coords={"group": data.coords["group"]}) as out:
        a = {name: pm.Data(name, array) for name, array in data.arrays.items()}
        sizes = law.variables(priors, a)
        p = {name: getattr(priors, name).variable(name) for name in (*MEAN, "value_sd_slope")}
        p |= {name: positive(name, getattr(priors, name), a.get(f"{name}_unit", math.inf))
              for name in ("review_sd", *values.parameters)}
        others = p.get("value_lower_tail", 0.0) ** 2 + p["review_sd"] ** 2 * a["mean_inverse"]
        p["value_sd"] = beside("value_sd", priors.value_sd, others, "value_spread_", 1.0)  # type: ignore[arg-type]
        log_p, none = law.log_probabilities(sizes, a)
        pm.Potential("counts", (a["count_n"] * log_p).sum() - (a["vendors_n"] * pt.log1p(-none)).sum())
        mean = log_mean(p, a["value_size"], a["value_top"], a["vendor_inverse"])
        if n_groups > 1:
            group = {}
            for name in ("value", "share", "slope"):
                sd = getattr(priors, f"group_{name}_sd").variable(f"group_{name}_sd")
                # about their mean, which the level has; non-centred, so that a small group leaves no funnel
                z = pm.ZeroSumNormal(f"group_{name}_z", 1.0, dims="group")
                group[name] = pm.Deterministic(f"group_{name}", sd * z, dims="group")
            mean = mean + group["value"][a["value_group"]]
            phi = priors.concentration.variable("concentration")  # type: ignore[union-attr]
            log_w = group["share"][:, None] + group["slope"][:, None] * a["split_size"]
            weight = phi * pt.exp(log_w - pt.logsumexp(log_w, axis=0, keepdims=True))
            at = weight[a["split_group"], a["split_at"]]
            pm.Potential("splits", (a["split_n"] * (pt.gammaln(a["split_reviews"] + at) - pt.gammaln(at))).sum()
                         + (a["whole_n"] * (pt.gammaln(phi) - pt.gammaln(a["whole_reviews"] + phi))).sum())
        v = variance(p, a["value_size"], a["value_inverse"], pt)
        pm.Potential("values", values.potential(a, mean, v, p))
    return out


def log_likelihood(
    a: Mapping[str, np.ndarray], draws: Draws, law: SizeLaw, values: ValueLaw
) -> dict[str, np.ndarray]:
    """The potentials cell by cell: by name, shape (n_draws, n_cells); constants of the data are left out, as there."""
    def column(name: str) -> np.ndarray:
        return np.asarray(draws[name])[:, None]

    if "kernel" in a:
        w = law.weights(draws)  # type: ignore[union-attr]
        log_p, none = np.log(w @ a["kernel"].T) + a["kernel_top"], w @ a["kernel_none"].T
    else:
        log_p = np.log(law.probabilities(draws, a["reviews"], a["exposure"]))
        none = law.probabilities(draws, np.zeros(len(a["exposures"])), a["exposures"])
    out = {"counts": a["count_n"] * log_p}
    if a["vendors_n"].any():
        # of the whole table: shared among its cells, so that the cells add up to the likelihood
        out["counts"] -= (a["vendors_n"] * np.log1p(-none)).sum(axis=1, keepdims=True) * a["count_n"] / a["count_n"].sum()
    p = {name: column(name) for name in (*MEAN, *SPREAD, *values.parameters)}
    mean = log_mean(p, a["value_size"], a["value_top"], a["vendor_inverse"])
    if "split_n" in a:
        mean = mean + np.asarray(draws["group_value"])[:, a["value_group"]]
        phi = column("concentration")
        at = phi * split(draws, a["split_size"])[:, a["split_group"], a["split_at"]]
        out["splits"] = a["split_n"] * (special.gammaln(a["split_reviews"] + at) - special.gammaln(at))
        out["whole"] = a["whole_n"] * (special.gammaln(phi) - special.gammaln(a["whole_reviews"] + phi))
    v = variance(p, a["value_size"], a["value_inverse"])
    out["values"] = values.log_likelihood(a, mean, v, p)
    return out


def split(draws: Draws, size: np.ndarray) -> np.ndarray:
    """Mean split over groups of vendors of these sizes, shape (n_draws, n_groups, n_sizes)."""
    log_w = np.asarray(draws["group_share"])[:, :, None] + np.asarray(draws["group_slope"])[:, :, None] * size
    log_w -= log_w.max(axis=1, keepdims=True)
    w = np.exp(log_w)
    return w / w.sum(axis=1, keepdims=True)


def _blocks(draws: Draws, width: int) -> list[Draws]:
    n = len(next(iter(draws.values())))
    step = max(1, BLOCK // max(width, 1))
    return [{k: np.asarray(v)[i:i + step] for k, v in draws.items()} for i in range(0, n, step)]


def expected(data: Data, draws: Draws, rng: np.random.Generator | None) -> np.ndarray:
    r"""Expected reviewed turnover by group, shape (n_draws, n_groups).

    .. math:: \Lambda \sum_E \frac{n_E}{n} \frac{1}{1 - p_0(E)} \sum_r p(r | E)\, r\, w_g(x) e^{d}, \quad
       \Lambda \sim Gamma(n, 1)

    The number of vendors like those in the table is Poisson with mean :math:`\Lambda`, whose prior is
    :math:`1 / \Lambda`. Without `rng` it stays at n. Without truncation :math:`p_0` is left out.
    """
    own = data.own
    n_draws, n_groups = len(next(iter(draws.values()))), len(own.labels)
    seen = own.vendors.reviews > 0 if own.truncated else np.ones(len(own.vendors.reviews), dtype=bool)
    exposures, vendors = np.unique(own.vendors.exposure[seen], return_counts=True)
    out = np.zeros((n_draws, n_groups))
    for exposure, n in zip(exposures, vendors, strict=True):
        r, weight = count_nodes(own.law.largest_count(exposure))
        x, at = np.log(r) - own.centre, np.full(len(r), exposure)
        done = 0
        for part in _blocks(draws, len(r) * max(1, n_groups)):
            p = own.law.probabilities(part, r, at) * weight
            value = {name: np.asarray(part[name])[:, None] for name in MEAN}
            money = p * r * np.exp(log_mean(value, x, np.maximum(x - own.bend, 0.0), 1 / r))
            by_group = money.sum(axis=1)[:, None]
            if n_groups > 1:
                by_group = np.einsum("sr,sgr->sg", money, split(part, x)) * np.exp(part["group_value"])
            if own.truncated:
                none = own.law.probabilities(part, np.zeros(1), np.array([exposure]))
                by_group = by_group / -np.expm1(np.log(none))
            out[done:done + len(p)] += n * by_group
            done += len(p)
    if rng is not None:
        n_seen = int(seen.sum())
        out *= rng.gamma(n_seen, 1 / n_seen, n_draws)[:, None]
    return out


def mean_reviews(data: Data, draws: Draws) -> np.ndarray:
    """Mean reviews of a vendor at the largest exposure, those without reviews included, shape (n_draws,)."""
    exposure = float(data.own.vendors.exposure.max())
    r, weight = count_nodes(data.own.law.largest_count(exposure))
    return np.concatenate([data.own.law.probabilities(part, r, np.full(len(r), exposure)) @ (weight * r)
                           for part in _blocks(draws, len(r))])


def simulate(data: Data, draw: Draws, rng: np.random.Generator, values: ValueLaw) -> Vendors:
    """New vendors for one draw of the parameters: as many as in the data, with their exposures."""
    own = data.own
    like = own.vendors.reviews > 0 if own.truncated else np.ones(len(own.vendors.reviews), dtype=bool)
    exposure = own.vendors.exposure[like]
    reviews = _counts(own.law, draw, exposure, rng, truncated=own.truncated)
    n_groups = len(own.labels)
    some = np.flatnonzero(reviews > 0)
    x = np.log(reviews[some]) - own.centre
    if n_groups > 1:
        alpha = float(draw["concentration"][0]) * split(draw, x)[0].T
        p = rng.gamma(np.maximum(alpha, 1e-12)) + 1e-300
        row_reviews = rng.multinomial(reviews[some].astype(np.int64), p / p.sum(axis=1, keepdims=True))
        at, group = np.nonzero(row_reviews)
        row, r = some[at], row_reviews[at, group].astype(np.float64)
        level = np.asarray(draw["group_value"])[0][group]
    else:
        at, group, row, r, level = np.arange(len(some)), np.zeros(len(some), dtype=np.int64), some, reviews[some], 0.0
    p = {name: float(draw[name][0]) for name in (*MEAN, *SPREAD, *values.parameters)}
    mean = log_mean(p, x, np.maximum(x - own.bend, 0.0), 1 / reviews[some])[at] + level
    log_m = mean + values.residuals(rng, variance(p, x[at], 1 / r), p)
    return Vendors(reviews=reviews, exposure=exposure, row_vendor=row, row_group=group, row_reviews=r,
                   row_value=r * np.exp(np.clip(log_m, -300.0, 300.0)), n_groups=n_groups)


def _counts(
    law: SizeLaw, draw: Draws, exposure: np.ndarray, rng: np.random.Generator, *, truncated: bool
) -> np.ndarray:
    """Reviews of vendors; of a truncated law each is drawn until it has one, or by inversion where that takes long."""
    reviews = law.sample(rng, draw, exposure, len(exposure)).astype(np.float64)
    for _ in range(REDRAWS if truncated else 0):
        again = np.flatnonzero(reviews == 0)
        reviews[again] = law.sample(rng, draw, exposure[again], len(again))
    again = np.flatnonzero(reviews == 0)
    if truncated and len(again):
        reviews[again] = law.sample_some(rng, draw, exposure[again])
    return reviews


