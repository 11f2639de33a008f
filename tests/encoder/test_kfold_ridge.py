"""Ridge regression with cross-validated penalties, held against scikit-learn and himalaya."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit

from brainworth.encoder import kfold_ridge
from brainworth.errors import BrainworthError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from himalaya.backend import set_backend
    from himalaya.ridge import RidgeCV


def draw(n, p, n_voxels, seed=0):
    """Correlated features far from zero, voxels from pure noise to nearly determined."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 8)) @ rng.standard_normal((8, p)) + rng.standard_normal((n, p)) + 3
    signal = x @ rng.standard_normal((p, n_voxels))
    signal /= signal.std(axis=0)
    y = np.linspace(0, 2, n_voxels) * signal + rng.standard_normal((n, n_voxels)) - 5
    folds = rng.permutation(np.arange(n) % 5)
    return x.astype(np.float32), y.astype(np.float32), folds


def by_sklearn(x, y, folds, penalty):
    """Fit every fold and penalty by scikit-learn, in double precision."""
    x, y = x.astype(float), y.astype(float)
    error = np.zeros((penalty.size, y.shape[1]))
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        for a, alpha in enumerate(penalty):
            model = Ridge(alpha=alpha).fit(x[train], y[train])
            error[a] += np.sum((model.predict(x[test]) - y[test]) ** 2, axis=0)
    best = penalty[np.argmin(error, axis=0)]
    return error / len(x), best, Ridge(alpha=best).fit(x, y)


@pytest.mark.parametrize(("n", "p"), [(120, 15), (121, 40), (60, 90), (50, 50)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_scikit_learn(n, p, dtype):
    x, y, folds = draw(n, p, 12)
    penalty = kfold_ridge.penalties(x, 7, (1e-3, 1e2))
    error, best, model = by_sklearn(x, y, folds, penalty)
    found = kfold_ridge.fit(x, y, folds, penalty, dtype=dtype)
    np.testing.assert_allclose(found.error, error, rtol=1e-4)
    np.testing.assert_allclose(found.penalty, best)
    new = x[:10] + 0.5
    np.testing.assert_allclose(found.predict(new), model.predict(new), atol=1e-4)
    np.testing.assert_allclose(found.weights, model.coef_.T, atol=1e-4)


def test_equals_himalaya():
    x, y, folds = draw(200, 30, 20, seed=1)
    penalty = kfold_ridge.penalties(x, 12, (1e-5, 1e3))
    set_backend("numpy", on_error="raise")
    model = RidgeCV(alphas=penalty, cv=PredefinedSplit(folds), fit_intercept=True)
    model.fit(x.astype(float), y.astype(float))
    found = kfold_ridge.fit(x, y, folds, penalty)
    np.testing.assert_allclose(found.penalty, model.best_alphas_)
    np.testing.assert_allclose(found.predict(x), model.predict(x.astype(float)), atol=1e-4)


def test_voxels_are_fitted_alone(monkeypatch):
    """In blocks or one by one, the answer is the same, and penalties differ over voxels."""
    x, y, folds = draw(100, 20, 9)
    penalty = kfold_ridge.penalties(x, 9, (1e-4, 1e3))
    together = kfold_ridge.fit(x, y, folds, penalty, dtype=torch.float64)
    monkeypatch.setattr(kfold_ridge, "_BLOCK", 2)
    apart = kfold_ridge.fit(x, y, folds, penalty, dtype=torch.float64)
    np.testing.assert_allclose(apart.weights, together.weights, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(apart.penalty, together.penalty)
    assert np.unique(together.penalty).size > 2
    assert together.penalty[0] > together.penalty[-1]


def test_unequal_folds_count_by_their_rows():
    x, y, _ = draw(90, 10, 5)
    folds = np.repeat([0, 1, 2], [10, 20, 60])[np.random.default_rng(0).permutation(90)]
    penalty = kfold_ridge.penalties(x, 4, (1e-2, 1e1))
    error, best, _ = by_sklearn(x, y, folds, penalty)
    found = kfold_ridge.fit(x, y, folds, penalty)
    np.testing.assert_allclose(found.error, error, rtol=1e-4)
    np.testing.assert_allclose(found.penalty, best)


def test_features_without_variance_do_no_harm():
    x, y, folds = draw(80, 12, 4)
    x[:, 3] = 7
    x[:, 5] = x[:, 4]
    penalty = kfold_ridge.penalties(x, 5, (1e-4, 1e2))
    error, _, model = by_sklearn(x, y, folds, penalty)
    found = kfold_ridge.fit(x, y, folds, penalty)
    np.testing.assert_allclose(found.error, error, rtol=1e-4)
    np.testing.assert_allclose(found.predict(x), model.predict(x), atol=1e-4)


def test_penalties_follow_the_units_of_features():
    x, y, folds = draw(80, 12, 4)
    first = kfold_ridge.fit(x, y, folds, kfold_ridge.penalties(x, 6, (1e-4, 1e2)))
    scaled = 1000 * x
    second = kfold_ridge.fit(scaled, y, folds, kfold_ridge.penalties(scaled, 6, (1e-4, 1e2)))
    np.testing.assert_allclose(second.predict(scaled), first.predict(x), atol=1e-3)
    with pytest.raises(BrainworthError, match="same features"):
        kfold_ridge.penalties(np.ones((5, 3)), 6, (1e-4, 1e2))


def test_trials_of_an_image_stay_together():
    rng = np.random.default_rng(0)
    nsd_id = rng.integers(0, 40, 200)
    folds = kfold_ridge.image_folds(nsd_id, 5, rng)
    assert np.unique(folds).tolist() == [0, 1, 2, 3, 4]
    for image in np.unique(nsd_id):
        assert np.unique(folds[nsd_id == image]).size == 1
    with pytest.raises(BrainworthError, match="n_folds"):
        kfold_ridge.image_folds(np.array([1, 1, 2]), 5, rng)


def test_bad_input_is_refused():
    x, y, folds = draw(30, 4, 3)
    for change, words in (
        ({"y": y[:-1]}, "same rows"),
        ({"folds": np.zeros(30, int)}, "two folds"),
        ({"penalty": np.array([0.0, 1.0])}, "positive"),
        ({"x": np.where(x > 4, np.nan, x)}, "not finite"),
    ):
        given = {"x": x, "y": y, "folds": folds, "penalty": np.ones(2)} | change
        with pytest.raises(BrainworthError, match=words):
            kfold_ridge.fit(**given)
