"""What each engine can do: the one table behind the errors, the page of the docs and a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from darkmarket_estimates.errors import NotSupportedError

#: Engines, and where a table of theirs comes from.
ENGINES: Mapping[str, str] = {
    "memory": "pandas, polars, pyarrow, arrays, small files",
    "duckdb": "files, folders, DuckDB tables and relations",
    "stream": "polars LazyFrame, SQLite table",
    "dask": "dask DataFrame",
    "spark": "Spark DataFrame",
}
YES, SECOND = "yes", "second scan"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What cannot be done, and the way out."""

    fix: str


_ROWS = Refusal("read the answer with totals(...), or keep the table in memory: engine=\"memory\"")
_ORDER = Refusal('an engine keeps no row order: duplicates="largest", or keep the first rows yourself, in an order '
                 'that you name, or read the table into memory with engine="memory"')
_NAMES = Refusal("errors name the vendor and the listing instead")
_LISTING = "shuffled"

Ability = str | Refusal

#: Rule by engine, engines in the order of `ENGINES`.
_TABLE: Mapping[str, tuple[Ability, ...]] = {
    "checks": (YES, YES, YES, YES, YES),
    "duplicates error": (YES, SECOND, SECOND, _LISTING, _LISTING),
    "duplicates first": (YES, _ORDER, _ORDER, _ORDER, _ORDER),
    "duplicates largest": (YES, SECOND, SECOND, _LISTING, _LISTING),
    "duplicates sum": (YES, SECOND, SECOND, _LISTING, _LISTING),
    "duplicates keep": (YES, YES, YES, _LISTING, _LISTING),
    "price cap": (YES, YES, YES, YES, YES),
    "multiples of the median": (YES, SECOND, SECOND, _LISTING, _LISTING),
    "median of accepted prices": (YES, SECOND, SECOND, _LISTING, _LISTING),
    "one exchange rate": (YES, YES, YES, YES, YES),
    "daily exchange rates": (YES, YES, YES, YES, YES),
    "groups and price bands": (YES, YES, YES, YES, YES),
    "captures": (YES, YES, YES, YES, YES),
    "audit": (YES, YES, YES, YES, YES),
    "rows as a frame": (YES, _ROWS, _ROWS, _ROWS, _ROWS),
    "row numbers in errors": (YES, "files only", _NAMES, _NAMES, _NAMES),
}


def ability(rule: str, engine: str) -> Ability:
    """Whether an engine can do a rule, and how."""
    return _TABLE[rule][list(ENGINES).index(engine)]


def refuse(rule: str, engine: str) -> NotSupportedError:
    """The error on a rule that an engine cannot do."""
    can = ability(rule, engine)
    assert isinstance(can, Refusal), f"{engine} can do {rule}"
    return NotSupportedError(f"the engine {engine!r} cannot do this: {rule}", fix=can.fix)


def rules() -> tuple[str, ...]:
    """Every rule of the table."""
    return tuple(_TABLE)


def to_markdown() -> str:
    """The table of the docs."""
    head = ["| rule | " + " | ".join(ENGINES) + " |", "|---" * (len(ENGINES) + 1) + "|"]
    ways = list(dict.fromkeys(a.fix for row in _TABLE.values() for a in row if isinstance(a, Refusal)))

    def cell(can: Ability) -> str:
        return can if isinstance(can, str) else f"no ({ways.index(can.fix) + 1})"

    body = [f"| {rule} | " + " | ".join(map(cell, row)) + " |" for rule, row in _TABLE.items()]
    return "\n".join([*head, *body, "", *(f"{i}. {way}" for i, way in enumerate(ways, 1))])
