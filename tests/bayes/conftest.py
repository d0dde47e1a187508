"""Models that several tests share: compiling one takes longer than most tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bayes.markets import RATE, Compiled, compiled, vendors


@pytest.fixture(scope="session")
def flexible() -> Compiled:
    from darkmarket_estimates.bayes import ReviewCount

    return compiled(ReviewCount(review_rate=RATE), vendors())


@pytest.fixture(scope="session")
def grouped() -> Compiled:
    from darkmarket_estimates.bayes import ReviewCount

    return compiled(ReviewCount(review_rate=RATE), vendors(groups=3))


@pytest.fixture(scope="session")
def fitted(flexible: Compiled) -> Any:
    return flexible.posterior(draws=300, chains=4, tune=300)


@pytest.fixture(scope="session")
def fitted_groups(grouped: Compiled) -> Any:
    return grouped.posterior(draws=150, chains=2, tune=250)
