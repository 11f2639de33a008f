"""What the erosion tests should find on simulated NSD: the same quantities, without noise.

Computed from the generative truth, for the very voxels and stimuli the tests use.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from brainworth.erosion import (
    fingerprinting,
    planted_rdm_gap,
    planted_sharing,
    planted_variance,
    planted_variance_blindness,
    variance,
)
from brainworth.erosion import responses as shared
from brainworth.erosion.compare import compare
from brainworth.erosion.dissimilarity import correlation_rdm
from brainworth.nsd import betas, registry
from brainworth.nsd.simulate import truth
from brainworth.sections.data import Simulation


def planted(
    extracts: dict[str, Path],
    truths: dict[str, Path],
    images: Path,
    regions: list[str],
    simulation: Simulation,
    comparison: str,
    tests: list[str],
    gap_comparison: str | None = None,
) -> dict:
    """Compute what each test estimates, from the truth.

    Parameters
    ----------
    extracts, truths : dict from subject to path
        What `betas.extract` and `truth.write_subject` wrote.
    images : path
        What `truth.write_images` wrote.
    comparison : str
        How RDMs are compared.
    tests : list of str
        The tests of the study.
    gap_comparison : str, optional
        How RDMs are compared in the test ``rdm_gap``; needed if it is among the tests.

    Returns
    -------
    dict
        For each test a list over regions. rsa: the mean and pairwise similarity of noise-free
        RDMs. rdm_gap: the gap between noise-free predictions. fingerprinting: 1 minus the mean
        similarity of different subjects, noise-free.
        heteroscedasticity: the squared CV over stimuli of the true noise variance. alignment: the
        share of stimulus-driven variance that shared features make. encoding_gap: R2 between
        noise-free mean responses.
        variance_reliability, variance_predictability: see `planted_variance`. variance_blindness:
        correlation of the true variance with the mean of other subjects'. direction_erosion:
        nothing, it brings its own truth.
    """
    stimuli = shared.matched_stimuli(extracts)
    about_images = truth.read_images(images)
    about_subjects = {subject: truth.read_subject(path) for subject, path in truths.items()}
    used = None
    if "fingerprinting" in tests:
        found = [shared.read(path, regions[0]) for path in extracts.values()]
        used = fingerprinting.stimuli_in_both_halves(found)
    repeated = np.array([], dtype=int)
    if {"encoding_gap", "variance_blindness"} & set(tests):
        repeated = shared.repeated_stimuli(extracts, 2, "what is planted")
    result: dict[str, list] = {test: [] for test in tests}
    for region in regions:
        patterns, weights = {}, {}
        for subject, path in extracts.items():
            rows = _truth_rows(path, region, about_subjects[subject])
            if rows.size >= shared.MIN_VOXELS:
                columns = truth.own_features(subject, simulation)
                features = about_images.features[np.ix_(stimuli, columns)].astype(np.float64)
                weights[subject] = about_subjects[subject].weights[rows]
                patterns[subject] = features @ weights[subject].T
        if "rsa" in tests and len(patterns) > 1:
            result["rsa"].append({"region": region} | _rsa(patterns, comparison))
        if "rdm_gap" in tests and gap_comparison is not None and len(patterns) > 1:
            values = planted_rdm_gap.expected(patterns, gap_comparison)
            result["rdm_gap"].append({"region": region} | values)
        if used is not None and len(patterns) > 1:
            result["fingerprinting"].append({"region": region} | _identity(patterns, used))
        if "alignment" in tests and len(weights) > 1:
            values = planted_sharing.shared_fraction(weights, simulation.shared_features)
            result["alignment"].append({"region": region} | values)
        if "encoding_gap" in tests and len(patterns) > 1:
            used_here = np.isin(stimuli, repeated)
            means = {name: values[used_here].mean(axis=1) for name, values in patterns.items()}
            values = planted_sharing.noise_free(means)
            result["encoding_gap"].append({"region": region} | values)
        if "heteroscedasticity" in tests and patterns:
            values = _cv2(about_images.log_variance, stimuli, list(patterns))
            result["heteroscedasticity"].append({"region": region} | values)
        for test, of_test in planted_variance.TESTS.items():
            if test in tests and patterns:
                known = of_test(about_images.log_variance, extracts, list(patterns))
                result[test].append({"region": region} | known)
        if "variance_blindness" in tests and len(patterns) > 1:
            values = planted_variance_blindness.correlations(
                about_images.log_variance, repeated, list(patterns)
            )
            result["variance_blindness"].append({"region": region} | values)
    return {"n_stimuli": int(stimuli.size)} | result


def _truth_rows(extract: Path, region: str, known: truth.SubjectTruth) -> np.ndarray:
    """Return the rows of the truth that are the voxels of a region in an extract."""
    voxels = betas.region_voxels(extract, region)
    with h5py.File(extract, "r") as file:
        wanted = file["voxels/ijk"][:][voxels]
        shape = tuple(file.attrs["volume_shape"])
    place = np.ravel_multi_index(known.ijk.T, shape)
    order = np.argsort(place)
    return order[np.searchsorted(place[order], np.ravel_multi_index(wanted.T, shape))]


def _rsa(patterns: dict[str, np.ndarray], comparison: str) -> dict:
    rdms = np.stack([correlation_rdm(values) for values in patterns.values()])
    similarity = compare(rdms, rdms, comparison)
    first, second = np.triu_indices(len(rdms), k=1)
    names = list(patterns)
    return {
        "similarity": float(similarity[first, second].mean()),
        "pairs": [
            {"subjects": [names[a], names[b]], "similarity": float(similarity[a, b])}
            for a, b in zip(first, second, strict=True)
        ],
    }


def _identity(patterns: dict[str, np.ndarray], used: np.ndarray) -> dict:
    rdms = np.stack([correlation_rdm(values[used]) for values in patterns.values()])
    profiles = np.stack([values[used].mean(axis=1) for values in patterns.values()])
    off = ~np.eye(len(rdms), dtype=bool)
    return {
        "rdm": float(1 - compare(rdms, rdms, "spearman")[off].mean()),
        "profile": float(1 - np.corrcoef(profiles)[off].mean()),
    }


def _cv2(log_variance: np.ndarray, stimuli: np.ndarray, subjects: list[str]) -> dict:
    values = []
    for subject in subjects:
        row = log_variance[registry.SUBJECTS.index(subject), stimuli]
        known = np.exp(row.astype(np.float64))
        ones = np.ones((1, known.size))
        values.append(float(variance.true_cv2(known, np.ones(known.size), 0.0, ones)[0]))
    return {
        "true_cv2": float(np.mean(values)),
        "subjects": [
            {"subject": subject, "true_cv2": value}
            for subject, value in zip(subjects, values, strict=True)
        ],
    }
