"""Containers and diagnostics of the installed ArviZ: the only module that knows that there are two families of it.

ArviZ 0.x (Python 3.11) has `InferenceData`, ArviZ 1.x an xarray `DataTree`. Both hold groups of `xarray.Dataset`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

#: Dimensions that chains and draws are in.
SAMPLE = ("chain", "draw")


def arviz() -> ModuleType:
    """The installed ArviZ, without its notice about being refactored."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*ArviZ is undergoing a major refactor", category=FutureWarning)
        import arviz as az
    return az


def is_tree() -> bool:
    """Whether the container is a `DataTree`."""
    return int(arviz().__version__.split(".")[0]) >= 1


def group_names(container: Any) -> list[str]:
    """Names of the groups of a container."""
    return [str(name) for name in (container.children if is_tree() else container.groups())]


def dataset(container: Any, group: str) -> Any:
    """One group as an `xarray.Dataset`."""
    return container[group].to_dataset() if is_tree() else container[group]


def container_of(groups: Mapping[str, Any]) -> Any:
    """A container of datasets by group name."""
    if is_tree():
        import xarray as xr

        return xr.DataTree.from_dict({f"/{name}": ds for name, ds in groups.items()})
    with warnings.catch_warnings():
        # 0.x warns of groups that are no standard ones, although it keeps them
        warnings.filterwarnings("ignore", category=UserWarning, module="arviz")
        return arviz().InferenceData(**groups)


def with_groups(container: Any, groups: Mapping[str, Any]) -> Any:
    """A container with further groups."""
    return container_of({**{name: dataset(container, name) for name in group_names(container)}, **groups})


def dataset_of(
    values: Mapping[str, np.ndarray], dims: Mapping[str, tuple[str, ...]], coords: Mapping[str, Any]
) -> Any:
    """A dataset from arrays; `dims` names all dimensions of each."""
    import xarray as xr

    used = {d for name in values for d in dims[name]}
    return xr.Dataset({name: (dims[name], v) for name, v in values.items()},
                      coords={k: list(v) for k, v in coords.items() if k in used})


def flat_draws(container: Any, group: str = "posterior") -> dict[str, np.ndarray]:
    """Draws by name, chains one after the other: shape (n_draws, ...)."""
    posterior = dataset(container, group)
    out = {}
    for name in posterior.data_vars:
        values = posterior[name].transpose(*SAMPLE, ...).to_numpy()
        out[str(name)] = values.reshape(-1, *values.shape[2:])
    return out


def diagnostics(container: Any, names: list[str] | None = None) -> dict[str, dict[str, np.ndarray]]:
    """R-hat (rank-normalised split), bulk and tail effective sample sizes of every parameter, by name.

    Returns
    -------
    dict
        ``{"r_hat": {...}, "ess_bulk": {...}, "ess_tail": {...}}``.
    """
    az, posterior = arviz(), dataset(container, "posterior")
    if names is not None:
        posterior = posterior[names]
    # a parameter that never moves divides by 0: its R-hat is NaN, which the rules read
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        found = {"r_hat": az.rhat(posterior, method="rank"), "ess_bulk": az.ess(posterior, method="bulk"),
                 "ess_tail": az.ess(posterior, method="tail")}
    return {kind: {str(v): np.atleast_1d(ds[v].to_numpy()) for v in ds.data_vars} for kind, ds in found.items()}
