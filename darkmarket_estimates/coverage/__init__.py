"""How many listings, and how much value, the scrapers did not see: arrays in, one result type out.

Two scrapes: `petersen`, `chapman`, `bailey`. Several, closed market: `schnabel`, `schumacher_eschmeyer`, `m0`, `mt`,
`chao2`, `jackknife`, `ice`, `zero_truncated_poisson`, `huggins`. Open market: `jolly_seber`. Finds without scrapes:
`chao1`, `ace`. How complete: `good_turing`, `chao_jost`. Value: `value_chao`, `huggins_value`; `count_times_mean` is
wrong, by name. Share of value seen: `pages_opened`, and `life_table` where listings die. All that apply side by side:
`compare`.
"""

from darkmarket_estimates.coverage.abundance import Abundance
from darkmarket_estimates.coverage.closed import m0, mt, zero_truncated_poisson
from darkmarket_estimates.coverage.conditional import HugginsFit, huggins
from darkmarket_estimates.coverage.frequency import chao1, chao2, jackknife
from darkmarket_estimates.coverage.histories import CaptureSummary, captures, summary
from darkmarket_estimates.coverage.marked_series import schnabel, schumacher_eschmeyer
from darkmarket_estimates.coverage.open_population import jolly_seber
from darkmarket_estimates.coverage.pages import pages_opened
from darkmarket_estimates.coverage.sample_coverage import ace, chao_jost, good_turing, ice
from darkmarket_estimates.coverage.survival import life_table
from darkmarket_estimates.coverage.table import compare
from darkmarket_estimates.coverage.two_lists import bailey, chapman, petersen
from darkmarket_estimates.coverage.value import count_times_mean, value_chao, value_chao_from_sums
from darkmarket_estimates.coverage.weighted_value import huggins_value

__all__ = [
    "Abundance",
    "CaptureSummary",
    "HugginsFit",
    "ace",
    "bailey",
    "captures",
    "chao1",
    "chao2",
    "chao_jost",
    "chapman",
    "compare",
    "count_times_mean",
    "good_turing",
    "huggins",
    "huggins_value",
    "ice",
    "jackknife",
    "jolly_seber",
    "life_table",
    "m0",
    "mt",
    "pages_opened",
    "petersen",
    "schnabel",
    "schumacher_eschmeyer",
    "summary",
    "value_chao",
    "value_chao_from_sums",
    "zero_truncated_poisson",
]


def __dir__() -> list[str]:
    return sorted(__all__)
