"""What recordings are made of: shares of a trial's variance, and the number of latents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from brainworth.bridges.calibration import brain_calibration, brain_model, calibration_planted
from brainworth.bridges.calibration.brain_calibration import Calibration
from brainworth.bridges.calibration.brain_moments import Moments, total
from brainworth.bridges.calibration.brain_noise import Whitening
from brainworth.bridges.calibration.calibration_planted import PlantedVoxels
from brainworth.bridges.calibration.calibration_rows import around, quantile
from brainworth.bridges.calibration.calibration_study import Study


def shares(
    whole: Calibration,
    parts: Sequence[Moments],
    study: Study,
    voxels: np.ndarray,
    r: np.ndarray,
    planted: PlantedVoxels | None,
) -> dict[str, Any]:
    """Divide the variance of a trial: linear in the inputs, other stimulus-driven, noise.

    Sums over voxels of z-scored variances. The noise is from repetitions; ``latent`` is the share
    of it that lies within the columns of B beyond what a channel has outside of them, for
    recordings as they are, if the noise outside has one variance (as the theory's measurement
    noise).
    """
    reach = quantile(study.settings["n_blocks"] - 1, study.interval)
    added = total(parts)
    linear, overall = _linear(added)
    without = np.array([_linear(added - part) for part in parts])
    noise = study.samples.trial_noise[:, voxels].sum(axis=1)
    weights = study.samples.n_repeated
    mean = float(np.average(noise, weights=weights))
    groups = range(len(noise))
    rest = np.array(
        [np.average(np.delete(noise, g), weights=np.delete(weights, g)) for g in groups]
    )
    linear_error = float(brain_calibration.jackknife(without[:, 0] / without[:, 1]))
    noise_error = float(brain_calibration.jackknife(rest)) / overall
    share, noise_share = linear / overall, mean / overall
    answer = {
        "linear": around(share, linear_error, reach),
        "noise": around(noise_share, noise_error, reach),
        "other": around(1 - share - noise_share, np.hypot(linear_error, noise_error), reach),
        "latent": None,
        "planted": None,
    }
    k = whole.brain.k
    if k:
        plain = Whitening(np.ones(len(voxels)), np.zeros((len(voxels), 0)), np.zeros(0))
        inside = float(np.trace(brain_model.noise_within(whole.raw, plain, study.x, r, k)))
        outside = (whole.raw.noise_total - inside) / max(len(voxels) - k, 1)
        answer["latent"] = (inside - k * outside) / whole.raw.noise_total
    if planted is not None:
        driven = study.inputs.covariance.T @ planted.weights.T
        answer["planted"] = {
            "linear": float(np.sum(driven**2)) / len(voxels),
            "noise": float(np.sum(planted.noise_sd**2)) / len(voxels),
        }
    return answer


def rank(whole: Calibration, study: Study, planted: PlantedVoxels | None) -> dict[str, Any]:
    """Tell how many latents there are, and what folds say about each number."""
    mean = whole.curves.mean(axis=0)
    error = whole.curves.std(axis=0, ddof=1) / np.sqrt(len(whole.curves))
    answer = {
        "rank": whole.rank,
        "n_latents": whole.brain.k,
        "n_noise_components": len(whole.whitening.gain),
        "curve": {"explained": mean, "error": error},
        "planted_rank": None,
        "planted_detectable": None,
    }
    if planted is not None:
        brain = calibration_planted.brain(planted, study.inputs, whole.whitening, 1)
        answer["planted_rank"] = brain.rank
        if whole.hidden is not None:
            p = study.d - whole.rank
            strong = brain_model.detectable(brain.strengths, whole.found.n, p, whole.hidden)
            answer["planted_detectable"] = min(brain.rank, strong)
    return answer


def _linear(moments: Moments) -> tuple[float, float]:
    """Return the variance of all voxels that is linear in the inputs, and all of it."""
    n, d = moments.n - 1, len(moments.x)
    mean_x, mean_r = moments.x / moments.n, moments.r / moments.n
    products, square = moments.about(mean_x, mean_r)
    lower = cholesky(moments.xx - moments.n * np.outer(mean_x, mean_x), lower=True)
    fitted = float(np.sum(solve_triangular(lower, products, lower=True) ** 2))
    noise = (square - fitted) / (n - d)
    linear = (fitted - d * noise) / n
    return linear, linear + noise
