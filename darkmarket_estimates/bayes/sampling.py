"""Drawing from a posterior: NUTS, and two approximations for a first look."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize

from darkmarket_estimates.bayes import _arviz
from darkmarket_estimates.errors import NotIdentifiedError

if TYPE_CHECKING:
    import pymc as pm

METHODS = ("nuts", "laplace", "advi")
#: Iterations from which chains are worth a process each.
WORTH_PROCESSES = 4000
ADVI_STEPS = 20_000


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


def sample(
    model: pm.Model, *, draws: int, tune: int, chains: int, rng: np.random.Generator, cores: int | None = None,
    progress: bool | None = None, target_accept: float = 0.9, step: Any = None,
) -> Any:
    """Draws by NUTS: a container with the groups posterior and sample_stats.

    Parameters
    ----------
    cores : int, optional
        Processes; by default one for short runs, else as many as there are cores and chains. One with a `step`: one that
        was used stays where it is in another process.
    progress : bool, optional
        By default only where standard error is a terminal.
    step : optional
        A step method of this model that was made before: nothing is compiled again.

    Raises
    ------
    Interrupted
        Stopped by the user: what was drawn until then is no sample of the posterior, and is dropped.
    """
    import pymc as pm

    if step is not None:
        cores = 1
    elif cores is None:
        cores = min(chains, os.cpu_count() or 1) if chains * (draws + tune) >= WORTH_PROCESSES else 1
    options: dict[str, Any] = {"step": step} if step is not None else {"target_accept": target_accept}
    if step is None:
        options["nuts_sampler"] = "nutpie" if importlib.util.find_spec("nutpie") else "pymc"
    if options.get("nuts_sampler") != "nutpie":
        options["compute_convergence_checks"] = False
    seed = [int(s) for s in rng.integers(2**31, size=chains)]
    with quiet(), model:
        out = pm.sample(draws=draws, tune=tune, chains=chains, cores=cores, progressbar=showing(progress),
                        random_seed=seed if options.get("nuts_sampler") != "nutpie" else seed[0], **options)
    sizes = _arviz.dataset(out, "posterior").sizes
    if (sizes["chain"], sizes["draw"]) != (chains, draws):
        raise Interrupted(f"sampling was stopped after {sizes['draw']:,} of {draws:,} draws: there is no posterior")
    return out


def showing(progress: bool | None) -> bool:
    """Whether a progress bar is shown."""
    return sys.stderr.isatty() if progress is None else bool(progress)


def compiled_step(model: pm.Model, target_accept: float = 0.9) -> Any:
    """A NUTS step whose compiled functions serve every data set that is put into the model."""
    import pymc as pm

    with quiet(), model:
        return pm.NUTS(target_accept=target_accept)


def laplace(model: pm.Model, *, draws: int, rng: np.random.Generator) -> Any:
    """Draws of the normal law around the mode of the unconstrained posterior, with the curvature there.

    Raises
    ------
    NotIdentifiedError
        No mode with a positive definite curvature was found.
    """
    from pymc.blocking import DictToArrayBijection, RaveledVars

    with quiet():
        density = model.logp_dlogp_function(ravel_inputs=True)
        density.set_extra_values({})
        start = DictToArrayBijection.map(model.initial_point())

        def negative(x: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = density(np.asarray(x, dtype=np.float64))
            ok = np.isfinite(value) and np.isfinite(gradient).all()
            return (-float(value), -np.asarray(gradient)) if ok else (1e300, np.zeros_like(x))

        best = optimize.minimize(negative, np.asarray(start.data, dtype=np.float64), jac=True, method="L-BFGS-B",
                                 options={"maxiter": 5000})
        step = 1e-4
        curvature = np.array([(negative(best.x + step * e)[1] - negative(best.x - step * e)[1]) / (2 * step)
                              for e in np.eye(len(best.x))])
        curvature = (curvature + curvature.T) / 2
        values, vectors = np.linalg.eigh(curvature)
        if not np.isfinite(values).all() or values.min() <= 0:
            raise NotIdentifiedError("the posterior has no mode that a normal law could stand on",
                                     expected="a positive definite curvature", got=f"an eigenvalue of {values.min():.3g}",
                                     fix='method="nuts"')
        x = best.x + rng.standard_normal((draws, len(best.x))) / np.sqrt(values) @ vectors.T
        back = model.compile_fn(model.unobserved_value_vars, inputs=model.value_vars, on_unused_input="ignore")
        points = [back(DictToArrayBijection.rmap(RaveledVars(row, start.point_map_info))) for row in x]
    names = [v.name for v in model.unobserved_value_vars]
    hidden = {v.name for v in model.value_vars} - {v.name for v in model.free_RVs}
    arrays = {name: np.stack([p[i] for p in points])[None] for i, name in enumerate(names) if name not in hidden}
    return _arviz.container_of({"posterior": _posterior(model, arrays)})


def advi(model: pm.Model, *, draws: int, rng: np.random.Generator, progress: bool | None = None) -> Any:
    """Draws of the mean-field normal law that is closest to the unconstrained posterior (Kucukelbir et al., JMLR 2017)."""
    import pymc as pm

    seed = int(rng.integers(2**31))
    with quiet(), model:
        fitted = pm.fit(ADVI_STEPS, method="advi", random_seed=seed, progressbar=showing(progress))
        return fitted.sample(draws, random_seed=seed)


def _posterior(model: pm.Model, arrays: dict[str, np.ndarray]) -> Any:
    dims = {name: (*_arviz.SAMPLE, *(model.named_vars_to_dims.get(name) or ())) for name in arrays}
    n = next(iter(arrays.values())).shape[1]
    coords = {"chain": [0], "draw": np.arange(n), **{k: v for k, v in model.coords.items() if v is not None}}
    return _arviz.dataset_of(arrays, dims, coords)
