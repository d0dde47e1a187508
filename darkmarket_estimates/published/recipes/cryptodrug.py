"""CRYPTODRUG: four summaries of order values that fit together, and two of spending that do not."""

from __future__ import annotations

from itertools import product

from darkmarket_estimates.published.order_values import fit_order_values, orders_for_maximum
from darkmarket_estimates.published.recipe import Recipe
from darkmarket_estimates.published.rounding import Rounded
from darkmarket_estimates.published.size_laws import SizeLaw

recipe = Recipe("cryptodrug")

# -- context ----------------------------------------------------------------------------------------------------------


@recipe.compare("world_share", "share of the world's drug trade, from the two ranges")
def world(turnover_low: Rounded, world_high: Rounded, turnover_high: Rounded, world_low: Rounded) -> Rounded:
    """Divide millions by billions, in percent."""
    return (turnover_low / (world_high * 1000) * 100).to(turnover_high / (world_low * 1000) * 100)


@recipe.compare("belgium_share_low", "Belgium, EUR 1 million of USD 170-300 million, beside the literature's lowest")
def belgium_low(
    be_eur_year: Rounded, rate_2016_01: Rounded, rate_2016_04: Rounded, turnover_low: Rounded, turnover_high: Rounded
) -> Rounded:
    """Divide, in percent, at two rates of 2016."""
    return _belgium(be_eur_year, rate_2016_01, rate_2016_04, turnover_low, turnover_high)


@recipe.compare("belgium_share_high", "Belgium, EUR 1 million of USD 170-300 million, beside the literature's highest",
                note="the literature's 1.3% of that turnover would be more than EUR 1 million a year")
def belgium_high(
    be_eur_year: Rounded, rate_2016_01: Rounded, rate_2016_04: Rounded, turnover_low: Rounded, turnover_high: Rounded
) -> Rounded:
    """Divide, in percent, at two rates of 2016."""
    return _belgium(be_eur_year, rate_2016_01, rate_2016_04, turnover_low, turnover_high)


def _belgium(money: Rounded, rate_a: Rounded, rate_b: Rounded, low: Rounded, high: Rounded) -> Rounded:
    return (money / (high * rate_a) * 100).to(money / (low * rate_b) * 100)


# -- order values: is there a distribution with all four? -------------------------------------------------------------


@recipe.compare("large_orders", "orders above EUR 200, from mean, money share and maximum, whatever the distribution")
def any_distribution(large_money: Rounded, mean_order: Rounded, max_order: Rounded, threshold: Rounded) -> Rounded:
    """Value each of them between the threshold and the maximum."""
    money = large_money / 100 * mean_order * 100
    return (money / max_order).to(money / threshold)


def _fits(mean: Rounded, threshold: Rounded, money: Rounded, family: str) -> list[SizeLaw]:
    """Fit the family at the corners of what the print allows."""
    return [fit_order_values(mean=m, threshold=threshold.as_floats()[0], money_above=s / 100, family=family)
            for m, s in product(mean.as_floats(), money.as_floats())]


def _orders_above(mean: Rounded, threshold: Rounded, money: Rounded, family: str) -> Rounded:
    shares = [100 * float(law.sf(threshold.as_floats()[0])) for law in _fits(mean, threshold, money, family)]
    return Rounded.computed(min(shares), max(shares), f"{family}(mean {mean.text}, {money.text}% of money above "
                                                      f"{threshold.text})")


@recipe.compare("large_orders", "orders above EUR 200, log-normal")
def lognormal(mean_order: Rounded, threshold: Rounded, large_money: Rounded) -> Rounded:
    """Fit that mean and that money share."""
    return _orders_above(mean_order, threshold, large_money, "lognormal")


@recipe.compare("large_orders", "orders above EUR 200, gamma")
def gamma(mean_order: Rounded, threshold: Rounded, large_money: Rounded) -> Rounded:
    """Fit that mean and that money share."""
    return _orders_above(mean_order, threshold, large_money, "gamma")


@recipe.compare("large_orders", "orders above EUR 200, Weibull")
def weibull(mean_order: Rounded, threshold: Rounded, large_money: Rounded) -> Rounded:
    """Fit that mean and that money share."""
    return _orders_above(mean_order, threshold, large_money, "weibull")


@recipe.step("orders at which EUR 973 is a typical maximum, log-normal", unit="orders (2.5 to 97.5% points)")
def orders_lognormal(mean_order: Rounded, threshold: Rounded, large_money: Rounded, max_order: Rounded) -> Rounded:
    """Find the numbers of orders that fit the maximum; theirs was not published."""
    return _orders_for_maximum(mean_order, threshold, large_money, max_order, "lognormal")


@recipe.step("orders at which EUR 973 is a typical maximum, gamma", unit="orders (2.5 to 97.5% points)")
def orders_gamma(mean_order: Rounded, threshold: Rounded, large_money: Rounded, max_order: Rounded) -> Rounded:
    """Find the numbers of orders that fit the maximum; theirs was not published."""
    return _orders_for_maximum(mean_order, threshold, large_money, max_order, "gamma")


def _orders_for_maximum(mean: Rounded, threshold: Rounded, money: Rounded, maximum: Rounded, family: str) -> Rounded:
    fits = _fits(mean, threshold, money, family)
    top = maximum.as_floats()[0]
    few = min(orders_for_maximum(law, top, 0.975) for law in fits)
    many = max(orders_for_maximum(law, top, 0.025) for law in fits)
    return Rounded.computed(max(1.0, few), many, f"{family}, maximum {maximum.text}")


# -- spending of buyers -----------------------------------------------------------------------------------------------


@recipe.compare("spending", "mean spending, at the least, from the two brackets",
                note="more than half above 250 and 20% above 1,000 make the mean more than 270: a mean of 100-250 is "
                     "impossible as worded; 100-250 can be the most frequent bracket")
def least_mean(above_250: Rounded, above_1000: Rounded) -> Rounded:
    """Put everybody at the lower edge of the bracket: 250 x P(>250) + 750 x P(>1000)."""
    return Rounded.at_least(above_250 / 100 * 250 + above_1000 / 100 * 750)


@recipe.compare("for_customers_persons", "persons who also bought for customers",
                note="6% of 99 are six, four are told of")
def for_customers_count(for_customers: Rounded, respondents: Rounded) -> Rounded:
    """Take the share of the respondents."""
    return for_customers / 100 * respondents
