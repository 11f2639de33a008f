"""What "R2 of the variance from activation patterns" may mean, and what it is without any effect.

The source (information erosion, README v2.1) states R2 = .85-.91 and says neither what is predicted
from what, nor which units are held out. Four readings, each on the data and on a homoscedastic
surrogate of them, in which no stimulus has another variance than the others:

mean_patterns
    Variance over repetitions from the mean pattern of the same trials, held-out stimuli. For
    Gaussian noise a mean says nothing about the deviations from it: R2 is about zero without the
    effect.
mean_patterns_in_sample
    The same, scored on the stimuli it was fitted to with the weakest of the penalties: with more
    voxels than stimuli R2 approaches 1 whatever the data.
trial_folds
    Single trials are held out and not stimuli: other trials of the stimulus, with the same target,
    are among the training data, so the prediction is a look-up as far as patterns identify stimuli.
variance_patterns
    Variance in half of the voxels from the voxels' variances in the other half, held-out stimuli:
    what the voxels share in those trials, about the square of the split-half correlation.
"""

from __future__ import annotations

import numpy as np

from brainworth import ridge
from brainworth.erosion import responses as shared
from brainworth.erosion import variance
from brainworth.erosion.variance_prediction import held_out, r2, squared_errors
from brainworth.folds import folds

NAMES = ("mean_patterns", "mean_patterns_in_sample", "trial_folds", "variance_patterns")
MOST_STIMULI = 200  # the readings are illustrations; more stimuli cost minutes


def of_contrasts(
    contrasts: variance.Contrasts, means: np.ndarray, n_folds: int, rng: np.random.Generator
) -> dict[str, float | None]:
    """Return the R2 of each reading.

    Parameters
    ----------
    contrasts : Contrasts
        Of the data or of a surrogate.
    means : array of shape (I, V)
        Mean patterns.
    n_folds : int
    rng : numpy.random.Generator
        Draws folds and halves of the voxels.
    """
    n, n_voxels = means.shape
    squares = contrasts.values.astype(float) ** 2
    by_voxel = variance.by_stimulus(squares.T, contrasts).T
    target = by_voxel.mean(axis=1)[:, None]
    fold = folds(n, n_folds, rng)
    predicted = held_out(means, target, fold)
    weakest = ridge.fit(means, target, ridge.ALPHAS[:1]).predict(means)
    answer: dict[str, float | None] = {
        "mean_patterns": _r2(target, predicted, fold),
        "mean_patterns_in_sample": float(
            r2(np.stack([(target - weakest) ** 2, _spread(target)]))[0]
        ),
        "trial_folds": _trial_folds(contrasts, means, target[:, 0]),
        "variance_patterns": None,
    }
    if n_voxels > 1:
        first = np.zeros(n_voxels, dtype=bool)
        first[rng.permutation(n_voxels)[: n_voxels // 2]] = True
        other = by_voxel[:, ~first].mean(axis=1)[:, None]
        predicted = held_out(by_voxel[:, first], other, fold)
        answer["variance_patterns"] = _r2(other, predicted, fold)
    return answer


def few_stimuli(item: shared.SharedResponses, rng: np.random.Generator) -> shared.SharedResponses:
    """Keep at most `MOST_STIMULI` random stimuli."""
    if item.n_stimuli <= MOST_STIMULI:
        return item
    return shared.of_stimuli(item, np.sort(rng.permutation(item.n_stimuli)[:MOST_STIMULI]))


def _trial_folds(contrasts: variance.Contrasts, means: np.ndarray, target: np.ndarray) -> float:
    """Return the R2 of leaving out one trial at a time, at the penalty that makes it largest."""
    trials, stimulus = _trials(contrasts, means)
    y = target[stimulus][:, None]
    errors = ridge.leave_one_out(trials, y, ridge.ALPHAS)
    return float(1 - errors.min() / np.mean((y - y.mean()) ** 2))


def _trials(contrasts: variance.Contrasts, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the trials (T, V) that have these contrasts and means, and their stimuli."""
    deviations = {i: np.zeros((d + 1, means.shape[1])) for i, d in enumerate(contrasts.degrees)}
    step = np.zeros(contrasts.degrees.size, dtype=int)
    for owner, values in zip(contrasts.stimulus, contrasts.values, strict=True):
        step[owner] += 1
        k = step[owner]
        scale = np.sqrt(k / (k + 1))
        deviations[owner][:k] -= scale / k * values
        deviations[owner][k] += scale * values
    trials = [means[i] + own for i, own in deviations.items()]
    stimulus = np.repeat(np.arange(len(trials)), contrasts.degrees + 1)
    return np.concatenate(trials), stimulus


def _r2(target: np.ndarray, predicted: np.ndarray, fold: np.ndarray) -> float:
    return float(r2(squared_errors(target, predicted, fold))[0])


def _spread(target: np.ndarray) -> np.ndarray:
    return (target - target.mean(axis=0)) ** 2
