"""The four things that can be said about a published figure after it was computed again."""

from __future__ import annotations

from darkmarket_estimates.published.rounding import Rounded

REPRODUCED = "reproduced"
CONSISTENT = "consistent"
CONFLICT = "conflict"
UNPUBLISHED = "inputs unpublished"
#: An interval whose ends differ by more than this factor meets almost anything: it reproduces nothing.
WIDEST = 3

STATUSES = (REPRODUCED, CONSISTENT, CONFLICT, UNPUBLISHED)


def judge(ours: Rounded, theirs: Rounded, *, independent: bool) -> str:
    """Compare what we computed with what the printed figure stands for.

    Parameters
    ----------
    ours, theirs : Rounded
    independent : bool
        Whether the printed figure is no input, and follows from none, of our computation, and something was computed.

    Returns
    -------
    str
        "conflict" if no number lies in both; else "reproduced", or "consistent" where nothing independent was shown.
        A lower limit alone ("more than ..."), or an interval wider than a factor of `WIDEST`, is never "reproduced".

    Examples
    --------
    >>> judge(Rounded.printed("24.9"), Rounded.printed("25"), independent=True)
    'reproduced'
    >>> judge(Rounded.printed("26.1"), Rounded.printed("25"), independent=True)
    'conflict'
    """
    if not ours.meets(theirs):
        return CONFLICT
    informative = ours.high is not None and ours.high <= WIDEST * ours.low
    return REPRODUCED if independent and informative else CONSISTENT
