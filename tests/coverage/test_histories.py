"""One pass over capture histories in all three forms, against definitions written out."""

from __future__ import annotations

import numpy as np
import pytest

from darkmarket_estimates.coverage import captures, summary
from darkmarket_estimates.coverage import histories as module
from darkmarket_estimates.coverage.histories import read
from darkmarket_estimates.errors import DataError

PER_SCRAPE = ("caught", "new", "recaptured", "marked", "single", "later", "around")


def by_definition(h):
    t = h.shape[1]
    first = np.array([row.nonzero()[0][0] for row in h])
    last = np.array([row.nonzero()[0][-1] for row in h])
    k = h.sum(axis=1)
    return (
        {
            "caught": [sum(h[:, j]) for j in range(t)],
            "new": [sum(first == j) for j in range(t)],
            "recaptured": [sum(h[:, j] & (first < j)) for j in range(t)],
            "marked": [sum(first < j) for j in range(t)],
            "single": [sum((k == 1) & (first == j)) for j in range(t)],
            "later": [sum(h[:, j] & (last > j)) for j in range(t)],
            "around": [sum(~h[:, j] & (first < j) & (last > j)) for j in range(t)],
            "frequencies": [sum(k == i) for i in range(1, t + 1)],
        },
        k,
        first,
    )


@pytest.mark.parametrize("t", [2, 3, 7, 8, 9, 30, 63, 64, 65, 130])
@pytest.mark.parametrize("chunk", [5, 1 << 17])
def test_summary_is_its_definition(t, chunk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", chunk)
    rng = np.random.default_rng(t)
    h = rng.random((137, t)) < rng.choice([0.03, 0.3, 0.9], size=(137, 1))
    h[np.arange(137), rng.integers(0, t, 137)] = True
    want, k, first = by_definition(h)
    forms = [(h, None), (h.astype(np.int8), None), (h.astype(float).tolist(), None), (np.packbits(h, axis=1), t)]
    for form, occasions in forms:
        s = summary(form, occasions=occasions)
        for name, expected in want.items():
            assert getattr(s, name).tolist() == expected, name
        assert (s.occasions, s.distinct, s.captures) == (t, 137, k.sum())
        if t <= 64:
            assert (s.together == h.T.astype(int) @ h.astype(int)).all()
        else:
            assert s.together is None
        got_k, got_first, got_t = captures(form, occasions=occasions)
        assert (got_k == k).all() and (got_first == first).all() and got_t == t


def test_frequencies_and_histories_agree(sample):
    h, _ = sample
    s = summary(h)
    assert read(None, s.frequencies, 6).frequencies.tolist() == s.frequencies.tolist()
    assert read(None, s.frequencies[:5], 6).occasions == 6
    assert read(None, [*s.frequencies, 0, 0], 6).distinct == len(h)
    assert read(s) is s


@pytest.mark.parametrize(
    ("histories", "occasions", "words"),
    [
        ([[1, 0], [0, 0]], None, "row 1"),
        (np.zeros((3, 1), dtype=np.uint8), 8, "row 0"),
        ([[1, 2], [0, 1]], None, "row 0, scrape 1"),
        ([[1, 0.5]], None, "0 or 1"),
        ([[1, -1]], None, "0 or 1"),
        ([[1.0, float("nan")]], None, "0 or 1"),
        ([[1], [1]], None, "1 scrape"),
        (np.ones((3, 5)), 4, "4 columns"),
        (np.array([[0xFF]], dtype=np.uint8), 5, "beyond the last scrape"),
        (np.empty((0, 3)), None, "no listing"),
        ([1, 0, 1], None, "dimension"),
        ([["a", "b"]], None, "dimension"),
    ],
)
def test_bad_histories_are_refused(histories, occasions, words):
    for function in (summary, captures):
        with pytest.raises(DataError, match=words):
            function(histories, occasions=occasions)


def test_a_late_empty_row_is_named(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 4)
    h = np.ones((11, 3), dtype=bool)
    h[9] = False
    with pytest.raises(DataError, match="row 9"):
        summary(h)
    many = np.ones((11, 70), dtype=bool)
    many[10] = False
    with pytest.raises(DataError, match="row 10"):
        summary(many)


@pytest.mark.parametrize(
    "frequencies", [[1, -1], [1.5, 2], [np.nan, 1], [0, 0], [], [1, 1, 1, 1], [[1, 2]], "abc", [1e300]]
)
def test_bad_frequencies_are_refused(frequencies):
    with pytest.raises(DataError):
        read(None, frequencies, 3)


def test_either_histories_or_frequencies():
    for args in ((None, None, 3), ([[1, 1]], [1, 1], 2), (None, [1, 1], None), (None, [1, 1], 1)):
        with pytest.raises(DataError):
            read(*args)
