"""The compiled pass over coded rows. Imported only where numba is; kept on disk after its first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

#: Columns of a table of sums: one cache line a cell, the last column idle.
WIDTH = 8
#: Rows between the one that is added and the one whose cell is fetched into the cache meanwhile, where the table is larger.
AHEAD, NEAR = 24, 2**15

_FLOATS = numba.types.Array(numba.float64, 1, "C", readonly=True)
_WHOLE = numba.types.Array(numba.int64, 1, "C", readonly=True)
#: Counts are taken as they come: a column of floats beside one of whole numbers costs half as much as all the sums.
_SIGNATURES = [numba.void(_WHOLE, _FLOATS, count, *3 * [_FLOATS], numba.float64[::1]) for count in (_FLOATS, _WHOLE)]
_FOUR = ir.VectorType(ir.DoubleType(), 4)


def _address(context: Any, builder: Any, kind: Any, table: Any, at: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, table).data, [at])


@intrinsic
def _add_four(typing: Any, table: Any, at: Any, a: Any, b: Any, c: Any, d: Any) -> tuple[Any, Callable[..., Any]]:
    """Add four numbers to four neighbours in one instruction; `at` is a multiple of four, from a cache line on."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address = builder.bitcast(_address(context, builder, signature.args[0], *values[:2]), _FOUR.as_pointer())
        more = ir.Constant(_FOUR, ir.Undefined)
        for i, value in enumerate(values[2:]):
            more = builder.insert_element(more, value, ir.Constant(ir.IntType(32), i))
        builder.store(builder.fadd(builder.load(address, align=32), more), address, align=32)
        return context.get_dummy_value()

    return types.void(table, at, a, b, c, d), build


@intrinsic
def _fetch(typing: Any, table: Any, at: Any) -> tuple[Any, Callable[..., Any]]:
    """Ask for a cache line that will be written to soon."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, *3 * [word]]))
        address = builder.bitcast(_address(context, builder, signature.args[0], *values), byte)
        builder.call(fetch, [address, word(1), word(3), word(1)])  # to write to, to keep, data
        return context.get_dummy_value()

    return types.void(table, at), build


def accumulate(
    cell: np.ndarray, price: np.ndarray, count: np.ndarray, unit: np.ndarray, first: np.ndarray,
    per_listing: np.ndarray, table: np.ndarray,
) -> None:
    """Add rows to a flat table of 8 sums a cell; arrays of length 0 where every unit is 1 or every row a listing.

    Indices are unsigned: a signed one is tested for wrapping around at every use, which costs as much as the sums.
    """
    repeated, rates, far, last = len(first) > 0, len(unit) > 0, len(table) > NEAR, len(cell) - 1
    for i in range(len(cell)):
        if far:
            _fetch(table, np.uint64(cell[min(i + AHEAD, last)]) * np.uint64(WIDTH))
        at = np.uint64(cell[i]) * np.uint64(WIDTH)
        sold = float(count[i])
        worth = price[i]
        if rates:
            u = unit[i]
            worth *= u
            table[at + np.uint64(4)] += u * u * sold
            value = worth * sold
            sold *= u
        else:
            value = worth * sold
        listed = first[i] if repeated else 1.0
        whole = per_listing[i] if repeated else value
        _add_four(table, at, listed, sold, value, worth * value)
        table[at + np.uint64(5)] += listed * whole * whole
        if whole > table[at + np.uint64(6)]:
            table[at + np.uint64(6)] = whole


def load() -> Any:
    """The pass as machine code, from disk where one of this version is kept and the disk can be written to."""
    try:
        return numba.njit(_SIGNATURES, nogil=True, cache=True)(accumulate)
    except (RuntimeError, OSError):  # no folder for it
        return numba.njit(_SIGNATURES, nogil=True)(accumulate)
