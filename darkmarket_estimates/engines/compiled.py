"""The pass over coded rows as machine code, written for LLVM and made for the columns that a table has.

LLVM comes with numba, which comes with pymc. Numba itself takes several times as long to load as LLVM and one pass, which
`benchmarks/engines.py` times.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding as llvm

#: Columns of a table of sums: one cache line a cell, the last column idle.
WIDTH = 8
#: Rows between the one that is added and the one whose cell is fetched into the cache meanwhile.
AHEAD = 24

_Table = np.ndarray[Any, Any]
Pass = Callable[..., None]


class Kind(NamedTuple):
    """What a pass reads and sums.

    Attributes
    ----------
    whole : bool
        Counts are integers: a column of floats beside them would cost half as much as all the sums.
    rates, repeated, far : bool
        Units may differ from 1; listings may have several rows; the table of sums is larger than the caches of a core.
    """

    whole: bool
    rates: bool
    repeated: bool
    far: bool


def _column(name: str, kind: str = "double") -> str:
    return f"""
      %{name}_at = getelementptr {kind}, ptr %{name}s, i64 %i
      %{name} = load {kind}, ptr %{name}_at"""


def _add(column: int, number: str) -> str:
    """Add to one number of the line of a cell."""
    return f"""
      %at_{column} = getelementptr double, ptr %line, i64 {column}
      %old_{column} = load double, ptr %at_{column}
      %new_{column} = fadd double %old_{column}, {number}
      store double %new_{column}, ptr %at_{column}"""


def _add_four(*numbers: str) -> str:
    """Add to the first four numbers of the line of a cell, in one instruction."""
    vector, steps = "poison", []
    for i, number in enumerate(numbers):
        steps.append(f"\n      %four_{i} = insertelement <4 x double> {vector}, double {number}, i32 {i}")
        vector = f"%four_{i}"
    return "".join(steps) + f"""
      %old_four = load <4 x double>, ptr %line, align 64
      %new_four = fadd <4 x double> %old_four, {vector}
      store <4 x double> %new_four, ptr %line, align 64"""


_FETCH = f"""
      %later = add i64 %i, {AHEAD}
      %inside = icmp ult i64 %later, %last
      %fetched = select i1 %inside, i64 %later, i64 %last
      %fetched_at = getelementptr i64, ptr %cells, i64 %fetched
      %fetched_cell = load i64, ptr %fetched_at
      %fetched_line = getelementptr [{WIDTH} x double], ptr %table, i64 %fetched_cell
      call void @llvm.prefetch.p0(ptr %fetched_line, i32 1, i32 3, i32 1)"""  # to write to, to keep, data


def source(kind: Kind) -> str:
    """The pass in LLVM's language: rows one after the other, with the sums of `kernels.sums` in the same order."""
    counted = _column("count", "i64") + "\n      %n = sitofp i64 %count to double" if kind.whole else _column("n")
    if kind.rates:
        priced = _column("unit") + _column("price") + """
      %worth = fmul double %unit, %price
      %unit_sq = fmul double %unit, %unit
      %rate = fmul double %unit_sq, %n
      %sold = fmul double %unit, %n""" + _add(4, "%rate")
    else:
        priced = _column("price")
    worth, sold = ("%worth", "%sold") if kind.rates else ("%price", "%n")
    listed, whole = ("%first", "%per_listing") if kind.repeated else ("1.0", "%value")
    return f"""
    declare void @llvm.prefetch.p0(ptr, i32, i32, i32)

    define void @accumulate(i64 %rows, ptr %cells, ptr %prices, ptr %{"counts" if kind.whole else "ns"}, ptr %units, ptr %firsts,
                            ptr %per_listings, ptr %table) {{
    before:
      %last = sub i64 %rows, 1
      %some = icmp ne i64 %rows, 0
      br i1 %some, label %row, label %done
    row:
      %i = phi i64 [0, %before], [%next, %added] {_FETCH if kind.far else ""} {_column("cell", "i64")}
      %line = getelementptr [{WIDTH} x double], ptr %table, i64 %cell {counted} {priced}
      %value = fmul double {worth}, %n
      %worth_sq = fmul double {worth}, %value {_column("first") + _column("per_listing") if kind.repeated else ""}
      %listed = fmul double {listed}, {whole}
      %listed_sq = fmul double %listed, {whole} {_add_four(listed, sold, "%value", "%worth_sq")} {_add(5, "%listed_sq")}
      %top_at = getelementptr double, ptr %line, i64 6
      %top = load double, ptr %top_at
      %larger = fcmp ogt double {whole}, %top
      br i1 %larger, label %raise, label %added
    raise:
      store double {whole}, ptr %top_at
      br label %added
    added:
      %next = add i64 %i, 1
      %more = icmp ult i64 %next, %rows
      br i1 %more, label %row, label %done
    done:
      ret void
    }}"""


def load(kind: Kind) -> Pass:
    """Make the pass.

    Returns
    -------
    callable
        Takes the columns of n rows in one piece each (int cells; float prices; counts; units, firsts and money of listings
        or None) and the table of sums in cache lines, which it adds to. The GIL is free meanwhile.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(  # this processor, with all that it can do
        opt=3, cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten())
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(source(kind)), machine)  # which owns both
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(None, ctypes.c_int64, *7 * [ctypes.c_void_p])(engine.get_function_address("accumulate"))

    def accumulate(cell: _Table, *columns: _Table | None, _code: Any = engine) -> None:  # which lives as long
        call(len(cell), cell.ctypes.data, *(None if x is None else x.ctypes.data for x in columns))

    return accumulate
