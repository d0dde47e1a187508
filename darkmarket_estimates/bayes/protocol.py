"""The seam between models and machinery: what a model offers, and what passes between the two.

A model is a frozen `Spec`: priors and named options. `fit` calls its methods in the order in which they stand here.
Nothing but `Spec.model` touches PyMC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from darkmarket_estimates.factors import Factor
from darkmarket_estimates.totals import Totals

if TYPE_CHECKING:
    import pymc as pm

#: Draws of parameters by name, chains one after the other: shape (n_draws, ...).
Draws = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Data:
    """What a model reads, validated and compressed.

    Attributes
    ----------
    arrays : mapping of name to array
        Put into the model as ``pm.Data`` under these names: the numbers, and the numbers alone, differ between two
        data sets for which one compiled function serves.
    coords : mapping of name to sequence
        Labels of the dimensions, in the words of the field.
    totals : object
        What the data were made of (a `Totals` for models of turnover); None for simulated data.
    own : object
        Whatever else the model wants to keep: resolved priors, grids.
    flags : tuple of str
        What a reader of any result must know.
    """

    arrays: Mapping[str, np.ndarray]
    coords: Mapping[str, Any] = field(default_factory=dict)
    totals: Any = None
    own: Any = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Outcome:
    """Joint draws of what is estimated.

    Attributes
    ----------
    totals : Totals
        The table that the groups are those of.
    draws : array of shape (n_draws, n_groups)
        A column a group, in the order of `draws_model.groups_of`: combinations of the group keys that occur, sorted; one
        column where there are no group keys.
    estimand : {"realised", "expected"}
    factors : tuple of Factor
        The assumptions behind the draws, for the words of the result.
    shared : mapping of name to array of shape (n_draws,)
        Draws of common values (a review share) that the draws rest on.
    measure : {"money", "orders"}
    currency : str or None
        Of the draws, where an exchange rate leads away from the currency of the totals.
    flags : tuple of str
    """

    totals: Totals
    draws: np.ndarray
    estimand: str
    factors: tuple[Factor, ...] = ()
    shared: Mapping[str, np.ndarray] = field(default_factory=dict)
    measure: str = "money"
    currency: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Replicates:
    """Statistics of the data, and the same of data that the fitted model makes.

    Attributes
    ----------
    observed : mapping of name to float
    replicated : mapping of name to array of shape (n_replicates,)
    units : mapping of name to str
        What a statistic is in; names that are left out are plain numbers.
    """

    observed: Mapping[str, float]
    replicated: Mapping[str, np.ndarray]
    units: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Spec(Protocol):
    """A model: frozen priors and named options."""

    @property
    def estimands(self) -> tuple[str, ...]:
        """Estimands that it can answer, the default first."""
        ...

    def data(self, totals: Any) -> Data:
        """Validate and compress; refuse what the model cannot use."""
        ...

    def model(self, data: Data) -> pm.Model:
        """The PyMC model, with ``data.arrays`` as ``pm.Data``."""
        ...

    def after(self, data: Data, draws: Draws, rng: np.random.Generator, *, estimand: str) -> Outcome:
        """What is computed a draw after sampling: review share, vendor effects, totals by group."""
        ...

    def replicate(self, data: Data, draws: Draws, rng: np.random.Generator) -> Replicates:
        """Posterior predictive statistics, one a draw given."""
        ...

    def simulate(self, rng: np.random.Generator, data: Data) -> tuple[dict[str, Any], Data]:
        """A draw of the prior by name of parameter, and data made with it; `data` gives scale and size."""
        ...

    def quantities(self, data: Data, draws: Draws) -> dict[str, np.ndarray]:
        """What simulation-based calibration ranks beside the parameters: the total, the log likelihood."""
        ...
