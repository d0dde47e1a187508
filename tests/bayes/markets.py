"""Small markets, and models that are compiled once for many data sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import darkmarket_estimates as dme


def vendors(n: int = 300, *, seed: int = 1, groups: int = 0, slope: float = 0.1) -> dme.Totals:
    """Log-normal rates and values of vendors with reviews; in groups, every third vendor sells in two."""
    rng = np.random.default_rng(seed)
    r = rng.poisson(np.exp(rng.normal(1.5, 1.3, 2 * n)))
    r = r[r > 0][:n].astype(float)
    m = np.exp(4 + slope * np.log(r) + rng.normal(0, 1, n))
    vendor = np.array([f"v{i}" for i in range(n)])
    if not groups:
        return dme.Totals.from_cells(vendor=vendor, value=r * m, reviews=r, currency="USD", window=("2016-01-01", "2016-02-01"))
    group = rng.integers(groups, size=n)
    second = (np.arange(n) % 3 == 0) & (r > 3)
    part = np.where(second, np.floor(r / 3), 0.0)
    return dme.Totals.from_cells(
        vendor=[*vendor, *vendor[second]], reviews=[*(r - part), *part[second]],
        value=[*((r - part) * m), *(part * m * 1.5)[second]], currency="USD", window=("2016-01-01", "2016-02-01"),
        groups={"category": [*(f"c{g}" for g in group), *(f"c{(g + 1) % groups}" for g in group[second])]})


RATE = dme.ReviewRate(mean=0.44, standard_error=0.02, between_vendor_sd=0.13)


@dataclass
class Compiled:
    """A model with its compiled step, to be run on any data of the same kind."""

    spec: Any
    totals: dme.Totals
    data: Any
    model: Any
    step: Any

    def run(self, data: Any, *, draws: int = 300, tune: int = 300, chains: int = 2, seed: int = 1) -> Any:
        from darkmarket_estimates.bayes import calibration, sampling

        calibration.put(self.model, data)
        return sampling.sample(self.model, draws=draws, tune=tune, chains=chains, rng=np.random.default_rng(seed),
                               progress=False, step=self.step)

    def posterior(self, data: Any = None, *, estimand: str = "realised", level: float = 0.95, **options: Any) -> Any:
        from darkmarket_estimates.bayes import diagnostics, posterior

        data = self.data if data is None else data
        container = self.run(data, **options)
        return posterior.finish(self.spec, data, container, diagnostics.check_container(container, "nuts"), estimand=estimand,
                                confidence_level=level, entropy=options.get("seed", 1), method="nuts", seconds=0.0)


def compiled(spec: Any, totals: dme.Totals) -> Compiled:
    from darkmarket_estimates.bayes import sampling

    data = spec.data(totals)
    with sampling.quiet():
        model = spec.model(data)
    return Compiled(spec, totals, data, model, sampling.compiled_step(model))
