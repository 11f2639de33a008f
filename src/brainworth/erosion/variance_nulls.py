"""What homoscedastic noise looks like: null distributions for variances over repetitions.

rotation
    The within-stimulus contrasts of all stimuli are rotated into one another. For Gaussian noise
    with any voxel covariance this is an exact test of homoscedasticity (Langsrud 2005, Statistics
    and Computing 15, 53-60).
exchange
    Residuals are exchanged between stimuli as whole trials. It does not assume Gaussian noise,
    but it is conservative: the residuals of a stimulus with two repetitions mirror each other, so
    a part of the observed spread stays in the null.
exchange_within_session
    The same, exchanging only trials of one session.

All keep the voxels' covariance and the repetition counts.
"""

from __future__ import annotations

import numpy as np

from brainworth.erosion import responses as shared
from brainworth.erosion.variance import Contrasts, by_stimulus, contrasts_of
from brainworth.stats import permutation_p, stream

NULLS = ("rotation", "exchange", "exchange_within_session")
_BLOCK = 64  # contrasts rotated into one another; larger blocks cost more and gain nothing
_CHUNK = 50  # surrogates held in memory at a time
_MIN_THREE = 10  # stimuli with three repetitions that the Brown-Forsythe test asks for


def draw_all(found: list[shared.SharedResponses], n: int, seed: int) -> dict[str, np.ndarray]:
    """Draw every null of one subject: arrays (n, regions, I)."""
    subject = found[0].subject
    contrasts = [contrasts_of(item.values, item.stimulus, item.n_stimuli) for item in found]
    null = {"rotation": rotation_null(contrasts, n, stream(seed, "variance", "rotation", subject))}
    for name in NULLS[1:]:
        # The same exchanges in every region: the stream is restarted for each.
        profiles = [
            exchange_null(
                item,
                n,
                stream(seed, "variance", name, subject),
                within_session=name == "exchange_within_session",
            )
            for item in found
        ]
        null[name] = np.stack(profiles, axis=1)
    return null


def rotation_null(
    found: list[Contrasts], n_surrogates: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw variance profiles under rotations common to several regions of one subject.

    Parameters
    ----------
    found : list of Contrasts
        Regions of one subject: the same trials, different voxels.

    Returns
    -------
    array of shape (n_surrogates, regions, I)
    """
    first = found[0]
    n = first.degrees.size
    profiles = np.empty((n_surrogates, len(found), n))
    shuffled = rng.permutation(first.stimulus.size)
    blocks = np.array_split(shuffled, -(-shuffled.size // _BLOCK))
    factors = [[_gram_factor(item.values[block]) for item in found] for block in blocks]
    for start in range(0, n_surrogates, _CHUNK):
        m = min(_CHUNK, n_surrogates - start)
        squares = np.empty((len(found), m, first.stimulus.size))
        for block, regions in zip(blocks, factors, strict=True):
            rotation = _random_rotations(rng, m, block.size)
            for square, factor in zip(squares, regions, strict=True):
                square[:, block] = ((rotation @ factor) ** 2).sum(axis=2)
        for number, item in enumerate(found):
            profile = by_stimulus(squares[number] / item.values.shape[1], item)
            profiles[start : start + m, number] = profile
    return profiles


def exchange_null(
    responses: shared.SharedResponses,
    n_surrogates: int,
    rng: np.random.Generator,
    *,
    within_session: bool,
) -> np.ndarray:
    """Draw variance profiles after exchanging residuals between stimuli as whole trials.

    Returns
    -------
    array of shape (n_surrogates, I)
    """
    counts = responses.counts()
    residuals = responses.values - shared.mean_patterns(responses)[responses.stimulus]
    # n residuals of a stimulus have the covariance of n - 1 trials
    n_trials = counts[responses.stimulus]
    residuals *= np.sqrt(n_trials / (n_trials - 1))[:, None]
    gram = residuals @ residuals.T / responses.n_voxels
    order = np.argsort(responses.stimulus, kind="stable")
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    profiles = np.empty((n_surrogates, responses.n_stimuli))
    session = responses.session if within_session else np.zeros_like(responses.session)
    groups = [np.flatnonzero(session == number) for number in np.unique(session)]
    for profile in profiles:
        source = np.empty(len(order), dtype=np.intp)
        for group in groups:
            source[group] = rng.permutation(group)
        placed = source[order]
        total = np.zeros(responses.n_stimuli)
        for i in range(counts.max()):
            for j in range(i):
                has = np.flatnonzero(counts > i)
                a, b = placed[first[has] + i], placed[first[has] + j]
                total[has] += gram[a, a] + gram[b, b] - 2 * gram[a, b]
        profile[:] = total / (counts * (counts - 1))
    return profiles


def brown_forsythe(
    values: np.ndarray, stimulus: np.ndarray, n_stimuli: int, n_surrogates: int, seed: int, *names
) -> dict | None:
    """Brown-Forsythe test on a region's mean response, for stimuli with exactly three trials.

    The deviation of the middle trial from the median is always zero and is left out (Hines & Hines
    2000, Biometrics 56, 451-454); with two trials nothing would remain. The null distribution
    comes from rotated residuals, since the F distribution does not hold for such small groups.

    Returns
    -------
    dict or None
        statistic, p, n_stimuli; None with fewer than 10 such stimuli.
    """
    three = np.flatnonzero(np.bincount(stimulus, minlength=n_stimuli) == 3)
    if three.size < _MIN_THREE:
        return None
    order = np.argsort(stimulus, kind="stable")
    groups = values[order[np.isin(stimulus[order], three)]].mean(axis=1).reshape(-1, 3)
    residuals = groups - groups.mean(axis=1, keepdims=True)
    # Gaussian noise projected on the space of residuals and scaled to their length is a uniformly
    # random rotation of them.
    noise = stream(seed, *names).standard_normal((n_surrogates, *residuals.shape))
    noise -= noise.mean(axis=2, keepdims=True)
    noise *= np.linalg.norm(residuals) / np.linalg.norm(noise, axis=(1, 2), keepdims=True)
    observed = float(_levene_statistic(residuals[None])[0])
    return {
        "statistic": observed,
        "p": permutation_p(observed, _levene_statistic(noise)),
        "n_stimuli": int(three.size),
    }


def _levene_statistic(residuals: np.ndarray) -> np.ndarray:
    """Levene's W around medians without structural zeros, for residuals of shape (m, I, 3)."""
    ordered = np.sort(residuals, axis=2)
    deviations = np.stack(
        [ordered[..., 1] - ordered[..., 0], ordered[..., 2] - ordered[..., 1]], axis=2
    )
    group = deviations.mean(axis=2)
    n = group.shape[1]
    between = 2 * ((group - group.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) / (n - 1)
    within = ((deviations - group[..., None]) ** 2).sum(axis=(1, 2)) / n
    return between / within


def _gram_factor(values: np.ndarray) -> np.ndarray:
    """Return F with F F' = values values', of as few columns as possible.

    Rotating F gives the squared row lengths of the rotated values, without their many voxels.
    """
    if values.shape[1] <= values.shape[0]:
        return values
    eigenvalues, vectors = np.linalg.eigh(values @ values.T)
    return vectors * np.sqrt(np.clip(eigenvalues, 0, None))


def _random_rotations(rng: np.random.Generator, m: int, size: int) -> np.ndarray:
    """Draw m orthogonal matrices from the Haar measure (Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((m, size, size)))
    return q * np.sign(np.einsum("mii->mi", r))[:, None, :]
