"""Small simulated subjects: responses to images by the formula of the simulation, without files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.bridges.feature_spaces import (
    feature_spaces,
    ideal_observer,
    planted_spaces,
    space_plan,
    spaces,
)
from brainworth.bridges.feature_spaces.space_truth import Truth
from brainworth.encoder.targets import Targets
from brainworth.nsd.simulate.truth import SubjectTruth
from brainworth.sections.data import Simulation

S, OWN, V = 8, 4, 40
N_TRAIN, N_VALIDATION, N_TEST, N_TRIALS = 300, 20, 60, 3
RIDGE = {"n_folds": 4, "n_alphas": 8, "alpha_range": [1e-4, 1e2]}
PAIR = ("aligned", "misaligned")
SIMULATION = Simulation(
    scale="tiny",
    shared_features=S,
    individual_features=OWN,
    global_features=0,
    stream_contrast=0.0,
    shared_fraction=[0.8] * 8,
    ncsnr=[0.5] * 8,
    ncsnr_log_sd=0.0,
    noise_global_fraction=0.05,
    noise_spatial_fraction=0.25,
    noise_spatial_components=3,
    variance_log_sd=0.0,
    variance_shared_fraction=0.0,
    session_offset_sd=0.0,
    session_gain_log_sd=0.0,
)


def plan(**changes):
    settings = {
        "ridge": RIDGE,
        "dimensions": [2, 4],
        "sizes": [2, 10, 30],
        "max_voxels": 1000,
        "min_ceiling": 0.05,
        "n_permutations": 199,
        "n_bootstrap": 100,
        "interval": 0.95,
        "seed": 4,
        "pair": PAIR,
    }
    return space_plan.Plan(**(settings | changes))


@dataclass
class Study:
    """Subjects that saw the same images."""

    features: np.ndarray
    targets: dict[str, Targets]
    truths: dict[str, SubjectTruth]


def study(seed, subjects=("subj01",), *, n_train=N_TRAIN, n_test=N_TEST, n_voxels=V, ncsnr=0.5):
    """Draw images and the responses of subjects to them, z-scored in truth."""
    rng = np.random.default_rng([seed, 11])
    n = n_train + N_VALIDATION + n_test
    features = rng.standard_normal((n, S + 8 * OWN)).astype(np.float32)
    targets, truths = {}, {}
    for subject in subjects:
        number = int(subject[-1])
        own = np.r_[:S, S + OWN * (number - 1) : S + OWN * number]
        weights = rng.standard_normal((n_voxels, S + OWN)) * np.r_[np.ones(S), 0.7 * np.ones(OWN)]
        weights *= ncsnr / np.sqrt(1 + ncsnr**2) / np.linalg.norm(weights, axis=1, keepdims=True)
        loadings = rng.standard_normal((n_voxels, 3))
        loadings /= np.linalg.norm(loadings, axis=1, keepdims=True)
        noise_sd = np.sqrt(1 - np.sum(weights**2, axis=1))
        noise = np.sqrt(0.7) * rng.standard_normal((n, N_TRIALS, n_voxels))
        noise += np.sqrt(0.05) * rng.standard_normal((n, N_TRIALS, 1))
        noise += np.sqrt(0.25) * rng.standard_normal((n, N_TRIALS, 3)) @ loadings.T
        trials = (features[:, own] @ weights.T)[:, None] + noise_sd * noise
        ijk = np.argwhere(np.ones((n_voxels, 1, 1))).astype(np.int32)
        test = np.arange(n_train + N_VALIDATION, n)
        targets[subject] = Targets(
            subject=subject,
            nsd_id=np.arange(n),
            split=np.repeat([0, 1, 2], [n_train, N_VALIDATION, n_test]).astype(np.int8),
            values=trials.mean(axis=1).astype(np.float32),
            n_repeats=np.full(n, N_TRIALS),
            repeat=np.zeros(n, dtype=int),
            ncsnr=np.full(n_voxels, ncsnr, dtype=np.float32),
            ncsnr_own=np.full(n_voxels, ncsnr, dtype=np.float32),
            noise_variance=(noise_sd**2).astype(np.float32),
            trials=trials[test].reshape(-1, n_voxels).astype(np.float32),
            trial_row=np.repeat(test, N_TRIALS),
            ijk=ijk,
            group=np.zeros(n_voxels, dtype=np.int8),
            volume_shape=(n_voxels, 1, 1),
        )
        truths[subject] = SubjectTruth(
            ijk=ijk[::-1],
            weights=weights[::-1].astype(np.float32),
            noise_loadings=loadings[::-1].astype(np.float32),
            ncsnr=np.full(n_voxels, ncsnr, dtype=np.float32),
            amplitude=np.ones(n_voxels, dtype=np.float32),
        )
    return Study(features, targets, truths)


def plant(made, seed, *, alignments=None, snr=3.0, dimension=12):
    """Return planted spaces by name."""
    alignments = alignments or {"aligned": 1.0, "half": 0.5, "misaligned": 0.0}
    return {
        name: planted_spaces.plant(
            made.features[:, :S],
            alignment=alignment,
            snr=snr,
            dimension=dimension,
            seed=seed,
            name=name,
        )
        for name, alignment in alignments.items()
    }


def reduced(planted, targets, n_components=12):
    """Return the spaces of the rows of a subject's targets."""
    train = targets.rows(0)
    return {
        name: spaces.reduce(space.values[targets.nsd_id], train, n_components, name)
        for name, space in planted.items()
    }


def truth(made, subject, planted):
    """Return what is known of a subject."""
    targets = made.targets[subject]
    test = targets.nsd_id[targets.rows(2)]
    number = int(subject[-1])
    own = np.r_[:S, S + OWN * (number - 1) : S + OWN * number]
    return Truth(
        ideal_observer.generator(made.truths[subject], targets.ijk, SIMULATION),
        made.features[test][:, own],
        {name: space.knowledge(test, OWN) for name, space in planted.items()},
    )


REGIONS = {"V1": np.arange(V // 2), "IPS": np.arange(V // 2, V), "words": np.arange(1)}


def analyse(seed, subject="subj01", *, made=None, planted=None, **changes):
    """Compare planted spaces in one subject."""
    made = made or study(seed)
    planted = planted or plant(made, seed)
    targets = made.targets[subject]
    return feature_spaces.analyse(
        targets,
        REGIONS,
        reduced(planted, targets),
        plan(seed=seed, **changes),
        truth(made, subject, planted),
    )
