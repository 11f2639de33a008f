"""Ridge regression against scikit-learn and explicit leave-one-out."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Reference
from sklearn.linear_model import RidgeCV

from brainworth import ridge


@pytest.fixture(params=[(40, 8), (30, 90)], ids=["tall", "wide"])
def data(request):
    n, p = request.param
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, p)) + 3
    y = x @ rng.normal(size=(p, 4)) / np.sqrt(p) + rng.normal(size=(n, 4)) * [0.1, 1, 3, 10] - 2
    return x, y


def test_against_scikit_learn(data):
    x, y = data
    found = ridge.fit(x, y)
    scale = np.mean(np.sum((x - x.mean(axis=0)) ** 2, axis=1))
    for target in range(y.shape[1]):
        reference = RidgeCV(alphas=scale * ridge.ALPHAS).fit(x, y[:, target])
        assert found.alpha[target] == pytest.approx(reference.alpha_)
        np.testing.assert_allclose(found.predict(x)[:, target], reference.predict(x), rtol=1e-7)


def test_leave_one_out_is_explicit_leave_one_out(data):
    x, y = data
    alphas = np.array([1e-2, 1.0, 1e2])
    centred = x - x.mean(axis=0)
    scale = np.mean(np.sum(centred**2, axis=1))
    left, values = ridge._left_singular(centred)
    centred_y = y - y.mean(axis=0)
    for alpha in alphas * scale:
        slow = []
        for one in range(len(x)):
            rest = np.arange(len(x)) != one
            model = Reference(alpha=alpha).fit(x[rest], y[rest])
            slow.append((y[one] - model.predict(x[one : one + 1])[0]) ** 2)
        fast = ridge._leave_one_out(left, values, left.T @ centred_y, centred_y, alpha)
        np.testing.assert_allclose(fast, np.mean(slow, axis=0), rtol=1e-6)


def test_noise_gets_the_strongest_penalty():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(200, 20))
    found = ridge.fit(x, np.column_stack([x[:, 0], rng.normal(size=200)]))
    assert found.alpha[0] == found.alpha.min()
    assert found.alpha[1] > 10 * found.alpha[0]


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.ones((5, 2)), np.zeros((5, 1)), "nothing to predict"),
        (np.eye(4), np.zeros((5, 1)), "same >= 3 rows"),
        (np.full((5, 2), np.nan), np.zeros((5, 1)), "finite"),
    ],
)
def test_refuses(x, y, words):
    with pytest.raises(ValueError, match=words):
        ridge.fit(x, y)


def test_residuals_are_those_of_fits_without_the_row():
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((14, 4)), rng.standard_normal((14, 2))
    found = ridge.fit(x, y, keep_residuals=True)
    assert ridge.fit(x, y).residuals is None
    for row in range(14):
        rest = np.delete(np.arange(14), row)
        centred_x, centred_y = x[rest] - x[rest].mean(0), y[rest] - y[rest].mean(0)
        for target in range(2):
            weights = np.linalg.solve(
                centred_x.T @ centred_x + found.alpha[target] * np.eye(4),
                centred_x.T @ centred_y[:, target],
            )
            predicted = y[rest, target].mean() + (x[row] - x[rest].mean(0)) @ weights
            assert found.residuals[row, target] == pytest.approx(y[row, target] - predicted)
