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
from darkmarket_estimates.published.status import CONFLICT, UNPUBLISHED, judge

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

    def step(self, label: str, *, unit: str = "") -> Callable[[Step], Step]:
        """Declare an intermediate result: shown in the arithmetic, usable by its function's name in later steps."""
        return lambda compute: self._add(compute, label, unit=unit)

    def compare(self, target: str, label: str, *, note: str = "", data: str = "") -> Callable[[Step], Step]:
        """Declare a result to be compared with the printed figure `target`: one row of the reproduction.

        A step that reads a file of the data folder names it as `data`; it is one of the inputs.
        """
        return lambda compute: self._add(compute, label, target=target, note=note, data=data)

    def explain(self, gap: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
        """Declare what the library itself says about something that was not published; it joins that row's note."""
        def add(say: Callable[[], str]) -> Callable[[], str]:
            self._explanations[gap] = say
            return say

        return add

    def _add(
        self, compute: Step, label: str, *, target: str | None = None, unit: str = "", note: str = "", data: str = ""
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
        clash = sorted(set(self._entries) & set(figures))
        if clash:
            raise DataError("a step has the name of a figure", where=self.study, got=", ".join(clash))
        lost = sorted(set(self._explanations) - set(unpublished))
        if lost:
            raise DataError("a recipe explains a gap that the study does not have", where=self.study,
                            got=", ".join(lost), expected="a key under [unpublished]")
        values: dict[str, Rounded] = {}
        failed: dict[str, tuple[str, str]] = {}
        rows: list[Row] = []
        lines: list[str] = []
        for name, entry in self._entries.items():
            theirs = None if entry.target is None else self._figure(figures, entry.target, name)
            unit = theirs.unit if theirs else entry.unit
            inputs = tuple(key if key.startswith("data:") else self._figure(figures, key, name).name
                           for key in self.inputs(name))
            ours, status, why = self._compute(entry, figures, values, failed)
            if ours is None:
                failed[name] = status, why
                lines.append(f"{entry.label}: {why}")
            else:
                values[name] = ours.named(f"[{entry.label}]")  # later steps show its name, not its arithmetic again
                lines.append(f"{entry.label}: {ours.text} = {ours} {unit}".rstrip())
            if theirs is None:
                continue
            if ours is not None:
                restated = any(ours is figures[key].value for key in entry.inputs if key in figures)
                shared = ancestry(theirs.name, figures) & set().union(*(ancestry(i, figures) for i in inputs))
                status = judge(ours, theirs.value, independent=not restated and not shared)
                lines[-1] += f"; printed {theirs.printed}, which stands for {theirs.value}: {status}"
            rows.append(Row(study=self.study, figure=entry.label, ours=ours, theirs=theirs, unit=unit, inputs=inputs,
                            status=status, note=_note(why, entry, theirs, self.inputs(name), figures)))
        for key, gap in unpublished.items():
            said = self._explanations[key]() if key in self._explanations else ""
            rows.append(Row(study=self.study, figure=str(gap["what"]), ours=None, theirs=None, unit=str(gap["unit"]),
                            inputs=(f"{self.study}.{key}",), status=UNPUBLISHED,
                            note="; ".join(filter(None, (str(gap["needs"]), said)))))
        return Reproduction(study=self.study, title=title or self.study, rows=tuple(rows), arithmetic=tuple(lines))

    def _compute(
        self, entry: _Entry, figures: Mapping[str, Figure], values: Mapping[str, Rounded],
        failed: Mapping[str, tuple[str, str]],
    ) -> tuple[Rounded | None, str, str]:
        """Run one step: its result, or none with a status and the reason."""
        for key in entry.inputs:
            if key in failed:
                return None, *failed[key]
        try:
            return entry.compute(*(values[k] if k in values else figures[k].value for k in entry.inputs)), "", ""
        except Unavailable as reason:
            return None, UNPUBLISHED, str(reason)
        except DataError as error:  # printed inputs that cannot hold together, or that no estimator accepts
            found = "; ".join(filter(None, (error.expected, error.got)))
            return None, CONFLICT, f"the inputs as printed are impossible: {error.what} ({found})"

    def _figure(self, figures: Mapping[str, Figure], key: str, step: str) -> Figure:
        if key not in figures:
            raise DataError("a recipe uses a figure that the study does not have", where=f"{self.study}, step {step}",
                            got=key, expected="a key under [figures] or [borrowed]")
        if not figures[key].is_fact:
            raise DataError("a recipe uses a figure that is not verified", where=f"{self.study}, step {step}", got=key)
        return figures[key]


def _note(why: str, entry: _Entry, theirs: Figure, inputs: tuple[str, ...], figures: Mapping[str, Figure]) -> str:
    """Say why nothing was computed, which figures were changed, or what the row shows."""
    used = {key: figures[key] for key in (*inputs, str(entry.target)) if key in figures}
    changed = [f"{key} is {f.printed} here, {f.changed_from} in print" for key, f in used.items() if f.changed_from]
    conclusions = (entry.note, theirs.note) if not (why or changed) else ()  # they hold for what was printed
    return "; ".join(filter(None, (why, *changed, *conclusions)))


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
