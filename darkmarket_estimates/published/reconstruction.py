"""A synthetic listing table with a study's published margins: the pipeline runs on it and gives the tables back.

Nothing in it was observed. It is the flattest table that has the margins, and it knows nothing that they do not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from darkmarket_estimates.errors import NotSupportedError
from darkmarket_estimates.listings import Listings
from darkmarket_estimates.published.dealing import capped, corrected, deal, lognormal_sizes, spread_for_top, whole
from darkmarket_estimates.published.maxent import fit
from darkmarket_estimates.published.rand_month import BANDS, CATEGORIES, COUNTRIES, Lattice, margins, reference
from darkmarket_estimates.published.rounding import Rounded
from darkmarket_estimates.published.study import Study, get

if TYPE_CHECKING:
    import pandas as pd

#: Of a printed interval's width, what is aimed at: whole numbers of orders then stay inside the interval. Where that is
#: too narrow for all margins together, more of it.
AIMS = (0.5, 0.9, 0.99)
TOP_COUNTRY = "US"
#: Vendors of other countries have at most this share of the largest one's money.
SECOND = 0.9
#: Prices are whole cents: half a cent an order is at most this share of the money.
CENTS = 4e-5
WINDOW = ("2016-01-01", "2016-02-01")
NOTE = ("SYNTHETIC: no row was observed. The flattest table with the published margins of Kruithof et al. 2016. Not "
        "printed and therefore assumed: the largest vendor is in the United States; vendor sizes are log-normal; vendors "
        "of Australia and of other countries are as large as the others on average; every vendor sells at all prices")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reconstruction:
    """A synthetic month and how well it holds the published margins.

    Attributes
    ----------
    frame : DataFrame
        A row a listing: listing, vendor, category, country, price_usd, reviews (whole numbers), synthetic (True).
        ``frame.attrs["synthetic"]`` and ``frame.attrs["note"]`` say the same.
    margins : DataFrame
        A row a published margin: margin, low, high (what the print allows), reached, holds.
    contradiction : tuple of str
        Names of margins that no table holds together.
    """

    frame: pd.DataFrame
    margins: pd.DataFrame
    contradiction: tuple[str, ...]

    @property
    def conflicts(self) -> tuple[str, ...]:
        """Margins that do not hold, with numbers, and those that contradict each other; empty where all hold."""
        lines = [f"{name}: {low:.6g} to {high:.6g} was printed, {reached:.6g} is what the other margins leave"
                 for name, low, high, reached, holds in self.margins.itertuples(index=False) if not holds]
        if self.contradiction:
            lines.append("no table holds all of these together: " + "; ".join(self.contradiction))
        return tuple(lines)

    def listings(self) -> Listings:
        """Open the table: reviews in January 2016, prices in USD."""
        return Listings(self.frame, price="price_usd", reviews="reviews", vendor="vendor", listing="listing",
                        currency="USD", window=WINDOW)

    def __repr__(self) -> str:
        return (f"<Reconstruction, synthetic: {len(self.frame):,} listings, {int(self.margins['holds'].sum())} of "
                f"{len(self.margins)} margins hold>")


def reconstruct(study: Study | str = "kruithof2016") -> Reconstruction:
    """Build a synthetic listing table that has all published margins of a study at once.

    Cells (category, country, price) get the orders of maximum entropy under the margins. They are rounded to whole
    orders, dealt to each country's vendors, and prices are corrected by a few percent at most, so that the money holds
    after rounding too. There are no random numbers.

    Parameters
    ----------
    study : Study or str
        "kruithof2016", or that study changed by `Study.with_figure`.

    Returns
    -------
    Reconstruction
        Margins that cannot hold together are in its `conflicts`, with numbers.

    Raises
    ------
    NotSupportedError
        Another study: too few margins were printed.

    Examples
    --------
    >>> month = reconstruct("kruithof2016")
    >>> int(month.frame["reviews"].sum()), month.conflicts
    (95000, ())
    """
    study = study if isinstance(study, Study) else get(study)
    if study.name != "kruithof2016":
        raise NotSupportedError("too few margins of this study were printed to reconstruct it", got=study.name,
                                expected='"kruithof2016"')
    figures = {key: f.value for key, f in study.by_key.items() if f.is_fact}
    lattice = Lattice.full()
    printed = margins(lattice, figures)
    wholesale = _middle(figures["wholesale_press"]) / 100
    start = reference(lattice, printed[0].low, printed[1].low, wholesale)
    fits = (fit([m.narrowed(aim) for m in printed], start) for aim in (*AIMS, AIMS[0]))
    fitted = next(f for i, f in enumerate(fits) if not f.contradiction or i == len(AIMS))
    cells = fitted.table

    top = figures["top_vendor_eur"] / (figures["narrow_upper_eur"] / figures["narrow_upper_usd"])
    money = {c: float(((lattice.country == c) * lattice.price) @ cells) for c in COUNTRIES}
    sellers = vendor_counts(figures, money)
    spread = spread_for_top(sellers[TOP_COUNTRY], _middle(top) / money[TOP_COUNTRY])
    sizes = {c: lognormal_sizes(n, spread) for c, n in sellers.items()}
    sizes |= {c: capped(sizes[c], SECOND * _middle(top) / money[c]) for c in COUNTRIES if c != TOP_COUNTRY}
    counts = whole(cells)
    vendor, cell, orders = [], [], []
    for country in COUNTRIES:
        at = np.flatnonzero(lattice.country == country)
        v, c, n = deal(counts[at], lattice.price[at], np.searchsorted(np.sort(CATEGORIES), lattice.category[at]),
                       sizes[country])
        vendor += [f"synthetic {country} {i + 1}" for i in v]
        cell.append(at[c])
        orders.append(n)
    at, n = np.concatenate(cell), np.concatenate(orders)
    largest = np.array(vendor) == f"synthetic {TOP_COUNTRY} 1"
    rows = _correct(lattice, cells, at, n, largest, _middle(top), countries_only=bool(fitted.contradiction))
    return Reconstruction(frame=_frame(rows, vendor, n), margins=_report(rows, vendor, n, figures, top),
                          contradiction=fitted.contradiction)


def vendor_counts(figures: Mapping[str, Rounded], money: Mapping[str, float]) -> dict[str, int]:
    """Vendors of each country; where no number was printed, as many as give the mean size of the others."""
    known = {c: int(figures[f"vendors_{c.lower()}"].low) for c in COUNTRIES if f"vendors_{c.lower()}" in figures}
    each = sum(money[c] for c in known) / sum(known.values())
    return {c: known.get(c, max(1, round(money[c] / each))) for c in COUNTRIES}


def _correct(
    lattice: Lattice, cells: np.ndarray, at: np.ndarray, orders: np.ndarray, largest: np.ndarray, top: float, *,
    countries_only: bool,
) -> Lattice:
    """Give every part of which the money was printed, and the largest vendor, their money.

    A table on the edge of what is possible has parts that no small change of prices mends: there, countries only.
    """
    country, category = lattice.country, lattice.category
    members = [country == c for c in COUNTRIES]
    if not countries_only:
        members += [*(category == c for c in ("cannabis", "stimulants", "ecstasy")), lattice.price > BANDS[1],
                    (category == "prescription") | (category == "alcohol and tobacco"),
                    *((country == "NL") & (category == c) for c in ("cannabis", "ecstasy"))]
    blocks = np.array([*(m[at] for m in members), largest], dtype=float)
    money = np.array([*((m * lattice.price) @ cells for m in members), top])
    price = corrected(lattice.price[at], orders, blocks, money)
    return Lattice(lattice.category[at], lattice.country[at], np.round(price, 2))


def _frame(rows: Lattice, vendor: list[str], orders: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame({"listing": [f"synthetic {i + 1}" for i in range(len(vendor))], "vendor": vendor,
                          "category": rows.category, "country": rows.country, "price_usd": rows.price,
                          "reviews": orders, "synthetic": True})
    frame.attrs.update(synthetic=True, note=NOTE)
    return frame


def _report(
    rows: Lattice, vendor: list[str], orders: np.ndarray, figures: Mapping[str, Rounded], top: Rounded
) -> pd.DataFrame:
    """Every margin in the finished table beside what was printed."""
    import pandas as pd

    found = [(m.name, m.low, m.high, m.reached(orders.astype(float))) for m in margins(rows, figures)]
    names = pd.Series(vendor)
    money = pd.Series(rows.price * orders).groupby(names).sum()
    found.append(("largest vendor: USD", *top.as_floats(), float(money.max())))
    for c in COUNTRIES:
        if f"vendors_{c.lower()}" in figures:
            low, high = figures[f"vendors_{c.lower()}"].as_floats()
            found.append((f"{c}: vendors", low, high, float(names[rows.country == c].nunique())))
    return pd.DataFrame([(name, low, high, reached, low * (1 - CENTS) <= reached <= high * (1 + CENTS))
                         for name, low, high, reached in found],
                        columns=["margin", "low", "high", "reached", "holds"])


def _middle(figure: Rounded) -> float:
    low, high = figure.as_floats()
    return 0.5 * (low + high)
