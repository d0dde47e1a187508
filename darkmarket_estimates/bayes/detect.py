"""`detect`: both laws of what makes listings differ, side by side, because no data can choose between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from darkmarket_estimates._checks import generator, is_number, shown
from darkmarket_estimates._render import amount
from darkmarket_estimates.bayes.captured import CaptureCounts
from darkmarket_estimates.bayes.detection import Detection
from darkmarket_estimates.bayes.detection_law import LAWS
from darkmarket_estimates.bayes.fit import fit
from darkmarket_estimates.bayes.posterior import Posterior
from darkmarket_estimates.bayes.share_law import ShareLaw
from darkmarket_estimates.errors import AssumptionError

if TYPE_CHECKING:
    import pandas as pd

#: Draws that the fit of a law is computed from.
FIT_DRAWS = 500


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionLaws:
    """Posteriors under several laws of unseen differences between listings.

    Attributes
    ----------
    posteriors : mapping of law to Posterior
        ``posteriors["beta"].estimate`` is the money of all listings under that law.
    counts : CaptureCounts
    confidence_level : float
    """

    posteriors: Mapping[str, Posterior]
    counts: CaptureCounts
    confidence_level: float

    @property
    def seen(self) -> float:
        """Money of the listings that were seen."""
        return self.counts.seen

    def total(self, law: str) -> np.ndarray:
        """Draws of the money of all listings, seen and unseen, under one law."""
        return self.posteriors[law].outcome.draws[:, 0]

    @property
    def spread(self) -> tuple[float, float]:
        """Smallest and largest posterior median over the laws: what the choice of law alone is worth."""
        medians = [float(np.median(self.total(law))) for law in self.posteriors]
        return min(medians), max(medians)

    @property
    def interval(self) -> tuple[float, float]:
        """Hull of the laws' intervals at `confidence_level`: it holds the total if either law is right."""
        p = (1 - self.confidence_level) / 2
        ends = [np.quantile(self.total(law), [p, 1 - p]) for law in self.posteriors]
        return float(min(e[0] for e in ends)), float(max(e[1] for e in ends))

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader must know, of any law."""
        return tuple(dict.fromkeys(flag for p in self.posteriors.values() for flag in p.estimate.flags))

    def coverage(self, law: str | None = None) -> ShareLaw:
        """Share of the money that lies on listings that were seen: the ``coverage=`` of ``turnover()``.

        Parameters
        ----------
        law : str, optional
            By default the laws' draws together, each with equal weight.
        """
        draws = [self.total(name) for name in ([law] if law else self.posteriors)]
        share = self.seen / np.concatenate(draws)
        source = f"detection model ({law or ' and '.join(self.posteriors)})"
        return ShareLaw.smoothed(np.minimum(share, 1 - 1e-9), source=source)

    @cached_property
    def fits(self) -> dict[str, np.ndarray]:
        """Expected log predictive density of each cell of captures and value (WAIC), a listing each: (cells,)."""
        out = {}
        for law, posterior in self.posteriors.items():
            at = np.linspace(0, len(self.total(law)) - 1, FIT_DRAWS).astype(np.int64)
            values = posterior.spec.listing_log_likelihood(  # type: ignore[attr-defined]
                posterior.data, {k: v[at] for k, v in posterior.draws.items()}).reshape(FIT_DRAWS, -1)
            out[law] = special.logsumexp(values, axis=0) - math.log(FIT_DRAWS) - values.var(axis=0, ddof=1)
        return out

    def to_frame(self) -> pd.DataFrame:
        """A row a law.

        Columns: unseen_listings, unseen_money, total, low, high (equal tails at `confidence_level`), seen_share, medians
        all; elpd (WAIC over listings); behind_best, how far it lies behind the best law, with its standard_error. Laws
        whose distance is within two standard errors fit equally.
        """
        import pandas as pd

        n = next(iter(self.posteriors.values())).data.arrays["counts"].ravel()
        best = max(self.fits, key=lambda law: float(n @ self.fits[law]))
        p, rows = (1 - self.confidence_level) / 2, []
        for law, posterior in self.posteriors.items():
            total = self.total(law)
            gap = self.fits[best] - self.fits[law]
            mean = float(n @ gap) / n.sum()
            error = math.sqrt(float(n @ (gap - mean) ** 2))
            number = float(np.median(_unseen_listings(posterior)))
            low, middle, high = np.quantile(total, [p, 0.5, 1 - p])
            rows.append({"law": law, "unseen_listings": number, "unseen_money": middle - self.seen, "total": middle, "low": low,
                         "high": high, "seen_share": self.seen / middle, "elpd": float(n @ self.fits[law]),
                         "behind_best": float(n @ gap), "standard_error": error})
        return pd.DataFrame(rows).set_index("law")

    def __str__(self) -> str:
        low, high = self.spread
        ends = self.interval
        return (f"{self.counts.currency} {amount(self.seen)} seen; seen and unseen {amount(low)} to {amount(high)} by the law of "
                f"unseen differences ({', '.join(self.posteriors)}), {100 * self.confidence_level:.4g}% credible under either "
                f"{amount(ends[0])} to {amount(ends[1])}")

    def __repr__(self) -> str:
        return f"<DetectionLaws: {self}>"


def _unseen_listings(posterior: Posterior) -> np.ndarray:
    rng = np.random.default_rng(np.random.SeedSequence(posterior.entropy).spawn(2)[1])
    return posterior.spec.unseen(posterior.data, posterior.draws, rng)[0]  # type: ignore[attr-defined]


def detect(
    counts: Any, spec: Detection | None = None, *, laws: Sequence[str] = LAWS,
    rng: int | np.random.Generator | np.random.SeedSequence | None = None, confidence_level: float = 0.95, **options: Any,
) -> DetectionLaws:
    """Estimate the money of listings that no scrape saw, under each of several laws.

    Parameters
    ----------
    counts : CaptureCounts or listings from scrapes
    spec : Detection, optional
        Priors; its `law` is replaced by each of `laws`.
    laws : sequence of {"logit-normal", "beta"}
    rng : int, Generator, SeedSequence or None
        The same for every law.
    confidence_level : float
    **options
        Of `fit`: ``draws=``, ``tune=``, ``chains=``, ``on_failure=``, ``cores=``, ``progress=``, ``method=``.

    Returns
    -------
    DetectionLaws
    """
    spec = Detection() if spec is None else spec
    if not isinstance(spec, Detection):
        raise AssumptionError("the model of captures cannot be read", expected="bayes.Detection(...)", got=shown(spec))
    if not isinstance(laws, Sequence) or not laws or isinstance(laws, str):
        raise AssumptionError("laws= names the laws to be shown", got=shown(laws),
                              expected=f"some of {', '.join(map(repr, LAWS))}")
    seed = int(generator(rng).integers(2**63)) if not is_number(rng) else rng
    posteriors = {law: fit(counts, replace(spec, law=law), rng=seed, confidence_level=confidence_level, **options)
                  for law in laws}
    known = next(iter(posteriors.values())).data.totals
    return DetectionLaws(posteriors=posteriors, counts=known, confidence_level=confidence_level)
