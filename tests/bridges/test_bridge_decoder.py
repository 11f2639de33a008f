"""The decoder of single trials against scikit-learn, and against leaving images out one by one."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from brainworth.bridges.decoding import decoder
from brainworth.errors import BrainworthError

PENALTIES = np.geomspace(1e-3, 1e2, 9)


def planted(n_images, n_voxels, seed=0, n_features=3):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, n_images)
    image = rng.permutation(np.repeat(10 + 7 * np.arange(n_images), counts))
    phi = rng.normal(size=(8 * n_images + 20, n_features))[image]
    x = phi @ rng.normal(size=(n_features, n_voxels)) + 3 * rng.normal(size=(len(image), n_voxels))
    return x + 2, phi + 5, image


def absolute(x, relative):
    return relative * np.sum(np.var(x, axis=0))


@pytest.mark.parametrize(("n_images", "n_voxels"), [(60, 12), (15, 80)])
def test_errors_are_those_of_leaving_each_image_out(n_images, n_voxels):
    x, y, image = planted(n_images, n_voxels)
    found = decoder.fit(x, y, image, PENALTIES)
    scale = np.sum(np.var(x, axis=0))
    for place, penalty in enumerate(PENALTIES):
        decoded = np.empty_like(y)
        for one in np.unique(image):
            out = image == one
            decoded[out] = Ridge(alpha=scale * penalty).fit(x[~out], y[~out]).predict(x[out])
        expected = np.mean((decoded - y) ** 2, axis=0)
        np.testing.assert_allclose(found.error[place], expected, rtol=1e-7)
        mine = found.penalty == penalty
        np.testing.assert_allclose(found.held_out[:, mine], decoded[:, mine], atol=1e-7)
    assert set(found.penalty) <= set(PENALTIES)


@pytest.mark.parametrize(("n_images", "n_voxels"), [(60, 12), (15, 80)])
@pytest.mark.parametrize("together", [None, np.array([0, 1, 0])])
def test_weights_are_those_of_scikit_learn(n_images, n_voxels, together):
    x, y, image = planted(n_images, n_voxels, seed=1)
    found = decoder.fit(x, y, image, PENALTIES, together)
    error = found.error
    if together is not None:
        assert found.penalty[0] == found.penalty[2]
        best = PENALTIES[np.argmin(error[:, 0] + error[:, 2])]
        assert found.penalty[0] == best
        assert found.penalty[1] == PENALTIES[np.argmin(error[:, 1])]
    for column in range(y.shape[1]):
        model = Ridge(alpha=absolute(x, found.penalty[column])).fit(x, y[:, column])
        np.testing.assert_allclose(found.weights[:, column], model.coef_, atol=1e-8)
        np.testing.assert_allclose(found.intercept[column], model.intercept_, atol=1e-7)
        np.testing.assert_allclose(found.predict(x)[:, column], model.predict(x), atol=1e-7)


def test_single_precision_gives_the_same_decoder():
    x, y, image = planted(60, 30, seed=2)
    double = decoder.fit(x, y, image, PENALTIES)
    single = decoder.fit(x.astype(np.float32), y.astype(np.float32), image, PENALTIES)
    assert single.weights.dtype == np.float32
    np.testing.assert_array_equal(double.penalty, single.penalty)
    np.testing.assert_allclose(double.predict(x), single.predict(x), atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y, image: (x, y, image // 1000), "1 training images, and needs at least 5"),
        (lambda x, y, image: (0 * x, y, image), "the same in all trials"),
        (lambda x, y, image: (x + np.nan, y, image), "not a number"),
        (lambda x, y, image: (x, np.where(y > 5, np.inf, y), image), "not a number"),
    ],
)
def test_what_cannot_be_learned_from(change, message):
    with pytest.raises(BrainworthError, match=message):
        decoder.fit(*change(*planted(20, 5)), PENALTIES)
