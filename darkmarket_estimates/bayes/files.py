"""A posterior in one file: a zip of netCDF (a group each), Parquet (the totals) and JSON (the model). No pickle."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from darkmarket_estimates._version import __version__
from darkmarket_estimates.assumptions import ByGroup
from darkmarket_estimates.bayes import _arviz
from darkmarket_estimates.bayes.diagnostics import check_container
from darkmarket_estimates.bayes.protocol import Outcome
from darkmarket_estimates.errors import DataError, NotSupportedError
from darkmarket_estimates.totals import Totals

if TYPE_CHECKING:
    from darkmarket_estimates.bayes.posterior import Posterior

FORMAT = 1
#: Modules whose frozen dataclasses may be named in a file.
MODULES = ("darkmarket_estimates.assumptions", "darkmarket_estimates.bayes", "darkmarket_estimates.review_share")


def write(posterior: Posterior, path: Path, *, vendor_key: str | None, vendor_names: bool) -> None:
    """See `Posterior.save`."""
    totals = posterior.outcome.totals
    if posterior.data.totals is not None and not isinstance(posterior.data.totals, Totals):
        raise NotSupportedError("this model reads single listings, which are not written", got=type(posterior.spec).__name__,
                                fix="save the idata, or the share that was seen: detect(...).coverage()")
    if getattr(posterior.spec, "exposure", None) is not None and not vendor_names:
        raise NotSupportedError("exposures are given by name of vendor, and names are not written",
                                fix="save(path, vendor_names=True)")
    outcome = posterior.outcome
    meta = {
        "format": FORMAT, "version": __version__, "spec": encode(posterior.spec), "method": posterior.method,
        "entropy": posterior.entropy, "confidence_level": posterior.confidence_level, "seconds": posterior.seconds,
        "estimand": outcome.estimand, "measure": outcome.measure, "currency": outcome.currency, "flags": list(outcome.flags),
        "groups": [name for name in _arviz.group_names(posterior.container) if name in ("posterior", "sample_stats")],
    }
    draws = {"draws": outcome.draws, **{f"shared {i}": v for i, v in enumerate(outcome.shared.values())}}
    meta["shared"] = list(outcome.shared)
    dims = {name: ("draw", "group") if np.ndim(v) == 2 else ("draw",) for name, v in draws.items()}
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    os.close(handle)
    try:
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("posterior.json", json.dumps(meta, indent=1))
            for name in meta["groups"]:
                _add(archive, folder, name, _arviz.dataset(posterior.container, name))
            _add(archive, folder, "totals", _arviz.dataset_of(draws, dims, {}))
            totals.save(Path(folder) / "totals.parquet", vendor_key=vendor_key, vendor_names=vendor_names)
            archive.write(Path(folder) / "totals.parquet", "totals.parquet")
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def _add(archive: zipfile.ZipFile, folder: str, name: str, dataset: Any) -> None:
    file = Path(folder) / f"{name}.nc"
    # netCDF 3 by SciPy: written and read wherever this library is, with nothing to install
    dataset.drop_attrs().to_netcdf(file, engine="scipy")
    archive.write(file, file.name)


def read(path: Path) -> Posterior:
    """See `Posterior.load`.

    Raises
    ------
    DataError
        The file is not one of ours, or of a newer format.
    """
    from darkmarket_estimates.bayes.draws_model import estimate_from
    from darkmarket_estimates.bayes.posterior import Posterior

    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            meta = json.loads(archive.read("posterior.json"))
            if meta["format"] != FORMAT:
                raise DataError("the file has a format that this version cannot read", where=str(path),
                                expected=f"format {FORMAT}", got=f"format {meta['format']} of version {meta['version']}")
            for name in (*meta["groups"], "totals"):
                (Path(folder) / f"{name}.nc").write_bytes(archive.read(f"{name}.nc"))
            (Path(folder) / "totals.parquet").write_bytes(archive.read("totals.parquet"))
            groups = {name: _dataset(Path(folder) / f"{name}.nc") for name in meta["groups"]}
            joint = _dataset(Path(folder) / "totals.nc")
            totals = Totals.load(Path(folder) / "totals.parquet")
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise DataError("the file is no saved posterior", where=str(path), expected="what Posterior.save wrote",
                        got=f"{type(error).__name__}: {error}") from error
    spec = decode(meta["spec"])
    container = _arviz.container_of(groups)
    checks = check_container(container, meta["method"])
    data = spec.data(totals)
    shared = {name: joint[f"shared {i}"].to_numpy() for i, name in enumerate(meta["shared"])}
    outcome = Outcome(totals=totals, draws=joint["draws"].to_numpy(), estimand=meta["estimand"], measure=meta["measure"],
                      factors=spec.factors(totals) if hasattr(spec, "factors") else (), shared=shared,
                      currency=meta["currency"], flags=tuple(meta["flags"]))
    estimate = estimate_from(outcome, confidence_level=meta["confidence_level"], entropy=meta["entropy"],
                             flags=(*data.flags, *checks.flags))
    return Posterior(spec=spec, data=data, container=container, outcome=outcome, estimate=estimate, checks=checks,
                     method=meta["method"], entropy=meta["entropy"], confidence_level=meta["confidence_level"],
                     seconds=meta["seconds"])


def _dataset(file: Path) -> Any:
    import xarray as xr

    with xr.open_dataset(file, engine="scipy") as opened:
        return opened.load()


def encode(x: Any) -> Any:
    """A frozen specification as JSON holds it.

    Raises
    ------
    NotSupportedError
        Something that cannot be named in a file, such as a distribution of the user's own.
    """
    if x is None or isinstance(x, bool | int | str):
        return x
    if isinstance(x, float):
        return x if np.isfinite(x) else {"float": str(x)}
    if isinstance(x, np.generic):
        return encode(x.item())
    if isinstance(x, tuple | list):
        return {"tuple": [encode(v) for v in x]}
    if isinstance(x, ByGroup):
        return {"by group": [x.column, encode(x.values)]}
    if isinstance(x, Mapping):
        return {"dict": [[encode(k), encode(v)] for k, v in x.items()]}
    if isinstance(x, np.ndarray):
        return {"array": x.tolist()}
    if isinstance(x, stats.distributions.rv_frozen):
        return {"scipy": x.dist.name, "args": encode(tuple(x.args)), "kwds": encode(dict(x.kwds))}
    if is_dataclass(x) and not isinstance(x, type) and _known(type(x).__name__) is type(x):
        return {"type": type(x).__name__, "fields": {f.name: encode(getattr(x, f.name)) for f in fields(x) if f.init}}
    raise NotSupportedError("a part of the model cannot be written to a file", got=repr(x),
                            expected="numbers, the library's assumptions and priors, frozen scipy.stats distributions",
                            fix="state it as a LogitNormal, or keep the posterior in memory")


def decode(x: Any) -> Any:
    """The inverse of `encode`; nothing in the file is evaluated.

    Raises
    ------
    DataError
        A name that is none of ours.
    """
    if not isinstance(x, dict):
        return x
    if "float" in x:
        return float(x["float"])
    if "tuple" in x:
        return tuple(decode(v) for v in x["tuple"])
    if "dict" in x:
        return {decode(k): decode(v) for k, v in x["dict"]}
    if "by group" in x:
        return ByGroup(x["by group"][0], decode(x["by group"][1]))
    if "array" in x:
        return np.asarray(x["array"])
    if "scipy" in x:
        family = getattr(stats, str(x["scipy"]), None)
        if not isinstance(family, stats.rv_continuous | stats.rv_discrete):
            raise DataError("the file names a distribution that does not exist", got=repr(x["scipy"]))
        return family(*decode(x["args"]), **decode(x["kwds"]))
    kind = _known(str(x.get("type")))
    if kind is None:
        raise DataError("the file names a part of a model that does not exist", got=repr(x.get("type")),
                        fix="read it with the version that wrote it")
    return kind(**{name: decode(v) for name, v in x["fields"].items()})


def _known(name: str) -> type | None:
    for module in MODULES:
        found = getattr(importlib.import_module(module), name, None)
        if isinstance(found, type) and is_dataclass(found):
            return found
    return None
