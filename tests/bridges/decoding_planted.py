"""Small subjects that respond by the model of simulated NSD, as extracts with their truth."""

from types import SimpleNamespace

import h5py
import numpy as np

from brainworth.nsd import betas
from brainworth.nsd.simulate import truth

SHAPE = (10, 10, 3)
REGIONS = ("V1", "faces")
N_SHARED, N_OWN = 4, 3
SIMULATION = SimpleNamespace(
    noise_global_fraction=0.05,
    noise_spatial_fraction=0.25,
    shared_features=N_SHARED,
    individual_features=N_OWN,
)
SETTINGS = {
    "regions": list(REGIONS),
    "smallest": 60,
    "n_subsets": 2,
    "n_subjects": [1, 2, 4],
    "n_alphas": 9,
    "alpha_range": [1e-3, 1e2],
    "n_components": 4,
    "n_folds": 3,
    "n_bootstrap": 200,
    "n_permutations": 99,
}


def features(n_images, seed, n_features=N_SHARED):
    return np.random.default_rng([seed, 1]).normal(size=(n_images, n_features))


def draw(rng, n_voxels=40, ncsnr=0.5, n_shared=N_SHARED, n_own=N_OWN):
    """Draw the weights (V, shared + own) and noise components (V, 2) of a subject."""
    weights = rng.normal(size=(n_voxels, n_shared + n_own))
    size = ncsnr * np.exp(rng.normal(0, 0.3, n_voxels))
    weights *= (size / np.sqrt(1 + size**2) / np.linalg.norm(weights, axis=1))[:, None]
    loadings = rng.normal(size=(n_voxels, 2))
    return weights, loadings / np.linalg.norm(loadings, axis=1, keepdims=True)


def respond(rng, weights, loadings, phi, log_sd=0.0):
    """Draw a trial (V,) for each row of phi, all features of the subject.

    The spread of the log variance of noise over trials is `log_sd`; its mean variance is 1.
    """
    n, n_voxels = len(phi), len(weights)
    noise = np.sqrt(0.7) * rng.normal(size=(n, n_voxels))
    noise += np.sqrt(0.25) * rng.normal(size=(n, loadings.shape[1])) @ loadings.T
    noise += np.sqrt(0.05) * rng.normal(size=(n, 1))
    sigma = np.exp((log_sd * rng.normal(size=(n, 1)) - log_sd**2 / 2) / 2)
    return phi @ weights.T + np.sqrt(1 - np.sum(weights**2, axis=1)) * sigma * noise


def write_subject(path, seed, number, *, n_images=400, n_shared_images=60, n_voxels=40, **changes):
    """Write the extract of a subject and return its truth.

    The first images are shared by all subjects of a seed; the others are the subject's own, among
    ids of their own. Every image is shown three times, in four sessions.
    """
    rng = np.random.default_rng([seed, 2, number])
    ncsnr, silent = changes.get("ncsnr", 0.5), changes.get("silent", False)
    weights, loadings = draw(rng, n_voxels, ncsnr)
    own = n_shared_images + (number - 1) * n_images + np.arange(n_images - n_shared_images)
    ids = np.concatenate([np.arange(n_shared_images), own])
    order = rng.permutation(np.repeat(np.arange(n_images), 3))
    phi = np.hstack([features(10_000, seed)[ids], rng.normal(size=(n_images, N_OWN))])[order]
    if silent:
        phi = np.zeros_like(phi)
    values = respond(rng, weights, loadings, phi, changes.get("log_sd", 0.4)).astype(np.float32)
    session = np.repeat(np.arange(1, 5), -(-len(order) // 4))[: len(order)]
    seen = np.zeros(n_images, dtype=int)
    repetition = np.empty(len(order), dtype=int)
    for row, image in enumerate(order):
        repetition[row] = seen[image]
        seen[image] += 1
    ijk = np.argwhere(np.ones(SHAPE))[:n_voxels].astype(np.int32)
    with h5py.File(path, "w") as file:
        file.attrs.update(schema=betas.SCHEMA, subject=f"subj0{number}", volume_shape=SHAPE)
        file["betas"] = values
        file["voxels/ijk"] = ijk
        for place, region in enumerate(REGIONS):
            file[f"voxels/region/{region}"] = np.arange(n_voxels) % 2 == place
        file["trials/session"] = session
        file["trials/nsd_id"] = ids[order]
        file["trials/repetition"] = repetition
        file["trials/shared"] = ids[order] < n_shared_images
    return truth.SubjectTruth(
        ijk=ijk,
        weights=weights.astype(np.float32),
        noise_loadings=loadings.astype(np.float32),
        ncsnr=np.ones(n_voxels, dtype=np.float32),
        amplitude=np.ones(n_voxels, dtype=np.float32),
    )
