r"""Coordinates in which a posterior is nearly standard normal, whatever the sampler.

A sampler that knows scales alone walks along a ridge in small steps. So it is given :math:`z`, with

.. math:: x = m + A z,

x the model's own unconstrained values, m their mode and :math:`A A'` the inverse curvature there (the normal law of
Laplace's method). The density is that of x up to a constant: a linear map changes no posterior, only the way through it.
This is a dense mass matrix (Neal, in *Handbook of Markov Chain Monte Carlo* (2011), section 5.4.1) for samplers that have
none, computed from one compiled function for any number of data sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from darkmarket_estimates.bayes.mode import normal_law
from darkmarket_estimates.errors import NotIdentifiedError

if TYPE_CHECKING:
    import pymc as pm

#: Chains start this many standard deviations wide around the mode: wider than the posterior, as R-hat asks.
START_SD = 2.0
COORDINATES = "standard_coordinates"
#: Ending of names of variables that only serve to sample others.
UNSEEN = "_"


@dataclass(slots=True, eq=False)
class Standardised:
    """A model, and the same posterior in the coordinates z.

    Attributes
    ----------
    inner : Model
        Over z; the variables of the model are deterministic ones here, under their names.
    centre, scale : shared variables of shape (n,), (n, n)
        m and A: 0 and 1 until `place` is called.
    start : array of shape (n,)
        The model's own initial point.
    normal : bool
        Whether z stands on the normal law at the mode; else it is x less the initial point.
    """

    inner: pm.Model
    centre: Any
    scale: Any
    start: np.ndarray
    normal: bool = False

    def density(self, **options: Any) -> Any:
        """Compiled log density and gradient by z, for any data put into the model; options of PyTensor's compilation."""
        function = self.inner.logp_dlogp_function(ravel_inputs=True, **options)
        function.set_extra_values({})
        function.trust_input = True
        return function

    def place(self, density: Any) -> None:
        """Move to the normal law at the mode, given the data that the model holds now.

        Raises
        ------
        NotIdentifiedError
            There is none: z is then x less the initial point.
        """
        n = len(self.start)
        self.put(np.zeros(n), np.eye(n), normal=False)
        try:
            found = normal_law(density, self.start)
        except NotIdentifiedError:
            self.put(self.start, np.eye(n), normal=False)
            raise
        self.put(*found, normal=True)

    def put(self, centre: np.ndarray, scale: np.ndarray, *, normal: bool) -> None:
        """Set m and A."""
        self.centre.set_value(centre)
        self.scale.set_value(scale)
        self.normal = normal

    def starts(self, density: Any, chains: int, rng: np.random.Generator) -> list[dict[str, np.ndarray]]:
        """A start a chain: further apart than the posterior is wide, and where the density is finite."""
        out = []
        for _ in range(chains):
            sd = START_SD if self.normal else 0.5
            z = sd * rng.standard_normal(len(self.start))
            while not np.isfinite(density(z)[0]) and np.abs(z).max() > 1e-3:
                z = z / 2
            out.append({COORDINATES: z})
        return out


def standardised(model: pm.Model) -> Standardised:
    """Write a model in the coordinates z, which are those of the model itself until `Standardised.place` is called."""
    import pymc as pm
    import pytensor
    from pymc.blocking import DictToArrayBijection
    from pytensor.graph.replace import graph_replace

    initial = model.initial_point()
    start = np.asarray(DictToArrayBijection.map(initial).data, dtype=np.float64)
    n = len(start)
    centre, scale = pytensor.shared(np.zeros(n), name="centre"), pytensor.shared(np.eye(n), name="scale")
    hidden = {v.name for v in model.value_vars} - {v.name for v in model.free_RVs}
    shown = [v for v in model.unobserved_value_vars if v.name not in hidden and not v.name.endswith(UNSEEN)]
    with pm.Model(coords={k: v for k, v in model.coords.items() if v is not None}) as inner:
        # the law of z is the one that chains start from; the density takes it off again
        z = pm.Normal(COORDINATES, 0.0, START_SD, shape=n)
        x = centre + scale @ z
        values, at = {v.name: v for v in model.value_vars}, 0
        parts = {}
        for name, first in initial.items():
            parts[values[name]] = x[at:at + first.size].reshape(first.shape)
            at += first.size
        density, *moved = graph_replace([model.logp(), *shown], parts, strict=False)
        pm.Potential("density", density + (z**2).sum() / (2 * START_SD**2))
        for v, value in zip(shown, moved, strict=True):
            pm.Deterministic(v.name, value, dims=model.named_vars_to_dims.get(v.name))
    return Standardised(inner, centre, scale, start)
