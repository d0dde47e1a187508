"""Drawing from a posterior: NUTS, and two approximations for a first look."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates.bayes import _arviz
from darkmarket_estimates.bayes.coordinates import COORDINATES, UNSEEN, Standardised, standardised
from darkmarket_estimates.errors import NotIdentifiedError

if TYPE_CHECKING:
    import pymc as pm

METHODS = ("nuts", "laplace", "advi")
#: Iterations from which chains are worth a process each.
WORTH_PROCESSES = 4000
ADVI_STEPS = 20_000
#: Iterations that find the step size where scales and correlations are known, and where they have to be found too.
TUNE, TUNE_ALONE = 400, 1000


class Interrupted(KeyboardInterrupt):
    """Sampling was stopped: there is no posterior."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """PyMC without its log, and without warnings of others that no user of ours can act on."""
    loggers = [logging.getLogger(name) for name in ("pymc", "pymc.sampling", "pymc.stats", "pytensor")]
    before = [log.level for log in loggers]
    try:
        for log in loggers:
            log.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            # trial points far out overflow, and NUTS turns back there
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module=r"(pymc|pytensor|arviz|rich|numba)")
            yield
    finally:
        for log, level in zip(loggers, before, strict=True):
            log.setLevel(level)


@dataclass(frozen=True, eq=False)
class Step:
    """PyMC's NUTS for a model in coordinates of its own, compiled once for every data set that is put into the model."""

    standard: Standardised
    density: Any
    nuts: Any

    @cached_property
    def written(self) -> Any:
        """What a draw is written down as: PyMC would compile it for every run, and lets no compiled function go (0.8 MB)."""
        import pymc as pm

        return pm.backends.NDArray(model=self.standard.inner).fn


def compiled_step(model: pm.Model, target_accept: float = 0.9) -> Step:
    """Compile a model for PyMC's own sampler."""
    import pymc as pm

    with quiet():
        standard = standardised(model)
        density = standard.density()
        with standard.inner:
            return Step(standard, density, pm.NUTS(target_accept=target_accept, logp_dlogp_func=density))


def sample(
    model: pm.Model, *, draws: int, tune: int | None = None, chains: int, rng: np.random.Generator, cores: int | None = None,
    progress: bool | None = None, target_accept: float = 0.9, step: Step | None = None,
) -> Any:
    """Draws by NUTS: a container with the groups posterior and sample_stats.

    The sampler walks in the coordinates of `coordinates.Standardised`, placed at the mode of the data that the model holds.

    Parameters
    ----------
    tune : int, optional
        By default `TUNE` iterations; `TUNE_ALONE` where there is no normal law at the mode to begin with.
    cores : int, optional
        Processes; by default one for short runs, else as many as there are cores and chains.
    progress : bool, optional
        By default only where standard error is a terminal.
    step : Step, optional
        Of this model, made before: nothing is compiled again, and PyMC's own sampler is used.

    Raises
    ------
    Interrupted
        Stopped by the user: what was drawn until then is no sample of the posterior, and is dropped.
    """
    with_nutpie = step is None and importlib.util.find_spec("nutpie") is not None
    with quiet():
        if with_nutpie:
            standard = standardised(model)
            density = standard.density(mode="FAST_COMPILE")
        else:
            step = compiled_step(model, target_accept) if step is None else step
            standard, density = step.standard, step.density
        with contextlib.suppress(NotIdentifiedError):
            standard.place(density)
        tune = (TUNE if standard.normal else TUNE_ALONE) if tune is None else tune
        if cores is None:
            cores = min(chains, os.cpu_count() or 1) if chains * (draws + tune) >= WORTH_PROCESSES else 1
        options = {"draws": draws, "tune": tune, "chains": chains, "cores": cores}
        seeds = [int(s) for s in rng.integers(2**31, size=chains)]
        if with_nutpie:
            out = by_nutpie(nutpie_compiled(standard), seed=seeds[0], target_accept=target_accept, progress=progress, **options)
        else:
            assert step is not None
            out = _by_pymc(step, starts=standard.starts(density, chains, rng), seeds=seeds, progress=progress, **options)
    groups = {name: _arviz.dataset(out, name) for name in ("posterior", "sample_stats")}
    sizes = groups["posterior"].sizes
    if (sizes["chain"], sizes["draw"]) != (chains, draws):
        raise Interrupted(f"sampling was stopped after {sizes['draw']:,} of {draws:,} draws: there is no posterior")
    groups["posterior"] = groups["posterior"].drop_dims(f"{COORDINATES}_dim_0", errors="ignore")
    return _arviz.container_of(groups)


def _by_pymc(step: Step, *, starts: list[Any], seeds: list[int], progress: bool | None, **options: Any) -> Any:
    import pymc as pm

    # PyMC does this for chains in one process alone: in others a step that was used would go on with its last step size
    step.nuts.reset_tuning()
    with step.standard.inner:
        if options["chains"] == 1:  # several chains would write into one record
            options["trace"] = pm.backends.NDArray(fn=step.written)
        return pm.sample(step=step.nuts, initvals=starts, random_seed=seeds, progressbar=showing(progress),
                         compute_convergence_checks=False, **options)


def nutpie_compiled(standard: Standardised) -> Any:
    """A placed model as nutpie has it: it reads the data, and where the coordinates stand, now."""
    import nutpie

    # of z the prior is the law of starts; without a mode, nutpie's own jitter about the initial point
    start = {"initial_points": {COORDINATES: "prior"}, "jitter_rvs": set()} if standard.normal else {}
    names = [v.name for v in standard.inner.deterministics]
    return nutpie.compile_pymc_model(standard.inner, var_names=names, **start)


def by_nutpie(compiled: Any, *, progress: bool | None = False, **options: Any) -> Any:
    """Draws by nutpie's NUTS."""
    import nutpie

    options["tune"] = max(options["tune"], 1)  # it cannot do without
    return nutpie.sample(compiled, progress_bar=showing(progress), save_warmup=False, **options)


def showing(progress: bool | None) -> bool:
    """Whether a progress bar is shown."""
    return sys.stderr.isatty() if progress is None else bool(progress)


def laplace(model: pm.Model, *, draws: int, rng: np.random.Generator) -> Any:
    """Draws of the normal law around the mode of the unconstrained posterior, with the curvature there.

    Raises
    ------
    NotIdentifiedError
        No mode with a positive definite curvature was found.
    """
    with quiet():
        standard = standardised(model)
        standard.place(standard.density())
        inner = standard.inner
        back = inner.compile_fn(inner.unobserved_value_vars, inputs=inner.value_vars, on_unused_input="ignore")
        points = [back({COORDINATES: z}) for z in rng.standard_normal((draws, len(standard.start)))]
    arrays = {v.name: np.stack([p[i] for p in points])[None] for i, v in enumerate(inner.unobserved_value_vars)
              if v.name != COORDINATES}
    return _arviz.container_of({"posterior": _posterior(model, arrays)})


def advi(model: pm.Model, *, draws: int, rng: np.random.Generator, progress: bool | None = None) -> Any:
    """Draws of the mean-field normal law that is closest to the unconstrained posterior (Kucukelbir et al., JMLR 2017)."""
    import pymc as pm

    seed = int(rng.integers(2**31))
    with quiet(), model:
        fitted = pm.fit(ADVI_STEPS, method="advi", random_seed=seed, progressbar=showing(progress))
        out = _arviz.dataset(fitted.sample(draws, random_seed=seed), "posterior")
    return _arviz.container_of({"posterior": out.drop_vars([name for name in out.data_vars if name.endswith(UNSEEN)])})


def _posterior(model: pm.Model, arrays: dict[str, np.ndarray]) -> Any:
    dims = {name: (*_arviz.SAMPLE, *(model.named_vars_to_dims.get(name) or ())) for name in arrays}
    n = next(iter(arrays.values())).shape[1]
    coords = {"chain": [0], "draw": np.arange(n), **{k: v for k, v in model.coords.items() if v is not None}}
    return _arviz.dataset_of(arrays, dims, coords)
