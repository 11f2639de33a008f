"""Whether a subject can be recognised from responses to shared stimuli.

As published (information erosion, README v2.1): nearest neighbour over subjects on mean patterns
and on variance patterns. The source does not say how the two sides were made; here, the region's
mean response in the first against the second presentation, and the variance over repetitions in
one half of the voxels against the other half. Both sides of the variance patterns come from the
same trials: two to three repetitions leave no others, so trial noise is shared and the accuracy
says nothing about brains.

Sound: the two sides come from disjoint presentations in disjoint sessions (odd against even), and
the features live in a space all subjects share and carry neither voxel count nor scale: the RDM
(compared by ranks) and the region's mean response over stimuli (compared by correlation).

Identifiability corrected for noise is 1 minus the mean over pairs of subjects of
r_st / sqrt(r_ss r_tt), r between the sides: zero if all subjects are the same, whatever the noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from brainworth.erosion import identification, resample, variance
from brainworth.erosion import responses as shared
from brainworth.erosion.compare import standardise
from brainworth.erosion.dissimilarity import correlation_rdm
from brainworth.errors import BrainworthError
from brainworth.stats import (
    binomial_interval,
    multiplicities,
    percentile_interval,
    stream,
)

FEATURES = ("rdm", "profile")
NOT_RELIABLE = (
    "not estimable: here, or in too many bootstrap samples, a subject's similarity between the "
    "sides is not positive"
)


@dataclass(frozen=True)
class Sides:
    """A feature of every subject, measured twice.

    Attributes
    ----------
    first, second : array of shape (S, P)
        P is the number of stimuli for a profile, of their pairs for an RDM.
    """

    first: np.ndarray
    second: np.ndarray

    def similarity(self) -> np.ndarray:
        """Return the correlations of first (rows) with second (columns), shape (S, S)."""
        return standardise(self.first, "corr") @ standardise(self.second, "corr").T


def analyse(
    extracts: dict[str, Path],
    regions: list[str],
    *,
    n_permutations: int,
    n_bootstrap: int,
    n_subsamples: int,
    interval: float,
    seed: int,
) -> dict:
    """Run the test on all regions.

    Parameters
    ----------
    extracts : dict from subject to path
        Files that `betas.extract` wrote.
    regions : list of str
    n_permutations : int
        Labellings of the subjects; all S! if there are fewer.
    n_bootstrap : int
        Bootstrap samples of stimuli.
    n_subsamples : int
        Random subsets of stimuli for each size of the accuracy curve.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.

    Returns
    -------
    dict
        Ready for JSON.

    Raises
    ------
    BrainworthError
        With fewer than two subjects, or if fewer than 10 matched stimuli were seen in both odd
        and even sessions by every subject.
    """
    if len(extracts) < 2:
        raise BrainworthError("fingerprinting needs at least two subjects; add some to subjects")
    n_matched = shared.matched_stimuli(extracts).size
    regions = shared.regions_for(extracts, regions, shared.PATTERNS)
    summary, nulls = [], []
    missing = []
    used = None
    for region in tqdm(regions, desc="fingerprinting", disable=None):
        found = [shared.read(path, region) for path in extracts.values()]
        if used is None:
            used = stimuli_in_both_halves(found)
        found = [item for item in found if item.n_voxels >= shared.MIN_VOXELS]
        if len(found) < 2:
            missing.append(region)
            continue
        row, null = analyse_region(
            found,
            used,
            n_permutations=n_permutations,
            n_bootstrap=n_bootstrap,
            n_subsamples=n_subsamples,
            interval=interval,
            seed=seed,
        )
        summary.append(row)
        nulls.append(null)
    _add_familywise(summary, nulls)
    return {
        "n_stimuli_matched": int(n_matched),
        "n_stimuli": int(used.size),
        "n_bootstrap": n_bootstrap,
        "interval": interval,
        "sides": "odd against even sessions",
        "min_voxels": shared.MIN_VOXELS,
        "missing_regions": missing,
        "regions": summary,
    }


def analyse_region(
    found: list[shared.SharedResponses],
    used: np.ndarray,
    *,
    n_permutations: int,
    n_bootstrap: int,
    n_subsamples: int,
    interval: float,
    seed: int,
) -> tuple[dict, dict[str, np.ndarray]]:
    """Run the test on one region of subjects in memory.

    Parameters
    ----------
    found : list of SharedResponses
        The region in at least two subjects.
    used : array of int
        Stimuli to use, from `stimuli_in_both_halves`.

    Returns
    -------
    row : dict
        JSON-ready, without family-wise p.
    null : dict from feature to array
        Identifiability under each labelling.
    """
    region = found[0].region
    labels, exhaustive = identification.labellings(
        len(found), n_permutations, stream(seed, "fingerprinting", "labels", len(found))
    )
    row = {
        "region": region,
        "n_subjects": len(found),
        "subjects": [item.subject for item in found],
        "exhaustive": exhaustive,
        "n_labellings": len(labels),
        **_published(found, labels, exhaustive, interval, seed),
    }
    null = {}
    for feature, sides in session_features(found, used).items():
        row[feature], null[feature] = _analyse_feature(
            sides,
            feature,
            labels,
            exhaustive,
            resample_weights(seed, n_bootstrap, used.size),
            interval,
        )
        rng = stream(seed, "fingerprinting", "subsets", region, feature)
        row[feature]["accuracy_by_stimuli"] = _curve(sides, used.size, n_subsamples, rng)
    return row, null


def stimuli_in_both_halves(found: list[shared.SharedResponses]) -> np.ndarray:
    """Return the stimuli (0..I-1) that every subject saw in an odd and in an even session.

    Raises
    ------
    BrainworthError
        If there are fewer than 10.
    """
    good = np.ones(found[0].n_stimuli, dtype=bool)
    for item in found:
        for half in (0, 1):
            seen = np.zeros_like(good)
            seen[item.stimulus[item.session % 2 == half]] = True
            good &= seen
    if good.sum() < shared.MIN_STIMULI:
        raise BrainworthError(
            f"only {good.sum()} matched stimuli were seen in both odd and even sessions by every "
            f"subject; fingerprinting needs {shared.MIN_STIMULI}: use more sessions (data.sessions)"
        )
    return np.flatnonzero(good)


def session_features(found: list[shared.SharedResponses], used: np.ndarray) -> dict[str, Sides]:
    """Return both features, measured in odd and in even sessions.

    Parameters
    ----------
    used : array of int
        Stimuli to use, from `stimuli_in_both_halves`.
    """
    halves = []
    for half in (1, 0):
        rdms, profiles = [], []
        for item in found:
            trials = (item.session % 2 == half) & np.isin(item.stimulus, used)
            patterns = _patterns_of(item, trials, used)
            rdms.append(correlation_rdm(patterns))
            profiles.append(patterns.mean(axis=1))
        halves.append((standardise(np.stack(rdms), "spearman"), np.stack(profiles)))
    (rdm_first, profile_first), (rdm_second, profile_second) = halves
    return {
        "rdm": Sides(rdm_first, rdm_second),
        "profile": Sides(profile_first, profile_second),
    }


def corrected_identifiability(similarity: np.ndarray) -> np.ndarray:
    """Return 1 - mean over pairs of r_st / sqrt(r_ss r_tt), for matrices of shape (..., S, S).

    NaN where a subject's own similarity is not positive: nothing can be corrected then.
    """
    own = np.einsum("...ii->...i", similarity)
    with np.errstate(invalid="ignore", divide="ignore"):
        ceiling = np.sqrt(np.where(own > 0, own, np.nan))
        ratio = similarity / (ceiling[..., :, None] * ceiling[..., None, :])
    n = similarity.shape[-1]
    off = ~np.eye(n, dtype=bool)
    return 1 - ratio[..., off].mean(axis=-1)


def resample_weights(seed: int, n_bootstrap: int, n_stimuli: int) -> np.ndarray:
    """Draw the bootstrap samples of stimuli, the same for all regions and features."""
    return multiplicities(stream(seed, "fingerprinting", "bootstrap"), n_bootstrap, n_stimuli)


def _analyse_feature(
    sides: Sides,
    feature: str,
    labels: np.ndarray,
    exhaustive: bool,
    weights: np.ndarray,
    interval: float,
) -> tuple[dict, np.ndarray]:
    similarity = sides.similarity()
    row = _accuracy(similarity, labels, exhaustive, interval)
    observed = float(identification.identifiability(similarity))
    null = identification.relabelled(similarity, labels)[1]
    draws = _bootstrap_similarity(sides, feature, weights)
    row["identifiability"] = {
        "estimate": observed,
        "interval": list(percentile_interval(identification.identifiability(draws), interval)),
        "p": identification.label_p(observed, null, exhaustive=exhaustive),
    }
    row |= _corrected(similarity, draws, interval)
    row["similarity"] = similarity
    return row, null


def _corrected(similarity: np.ndarray, draws: np.ndarray, interval: float) -> dict:
    """Return the noise-corrected identifiability, or why there is none."""
    estimate = float(corrected_identifiability(similarity))
    corrected = corrected_identifiability(draws)
    finite = np.isfinite(corrected)
    if not np.isfinite(estimate) or finite.mean() < interval:
        return {"corrected_identifiability": None, "corrected_reason": NOT_RELIABLE}
    found = {
        "estimate": estimate,
        "interval": list(percentile_interval(corrected[finite], interval)),
        "n_draws_undefined": int(np.count_nonzero(~finite)),
    }
    return {"corrected_identifiability": found, "corrected_reason": None}


def _accuracy(
    similarity: np.ndarray, labels: np.ndarray, exhaustive: bool, interval: float
) -> dict:
    """Score the rows against the columns; the interval takes subjects as independent."""
    hit = identification.hits(similarity)
    null = identification.relabelled(similarity, labels)[0]
    n = len(similarity)
    return {
        "accuracy": float(hit.mean()),
        "accuracy_reversed": float(identification.hits(similarity.T).mean()),
        "interval": list(binomial_interval(int(hit.sum()), n, interval)),
        "chance": 1 / n,
        "p": identification.label_p(float(hit.mean()), null, exhaustive=exhaustive),
    }


def _published(
    found: list[shared.SharedResponses],
    labels: np.ndarray,
    exhaustive: bool,
    interval: float,
    seed: int,
) -> dict:
    """Score the published features, over the stimuli that every subject saw at least twice."""
    twice = np.flatnonzero(np.all([item.counts() >= 2 for item in found], axis=0))
    if twice.size < shared.MIN_STIMULI:
        return {
            "published": {"mean": None, "variance": None},
            "published_n_stimuli": int(twice.size),
            "published_reason": f"only {twice.size} stimuli were seen twice by every subject",
        }
    found = [shared.of_stimuli(item, twice) for item in found]
    first, second = (
        np.stack([shared.mean_patterns(item, item.repetition == r).mean(axis=1) for item in found])
        for r in (0, 1)
    )
    halves = [_variance_in_voxel_halves(item, seed) for item in found]
    variances = Sides(np.stack([a for a, _ in halves]), np.stack([b for _, b in halves]))
    return {
        "published": {
            "mean": _accuracy(Sides(first, second).similarity(), labels, exhaustive, interval),
            "variance": _accuracy(variances.similarity(), labels, exhaustive, interval)
            | {"sides_share_trials": True},
        },
        "published_n_stimuli": int(twice.size),
        "published_reason": None,
    }


def _variance_in_voxel_halves(
    item: shared.SharedResponses, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    rng = stream(seed, "fingerprinting", "voxels", item.region, item.subject)
    order = rng.permutation(item.n_voxels)
    first, second = (
        variance.variance_profile(
            variance.contrasts_of(item.values[:, half], item.stimulus, item.n_stimuli)
        )
        for half in np.array_split(order, 2)
    )
    return first, second


def _patterns_of(item: shared.SharedResponses, trials: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Average the given trials of the used stimuli, shape (len(used), V)."""
    place = np.searchsorted(used, item.stimulus[trials])
    counts = np.bincount(place, minlength=used.size)
    total = np.zeros((used.size, item.n_voxels))
    np.add.at(total, place, item.values[trials])
    return total / counts[:, None]


def _bootstrap_similarity(sides: Sides, feature: str, weights: np.ndarray) -> np.ndarray:
    """Return similarity matrices over bootstrap samples of stimuli, shape (B, S, S)."""
    n = len(sides.first)
    both = np.concatenate([sides.first, sides.second])
    pairs = np.array([(a, n + b) for a in range(n) for b in range(n)])
    if feature == "rdm":
        rows = standardise(both, "corr")
        draws = resample.over_stimuli(rows, pairs, weights, centred=True).draws
    else:
        draws = _weighted_correlations(both, pairs, weights)
    return draws.reshape(-1, n, n)


def _weighted_correlations(
    values: np.ndarray, pairs: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Correlate pairs of rows over weighted columns: (B, Q)."""
    share = weights / weights.sum(axis=1, keepdims=True)
    a, b = pairs.T
    mean = share @ values.T
    variances = share @ (values**2).T - mean**2
    product = share @ (values[a] * values[b]).T - mean[:, a] * mean[:, b]
    return product / np.sqrt(variances[:, a] * variances[:, b])


def _curve(sides: Sides, n_stimuli: int, n_subsamples: int, rng: np.random.Generator) -> list:
    """Score random subsets of stimuli; sizes double from 5 up to all."""
    sizes = [5 * 2**k for k in range(20) if 5 * 2**k < n_stimuli]
    is_rdm = sides.first.shape[1] != n_stimuli
    curve = []
    for size in sizes:
        scores = []
        for _ in range(n_subsamples):
            chosen = np.sort(rng.choice(n_stimuli, size, replace=False))
            columns = _pair_columns(chosen, n_stimuli) if is_rdm else chosen
            subset = Sides(sides.first[:, columns], sides.second[:, columns])
            scores.append(identification.hits(subset.similarity()).mean())
        curve.append({"n_stimuli": size, "accuracy": float(np.mean(scores))})
    whole = float(identification.hits(sides.similarity()).mean())
    return [*curve, {"n_stimuli": n_stimuli, "accuracy": whole}]


def _pair_columns(chosen: np.ndarray, n_stimuli: int) -> np.ndarray:
    """Return where the pairs of the chosen stimuli stand in a condensed RDM."""
    i, j = np.triu_indices(chosen.size, k=1)
    i, j = chosen[i], chosen[j]
    return i * (2 * n_stimuli - i - 1) // 2 + j - i - 1


def _add_familywise(summary: list[dict], nulls: list[dict]) -> None:
    """Add p-values of identifiability against the largest over regions with all subjects.

    The labellings are the same in every region, so their joint null is kept; regions that some
    subject lacks have other labellings and get no family-wise p.
    """
    most = max((row["n_subjects"] for row in summary), default=0)
    family = [k for k, row in enumerate(summary) if row["n_subjects"] == most]
    for feature in FEATURES:
        for row in summary:
            row[feature]["identifiability"]["p_familywise"] = None
        if not family:
            continue
        null = np.column_stack([nulls[k][feature] for k in family])
        observed = np.array([summary[k][feature]["identifiability"]["estimate"] for k in family])
        scale = null.std(axis=0)
        largest = (null / scale).max(axis=1)
        for k, value in zip(family, observed / scale, strict=True):
            summary[k][feature]["identifiability"]["p_familywise"] = identification.label_p(
                value, largest, exhaustive=summary[k]["exhaustive"]
            )
