"""What may be called reproduced."""

import pytest

from darkmarket_estimates.published.rounding import Rounded
from darkmarket_estimates.published.status import judge

P = Rounded.printed


@pytest.mark.parametrize(("ours", "theirs", "independent", "status"), [
    (P("24.9"), P("25"), True, "reproduced"),
    (P("24.9"), P("25"), False, "consistent"),
    (P("26.1"), P("25"), True, "conflict"),
    (P("26.1"), P("25"), False, "conflict"),
    (P("25"), P("24.9"), True, "reproduced"),  # meets: not only lies in
    (Rounded.more_than(20), P("25"), True, "consistent"),  # a limit alone reproduces nothing
    (Rounded.more_than(26), P("25"), True, "conflict"),
    (Rounded.between(10, 30), P("25"), True, "reproduced"),  # ends a factor of 3 apart
    (Rounded.between(10, "30.01"), P("25"), True, "consistent"),  # too wide to reproduce anything
    (P("30"), Rounded.more_than(20), True, "reproduced"),
    (Rounded.exact(0), Rounded.exact(0), True, "reproduced"),
])
def test_judge(ours, theirs, independent, status):
    assert judge(ours, theirs, independent=independent) == status
