"""The normal law at a mode: exact where the law is normal, found where scales differ, refused where there is none."""

import numpy as np
import pytest

from darkmarket_estimates.bayes.mode import normal_law
from darkmarket_estimates.errors import NotIdentifiedError


def normal(mean, precision):
    def density(x):
        return -0.5 * (x - mean) @ precision @ (x - mean), -precision @ (x - mean)
    return density


@pytest.mark.parametrize("scales", [(1, 1, 1), (1e-4, 1.0, 50.0), (1e-3, 1e-3, 2.0)], ids=["one", "far apart", "two small"])
def test_a_normal_law_is_found_exactly(scales):
    rng = np.random.default_rng(1)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    covariance = rotation * np.array(scales) ** 2 @ rotation.T
    mean = np.array([3.0, -2.0, 0.5])
    mode, scale = normal_law(normal(mean, np.linalg.inv(covariance)), np.zeros(3))
    whitened = np.linalg.solve(scale, mode - mean)
    assert np.abs(whitened).max() < 0.02  # standard deviations
    np.testing.assert_allclose(scale @ scale.T, covariance, rtol=1e-5, atol=1e-7 * covariance.max())


def test_curvature_of_a_law_that_is_not_normal():
    """ln Gamma(5, 2) in its logarithm: mode ln(5 / 2), curvature 5."""
    mode, scale = normal_law(lambda x: (float(5 * x[0] - 2 * np.exp(x[0])), 5 - 2 * np.exp(x)), np.array([-3.0]))
    assert mode[0] == pytest.approx(np.log(2.5), abs=0.02 / np.sqrt(5))
    assert scale[0, 0] ** -2 == pytest.approx(5.0, rel=0.02)


def test_a_saddle_is_left():
    """-(x^2 - 1)^2 - y^2 is lowest between two modes: the search starts there, a hair to the right."""
    def density(x):
        return -(x[0] ** 2 - 1) ** 2 - x[1] ** 2, np.array([-4 * x[0] * (x[0] ** 2 - 1), -2 * x[1]])
    mode, scale = normal_law(density, np.array([1e-9, 0.0]))
    np.testing.assert_allclose(mode, [1.0, 0.0], atol=0.01)
    np.testing.assert_allclose(scale @ scale.T, [[1 / 8, 0], [0, 1 / 2]], rtol=0.02, atol=1e-6)


def test_points_without_a_density_are_walked_around():
    def density(x):
        with np.errstate(all="ignore"):
            return (3 * np.log(x[0]) - x[0] if x[0] > 0 else -np.inf), 3 / x - 1
    mode, scale = normal_law(density, np.array([0.2]))
    assert mode[0] == pytest.approx(3.0, abs=0.02 * np.sqrt(3))
    assert scale[0, 0] ** 2 == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("density", [
    lambda x: (0.0, np.zeros_like(x)), lambda x: (float(x[0]), np.array([1.0, 0.0])), lambda x: (np.nan, np.full(2, np.nan)),
    lambda x: (float(x @ x), 2 * x),
], ids=["flat", "rising", "nan", "no maximum"])
def test_no_mode_is_said(density):
    with np.errstate(all="ignore"), pytest.raises(NotIdentifiedError):
        normal_law(density, np.array([0.3, 0.2]))
