"""One printed figure with all that it needs to be used: unit, scope, period, source, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from darkmarket_estimates._checks import label, shown
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.published.rounding import Rounded

#: What a tag says about a figure, and whether the figure may stand as a fact.
TAGS: Mapping[str, tuple[str, bool]] = {
    "R": ("read in the source", True),
    "S": ("read in a document of the Dutch government or of CRYPTODRUG", True),
    "D": ("derived by arithmetic from read figures", True),
    "M": ("from memory, not verified", False),
}

#: How the words around a figure are read; "rounded" is the default.
READINGS = ("rounded", "exact", "more than", "less than", "between")

TEXT = ("what", "printed", "unit", "source", "tag", "reading", "scope", "period", "markets", "currency", "note")
OTHER = ("step", "low", "high", "derived_from")
INHERITED = ("scope", "period", "markets", "currency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A printed figure.

    Attributes
    ----------
    study, key : str
        Together its identity, written ``study.key``.
    what, printed, unit : str
        What it measures, its digits as printed, and their unit.
    reading : str
        One of `READINGS`: how the words around it ("about", "more than") are read. "between" states the ends itself.
    value : Rounded
        The interval that the print allows.
    source, tag : str
        Where it stands, and one of `TAGS`.
    scope, period, markets, currency, note : str
    derived_from : tuple of str
        Figures, and files of the data folder ("data:..."), that a derived one ("D") follows from.
    changed_from : str
        What was really printed, where `Study.with_figure` put another figure in its place.
    """

    study: str
    key: str
    what: str
    printed: str
    unit: str
    reading: str
    value: Rounded
    source: str
    tag: str
    scope: str
    period: str
    markets: str
    currency: str
    note: str
    derived_from: tuple[str, ...]
    changed_from: str = ""

    @property
    def name(self) -> str:
        """Identity across studies."""
        return f"{self.study}.{self.key}"

    @property
    def is_fact(self) -> bool:
        """Whether the figure was read or follows from read figures; only facts are inputs or are compared with."""
        return TAGS[self.tag][1]


def read_figure(study: str, key: str, entry: Any, inherited: Mapping[str, str], *, fact: bool) -> Figure:
    """Check one entry of a study's file.

    Parameters
    ----------
    study, key : str
    entry : mapping
        As read from TOML.
    inherited : mapping of str to str
        Scope, period, markets and currency of the study, where the entry states none.
    fact : bool
        Whether it stands under ``[figures]``; else under ``[unverified]``.

    Raises
    ------
    DataError
        Which entry, what is missing or wrong, and what to write.
    """
    where = f"{study}.toml, [{'figures' if fact else 'unverified'}.{key}]"
    if not isinstance(entry, Mapping):
        raise DataError("an entry is not a table", where=where, got=type(entry).__name__)
    unknown = sorted(set(entry) - {*TEXT, *OTHER})
    if unknown:
        raise DataError("an entry has a field that nobody reads", where=where, got=", ".join(unknown),
                        expected="one of " + ", ".join((*TEXT, *OTHER)))
    for name in TEXT:
        if name in entry and not (isinstance(entry[name], str) and entry[name].strip()):
            raise DataError(f"{name} must be text", where=where, got=shown(entry[name]),
                            fix=f'{name} = "{label(entry[name])}"' if name == "printed" else None)
    for name in ("what", "printed", "unit", "source", "tag"):
        if name not in entry:
            raise DataError(f"an entry has no {name}", where=where, expected=f"{name} = ...", fix={
                "source": "name the page or document that it was read in",
                "tag": "tag it " + ", ".join(f"{t} ({words})" for t, (words, _) in TAGS.items())}.get(name))
    tag = entry["tag"]
    if tag not in TAGS:
        raise DataError("a tag is unknown", where=where, expected="one of " + ", ".join(TAGS), got=shown(tag))
    if fact and not TAGS[tag][1]:
        raise DataError("a figure from memory stands among the facts", where=where, got=f'tag = "{tag}"',
                        expected="a figure that was read, or derived from such",
                        fix=f"read it in the source, or move it to [unverified.{key}]")
    if not fact and TAGS[tag][1]:
        raise DataError("a verified figure stands among the unverified", where=where, got=f'tag = "{tag}"',
                        fix=f"move it to [figures.{key}]")
    parents = entry.get("derived_from", [])
    if not isinstance(parents, list) or not all(isinstance(p, str) for p in parents):
        raise DataError("derived_from is not a list of keys", where=where, got=shown(parents))
    if (tag == "D") != bool(parents):
        raise DataError("a derived figure says what it follows from, and only a derived one does", where=where,
                        got=f'tag = "{tag}", derived_from = {parents}', expected='tag = "D" with derived_from = [keys]')
    reading = entry.get("reading", "rounded")
    return Figure(
        study=study, key=key, what=entry["what"], printed=entry["printed"], unit=entry["unit"], reading=reading,
        value=_interval(entry, reading, where), source=entry["source"], tag=tag, note=entry.get("note", ""),
        derived_from=tuple(p if "." in p or p.startswith("data:") else f"{study}.{p}" for p in parents),
        **{name: entry.get(name, inherited[name]) for name in INHERITED},
    )


def _interval(entry: Mapping[str, Any], reading: str, where: str) -> Rounded:
    if reading not in READINGS:
        raise DataError("a reading is unknown", where=where, got=shown(reading),
                        expected="one of " + ", ".join(READINGS))
    printed = entry["printed"]
    ends = {name: entry[name] for name in ("low", "high") if name in entry}
    if (reading == "between") != (len(ends) == 2) or (ends and reading != "between"):
        raise DataError('low and high belong to reading = "between", both of them', where=where,
                        got=f'reading = "{reading}", ' + (", ".join(ends) or "neither"))
    if "step" in entry and reading != "rounded":
        raise DataError('step belongs to reading = "rounded"', where=where, got=f'reading = "{reading}"')
    try:
        if reading == "between":
            return Rounded.between(ends["low"], ends["high"], text=printed)
        if reading == "exact":
            return Rounded.exact(printed)
        if reading == "more than":
            return Rounded.more_than(printed)
        if reading == "less than":
            return Rounded.less_than(printed)
        return Rounded.printed(printed, step=entry.get("step"))
    except DataError as error:
        raise DataError("a figure cannot be read", where=where, expected=error.expected or error.what,
                        got=error.got, fix=error.fix) from error
