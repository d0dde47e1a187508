"""RAND's report of 2016 and the letter to Parliament: one multiplier, one exchange rate, two scopes."""

from __future__ import annotations

from darkmarket_estimates.published.applied import turnover_bounds
from darkmarket_estimates.published.recipe import Recipe
from darkmarket_estimates.published.rounding import Rounded

recipe = Recipe("kruithof2016")
MILLION = 1_000_000

# -- the bounds: from the narrow scope of the press release to everything else ----------------------------------------


@recipe.step("multiplier", unit="upper / lower bound")
def multiplier(narrow_upper_usd: Rounded, narrow_lower_usd: Rounded) -> Rounded:
    """Divide the upper by the lower bound."""
    return narrow_upper_usd / narrow_lower_usd


@recipe.step("review share", unit="reviews per sale, if the gap is unreviewed sales: an inference")
def review_share(narrow_lower_usd: Rounded, narrow_upper_usd: Rounded) -> Rounded:
    """Invert the multiplier."""
    return narrow_lower_usd / narrow_upper_usd


@recipe.step("rate", unit="EUR per USD")
def rate(
    narrow_lower_eur: Rounded, narrow_lower_usd: Rounded, narrow_upper_eur: Rounded, narrow_upper_usd: Rounded
) -> Rounded:
    """Intersect what both pairs of printed amounts allow."""
    return narrow_lower_eur / narrow_lower_usd & narrow_upper_eur / narrow_upper_usd


@recipe.compare("wide_upper_usd", "wide scope, upper bound")
def wide_upper(wide_lower_usd: Rounded, multiplier: Rounded) -> Rounded:
    """Multiply; the rounding of 14.2 is carried."""
    return wide_lower_usd * multiplier


@recipe.compare("letter_lower_eur", "letter, lower bound", note="so the letter tells the wide scope")
def letter_lower(wide_lower_usd: Rounded, rate: Rounded) -> Rounded:
    """Convert the lower bound."""
    return wide_lower_usd * rate


@recipe.compare("letter_upper_eur", "letter, upper bound", note="so the letter tells the wide scope")
def letter_upper(wide_lower_usd: Rounded, multiplier: Rounded, rate: Rounded) -> Rounded:
    """Convert the upper bound."""
    return wide_lower_usd * multiplier * rate


@recipe.compare("letter_upper_eur", "letter, upper bound, without the multiplier",
                note="the dollars of 21.1 cancel: a narrower interval of the same figure")
def letter_upper_direct(wide_lower_usd: Rounded, narrow_upper_eur: Rounded, narrow_lower_usd: Rounded) -> Rounded:
    """Multiply 14.2 by 18.5 / 12.0."""
    return wide_lower_usd * (narrow_upper_eur / narrow_lower_usd)


@recipe.compare("wide_upper_usd", "wide scope, upper bound, by turnover()",
                note="the review share that the narrow scope implies, as a Range")
def wide_by_turnover(wide_lower_usd: Rounded, review_share: Rounded) -> Rounded:
    """Run the library's estimator at both ends of what 14.2 stands for."""
    return turnover_bounds(wide_lower_usd, review_rate=review_share)


@recipe.compare("letter_upper_eur", "letter, upper bound, by turnover()",
                note="review share and exchange rate as Ranges")
def letter_by_turnover(wide_lower_usd: Rounded, review_share: Rounded, rate: Rounded) -> Rounded:
    """Run the library's estimator at both ends of what 14.2 stands for."""
    return turnover_bounds(wide_lower_usd, review_rate=review_share, exchange_rate=rate)


@recipe.compare("letter_lower_eur", "letter, lower bound, had the rate of the month of sale been used",
                note="so the dollars were not converted at the rate of January 2016")
def letter_lower_january(wide_lower_usd: Rounded, rate_january_2016: Rounded) -> Rounded:
    """Convert at 0.9212."""
    return wide_lower_usd * rate_january_2016


@recipe.compare("letter_upper_eur", "letter, upper bound, had the rate of the month of sale been used",
                note="so the dollars were not converted at the rate of January 2016")
def letter_upper_january(wide_lower_usd: Rounded, multiplier: Rounded, rate_january_2016: Rounded) -> Rounded:
    """Convert at 0.9212."""
    return wide_lower_usd * multiplier * rate_january_2016


@recipe.compare("rate_january_2016", "rate of January 2016", note="the rate that the printed amounts allow is another")
def rate_is_january(rate: Rounded) -> Rounded:
    """Take the implied rate."""
    return rate


@recipe.compare("rate_april_2016", "rate of April 2016",
                note="the nearest monthly mean, about the time of writing; none of that spring fits exactly")
def rate_is_april(rate: Rounded) -> Rounded:
    """Take the implied rate."""
    return rate


@recipe.compare("offline_eur", "offline market of the EU, in euros")
def offline(offline_usd: Rounded, rate: Rounded) -> Rounded:
    """Convert 2.3 billion dollars."""
    return offline_usd * rate


@recipe.compare("offline_eur", "offline market of the EU, a month of the letter's year")
def offline_month(offline_eur_year: Rounded) -> Rounded:
    """Take a twelfth."""
    return offline_eur_year / 12


# -- one money, two denominators --------------------------------------------------------------------------------------


def _narrow_share(share: Rounded, wide: Rounded, narrow: Rounded) -> Rounded:
    return share * (wide / narrow)


@recipe.compare("cannabis_narrow", "cannabis, 31% of 14.2 as a share of 12.0",
                note="printed as a share of listings; it is the same money over the narrow scope")
def cannabis(cannabis_wide: Rounded, wide_lower_usd: Rounded, narrow_lower_usd: Rounded) -> Rounded:
    """Change the denominator."""
    return _narrow_share(cannabis_wide, wide_lower_usd, narrow_lower_usd)


@recipe.compare("stimulants_narrow", "stimulants, 24% of 14.2 as a share of 12.0",
                note="printed as a share of listings; it is the same money over the narrow scope")
def stimulants(stimulants_wide: Rounded, wide_lower_usd: Rounded, narrow_lower_usd: Rounded) -> Rounded:
    """Change the denominator."""
    return _narrow_share(stimulants_wide, wide_lower_usd, narrow_lower_usd)


@recipe.compare("ecstasy_narrow", "ecstasy, 16% of 14.2 as a share of 12.0",
                note="printed as a share of listings; it is the same money over the narrow scope")
def ecstasy(ecstasy_wide: Rounded, wide_lower_usd: Rounded, narrow_lower_usd: Rounded) -> Rounded:
    """Change the denominator."""
    return _narrow_share(ecstasy_wide, wide_lower_usd, narrow_lower_usd)


@recipe.compare("three_together", "cannabis, stimulants and ecstasy together",
                note="71 by the printed shares, 70 printed")
def together(cannabis_wide: Rounded, stimulants_wide: Rounded, ecstasy_wide: Rounded) -> Rounded:
    """Add three shares."""
    return cannabis_wide + stimulants_wide + ecstasy_wide


# -- countries --------------------------------------------------------------------------------------------------------


@recipe.compare("us_usd_month", "United States, monthly turnover")
def united_states(share_us: Rounded, wide_lower_usd: Rounded) -> Rounded:
    """Take the share of the wide lower bound."""
    return wide_lower_usd * share_us / 100


@recipe.compare("uk_usd_month", "United Kingdom, monthly turnover",
                note="16.1% of 14.2 rounds to 2.3; the press printed 2.2, perhaps cut off")
def united_kingdom(share_uk: Rounded, wide_lower_usd: Rounded) -> Rounded:
    """Take the share of the wide lower bound."""
    return wide_lower_usd * share_uk / 100


@recipe.compare("nl_usd_year", "Netherlands, yearly turnover from 7.8%")
def netherlands(share_nl: Rounded, wide_lower_usd: Rounded) -> Rounded:
    """Take the share of the wide lower bound, twelve times."""
    return wide_lower_usd * share_nl / 100 * 12


@recipe.compare("nl_usd_year", "Netherlands, yearly turnover from 7.1%",
                note="C-4: so 7.8, not 7.1, is the report's share")
def netherlands_ccn(share_nl_ccn: Rounded, wide_lower_usd: Rounded) -> Rounded:
    """Take the share of the wide lower bound, twelve times."""
    return wide_lower_usd * share_nl_ccn / 100 * 12


@recipe.compare("share_nl_letter", "Netherlands, the letter's 8% beside 7.8%")
def nl_letter(share_nl: Rounded) -> Rounded:
    """Put one print beside another."""
    return share_nl


@recipe.compare("rank_nl_letter", "Netherlands, rank")
def nl_rank(share_nl: Rounded, share_us: Rounded, share_uk: Rounded, share_au: Rounded, share_de: Rounded) -> Rounded:
    """Count the countries that are larger, whatever the rounding."""
    others = (share_us, share_uk, share_au, share_de)
    larger = sum(1 for other in others if share_nl.high is not None and other.low >= share_nl.high)
    smaller = sum(1 for other in others if other.high is not None and other.high <= share_nl.low)
    return Rounded.between(1 + larger, 1 + len(others) - smaller, text="1 + countries with a larger share")


# -- transactions -----------------------------------------------------------------------------------------------------


@recipe.compare("transactions", "transactions")
def all_transactions(prescription_transactions: Rounded, prescription_share: Rounded) -> Rounded:
    """Divide the number by the share."""
    return prescription_transactions / (prescription_share / 100)


@recipe.compare("mean_order", "mean order, reviewed money over transactions")
def order(wide_lower_usd: Rounded, all_transactions: Rounded) -> Rounded:
    """Divide money by transactions."""
    return wide_lower_usd * MILLION / all_transactions


@recipe.step("mean order of British vendors, at most", unit="USD")
def uk_order(share_uk: Rounded, wide_lower_usd: Rounded, transactions_uk: Rounded) -> Rounded:
    """Divide 16.1% of the money by more than 20,000 orders."""
    return wide_lower_usd * MILLION * share_uk / 100 / transactions_uk


@recipe.step("largest vendor", unit="% of turnover")
def top_vendor(top_vendor_eur: Rounded, rate: Rounded, wide_lower_usd: Rounded) -> Rounded:
    """Convert at the implied rate."""
    return top_vendor_eur / rate / (wide_lower_usd * MILLION) * 100


@recipe.compare("wholesale_press", "wholesale, the letter's 25%")
def wholesale(wholesale_letter: Rounded) -> Rounded:
    """Put one print beside another."""
    return wholesale_letter


@recipe.step("orders above USD 1,000 are at most", unit="% of orders")
def wholesale_orders(wholesale_press: Rounded, order: Rounded, threshold_usd: Rounded) -> Rounded:
    """Apply Markov's inequality: each is worth at least the threshold."""
    most = wholesale_press * order / threshold_usd
    return Rounded.between(0, most.high or 100, text=f"0 to {most.text}")


# -- growth since September 2013 --------------------------------------------------------------------------------------


@recipe.compare("growth_turnover", "turnover against September 2013, doubled")
def doubled(wide_lower_usd: Rounded, sr1_usd_year: Rounded) -> Rounded:
    """Divide by a twelfth of Silk Road's year."""
    return wide_lower_usd / (sr1_usd_year / 12)


@recipe.compare("growth_listings", "adverts against September 2013, sixfold")
def sixfold(adverts: Rounded, drug_share_of_adverts: Rounded, sr1_listings: Rounded) -> Rounded:
    """Divide drug adverts by Silk Road's."""
    return adverts * (drug_share_of_adverts / 100) / sr1_listings


# -- conflicts between sources ----------------------------------------------------------------------------------------


@recipe.compare("letter_lower_eur", "C-1 letter's lower bound, if it were the narrow scope",
                note="EUR 10.5-18.5 million is the narrow scope, EUR 12-22 million the wide one")
def c1_lower(narrow_lower_eur: Rounded) -> Rounded:
    """Put one print beside another."""
    return narrow_lower_eur


@recipe.compare("letter_upper_eur", "C-1 letter's upper bound, if it were the narrow scope",
                note="EUR 10.5-18.5 million is the narrow scope, EUR 12-22 million the wide one")
def c1_upper(narrow_upper_eur: Rounded) -> Rounded:
    """Put one print beside another."""
    return narrow_upper_eur


@recipe.compare("threshold_eur", "C-2 wholesale threshold of USD 1,000, in euros",
                note="the letter prints the report's dollar thresholds (1,000 and 100) as euros")
def c2_threshold(threshold_usd: Rounded, rate: Rounded) -> Rounded:
    """Convert at the implied rate."""
    return threshold_usd * rate


@recipe.compare("small_orders_letter", "C-2 small orders: those below USD 100 are a part of those below EUR 100",
                note="almost half below USD 100 is reported, the lion's share below EUR 100 in the letter: possible "
                     "together only if orders cluster between USD 100 and EUR 100")
def c2_small(small_orders: Rounded) -> Rounded:
    """Take the share below the smaller threshold as a lower limit."""
    return Rounded.at_least(small_orders)


@recipe.compare("growth_adverts_pointer", "C-3 adverts against September 2013, doubled",
                note="RAND: adverts sixfold; television: adverts doubled")
def c3_adverts(sixfold: Rounded) -> Rounded:
    """Take what was computed above."""
    return sixfold


@recipe.compare("growth_turnover_pointer", "C-3 turnover against September 2013, sixfold",
                note="RAND: turnover doubled; television: turnover sixfold")
def c3_turnover(doubled: Rounded) -> Rounded:
    """Take what was computed above."""
    return doubled


@recipe.compare("growth_listings", "C-3 sixfold, which the letter says of vendors",
                note="the same number for another thing; the number of vendors in 2016 was not found")
def c3_vendors(growth_vendors_letter: Rounded) -> Rounded:
    """Put one print beside another."""
    return growth_vendors_letter


@recipe.step("C-3 vendors that the letter's sixfold means", unit="vendors")
def c3_vendor_count(sr1_vendors: Rounded, growth_vendors_letter: Rounded) -> Rounded:
    """Multiply Silk Road's vendors by six."""
    return sr1_vendors * growth_vendors_letter


@recipe.compare("share_nl_ccn", "C-4 Netherlands, 7.8% beside 7.1%")
def c4_share(share_nl: Rounded) -> Rounded:
    """Put one print beside another."""
    return share_nl


@recipe.compare("share_nl_letter", "C-4 Netherlands, 7.1% beside the letter's 8%")
def c4_letter(share_nl_ccn: Rounded) -> Rounded:
    """Put one print beside another."""
    return share_nl_ccn


@recipe.compare("nrc_upper_usd", "C-6 upper bound in a newspaper, USD 12-18.7 million",
                note="mixes the lower bound in dollars with the upper bound in euros (18.5)")
def c6_dollars(narrow_upper_usd: Rounded) -> Rounded:
    """Put one print beside another."""
    return narrow_upper_usd


@recipe.compare("be_alphabay", "C-5 Belgium, about EUR 1 million a year (CRYPTODRUG) beside 0.4 on AlphaBay 2015-2017",
                note="not the same table, or not the same period")
def c5_belgium(be_eur_year: Rounded) -> Rounded:
    """Put one print beside another."""
    return be_eur_year


@recipe.compare("nl_alphabay", "C-5 Netherlands, EUR 10.3 million a year (CRYPTODRUG) beside AlphaBay 2015-2017",
                note="more than 10 on AlphaBay in 2015-2017 together: the words agree only if 10.3 is no yearly figure")
def c5_netherlands(nl_eur_year: Rounded) -> Rounded:
    """Put one print beside another."""
    return nl_eur_year


@recipe.compare("unodc_usd_year", "C-7 all markets 2011-2015: EMCDDA's EUR 80 million, 46% of the total, beside UNODC",
                note="the same data; not reconciled")
def c7_world(eu_eur_total: Rounded, eu_share: Rounded, period_days: Rounded, rate_2013_09: Rounded) -> Rounded:
    """Divide the total by the years of the period, at the rate of September 2013."""
    return eu_eur_total / (eu_share / 100) / (period_days / "365.25") / rate_2013_09
