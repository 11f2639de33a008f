"""Small subjects with a planted map from features to voxels, part of it shared, in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.bridges.averaging import (
    average_encoder,
    averaging_scores,
    common_space,
    planted_cost,
)
from brainworth.bridges.averaging.average_encoder import Inputs
from brainworth.bridges.averaging.common_space import Space
from brainworth.bridges.averaging.region_responses import Columns, Split, reduce
from brainworth.stats import multiplicities

N_SHARED = N_OWN = 6
REGIONS = ("V1", "V2")


@dataclass(frozen=True)
class Population:
    """What the bridge works on, and what was planted."""

    found: list[list[Columns | None]]
    maps: list[list[np.ndarray | None]]
    fractions: np.ndarray
    inputs: Inputs
    log_variance: np.ndarray

    @property
    def subjects(self) -> list[str]:
        return [f"subj{s + 1:02d}" for s in range(len(self.found))]

    def spaces(self, seed: int = 0) -> list[Space]:
        return common_space.spaces(self.found, self.maps, np.random.default_rng(seed))


def draw(
    seed,
    fractions=(0.9, 0.7, 0.5, 0.3),
    *,
    n_train=(200, 240, 220, 260),
    n_test=80,
    n_voxels=30,
    noise=1.0,
    log_sd=0.0,
    shared_variance=0.5,
    from_features=0.0,
    n_dimensions=4,
):
    """Draw a population.

    Parameters
    ----------
    fractions : sequence of float
        Share of each subject's stimulus-driven variance that the shared map makes.
    log_sd : float
        SD over images of the log variance of noise, `shared_variance` of it in common.
    from_features : float
        SD over images of a log variance that the first feature makes.
    """
    rng = np.random.default_rng([seed, 101])
    n_subjects = len(fractions)
    n_features = N_SHARED + n_subjects * N_OWN
    n_test_ids = np.arange(n_test)
    common = {region: _map(rng, N_SHARED) for region in REGIONS}
    phi_test = rng.standard_normal((n_test, n_features))
    of_test = rng.standard_normal(n_test)
    # the order of images is the same for all subjects, and so is how often they were shown
    shown = 2 + rng.integers(0, 2, n_test)
    found, maps, train, validation, variances = [], [], [], [], []
    for s, fraction in enumerate(fractions):
        n_images = n_train[s] + 30
        ids = np.concatenate([n_test_ids, 1000 * (s + 1) + np.arange(n_images)])
        phi = np.vstack([phi_test, rng.standard_normal((n_images, n_features))])
        own = np.concatenate([of_test, rng.standard_normal(n_images)])
        log_variance = log_sd * (
            np.sqrt(shared_variance) * own
            + np.sqrt(1 - shared_variance) * rng.standard_normal(len(ids))
        )
        log_variance = log_variance + from_features * phi[:, 0]
        n_trials = np.concatenate([shown, 2 + rng.integers(0, 2, n_images)])
        image = np.repeat(np.arange(len(ids)), n_trials)
        split = Split(
            train=ids[n_test : n_test + n_train[s]],
            validation=ids[n_test + n_train[s] :],
            held_out=n_test_ids,
            test=n_test_ids,
        )
        columns = N_SHARED + s * N_OWN + np.arange(N_OWN)
        row, own_maps = [], []
        for region in REGIONS:
            mean, metric = common[region]
            own_mean, own_metric = _map(rng, N_OWN)
            weights = np.zeros((n_voxels, n_features))
            weights[:, :N_SHARED] = np.sqrt(fraction) * (
                0.5 * mean + np.sqrt(0.75) * metric * rng.standard_normal((n_voxels, N_SHARED))
            )
            weights[:, columns] = np.sqrt(1 - fraction) * (
                0.5 * own_mean + np.sqrt(0.75) * own_metric * rng.standard_normal((n_voxels, N_OWN))
            )
            trial_noise = np.sqrt(0.1) * rng.standard_normal((len(image), 1))
            trial_noise = trial_noise + np.sqrt(0.9) * rng.standard_normal((len(image), n_voxels))
            spread = noise * np.exp(log_variance[image] / 2)[:, None]
            values = (phi @ weights.T)[image] + spread * trial_noise
            item = reduce(values, ids[image], split, n_dimensions, f"subj{s + 1:02d}", region)
            row.append(item)
            own_maps.append(weights.T @ item.axes)
        found.append(row)
        maps.append(own_maps)
        train.append(phi[n_test : n_test + n_train[s]])
        validation.append(phi[n_test + n_train[s] :])
        variances.append(log_variance[:n_test])
    return Population(
        found,
        maps,
        np.tile(np.asarray(fractions)[:, None], (1, len(REGIONS))),
        Inputs("true_features", train, validation, phi_test),
        np.stack(variances),
    )


def cost(population, seed=0, n_bootstrap=200):
    """Return summaries of the relative cost and what was planted, by space and encoder."""
    spaces = population.spaces(seed)
    made = average_encoder.predict(population.inputs, spaces, seed)
    n_train = np.array([len(each) for each in population.inputs.train])
    weights = multiplicities(
        np.random.default_rng([seed, 5]), n_bootstrap, len(population.inputs.test)
    )
    named = {}
    for name, places in (("roi_mean", [0]), ("components", [1, 2])):
        chosen = [spaces[place] for place in places]
        named[name] = chosen, places, averaging_scores.weights_of(weights, chosen)
    costs = averaging_scores.costs(named, made.halves, 0.95, np.random.default_rng([seed, 6]))
    answer = {}
    for name, found in costs.items():
        planted = planted_cost.costs(named[name][0], n_train)
        for encoder, each in found.items():
            row = averaging_scores.summary(each, population.subjects, REGIONS, 0.95)
            answer[name, encoder] = row, planted[encoder], each
    return answer


def _map(rng, n):
    """Return the mean tuning and the metric of a region."""
    metric = np.exp(rng.normal(0, 0.4, n))
    metric /= np.linalg.norm(metric)
    mean = metric * rng.standard_normal(n)
    return mean / np.linalg.norm(mean), metric
