"""A study as an object: its figures as printed, and its recipe."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from darkmarket_estimates._checks import shown
from darkmarket_estimates._checks import text as check_text
from darkmarket_estimates.errors import DataError
from darkmarket_estimates.published.figures import INHERITED, TAGS, Figure, read_figure
from darkmarket_estimates.published.recipe import ancestry
from darkmarket_estimates.published.recipes import RECIPES
from darkmarket_estimates.published.reproduction import Reproduction, as_printed

if TYPE_CHECKING:
    import pandas as pd

HEAD = ("title", "source", *INHERITED)
SECTIONS = ("figures", "unverified", "unpublished", "borrowed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A published estimate: what it printed, and how its figures follow from each other.

    Attributes
    ----------
    name, title, source : str
    by_key : mapping of str to Figure
        Figures as printed, those borrowed from other studies and those from memory included.
    unpublished : mapping
        What a reproduction would need and nobody printed.
    """

    name: str
    title: str
    source: str
    by_key: Mapping[str, Figure]
    unpublished: Mapping[str, Mapping[str, Any]]

    @property
    def figures(self) -> pd.DataFrame:
        """One row a figure: key, what, printed, low, high, unit, scope, period, markets, currency, source, tag, ...

        `fact` is False for what was written down from memory: nothing is computed from such a figure, nothing compared
        with it. `low` and `high` are the interval that its rounding allows.
        """
        import pandas as pd

        rows = []
        for key, f in self.by_key.items():
            low, high = f.value.as_floats()
            rows.append({"key": key, "what": f.what, "printed": as_printed(f), "low": low, "high": high, "unit": f.unit,
                         "scope": f.scope, "period": f.period, "markets": f.markets, "currency": f.currency,
                         "source": f.source, "tag": f.tag, "meaning": TAGS[f.tag][0], "fact": f.is_fact,
                         "note": f.note, "study": f.study})
        return pd.DataFrame(rows)

    def with_figure(self, key: str, printed: str) -> Study:
        """Return the study as if `printed` had been printed, to see what follows and what breaks.

        Parameters
        ----------
        key : str
        printed : str
            Digits, rounded to the last one.

        Examples
        --------
        >>> from darkmarket_estimates import published
        >>> study = published.get("kruithof2016").with_figure("narrow_upper_usd", "23.5")
        >>> study.reproduce().row("wide scope, upper bound").status
        'conflict'
        """
        if not isinstance(key, str) or key not in self.by_key:
            raise DataError("the study has no such figure", where=self.name, got=shown(key),
                            expected="one of " + ", ".join(self.by_key))
        entry = {"what": "x", "printed": printed, "unit": "x", "source": "x", "tag": "R"}
        value = read_figure(self.name, key, entry, dict.fromkeys(INHERITED, ""), fact=True).value
        changed = replace(self.by_key[key], printed=printed, reading="rounded", value=value,
                          changed_from=self.by_key[key].changed_from or as_printed(self.by_key[key]))
        return replace(self, by_key=MappingProxyType({**self.by_key, key: changed}))

    def reproduce(self) -> Reproduction:
        """Compute every figure again from the study's own published inputs."""
        return RECIPES[self.name].run(self.by_key, self.unpublished, title=self.title)

    def __str__(self) -> str:
        return f"{self.name}: {self.title}"

    def __repr__(self) -> str:
        return f"<Study {self.name}: {len(self.by_key)} figures of {self.title}>"


def study_from_toml(name: str, text: str) -> Study:
    """Read and check a study's file.

    Raises
    ------
    DataError
        The entry, what is wrong with it, and what to write.
    """
    check_text(name, "name")
    if not isinstance(text, str):
        raise DataError("a study's file is text", where=f"{name}.toml", expected="TOML", got=type(text).__name__)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError("a study's file is not TOML", where=f"{name}.toml", got=str(error)) from error
    unknown = sorted(set(content) - {*HEAD, *SECTIONS})
    if unknown:
        raise DataError("a study's file has a field that nobody reads", where=f"{name}.toml", got=", ".join(unknown),
                        expected="one of " + ", ".join((*HEAD, *SECTIONS)))
    for field in HEAD:
        if not isinstance(content.get(field), str) or not content[field].strip():
            raise DataError(f"a study's file has no {field}", where=f"{name}.toml", expected=f'{field} = "..."',
                            got=shown(content.get(field)))
    inherited = {field: content[field] for field in INHERITED}
    figures: dict[str, Figure] = {}
    for key, entry in content.get("figures", {}).items():
        figures[key] = read_figure(name, key, entry, inherited, fact=True)
    for key, entry in content.get("unverified", {}).items():
        figures[key] = read_figure(name, key, entry, inherited, fact=False)
    for key, origin in content.get("borrowed", {}).items():
        other, _, theirs = str(origin).partition(".")
        if key in figures or other == name or theirs not in (lender := read_own(other)):
            raise DataError("a figure cannot be borrowed", where=f"{name}.toml, [borrowed] {key}", got=shown(origin),
                            expected='"study.key", from another study, under a key that is still free')
        parents = ancestry(f"{other}.{theirs}", lender) - {f"{other}.{theirs}"}
        figures[key] = replace(lender[theirs], derived_from=tuple(sorted(parents)))
    for figure in figures.values():
        lost = [p for p in figure.derived_from if p.startswith(f"{name}.") and p.partition(".")[2] not in figures]
        if lost and figure.study == name:
            raise DataError("a derived figure follows from a figure that is not there", where=f"{figure.name}",
                            got=", ".join(lost))
    unpublished = content.get("unpublished", {})
    for key, gap in unpublished.items():
        if not isinstance(gap, Mapping) or set(gap) != {"what", "unit", "needs"}:
            raise DataError("a gap must say what was not published, its unit, and what it needs",
                            where=f"{name}.toml, [unpublished.{key}]", expected="what, unit, needs", got=shown(gap))
    return Study(name=name, title=content["title"], source=content["source"], by_key=MappingProxyType(figures),
                 unpublished=MappingProxyType(unpublished))


def get(name: str) -> Study:
    """Return a study by name.

    Raises
    ------
    DataError
        The name is unknown (the message lists those that are known), or the study's file has a fault.
    """
    return study_from_toml(name, study_text(name))


def _by_title(name: Any) -> str | None:
    """The first study whose title has the letters of a name that is none, such as "RAND 2016"."""
    letters = "".join(c for c in name.lower() if c.isalpha()) if isinstance(name, str) else ""
    if len(letters) < 3:
        return None
    titles = {known: tomllib.loads(study_text(known))["title"] for known in RECIPES}
    return next((f"{known!r} is {title}" for known, title in titles.items() if letters in title.lower()), None)


def study_text(name: str) -> str:
    """Read the file of a study."""
    if not isinstance(name, str) or name not in RECIPES:
        raise DataError("no such study", got=shown(name), expected="one of " + ", ".join(RECIPES), fix=_by_title(name))
    return (resources.files("darkmarket_estimates.published") / "data" / f"{name}.toml").read_text(encoding="utf-8")


def read_own(name: str) -> dict[str, Figure]:
    """Return the figures of a study without those it borrows: lenders lend their own only."""
    content = tomllib.loads(study_text(name))
    inherited = {field: content.get(field, "") for field in INHERITED}
    return {key: read_figure(name, key, entry, inherited, fact=True)
            for key, entry in content.get("figures", {}).items()}
