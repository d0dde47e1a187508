"""A recipe: how the figures of one study follow from each other, as functions of printed figures.

The parameters of a step are the figures it uses, by key: a step cannot use what it does not declare.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from darkmarket_estimates.errors import DataError
from darkmarket_estimates.published.figures import Figure
from darkmarket_estimates.published.reproduction import Reproduction, Row
from darkmarket_estimates.published.rounding import Rounded
from darkmarket_estimates.published.status import UNPUBLISHED, judge

Step = Callable[..., Rounded]


class Unavailable(Exception):
    """Raised by a step whose inputs are not at hand; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    compute: Step
    inputs: tuple[str, ...]
    label: str
    target: str | None = None
    unit: str = ""
    note: str = ""
    data: str = ""


class Recipe:
    """The steps of one study, in order.

    Parameters
    ----------
    study : str
        Key of the study.

    Examples
    --------
    >>> recipe = Recipe("kruithof2016")
    >>> @recipe.step("multiplier", unit="upper / lower bound")
    ... def multiplier(narrow_lower_usd, narrow_upper_usd):
    ...     return narrow_upper_usd / narrow_lower_usd
    >>> @recipe.compare("wide_upper_usd", "wide scope, upper bound")
    ... def wide_upper(wide_lower_usd, multiplier):
    ...     return wide_lower_usd * multiplier
    >>> recipe.inputs("wide_upper")
    ('narrow_lower_usd', 'narrow_upper_usd', 'wide_lower_usd')
    """

    def __init__(self, study: str) -> None:
        self.study = study
        self._entries: dict[str, _Entry] = {}
        self._explanations: dict[str, Callable[[], str]] = {}

    def step(self, label: str, *, unit: str = "", note: str = "") -> Callable[[Step], Step]:
        """Declare an intermediate result: shown in the arithmetic, usable by its function's name in later steps."""
        return lambda compute: self._add(compute, label, None, unit, note)

    def compare(self, target: str, label: str, *, note: str = "", data: str = "") -> Callable[[Step], Step]:
        """Declare a result to be compared with the printed figure `target`: one row of the reproduction.

        A step that reads a file of the data folder names it as `data`; it is one of the inputs.
        """
        return lambda compute: self._add(compute, label, target, "", note, data)

    def explain(self, gap: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
        """Declare what the library itself says about something that was not published; it joins that row's note."""
        def add(say: Callable[[], str]) -> Callable[[], str]:
            self._explanations[gap] = say
            return say

        return add

    def _add(
        self, compute: Step, label: str, target: str | None, unit: str, note: str, data: str = ""
    ) -> Step:
        name = compute.__name__
        if name in self._entries:
            raise DataError("a recipe has two steps of one name", where=f"{self.study}, {name}")
        inputs = tuple(inspect.signature(compute).parameters)
        if not inputs and not data:
            raise DataError("a step declares no inputs", where=f"{self.study}, {name}",
                            expected="figures as parameters, or data= a file")
        self._entries[name] = _Entry(compute=compute, inputs=inputs, label=label, target=target, unit=unit, note=note,
                                     data=data)
        return compute

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all steps, in order."""
        return tuple(self._entries)

    def target(self, name: str) -> str | None:
        """Key of the figure that a step is compared with."""
        return self._entries[name].target

    def inputs(self, name: str) -> tuple[str, ...]:
        """Keys of the printed figures (and "data:" files) that a step rests on, through earlier steps too, sorted."""
        found = {f"data:{self._entries[name].data}"} if self._entries[name].data else set()
        for key in self._entries[name].inputs:
            found |= set(self.inputs(key)) if key in self._entries else {key}
        return tuple(sorted(found))

    def run(
        self, figures: Mapping[str, Figure], unpublished: Mapping[str, Mapping[str, Any]], *, title: str = ""
    ) -> Reproduction:
        """Compute every step from `figures`.

        A row can be "reproduced" only if its printed figure shares no printed figure with its inputs, through
        derivations too, and if something was computed: one print beside another of the same quantity is "consistent".

        Raises
        ------
        DataError
            A step asks for, or is compared with, a figure that the study does not have or that is not verified.
        """
        values: dict[str, Rounded] = {}
        missing: dict[str, str] = {}
        rows: list[Row] = []
        lines: list[str] = []
        clash = sorted(set(self._entries) & set(figures))
        if clash:
            raise DataError("a step has the name of a figure", where=self.study, got=", ".join(clash))
        for name, entry in self._entries.items():
            theirs = None if entry.target is None else self._figure(figures, entry.target, name)
            label, unit = entry.label, theirs.unit if theirs else entry.unit
            inputs = tuple(key if key.startswith("data:") else self._figure(figures, key, name).name
                           for key in self.inputs(name))
            absent = next((missing[key] for key in entry.inputs if key in missing), None)
            ours = None
            if absent is None:
                arguments = [values[k] if k in values else figures[k].value for k in entry.inputs]
                try:
                    ours = entry.compute(*arguments)
                except Unavailable as reason:
                    absent = str(reason)
            if ours is None:
                missing[name] = str(absent)
                lines.append(f"{label}: {absent}")
                if theirs:
                    rows.append(Row(study=self.study, figure=label, ours=None, theirs=theirs, unit=unit, inputs=inputs,
                                    status=UNPUBLISHED, note="; ".join(filter(None, (str(absent), entry.note)))))
                continue
            values[name] = ours.named(f"[{label}]")  # later steps show its name, not its arithmetic again
            if theirs is None:
                lines.append(f"{label}: {ours.text} = {ours}{' ' + unit if unit else ''}")
                continue
            restated = any(ours is figures[key].value for key in entry.inputs if key in figures)
            shared = ancestry(theirs.name, figures) & set().union(*(ancestry(i, figures) for i in inputs), set())
            status = judge(ours, theirs.value, independent=not restated and not shared)
            note = "; ".join(filter(None, (entry.note, theirs.note)))
            rows.append(Row(study=self.study, figure=label, ours=ours, theirs=theirs, unit=unit, inputs=inputs,
                            status=status, note=note))
            lines.append(f"{label}: {ours.text} = {ours} {unit}; printed {theirs.printed}, which stands for "
                         f"{theirs.value}: {status}")
        for key, gap in unpublished.items():
            said = f"; {self._explanations[key]()}" if key in self._explanations else ""
            rows.append(Row(study=self.study, figure=str(gap["what"]), ours=None, theirs=None, unit=str(gap["unit"]),
                            inputs=(f"{self.study}.{key}",), status=UNPUBLISHED, note=str(gap["needs"]) + said))
        return Reproduction(study=self.study, title=title or self.study, rows=tuple(rows), arithmetic=tuple(lines))

    def _figure(self, figures: Mapping[str, Figure], key: str, step: str) -> Figure:
        if key not in figures:
            raise DataError("a recipe uses a figure that the study does not have", where=f"{self.study}, step {step}",
                            got=key, expected="a key under [figures] or [borrowed]")
        if not figures[key].is_fact:
            raise DataError("a recipe uses a figure that is not verified", where=f"{self.study}, step {step}", got=key)
        return figures[key]


def ancestry(name: str, figures: Mapping[str, Figure]) -> set[str]:
    """Return a figure (``study.key``) and everything that it is derived from."""
    by_name = {f.name: f for f in figures.values()}
    found: set[str] = set()
    stack = [name]
    while stack:
        current = stack.pop()
        if current not in found:
            found.add(current)
            stack.extend(by_name[current].derived_from if current in by_name else ())
    return found
