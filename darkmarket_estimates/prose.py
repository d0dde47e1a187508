"""An estimate in words: one line, or a text that a policy analyst can paste."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from darkmarket_estimates import _render
from darkmarket_estimates.distribution.combined import sides
from darkmarket_estimates.undetected import words

if TYPE_CHECKING:
    from darkmarket_estimates.estimate import Estimate

IDENTIFICATION = ("The review share is not identified from reviews alone: no amount of review data can confirm or refute "
                  "it.")

#: A median this far from the value is printed beside it.
MEDIAN_GAP = 0.01


def headline(est: Estimate) -> str:
    """One line: figure, unit, interval or bounds, and what they are."""
    context = f"({', '.join(scope(est))})"
    if est.kind == "floor":
        return f"At least {quantity(est, est.value)}: a floor, no review share was stated {context}"
    percent = f"{100 * est.confidence_level:.4g}%"
    if est.kind == "lower bound":
        limit = f" (one-sided {percent} limit {_render.amount(est.limit or 0.0)})"
        return f"At least {quantity(est, est.value)}{limit}: a lower bound, unseen listings included {context}"
    if est.bounds is not None:
        text = f"{quantity(est, *est.bounds)}: bounds, not an interval"
        if est.interval is not None:
            text += f"; {percent} interval around them {_render.span(*est.interval)}"
        return f"{text} {context}"
    text = quantity(est, est.value)
    if est.interval is not None:
        text += f", {percent} {est.kind} {_render.span(*est.interval)}"
    elif est.kind == "census":
        text += ", every counted sale included, no sampling error"
    return f"{text} {context}"


def quantity(est: Estimate, low: float, high: float | None = None) -> str:
    """An amount, or two, with what it is of: money or orders, and a day, a month or a year."""
    figure = _render.amount(low) if high is None else _render.span(low, high)
    counted = f"{figure} orders" if est.currency == "orders" else f"{est.currency} {figure}"
    return counted if est.unit == "window" else f"{counted} a {est.unit}"


def scope(est: Estimate) -> list[str]:
    """What the figure is about: estimand, markets, period."""
    header = est.model.totals.header
    lone = est.kind == "lower bound" and not est.model.has_share
    what = "turnover" if est.model.measure == "money" else "number of orders"
    parts = [f"reviewed {what}" if est.kind == "floor" or lone else f"{est.model.estimand} {what}"]
    if header.markets:
        parts.append(f"{len(header.markets)} market" + ("s" if len(header.markets) > 1 else ""))
    if header.window:
        parts.append(_render.days(header.window))
    return parts


def summary(est: Estimate) -> str:
    """Paragraphs: result, meaning, assumptions, data, cautions."""
    header = est.model.totals.header
    paragraphs = [
        f"{headline(est)}.", meaning(est), assumed(est), unseen(est),
        f"Currency: {'; '.join(header.conversions)}." if header.conversions else "", data(est),
        f"Beware: {'; '.join(est.flags)}." if est.flags else "",
    ]
    if len(est.rows) > 1 and any(row.interval for row in est.rows):
        paragraphs.append("Values of groups add up to the total; their intervals do not.")
    return "\n\n".join(p for p in paragraphs if p)


def assumed(est: Estimate) -> str:
    """What was stated, and what was not and is therefore taken for granted."""
    model, counted = est.model, est.model.totals.header.counted
    names = {f.name for f in model.factors}
    stated = [*(["counts are sales that the market prints"] if counted == "sold" else []),
              *(f.words() for f in model.factors), *filter(None, [words(model)])]
    absent = [] if model.has_share else ["no review share"]
    if "genuine share" not in names and counted == "reviews":
        absent.append("every review taken as a genuine order")
    hidden = [name for name, accounted in (
        ("listings", "listing coverage" in names or model.coverage is not None), ("markets", "market coverage" in names)
    ) if not accounted]
    if hidden:
        absent.append(f"nothing added for {' or '.join(hidden)} that were not seen")
    if "units per order" not in names and model.measure == "money":
        absent.append("one unit an order")
    parts = [f"Assumptions: {'; '.join(stated)}." if stated else "", f"Not stated: {'; '.join(absent)}." if absent else "",
             IDENTIFICATION if model.shares else ""]
    return " ".join(p for p in parts if p)


def unseen(est: Estimate) -> str:
    """Money of listings that no scrape saw, where a model of detection speaks of it."""
    if est.model.coverage is None:
        return ""
    part = f", {est.undetected / est.value:.1%} of the total" if est.value > 0 else ""
    least = "at least " if est.kind == "lower bound" else ""
    return f"Listings that no scrape saw: {least}{quantity(est, est.undetected)}{part}."


def data(est: Estimate) -> str:
    """What the rules did to the rows, and how many vendors the total rests on."""
    rate, total = " a day" if est.model.totals.header.per_day else "", est.rows[-1]
    rules = [f"{e.rule}: {e.rows:,} rows, {e.currency} {_render.amount(e.value)}{rate}"
             + (f", of which {_render.amount(e.removed)} removed" if e.removed else "") for e in est.model.totals.audit]
    vendors = (f"{total.n_vendors:,} vendors, effectively {total.n_eff:,.1f} by money"
               + (f"; the largest makes {total.top_share:.1%}" if not math.isnan(total.top_share) else ""))
    return "Data: " + ". ".join([*rules, vendors]) + "."


def meaning(est: Estimate) -> str:
    """What the figure claims, by kind."""
    floor = quantity(est, est.floor)
    if est.model.totals.header.counted == "sold":
        reviewed = f"Counted sales make {floor}."
    elif est.model.measure == "orders":
        reviewed = f"Reviewed are {floor}: a floor if every review is a genuine order."
    else:
        reviewed = f"Reviewed turnover is {floor}: a floor if every review is a genuine order at no less than the price used."
    if est.kind == "floor":
        return reviewed
    if est.kind == "lower bound":
        text = (f"The figure is a lower bound: the truth lies above the limit with at least {est.confidence_level:.3g} "
                "probability if the assumptions hold, and nothing says how far above.")
    elif est.bounds is not None:
        text = "The bounds are the totals at the ends of the stated ranges; nothing says where in between the truth lies."
        if est.interval is not None:
            text += (f" The interval covers the true total, wherever in the ranges the assumptions lie, with at least "
                     f"{est.confidence_level:.3g} probability (Imbens-Manski).")
    elif est.model.estimand == "realised":
        text = "The estimand is what was sold in the period" + (
            ": the interval is a prediction interval for that sum." if est.interval is not None else ".")
    else:
        text = ("The estimand is the rate that a market like this produces: vendors are taken as a random sample, and the "
                f"interval is a {est.model.posterior or 'confidence interval'} for it.")
    if est.kind.startswith("hybrid"):
        text += " It mixes in a stated prior."
    if est.interval is not None and est.bounds is None and est.value > 0:
        text += _medians(est)
    return f"{text} {reviewed}"


def _medians(est: Estimate) -> str:
    """The median where it is far from the value; of a hull those of both laws, for what lies between them is neither's."""
    medians = {name: float(law.quantile(0.5)) for name, law in sides(est.law).items()}
    if all(abs(median / est.value - 1) <= MEDIAN_GAP for median in medians.values()):
        return ""
    if len(medians) == 1:
        return f" The median of its distribution is {quantity(est, next(iter(medians.values())))}."
    each = " and ".join(f"{quantity(est, median)} ({name})" for name, median in medians.items())
    return f" At each end it is the wider of two laws, whose medians are {each}."
