"""Ridge from sums is ridge from rows; sums of subjects are those of all their rows."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from brainworth.bridges.averaging import moments


def data(seed, n=60, p=8, c=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(1, 2, (n, p))
    return x, x @ rng.normal(size=(p, c)) + 3 * rng.normal(size=(n, c)) + 5


def slow(x, y, alphas):
    """Fit each column by scikit-learn at the penalty that minimises GCV from the hat matrix."""
    centred = x - x.mean(axis=0)
    scale = np.mean(np.sum(centred**2, axis=1))
    answer = []
    for column in y.T:
        found = []
        for alpha in alphas:
            penalty = scale * alpha
            hat = centred @ np.linalg.solve(
                centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T
            ) + 1 / len(x)
            residual = column - hat @ column
            found.append(np.mean(residual**2) / (1 - np.trace(hat) / len(x)) ** 2)
        model = Ridge(alpha=scale * alphas[int(np.argmin(found))]).fit(x, column)
        answer.append(np.append(model.coef_, model.intercept_))
    return np.array(answer).T


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_is_ridge_at_the_penalty_of_least_gcv(seed):
    x, y = data(seed)
    alphas = np.logspace(-3, 3, 13)
    found = moments.fit(moments.of(x, y), alphas)
    expected = slow(x, y, alphas)
    np.testing.assert_allclose(found.weights, expected[:-1], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.intercept, expected[-1], rtol=1e-8)


def test_sums_of_two_subjects_are_those_of_all_rows():
    (x, y), (z, w) = data(1), data(2, n=40)
    both = moments.of(x, y) + moments.of(z, w)
    every = moments.of(np.vstack([x, z]), np.vstack([y, w]))
    for name, values in vars(every).items():
        np.testing.assert_allclose(getattr(both, name), values)


def test_features_in_a_basis():
    x, y = data(3)
    basis = np.random.default_rng(0).normal(size=(8, 2))
    found, expected = moments.of(x, y).within(basis), moments.of(x @ basis, y)
    for name, values in vars(expected).items():
        np.testing.assert_allclose(getattr(found, name), values)


def test_a_column_is_fitted_to_the_subjects_that_have_it():
    (x, y), (z, w) = data(1), data(2, n=40)
    w[:, 1] = 0  # the second subject lacks the second column, the first the third
    y[:, 2] = 0
    present = np.array([[True, True, False], [True, False, True]])
    found = moments.fit_pooled([moments.of(x, y), moments.of(z, w)], present)
    for column, (a, b) in enumerate([(np.vstack([x, z]), np.vstack([y, w])), (x, y), (z, w)]):
        alone = moments.fit(moments.of(a, b[:, [column]]))
        np.testing.assert_allclose(found.weights[:, column], alone.weights[:, 0])
        np.testing.assert_allclose(found.intercept[column], alone.intercept[0])


def test_what_nobody_has_is_predicted_as_zero():
    x, y = data(1)
    found = moments.fit_pooled([moments.of(x, y)], np.array([[True, False, True]]))
    assert not found.predict(x)[:, 1].any()
    assert found.predict(x)[:, 0].any()


def test_more_features_than_images_are_shrunk_and_not_interpolated():
    x, y = data(4, n=20, p=60)
    found = moments.fit(moments.of(x, y))
    assert np.isfinite(found.weights).all()
    assert np.all(np.var(y - found.predict(x), axis=0) > 0.001 * np.var(y, axis=0))


def test_what_cannot_be_fitted_is_refused():
    x, y = data(1)
    with pytest.raises(ValueError, match="at least 3 images"):
        moments.fit(moments.of(x[:2], y[:2]))
    with pytest.raises(ValueError, match="the same features"):
        moments.fit(moments.of(np.ones_like(x), y))
