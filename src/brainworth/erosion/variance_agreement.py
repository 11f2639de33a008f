"""Agreement of variance profiles within and across brains, with nulls and intervals, for JSON."""

from __future__ import annotations

import numpy as np

from brainworth.erosion import cv2_interval, resample, shared_variance, variance_halves
from brainworth.erosion import responses as shared
from brainworth.erosion.variance_measures import Subject
from brainworth.stats import percentile_interval, permutation_p, stream

ONE_VOXEL = "one column has no halves"
FEW_THREE = f"fewer than {shared.MIN_STIMULI} stimuli were shown exactly three times"
ONE_SUBJECT = "one subject has no other to be compared with"
TWO_SUBJECTS = "two subjects cannot be resampled"
MANY_COVARIATES = "the schedule has too many sessions for the number of stimuli"
NO_TRUE_VARIANCE = (
    "not estimable: here, or in too many bootstrap samples, the profiles do not vary by more than"
    " sampling"
)


def within(found: list[Subject], weights: np.ndarray, interval: float, family: dict) -> dict:
    """Return the estimates that one brain gives, averaged over subjects."""
    row: dict = {}
    if found[0].measured.halves.shape[-2] == 0:
        row |= {"published": None, "published_reason": ONE_VOXEL}
        row |= {"voxel_split": None, "voxel_split_reason": ONE_VOXEL}
    else:
        values = [float(variance_halves.split_half(one.measured)) for one in found]
        draws = np.mean(
            [variance_halves.split_half_resampled(one.measured, weights) for one in found], axis=0
        )
        null = np.mean([one.null["split_half"] for one in found], axis=0)
        estimate = float(np.mean(values))
        bounds = percentile_interval(draws, interval)
        row["published"] = {"estimate": estimate, "unit": "correlation", "n": len(found)}
        row["voxel_split"] = _against(estimate, bounds, null, interval) | {
            "excess": estimate - float(null.mean()),
            "excess_interval": [bound - float(null.mean()) for bound in bounds],
        }
        family["voxel_split"] = (estimate, null)
    three = [one for one in found if one.n_three >= shared.MIN_STIMULI]
    if not three:
        row |= {"disjoint": None, "disjoint_reason": FEW_THREE}
        row |= {"disjoint_cv2": None, "disjoint_cv2_reason": FEW_THREE}
        return row
    values = [variance_halves.disjoint(one.measured) for one in three]
    drawn = [_drawn(weights[:, one.degrees == 2]) for one in three]
    draws = [
        variance_halves.disjoint(one.measured, own) for one, own in zip(three, drawn, strict=True)
    ]
    null = np.mean([one.null["disjoint"] for one in three], axis=0)
    estimate, cv2 = np.mean(values, axis=0)
    by_draw, cv2_draws = np.mean(draws, axis=0)
    bounds = percentile_interval(by_draw, interval)
    row["disjoint"] = _against(float(estimate), bounds, null, interval) | {"n": len(three)}
    row["disjoint_cv2"] = {
        "estimate": float(cv2),
        "interval": _cv2_interval(three, drawn, np.r_[cv2, cv2_draws], weights, interval),
        "unit": "squared CV",
    }
    family["disjoint"] = (float(estimate), null)
    return row


def _cv2_interval(
    three: list[Subject],
    drawn: list[np.ndarray],
    estimates: np.ndarray,
    weights: np.ndarray,
    interval: float,
) -> list[float]:
    """Return the interval of the squared CV; each subject has its own stimuli of three trials."""
    samples = np.vstack([np.ones(weights.shape[1]), weights])
    slopes = np.zeros(samples.shape)
    for one, own in zip(three, drawn, strict=True):
        own = np.vstack([np.ones(own.shape[1]), own])
        slopes[:, one.degrees == 2] += variance_halves.cv2_slopes(one.measured, own)
    return cv2_interval.studentized(estimates, slopes / len(three), samples, interval)


def _drawn(weights: np.ndarray) -> np.ndarray:
    """Return multiplicities of some stimuli; a sample without any of them takes each once."""
    weights = weights.copy()
    weights[weights.sum(axis=1) == 0] = 1
    return weights


def across(
    profiles: np.ndarray,
    relabellings: list[np.ndarray],
    weights: np.ndarray,
    interval: float,
    seed: int,
) -> dict:
    """Return the agreement of different subjects' profiles (S, I); its null is under ``_null``."""
    matrix = shared_variance.correlations(profiles)
    estimate = shared_variance.mean_over_pairs(matrix)
    null = shared_variance.relabelled(profiles, relabellings)
    draws = shared_variance.correlation_draws(*shared_variance.resampled(profiles, weights))
    row = _against(estimate, percentile_interval(draws, interval), null, interval)
    n = len(profiles)
    row |= {"n": n * (n - 1) // 2, "_null": null}
    if n < 3:
        return row | {"interval_subjects": None, "interval_subjects_reason": TWO_SUBJECTS}
    rng = stream(seed, "variance reliability", "subjects", n)
    by_subject = resample.over_subjects(matrix, rng, len(weights))
    return row | {"interval_subjects": list(percentile_interval(by_subject, interval))}


def true_variance(found: list[Subject], weights: np.ndarray, interval: float) -> dict:
    """Return the share of the profiles that is not sampling, and how much of that is shared."""
    profiles = np.stack([one.logs for one in found])
    ones = np.ones((1, weights.shape[1]))
    total, sampled, common = [], [], []
    for counts in (ones, weights):
        covariances, variances = shared_variance.resampled(profiles, counts)
        share = counts / counts.sum(axis=1, keepdims=True)
        total.append(variances.mean(axis=1))
        sampled.append((share @ np.stack([one.sampling for one in found]).T).mean(axis=1))
        common.append(covariances.mean(axis=1) if len(found) > 1 else None)
    true = [whole - noise for whole, noise in zip(total, sampled, strict=True)]
    reliability = [1 - noise / whole for whole, noise in zip(total, sampled, strict=True)]
    row: dict = {
        "profile_reliability": {
            "estimate": float(reliability[0][0]),
            "interval": list(percentile_interval(reliability[1], interval)),
            "unit": "share of variance",
        }
    }
    reason = ONE_SUBJECT if len(found) < 2 else None
    if reason is None and (true[0][0] <= 0 or np.mean(true[1] <= 0) > (1 - interval) / 2):
        reason = NO_TRUE_VARIANCE
    if reason:
        return row | {"shared_fraction": None, "shared_fraction_reason": reason}
    kept = true[1] > 0
    row["shared_fraction"] = {
        "estimate": float(common[0][0] / true[0][0]),
        "interval": list(percentile_interval(common[1][kept] / true[1][kept], interval)),
        "unit": "share of true variance",
    }
    return row


def of_subject(one: Subject, interval: float) -> dict:
    """Return the estimates of one subject."""
    row = {
        "subject": one.name,
        "n_voxels": one.n_voxels,
        "n_stimuli_three": one.n_three,
        "profile_reliability": float(1 - one.sampling.mean() / np.mean(one.logs**2)),
        "voxel_split": None,
        "disjoint": None,
    }
    if one.measured.halves.shape[-2]:
        estimate = float(variance_halves.split_half(one.measured))
        row["voxel_split"] = _against(estimate, None, one.null["split_half"], interval)
    else:
        row["voxel_split_reason"] = ONE_VOXEL
    if one.n_three >= shared.MIN_STIMULI:
        estimate = float(variance_halves.disjoint(one.measured)[0])
        row["disjoint"] = _against(estimate, None, one.null["disjoint"], interval)
    else:
        row["disjoint_reason"] = FEW_THREE
    return row


def _against(estimate: float, bounds, null: np.ndarray, interval: float) -> dict:
    row = {
        "estimate": estimate,
        "null_mean": float(null.mean()),
        "null_interval": list(percentile_interval(null, interval)),
        "p": permutation_p(estimate, null),
        "unit": "correlation",
    }
    return row if bounds is None else row | {"interval": list(bounds)}
