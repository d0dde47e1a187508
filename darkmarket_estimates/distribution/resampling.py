r"""Poisson bootstrap weights that depend on (seed, replicate, vendor) and on nothing else.

The weight is a hash, not the next number of a stream: it is the same whatever the order of the rows, the size of a
chunk or the partition a vendor lies in, so replicates computed apart may be added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

import numpy as np
from scipy import stats

from darkmarket_estimates import _checks as checks
from darkmarket_estimates.errors import DataError

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_BITS = 2.0**-53
_CUMULATIVE = stats.poisson(1).cdf(np.arange(18))  # 1 - cdf(17) is below 2^-53
MAX_BYTES = 2**26


def _mix(z: np.ndarray) -> np.ndarray:
    """Finalise as SplitMix64: every input bit flips every output bit with probability near 1/2."""
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


def uniforms(keys: Any, replicates: Any, seed: int) -> np.ndarray:
    """Uniform numbers in [0, 1), one a (replicate, key): shape (n_replicates, n_keys).

    Parameters
    ----------
    keys : array of uint64, shape (n_keys,)
    replicates : int or array of int
        A number of replicates (0, 1, ...), or the replicates themselves.
    seed : int
        From 0 to 2^64 - 1.

    References
    ----------
    Steele, Lea & Flood (2014), OOPSLA, 453-472 (SplitMix64); Salmon et al. (2011), SC11 (counter-based generators).
    """
    key = np.asarray(keys)
    if key.dtype.kind not in "ui" or key.ndim != 1:
        raise DataError("keys are not whole numbers", expected="a 1-dimensional array of uint64, as made by key_of",
                        got=f"{key.dtype} of shape {key.shape}")
    if np.ndim(replicates) == 0:
        replicates = np.arange(checks.replicates(replicates, "replicates", low=0, each=32 * max(1, len(key))))
    start = np.array([checks.integer(seed, "seed", low=0, high=2**64 - 1)], dtype=np.uint64)
    row = _mix(_mix(start + _GOLDEN) + np.asarray(replicates).astype(np.uint64) * _GOLDEN)
    # Two rounds after the key enters: one leaves keys that differ in few bits related within a replicate.
    z = _mix(_mix(_mix(key.astype(np.uint64) + _GOLDEN) ^ row[:, None]) + _GOLDEN)
    return (z >> np.uint64(11)) * _BITS


def poisson_weights(keys: Any, replicates: Any, seed: int) -> np.ndarray:
    """Poisson(1) weights, one a (replicate, vendor).

    Parameters
    ----------
    keys, replicates, seed
        As in `uniforms`.

    Returns
    -------
    array of uint8, shape (n_replicates, n_vendors)

    Examples
    --------
    >>> keys = key_of(["anna", "ben", "carl"])
    >>> w = poisson_weights(keys, 4, seed=1)
    >>> bool((poisson_weights(keys[::-1], [2, 3], seed=1) == w[2:, ::-1]).all())
    True
    """
    return np.searchsorted(_CUMULATIVE, uniforms(keys, replicates, seed), side="right").astype(np.uint8)


def key_of(labels: Iterable[Any]) -> np.ndarray:
    """Keys of vendors by a 64-bit hash of their names, the same on every machine and in every process.

    Parameters
    ----------
    labels : iterable of str, int, or tuples of these
        A tuple such as (market, vendor) is hashed part by part, so ("a", "bc") and ("ab", "c") differ.

    Examples
    --------
    >>> key_of(["anna", ("Hansa", "anna")]).dtype
    dtype('uint64')
    """
    return np.array([_hash(label) for label in labels], dtype=np.uint64)


def _hash(label: Any) -> int:
    text = b""
    for part in label if isinstance(label, tuple) else (label,):
        if isinstance(part, bool) or not isinstance(part, str | int | np.integer):
            raise DataError("a vendor's name cannot be a key", expected="text, a whole number, or a tuple of these",
                            got=repr(label), fix='name missing vendors, e.g. "(missing)"')
        raw = str(part).encode("utf-8", "surrogatepass")
        text += len(raw).to_bytes(8, "little") + raw
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray], keys: Any, *, n_resamples: int, seed: int, max_bytes: int = MAX_BYTES
) -> np.ndarray:
    """Apply a statistic to blocks of Poisson weights, in bounded memory.

    Parameters
    ----------
    statistic : callable
        Takes weights of shape (n, n_vendors) and returns n values, or n rows.
    keys : array of uint64, shape (n_vendors,)
    n_resamples, seed : int
    max_bytes : int
        Bound of the block's working memory.

    Returns
    -------
    array of shape (n_resamples, ...)
        Independent of `max_bytes`.

    Examples
    --------
    >>> y = np.array([5.0, 3.0, 1.0])
    >>> bootstrap(lambda w: w @ y, key_of("abc"), n_resamples=4, seed=1).shape
    (4,)
    """
    n_resamples = checks.replicates(n_resamples, "n_resamples", each=16)
    rows = max(1, int(max_bytes // (32 * max(1, len(keys)))))
    parts = []
    for start in range(0, n_resamples, rows):
        block = np.arange(start, min(start + rows, n_resamples))
        part = np.asarray(statistic(poisson_weights(keys, block, seed)))
        if part.shape[:1] != block.shape:
            raise DataError("the statistic does not return one value a row of weights",
                            expected=f"first dimension {len(block)}", got=f"shape {part.shape}")
        if not start:
            checks.replicates(n_resamples, "n_resamples", each=max(16, 2 * part[:1].nbytes))
        parts.append(part)
    return np.concatenate(parts)
