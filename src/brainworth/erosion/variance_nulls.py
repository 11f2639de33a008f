"""What homoscedastic noise looks like: null distributions for variances over repetitions.

rotation
    The within-stimulus contrasts of all stimuli are rotated into one another. It assumes that
    contrasts are Gaussian with one voxel covariance, whatever that is, and is then an exact test
    of homoscedasticity (Langsrud 2005, Statistics and Computing 15, 53-60).
exchange
    Residuals are exchanged between stimuli as whole trials. It assumes that residuals are
    exchangeable, not that they are Gaussian. Where they are independent with one distribution it
    is conservative: the residuals of a stimulus with two repetitions mirror each other, so a part
    of the observed spread stays in the null.
exchange_within_session
    The same, exchanging only trials of one session.

All keep the voxels' covariance and the repetition counts. None is safe where trials differ in
their noise whatever the stimulus (arousal, motion): a loud trial is in all contrasts and residuals
of its stimulus, which looks like a stimulus with a large variance, and exchanging residuals tears
it from the others. All three then reject (`validity.heteroscedasticity`). Only agreement across
subjects tells the two apart, adjusted for the schedule that they share (`variance_agreement`).
"""

from __future__ import annotations

import numpy as np

from brainworth.erosion import responses as shared
from brainworth.erosion.compiled import kernel
from brainworth.erosion.variance import Products, by_stimulus
from brainworth.stats import permutation_p, stream

NULLS = ("rotation", "exchange", "exchange_within_session")
_BLOCK = 64  # contrasts rotated into one another; larger blocks cost more and gain nothing
_CHUNK = 50  # surrogates held in memory at a time
_ROTATED = 4  # of them multiplied at a time: the product stays in the cache
_MIN_THREE = 10  # stimuli with three repetitions that the Brown-Forsythe test asks for


def draw_all(
    products: list[Products], trials: shared.SharedResponses, n: int, seed: int
) -> dict[str, np.ndarray]:
    """Draw every null of one subject: arrays (n, regions, I).

    Parameters
    ----------
    products : list of Products
        Of each region, all from the same trials.
    trials : SharedResponses
        Any region of the subject; its values are not used.
    """
    subject = trials.subject
    null = {"rotation": rotation_null(products, n, stream(seed, "variance", "rotation", subject))}
    exchanged = []
    for name in NULLS[1:]:
        session = trials.session if name == "exchange_within_session" else None
        rng = stream(seed, "variance", name, subject)
        # The same exchanges in every region.
        exchanged.append(exchanges(trials.stimulus, session, n, rng))
    both = np.concatenate(exchanged)
    profiles = np.stack([exchange_null(item, both) for item in products], axis=1)
    null |= dict(zip(NULLS[1:], np.split(profiles, [n]), strict=True))
    return null


def rotation_null(found: list[Products], n_surrogates: int, rng: np.random.Generator) -> np.ndarray:
    """Draw variance profiles under rotations common to several regions of one subject.

    Parameters
    ----------
    found : list of Products
        Regions of one subject: the same trials, different voxels.

    Returns
    -------
    array of shape (n_surrogates, regions, I)
    """
    first = found[0]
    n_contrasts = first.stimulus.size
    profiles = np.empty((n_surrogates, len(found), first.degrees.size))
    shuffled = rng.permutation(n_contrasts)
    blocks = np.array_split(shuffled, -(-n_contrasts // _BLOCK))
    factors = [
        _gram_factors([item.gram[np.ix_(b, b)] / item.n_voxels for item in found]) for b in blocks
    ]
    for start in range(0, n_surrogates, _CHUNK):
        m = min(_CHUNK, n_surrogates - start)
        squares = np.empty((len(found), m, n_contrasts))
        for block, factor in zip(blocks, factors, strict=True):
            rotation = random_rotations(rng, m, block.size)
            for row in range(0, m, _ROTATED):
                part = slice(row, min(row + _ROTATED, m))
                squares[:, part, block] = _rotated_squares(rotation[part], factor, len(found))
        for number, item in enumerate(found):
            profiles[start : start + m, number] = by_stimulus(squares[number], item)
    return profiles


def exchanges(
    stimulus: np.ndarray, session: np.ndarray | None, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw exchanges of trials between stimuli.

    Parameters
    ----------
    stimulus : array of shape (T,)
        Of each trial.
    session : array of shape (T,) or None
        Exchange only trials of one session.

    Returns
    -------
    array of shape (n, T), int32
        Which trial comes to each place; trials are numbered in the order of their stimuli.
    """
    order = np.argsort(stimulus, kind="stable")
    place = np.empty(order.size, dtype=np.int32)
    place[order] = np.arange(order.size)
    session = np.zeros_like(stimulus) if session is None else session
    groups = [np.flatnonzero(session == number) for number in np.unique(session)]
    answer = np.empty((n, order.size), dtype=np.int32)
    source = np.empty(order.size, dtype=np.intp)
    for row in answer:
        for group in groups:
            source[group] = rng.permutation(group)
        row[:] = place[source[order]]
    return answer


def exchange_null(products: Products, exchanged: np.ndarray) -> np.ndarray:
    """Return variance profiles after exchanging residuals between stimuli as whole trials.

    Parameters
    ----------
    exchanged : array of shape (n, T)
        What `exchanges` returns.

    Returns
    -------
    array of shape (n, I)
    """
    counts = products.degrees + 1
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    gram = _residual_products(products) / products.n_voxels
    profiles = np.empty((len(exchanged), counts.size))
    _exchanged_profiles(gram, exchanged, first, counts, profiles)
    return profiles


def _residual_products(products: Products) -> np.ndarray:
    """Return the inner products of trials less the mean of their stimulus, in order of stimuli.

    n residuals of a stimulus have the covariance of n - 1 trials, so they are scaled up.
    """
    counts = products.degrees + 1
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    # The contrasts that make up a trial, and their weights: 0 where a stimulus has fewer.
    contrast = np.zeros((counts.sum(), counts.max() - 1), dtype=np.intp)
    weight = np.zeros(contrast.shape)
    start = 0
    for step in range(1, counts.max()):
        # Contrasts come in rounds: trial `step` of a stimulus against the mean of those before.
        has = np.flatnonzero(counts > step)
        scale = np.sqrt(step / (step + 1) * counts[has] / (counts[has] - 1))
        for k in range(step + 1):
            contrast[first[has] + k, step - 1] = start + np.arange(has.size)
            weight[first[has] + k, step - 1] = scale if k == step else -scale / step
        start += has.size
    answer = np.empty((len(weight), len(weight)))
    _combined(products.gram, contrast, weight, answer)
    return answer


@kernel
def _combined(gram, contrast, weight, answer):  # pragma: no cover
    """Fill answer with the inner products of weighted sums of contrasts, one a row of `contrast`.

    Parameters
    ----------
    contrast, weight : arrays of shape (T, K)
    answer : array of shape (T, T)
    """
    n, k = contrast.shape
    row = np.empty(gram.shape[1])
    for t in range(n):
        row[:] = weight[t, 0] * gram[contrast[t, 0]]
        for a in range(1, k):
            row += weight[t, a] * gram[contrast[t, a]]
        # twice the arithmetic of one triangle, but no column of it is written
        for u in range(n):
            total = 0.0
            for a in range(k):
                total += weight[u, a] * row[contrast[u, a]]
            answer[t, u] = total


@kernel
def _exchanged_profiles(gram, exchanged, first, counts, profiles):  # pragma: no cover
    """Fill profiles[m, i] with the variance over the trials that came to stimulus i."""
    for m in range(len(exchanged)):
        placed = exchanged[m]
        for i in range(len(counts)):
            total = 0.0
            for one in range(first[i] + 1, first[i] + counts[i]):
                for other in range(first[i], one):
                    a, b = placed[one], placed[other]
                    total += gram[a, a] + gram[b, b] - 2 * gram[a, b]
            profiles[m, i] = total / (counts[i] * (counts[i] - 1))


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
    one, other, third = np.moveaxis(residuals, 2, 0)
    low, high = np.minimum(one, other), np.maximum(one, other)
    middle = np.maximum(low, np.minimum(high, third))
    deviations = np.stack(
        [middle - np.minimum(low, third), np.maximum(high, third) - middle], axis=2
    )
    group = deviations.mean(axis=2)
    n = group.shape[1]
    between = 2 * ((group - group.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) / (n - 1)
    within = ((deviations - group[..., None]) ** 2).sum(axis=(1, 2)) / n
    return between / within


def _gram_factors(grams: list[np.ndarray]) -> np.ndarray:
    """Return F with F F' = gram for each of several n x n matrices, side by side: (n, k n).

    Rotating F gives the squared row lengths of the rotated contrasts, without their many voxels.
    """
    eigenvalues, vectors = np.linalg.eigh(np.stack(grams))
    return np.hstack(list(vectors * np.sqrt(np.clip(eigenvalues, 0, None))[:, None, :]))


def _rotated_squares(rotations: np.ndarray, factors: np.ndarray, n_regions: int) -> np.ndarray:
    """Return squared row lengths of rotated factors, shape (regions, m, n)."""
    m, n, _ = rotations.shape
    # One multiplication for all regions; `factors` has n columns for each.
    rotated = (rotations.reshape(-1, n) @ factors).reshape(m * n, n_regions, n)
    return np.einsum("rkc,rkc->kr", rotated, rotated).reshape(n_regions, m, n)


def random_rotations(rng: np.random.Generator, m: int, size: int) -> np.ndarray:
    """Draw m orthogonal matrices from the Haar measure (Mezzadri 2007), shape (m, size, size)."""
    rotations = rng.standard_normal((m, size, size))
    _orthonormalise(rotations)
    return rotations


@kernel
def _orthonormalise(matrices):  # pragma: no cover
    """Orthonormalise the columns of each matrix in place.

    Gram-Schmidt, every column twice (Giraud et al. 2005, Numerische Mathematik 101, 87-100), four
    columns at a time. It equals the QR decomposition whose R has a positive diagonal.
    """
    m, n, _ = matrices.shape
    columns = np.empty((n, n))
    for number in range(m):
        matrix = matrices[number]
        for i in range(n):
            for j in range(n):
                columns[j, i] = matrix[i, j]
        for j in range(n):
            own = columns[j]
            for _again in range(2):
                done = 0
                while done + 4 <= j:
                    a, b = columns[done], columns[done + 1]
                    c, d = columns[done + 2], columns[done + 3]
                    on_a = on_b = on_c = on_d = 0.0
                    for i in range(n):
                        on_a += a[i] * own[i]
                        on_b += b[i] * own[i]
                        on_c += c[i] * own[i]
                        on_d += d[i] * own[i]
                    for i in range(n):
                        own[i] -= on_a * a[i] + on_b * b[i] + on_c * c[i] + on_d * d[i]
                    done += 4
                while done < j:
                    a = columns[done]
                    on_a = 0.0
                    for i in range(n):
                        on_a += a[i] * own[i]
                    for i in range(n):
                        own[i] -= on_a * a[i]
                    done += 1
            square = 0.0
            for i in range(n):
                square += own[i] * own[i]
            scale = 1 / np.sqrt(square)
            for i in range(n):
                own[i] *= scale
        for i in range(n):
            for j in range(n):
                matrix[i, j] = columns[j, i]
