"""Variants of an estimate, side by side on the same data."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from darkmarket_estimates._checks import shown
from darkmarket_estimates.api import turnover
from darkmarket_estimates.assumptions import HoldingPrice
from darkmarket_estimates.bayes import Posterior, fit
from darkmarket_estimates.distribution.law import Law
from darkmarket_estimates.errors import DataError, StatisticalWarning
from darkmarket_estimates.estimate import Estimate
from darkmarket_estimates.totals import Totals

#: Options of `turnover`, with "clean", "by" and "bands" beside them or "turnover" for the rest; or a function of data.
Variant = Mapping[str, Any] | Callable[[Any], Any]
#: What a variant may change before the estimate.
UPSTREAM = ("clean", "by", "bands")
#: Options of every variant that a fit takes too.
FIT = ("estimand", "confidence_level", "rng")
COLUMNS = ("value", "floor", "lower_bound", "upper_bound", "low", "high", "kind", "flags", "seconds", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a variant said about the data; NaN where it said nothing."""

    value: float = math.nan
    floor: float = math.nan
    lower_bound: float = math.nan
    upper_bound: float = math.nan
    low: float = math.nan
    high: float = math.nan
    confidence_level: float = 0.95
    kind: str = ""
    estimand: str = ""
    flags: str = ""
    seconds: float = math.nan
    error: str = ""
    law: Callable[[], Law] | None = field(default=None, repr=False)


def compare(data: Any, variants: Mapping[str, Variant], **shared: Any) -> pd.DataFrame:
    """Estimate the same turnover in several ways.

    Parameters
    ----------
    data : Totals, Listings, or what the variants take
        A table that is no `Listings` yet needs ``price=``, ``reviews=``, ``vendor=`` and ``currency=`` among `shared`.
    variants : mapping of name to variant
        A variant is a mapping of options of `darkmarket_estimates.turnover`, flat or as ``{"clean": HoldingPrice(...),
        "by": ..., "turnover": {...}}``; or ``{"bayes": spec, ...}`` with options of `bayes.fit`; or a callable of the data
        that returns an Estimate, a Posterior, a number, or ``(value, low, high)``.
    **shared
        Options of every mapping; the variant's own come first.

    Returns
    -------
    DataFrame
        A row a variant: value, floor, lower_bound, upper_bound (of a Range), low, high (of the interval), kind, flags,
        seconds, error. A variant that fails is a row with its error.

    Raises
    ------
    DataError
        `variants` is no mapping of names to variants.

    Examples
    --------
    >>> import darkmarket_estimates as dme
    >>> table = {"price": [50.0, 20.0, 99_999.0], "reviews": [4, 10, 1], "seller": ["a", "a", "b"]}
    >>> listings = dme.Listings(table, price="price", reviews="reviews", vendor="seller", currency="USD")
    >>> frame = compare(listings, {
    ...     "floor": {},
    ...     "cap": {"clean": dme.HoldingPrice(cap=10_000), "turnover": {"review_rate": dme.Range(0.5, 1)}},
    ...     "by hand": lambda data: data.totals().sum("value") / 0.5,
    ... })
    >>> frame["floor"].tolist(), float(frame.loc["cap", "upper_bound"]), float(frame.loc["by hand", "value"])
    ([100399.0, 400.0, nan], 800.0, 200798.0)
    """
    rows = {name: answer(data, variant, shared) for name, variant in read_variants(variants).items()}
    frame = pd.DataFrame([{c: getattr(row, c) for c in COLUMNS} for row in rows.values()], columns=list(COLUMNS))
    frame.index = pd.Index(list(rows), name="variant")
    return frame


def read_variants(variants: Any) -> dict[str, Variant]:
    """Return the variants by name, checked as far as that is possible without data."""
    if not isinstance(variants, Mapping) or not variants:
        raise DataError("variants are not named", expected='a mapping: {"floor": {}, "half": {"review_rate": 0.5}}',
                        got="none" if isinstance(variants, Mapping) else type(variants).__name__)
    for name, variant in variants.items():
        if not isinstance(name, str) or not (isinstance(variant, Mapping) or callable(variant)):
            raise DataError("a variant cannot be read", where=shown(name), got=type(variant).__name__,
                            expected="a name, and a mapping of options or a callable of the data")
        if isinstance(variant, Mapping) and "turnover" in variant:
            if not isinstance(variant["turnover"], Mapping):
                raise DataError("the turnover options of a variant are no mapping", where=shown(name),
                                expected='{"turnover": {"review_rate": 0.5}}', got=type(variant["turnover"]).__name__)
            extra = sorted(set(variant) - {"turnover", *UPSTREAM})
            if extra:
                raise DataError("a variant has options beside its turnover options", where=shown(name),
                                expected="clean, by, bands and turnover", got=", ".join(extra),
                                fix='put them into "turnover", or leave that level out')
        if isinstance(variant, Mapping) and not isinstance(variant.get("clean"), HoldingPrice | None):
            raise DataError("the cleaning rule of a variant cannot be read", where=shown(name),
                            expected="HoldingPrice(...) or None", got=shown(variant["clean"]))
    return dict(variants)


def answer(data: Any, variant: Variant, shared: Mapping[str, Any]) -> Answer:
    """Run one variant. Its warnings of the library are flags already; whatever else goes wrong is its error."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StatisticalWarning)
            if isinstance(variant, Mapping) and "bayes" in variant:
                result = _fitted(data, variant, shared)
            elif isinstance(variant, Mapping):
                upstream = {k: v for k, v in variant.items() if k != "turnover"}
                result = turnover(data, **{**shared, **upstream, **variant.get("turnover", {})})
            else:
                result = variant(data)
        found = _read(result, shared.get("confidence_level", 0.95))
    except Exception as error:  # a variant that fails is a result
        found = {"error": f"{type(error).__name__}: {error}"}
    return Answer(**found, seconds=time.perf_counter() - start)


def _fitted(data: Any, variant: Mapping[str, Any], shared: Mapping[str, Any]) -> Any:
    """Posterior of a Bayesian model: ``clean``, ``by`` and ``bands`` first, the rest are options of `bayes.fit`."""
    options = {**{k: v for k, v in shared.items() if k in (*UPSTREAM, *FIT)}, **variant}
    if not isinstance(data, Totals):
        clean = options.pop("clean", None)
        listings = data if clean is None else data.clean(clean)
        data = listings.totals(**{k: options.pop(k) for k in ("by", "bands") if k in options})
    return fit(data, options.pop("bayes"), **{"progress": False, **options})


def _read(result: Any, confidence_level: float) -> dict[str, Any]:
    """The parts of an Estimate or Posterior, a number or (value, low, high)."""
    if isinstance(result, Posterior):
        result = result.estimate
    if isinstance(result, Estimate):
        bounds, interval = result.bounds or (math.nan, math.nan), result.interval or (math.nan, math.nan)
        has_law = result.kind not in ("floor", "bounds", "census", "point") and result.bounds is None
        return {
            "value": result.value, "floor": result.floor, "lower_bound": bounds[0], "upper_bound": bounds[1],
            "low": interval[0], "high": interval[1], "confidence_level": result.confidence_level, "kind": result.kind,
            "estimand": result.model.estimand, "flags": "; ".join(result.flags),
            "law": (lambda: result.law) if has_law else None,
        }
    try:
        numbers = [float(x) for x in result] if isinstance(result, tuple | list) else [float(result)]
    except (TypeError, OverflowError):
        numbers = []
    if len(numbers) not in (1, 3) or math.isnan(numbers[0]):
        raise DataError("the answer of a variant cannot be read", got=shown(result),
                        expected="an Estimate, a number, or (value, low, high)")
    value, low, high = numbers if len(numbers) == 3 else (numbers[0], math.nan, math.nan)
    if low > high:
        raise DataError("the ends of a variant's interval are swapped", expected="low <= high", got=shown(result))
    return {"value": value, "low": low, "high": high, "confidence_level": confidence_level,
            "kind": "point" if math.isnan(low) or math.isnan(high) else "interval"}
