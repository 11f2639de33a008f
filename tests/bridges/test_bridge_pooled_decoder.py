"""A decoder that several subjects teach, against scikit-learn on all their trials."""

import decoding_planted as planted
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from brainworth.bridges.decoding import pooled_decoder
from brainworth.errors import BrainworthError
from brainworth.folds import folds

PENALTIES = np.geomspace(1e-3, 1e2, 9)
REGIONS = [np.arange(0, 40, 2), np.arange(1, 40, 2), None]


def trials(seed, number, n_images, test_phi):
    """Draw responses and features of one subject's own images, and responses to common ones."""
    rng = np.random.default_rng([seed, number])
    weights, loadings = planted.draw(rng, ncsnr=0.6)
    image = np.repeat(np.arange(n_images), 2)

    def respond(phi):
        own = np.repeat(rng.normal(size=(len(phi), planted.N_OWN)), 1, axis=0)
        return planted.respond(rng, weights, loadings, np.hstack([phi, own]))

    phi = rng.normal(size=(n_images, planted.N_SHARED))[image]
    return respond(phi), phi, image, respond(test_phi)


def own_decoder(x, phi, image, test_x):
    """Leave images out one by one, at one penalty."""
    alpha = 0.1 * np.sum(np.var(x, axis=0))
    held_out = np.empty_like(phi)
    for one in np.unique(image):
        out = image == one
        held_out[out] = Ridge(alpha=alpha).fit(x[~out], phi[~out]).predict(x[out])
    return held_out, Ridge(alpha=alpha).fit(x, phi).predict(test_x)


def join(x, phi, image, test_x, seed=0):
    rng = np.random.default_rng(seed)
    decoded = own_decoder(x, phi, image, test_x)
    basis = np.eye(phi.shape[1])
    return pooled_decoder.join(x, phi, basis, image, test_x, decoded, REGIONS, 3, rng)


def slow_coordinates(x, phi, image, test_x, seed):
    """Cross-fit by hand."""
    ids, of_trial = np.unique(image, return_inverse=True)
    fold = folds(len(ids), 3, np.random.default_rng(seed))[of_trial]

    def project(rows, x_fit, phi_fit):
        n_axes = phi.shape[1]
        extra = np.vstack([phi_fit - phi_fit.mean(0), np.eye(n_axes)])
        tuning = np.linalg.lstsq(
            extra, np.vstack([x_fit - x_fit.mean(0), np.zeros((n_axes, x.shape[1]))]), rcond=None
        )[0].T
        blocks = []
        for columns in REGIONS:
            if columns is None:
                blocks.append(np.zeros((len(rows), n_axes)))
            else:
                axes = tuning[columns] / np.sqrt(np.sum(tuning[columns] ** 2, axis=0))
                blocks.append(rows[:, columns] @ axes)
        return np.hstack(blocks)

    z = np.empty((len(x), 3 * phi.shape[1]))
    for number in range(3):
        inside = fold == number
        z[inside] = project(x[inside], x[~inside], phi[~inside])
    test = project(test_x, x, phi)
    for place in range(z.shape[1]):
        slope = 0.0
        if z[:, place].any():
            slope = np.polyfit(z[:, place], phi[:, place % phi.shape[1]], 1)[0]
        z[:, place] *= slope
        test[:, place] *= slope
    held_out, decoded = own_decoder(x, phi, image, test_x)
    return np.hstack([held_out, z]), np.hstack([decoded, test]), fold, phi - held_out, decoded


def test_decoder_is_ridge_on_all_trials():
    test_phi = np.random.default_rng(0).normal(size=(30, planted.N_SHARED))
    drawn = [trials(1, number, 40, test_phi) for number in range(3)]
    members = [join(*each, seed=number) for number, each in enumerate(drawn)]
    slow = [slow_coordinates(*each, number) for number, each in enumerate(drawn)]
    np.testing.assert_allclose(members[0].test, slow[0][1], atol=1e-10)
    z = np.vstack([each[0] for each in slow])
    y = np.vstack([each[3] for each in slow])
    own_z, _, fold, own_y, decoded = slow[0]
    others = np.ones(len(z) - len(fold))
    best = (np.inf,)
    for weight in pooled_decoder.WEIGHTS:
        for penalty in PENALTIES:
            squares = 0.0
            for number in range(3):
                counts = np.concatenate([fold != number, weight * others])
                model = weighted_ridge(z, y, counts, penalty)
                held_out = fold == number
                squares += np.sum((model.predict(own_z[held_out]) - own_y[held_out]) ** 2)
            best = min(best, (squares, weight, penalty))
    _, weight, penalty = best
    counts = np.concatenate([np.ones(len(fold)), weight * others])
    expected = decoded + weighted_ridge(z, y, counts, penalty).predict(slow[0][1])
    found = pooled_decoder.decode(members[0], members[1:], PENALTIES)
    assert found.weight == weight
    np.testing.assert_allclose(found.values, expected, atol=1e-7)
    alone = pooled_decoder.decode(members[0], [], PENALTIES)
    assert alone.weight == 0


def weighted_ridge(z, y, counts, penalty):
    mean = np.average(z, axis=0, weights=counts)
    scale = np.sum(np.average((z - mean) ** 2, axis=0, weights=counts))
    return Ridge(alpha=scale * penalty).fit(z, y, sample_weight=counts)


def scores(seed, shuffled=False):
    """Return the mean correlation with one subject's trials, and with those of three more."""
    test_phi = np.random.default_rng([seed, 5]).normal(size=(300, planted.N_SHARED))
    drawn = [trials(seed, number, 20, test_phi) for number in range(4)]
    if shuffled:
        rng = np.random.default_rng(seed)
        drawn[1:] = [
            (x, phi[2 * rng.permutation(20)[image]], image, test_x)
            for x, phi, image, test_x in drawn[1:]
        ]
    members = [join(*each) for each in drawn]
    answer = []
    for others in ([], members[1:]):
        decoded = pooled_decoder.decode(members[0], others, PENALTIES)
        values = decoded.values
        r = [np.corrcoef(a, b)[0, 1] for a, b in zip(values.T, test_phi.T, strict=True)]
        answer.append(np.mean(r))
    return answer


def test_others_help_and_others_whose_images_are_mixed_up_do_not():
    alone, together = np.transpose([scores(seed) for seed in range(30)])
    gain = together - alone
    assert alone.mean() > 0.1
    assert gain.mean() > 3 * gain.std(ddof=1) / np.sqrt(30)
    alone, together = np.transpose([scores(seed, shuffled=True) for seed in range(30)])
    gain = together - alone
    assert gain.mean() < 2 * gain.std(ddof=1) / np.sqrt(30)


def test_components_are_uncorrelated():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 6))
    features -= features.mean(axis=0)
    basis = pooled_decoder.components_of(features, 10)
    assert basis.shape == (6, 3), "no more than there are"
    scores = features @ basis
    np.testing.assert_allclose(scores.T @ scores / 200, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(pooled_decoder.components_of(features, 2), basis[:, :2])


def test_too_few_images():
    test_phi = np.zeros((2, planted.N_SHARED))
    with pytest.raises(BrainworthError, match=r"4 trials of 2 images are too few .*n_components"):
        join(*trials(1, 1, 2, test_phi))
