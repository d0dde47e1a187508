"""How to account for listings that no scrape saw: a bound on their value, or a model of detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from darkmarket_estimates._checks import choice, shown, strings
from darkmarket_estimates.errors import AssumptionError

FORMS = ("unequal scrapes", "equal scrapes")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChao:
    """Raise the total by a lower bound on the value of listings that no scrape saw.

    See `darkmarket_estimates.coverage.value_chao` for the formula. The result is "at least", with a one-sided limit.

    Parameters
    ----------
    form : {"unequal scrapes", "equal scrapes"}
        The second needs no scrape of the single captures, and is several times too high when scrapes differ.
    clustered : bool
        Captures of a vendor's listings go together (realised total; the expected one is always clustered).

    Examples
    --------
    >>> ValueChao()
    ValueChao(form='unequal scrapes', clustered=False)
    """

    form: str = "unequal scrapes"
    clustered: bool = False

    def __post_init__(self) -> None:
        choice(self.form, "form", FORMS)
        choice(self.clustered, "clustered", (True, False))


@dataclass(frozen=True, slots=True)
class Huggins:
    """Weigh every listing by the inverse of its chance to be seen, fitted from capture counts.

    See `darkmarket_estimates.coverage.huggins`. Fitted by ``listings.totals(assumptions=[Huggins(...)])``, and right if
    the covariates explain catchability.

    Parameters
    ----------
    covariates : sequence of str
        "price", "count" or "value" of the listing in its present state, or numeric columns of the table (their mean over
        the listing's rows); "log price" is log(1 + price). None: the same chance for every listing.
    clustered : bool
        Captures of a vendor's listings go together.

    Examples
    --------
    >>> Huggins(["log price"]).covariates
    ('log price',)
    """

    covariates: Sequence[str] = ()
    clustered: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "covariates", strings(self.covariates, "covariates"))
        choice(self.clustered, "clustered", (True, False))


@dataclass(frozen=True, slots=True, kw_only=True)
class CountTimesMean:
    """The unseen COUNT (Chao2) times the mean value of the listings seen: a known mistake, here to show its size.

    Popular listings are seen more often, so unseen ones are worth less than seen ones: 9-13 % too high in simulations.

    Parameters
    ----------
    i_know_it_is_biased : bool
        Must be True.
    """

    i_know_it_is_biased: bool = False

    def __post_init__(self) -> None:
        if self.i_know_it_is_biased is not True:
            raise AssumptionError("count times mean value is 9-13 % too high where popular listings are seen more often",
                                  got=shown(self.i_know_it_is_biased), fix="use ValueChao() or Huggins(...), or say "
                                  "CountTimesMean(i_know_it_is_biased=True)")
