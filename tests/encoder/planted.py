"""Small subjects whose responses follow from features by a known map."""

import configurations
import numpy as np

from brainworth.encoder import comparison
from brainworth.encoder.features.store import Features
from brainworth.encoder.targets import Targets

G, P, C, V = 8, 4, 6, 40
N_IMAGES = 900
SETTINGS = {
    "clusters": {"kind": "sequential", "size": 5, "top": 1.0, "atlas": None},
    "stage1": configurations.TINY_STAGE1 | {"dropout": 0.0, "token_drop": 0.0, "local_blocks": 1},
    "stage2": configurations.TINY_STAGE2 | {"dropout": 0.0},
    "train_stage1": configurations.TRAINING | {"epochs": 8, "patience": 8, "lr": 0.01},
    "train_stage2": configurations.TRAINING | {"epochs": 8, "patience": 8, "lr": 0.01},
    "loss_stage1": configurations.LOSS1,
    "loss_stage2": configurations.LOSS2,
    "diffusion": {"steps": 50, "sampling_steps": 10, "samples": 4, "hidden": 16},
    "ridge": {"n_folds": 4, "n_alphas": 8, "alpha_range": [1e-4, 1e3]},
    "scores": {"n_bootstrap": 100, "min_ceiling": 0.05},
    "compile": False,
}


def plan(seed=3, **changes):
    return comparison.Plan(SETTINGS | changes, 0.95, seed)


def read(ids):
    """Return the features of images by 0-based id; tokens and global vector are independent."""
    rng = np.random.default_rng(0)
    global_ = rng.normal(1, 2, (N_IMAGES, G)).astype(np.float32)
    tokens = rng.normal(-1, 0.5, (N_IMAGES, P, C)).astype(np.float32)
    ids = np.asarray(ids)
    layers = {}
    for number, width in enumerate((2, 2, 4, G)):
        layers[f"layer {number}"] = (global_[ids][:, :width], tokens[ids].mean(1))
    return Features(ids.astype(np.int64), global_[ids], tokens[ids], layers, "gabor", "")


def inputs(features):
    """Return what responses are linear in: tokens, place by place, and the vector; SD 1."""
    flat = (features.tokens.reshape(len(features.tokens), -1) + 1) * 2
    return np.hstack([flat, (features.global_ - 1) / 2])


def alike(rng, n_in, n_voxels=V):
    """Draw weights (n_in, n_voxels) that are alike in each cluster of five voxels."""
    cluster = rng.normal(size=(n_in, n_voxels // 5))
    return np.repeat(cluster, 5, axis=1) + 0.3 * rng.normal(size=(n_in, n_voxels))


def apart(seed):
    """Draw weights of `inputs`: early voxels depend on tokens only, higher ones on the vector."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((P * C + G, V))
    weights[: P * C, : V // 2] = alike(rng, P * C, V // 2)
    weights[P * C :, V // 2 :] = alike(rng, G, V // 2)
    return weights


def together(seed):
    """Draw weights of `inputs`: of each early voxel, as much of both; of higher ones the same."""
    rng = np.random.default_rng(seed)
    half = alike(rng, P * C + G, V // 2)
    half[: P * C] *= np.sqrt(G / (P * C))
    return np.hstack([half, half])


def subject(name="subj01", seed=1, weights=None, noise=1.0, n_train=400):
    """Return features and targets; half of the voxels are early, half higher."""
    rng = np.random.default_rng([seed, 7])
    others = 100 + rng.permutation(N_IMAGES - 100)[: n_train + 80]
    ids = np.concatenate([np.sort(others[:n_train]), np.sort(others[n_train:]), np.arange(100)])
    split = np.repeat([0, 1, 2], [n_train, 80, 100]).astype(np.int8)
    features = read(ids)
    signal = inputs(features) @ (apart(seed) if weights is None else weights)
    signal /= signal.std(axis=0)
    trials = signal[:, None] + noise * rng.normal(size=(len(ids), 3, V))
    test = np.flatnonzero(split == 2)
    values = trials.mean(axis=1).astype(np.float32)
    targets = Targets(
        subject=name,
        nsd_id=ids,
        split=split,
        values=values,
        n_repeats=np.full(len(ids), 3),
        repeat=np.zeros(len(ids), dtype=int),
        ncsnr=np.full(V, 1 / noise, dtype=np.float32),
        ncsnr_own=np.full(V, 1 / noise, dtype=np.float32),
        noise_variance=np.full(V, noise**2, dtype=np.float32),
        trials=trials[test].reshape(-1, V).astype(np.float32),
        trial_row=np.repeat(test, 3),
        ijk=np.argwhere(np.ones((V, 1, 1))).astype(np.int32),
        group=np.repeat([1, 3], V // 2).astype(np.int8),
        volume_shape=(V, 1, 1),
    )
    return features, targets
