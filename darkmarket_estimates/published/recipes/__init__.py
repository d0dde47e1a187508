"""One recipe a study, in the order in which they are listed."""

from __future__ import annotations

from darkmarket_estimates.published.recipe import Recipe
from darkmarket_estimates.published.recipes import (
    aldridge2016,
    christin2013,
    cryptodrug,
    cuevas2022,
    denton2017,
    emcdda2017,
    hiramoto2020,
    kruithof2016,
    letter2012,
    ndm2024,
    soska2015,
    unodc2018,
)

RECIPES: dict[str, Recipe] = {module.recipe.study: module.recipe for module in (
    kruithof2016, letter2012, ndm2024, cryptodrug, unodc2018, emcdda2017, aldridge2016, christin2013, soska2015,
    cuevas2022, denton2017, hiramoto2020)}
