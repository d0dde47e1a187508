"""Errors and warnings: what is wrong, where, what was expected, what was found, and one thing to do."""

from __future__ import annotations


def escaped(text: str) -> str:
    """The text without characters that a terminal would obey: escape codes, marks that turn the direction of writing."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _cut(text: str, limit: int = 2000) -> str:
    """The text, unless it is longer than anybody reads."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


class DataError(ValueError):
    """The data, or an assumption about them, cannot be used as given.

    Parameters
    ----------
    what : str
        One sentence: what is wrong.
    where, expected, got, fix : str, optional
        The place, the requirement, the finding, and one thing that the user can do. They are printed on lines of
        their own and kept as attributes.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        got: str | None = None,
        fix: str | None = None,
    ) -> None:
        def shown(text: str | None) -> str | None:
            return None if text is None else escaped(_cut(str(text)))

        self.what = escaped(str(what))
        self.where, self.expected, self.got, self.fix = map(shown, (where, expected, got, fix))
        parts = [("where", self.where), ("expected", self.expected), ("got", self.got), ("to do", self.fix)]
        super().__init__("\n".join([self.what, *(f"  {name}: {text}" for name, text in parts if text is not None)]))


class AssumptionError(DataError):
    """An assumption is impossible in itself: a review share of 0, a range whose ends are swapped."""


class NotIdentifiedError(DataError):
    """The table does not hold what the question needs; the message prints the call that makes it."""


class NotSupportedError(DataError):
    """The question has an answer, but not in this combination; the message names the way out."""


class StatisticalWarning(UserWarning):
    """A result that can be misread. Each such warning is also a flag of the result."""


class HoldingPriceWarning(StatisticalWarning):
    """One listing or one price dominates: probably a holding price, not a sale."""


class ReviewShareWarning(StatisticalWarning):
    """The review share fitted from counts is sensitive to how vendors are weighted."""
