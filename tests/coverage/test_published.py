"""Published input and output, to all printed digits; Huggins against VGAM."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from darkmarket_estimates import coverage

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "coverage.json").read_text(encoding="utf-8"))


def bits(words):
    return np.array([[int(c) for c in word] for word in words], dtype=bool)


def pick(result, path):
    for key in path.split("."):
        if isinstance(result, dict):
            result = result[key]
        elif key.isdigit():
            result = result[int(key)]
        else:
            result = getattr(result, key)
    return float(result)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["id"])
def test_published(case):
    kwargs = dict(case["kwargs"])
    if "histories" in kwargs:
        kwargs["histories"] = bits(kwargs["histories"])
    result = getattr(coverage, case["call"])(**kwargs)
    for path, prints in case["expected"].items():
        for printed in prints:
            got = pick(result, path)
            if isinstance(printed, dict):
                assert abs(got - printed["near"]) <= printed["within"], path
                continue
            half_a_digit = 0.5 * 10.0 ** Decimal(printed).as_tuple().exponent
            assert abs(got - float(printed)) <= half_a_digit * (1 + 1e-9), (path, got, printed)


@pytest.mark.parametrize("which", ["with_covariates", "intercept"])
def test_huggins_is_that_of_vgam(which):
    data, want = GOLDEN["vgam"]["data"], GOLDEN["vgam"][which]
    x = np.column_stack([data["x1"], data["x2"]]) if which == "with_covariates" else None
    fit = coverage.huggins(bits(data["histories"]), x)
    np.testing.assert_allclose(fit.coefficients, np.array(want["coefficients"], dtype=float), rtol=1e-10)
    # VGAM's covariance is that of its last step but one, hence 7 digits
    np.testing.assert_allclose(
        fit.coefficient_standard_errors, np.array(want["standard_errors"], dtype=float), rtol=2e-7
    )
    assert fit.value == pytest.approx(float(want["N"]), rel=1e-10)
    assert fit.standard_error == pytest.approx(float(want["N_se"]), rel=1e-7)
    assert fit.log_likelihood == pytest.approx(float(want["log_likelihood"]), rel=1e-12)
