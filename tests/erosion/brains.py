"""Small brains in memory, with a known share of signal in common; for tests of many data sets."""

from __future__ import annotations

import numpy as np

from brainworth.erosion.responses import SharedResponses


def tuning(rng, metric, mean, n_voxels):
    """Draw weights around a mean, with a metric common to all subjects."""
    return 0.5 * mean + np.sqrt(0.75) * metric * rng.normal(size=(n_voxels, metric.size))


def simulate(
    rng,
    *,
    voxels=(20,) * 4,
    n_stimuli=60,
    n_shared=8,
    n_own=8,
    fraction=0.7,
    ncsnr=0.7,
    repetitions=(2, 3),
):
    """Return subjects' responses, and the share of each one's signal that shared features make.

    The signal is linear in features of the stimuli, as in simulated NSD; noise is partly common to
    all voxels of a trial.
    """
    features = rng.normal(size=(n_stimuli, n_shared))
    metric = np.exp(rng.normal(0, 0.4, n_shared))
    metric /= np.linalg.norm(metric)
    mean = metric * rng.normal(size=n_shared)
    mean /= np.linalg.norm(mean)
    found, shares = [], []
    for number, n_voxels in enumerate(voxels):
        own_mean = rng.normal(size=n_own) / np.sqrt(n_own)
        weights = np.hstack(
            [
                np.sqrt(fraction) * tuning(rng, metric, mean, n_voxels),
                np.sqrt(1 - fraction)
                * tuning(rng, np.full(n_own, n_own**-0.5), own_mean, n_voxels),
            ]
        )
        size = ncsnr / np.sqrt(1 + ncsnr**2)
        weights *= size / np.linalg.norm(weights, axis=1, keepdims=True)
        signal = np.hstack([features, rng.normal(size=(n_stimuli, n_own))]) @ weights.T
        counts = rng.choice(repetitions, n_stimuli)
        stimulus = np.repeat(np.arange(n_stimuli), counts)
        noise = np.sqrt(0.1) * rng.normal(size=(stimulus.size, 1))
        noise = noise + np.sqrt(0.9) * rng.normal(size=(stimulus.size, n_voxels))
        found.append(
            SharedResponses(
                subject=f"subj{number + 1:02d}",
                region="V1",
                values=signal[stimulus] + np.sqrt(1 - size**2) * noise,
                stimulus=stimulus,
                repetition=np.concatenate([np.arange(n) for n in counts]),
                session=rng.integers(1, 5, stimulus.size),
                n_stimuli=n_stimuli,
            )
        )
        shares.append(np.sum(weights[:, :n_shared] ** 2) / np.sum(weights**2))
    return found, np.array(shares)
