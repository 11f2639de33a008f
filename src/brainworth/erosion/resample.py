"""Bootstrap and jackknife of RDM similarity, over stimuli and over subjects.

A bootstrap sample of stimuli is a vector of multiplicities w, and the pair (i, j) of different
stimuli is in it w_i w_j times; a stimulus paired with its own copy has no dissimilarity and stays
out. So every sample's similarity follows from weighted sums over the original pairs, which is exact
and needs no resampled matrix. For ``spearman`` and ``rho-a`` the ranks are taken once, on all
stimuli; ranking every sample anew moves a draw by 0.18, 0.12 and 0.08 of the standard error with
30, 60 and 120 stimuli (measured; tests/erosion/test_resample.py holds it to that).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from brainworth import stats
from brainworth.erosion.compiled import in_blocks

# A sample of fewer stimuli has at most one dissimilarity, and nothing varies.
FEWEST_STIMULI = 3
# A variance below this share of the mean square is rounding: the sample is constant.
ROUNDING = 1e-12
# The share of a normal distribution within one standard deviation of its mean.
MIDDLE = (0.1586552539, 0.8413447461)
# Rows of the triangle are dealt to this many blocks of like size; their sums are added in order.
BLOCKS = 16


@dataclass(frozen=True)
class Resampled:
    """Statistics on all stimuli and on resampled ones; first the Q requested similarities.

    Attributes
    ----------
    estimate : array of shape (..., Q)
        On all stimuli.
    draws : array of shape (B, ..., Q)
        On each bootstrap sample; NaN where it is undefined.
    jackknife : array of shape (I, ..., Q)
        With each stimulus left out.
    """

    estimate: np.ndarray
    draws: np.ndarray
    jackknife: np.ndarray

    def apply(self, statistic: Callable[[np.ndarray], np.ndarray]) -> Resampled:
        """Return the same for a `statistic` of the last axis."""
        return Resampled(*map(statistic, (self.estimate, self.draws, self.jackknife)))

    def percentile(self, level: float) -> list[float] | None:
        """Return the percentile interval of a single number over its defined draws, if any."""
        draws = self.draws[np.isfinite(self.draws)]
        return list(stats.percentile_interval(draws, level)) if draws.size else None

    def bca(self, level: float) -> list[float] | None:
        """Return the BCa interval of a single number over its defined draws, if any."""
        draws = self.draws[np.isfinite(self.draws)]
        jackknife = self.jackknife[np.isfinite(self.jackknife)]
        if not draws.size or not jackknife.size:
            return None
        return list(stats.bca_interval(float(self.estimate), draws, jackknife, level))

    def corrected(self, level: float) -> list[float] | None:
        """Return the BCa interval with its width corrected for pairs of stimuli, if there is one.

        A similarity of RDMs is a sum over pairs of stimuli. Of its variance, the bootstrap counts
        the part that comes from pairs alone three times and the jackknife twice (Efron & Stein
        1981, Annals of Statistics 9, 586-596), so that twice the jackknife's variance less the
        bootstrap's counts it once. It lies between a half and all of the jackknife's, and at a
        third of the bootstrap's or above, which bounds what sampling errors of the two can do.
        """
        bounds = self.bca(level)
        if bounds is None:
            return None
        draws = self.draws[np.isfinite(self.draws)]
        jackknife = self.jackknife[np.isfinite(self.jackknife)]
        n = jackknife.size
        # The middle of the draws, since a ratio of similarities has no variance to speak of.
        low, high = np.quantile(draws, MIDDLE)
        bootstrap = ((high - low) / 2) ** 2
        jack = (n - 1) / n * np.sum((jackknife - jackknife.mean()) ** 2)
        if bootstrap == 0:
            return bounds
        variance = np.clip(2 * jack - bootstrap, jack / 2, jack)
        factor = np.sqrt(np.clip(variance / bootstrap, 1 / 3, 1))
        centre = float(self.estimate)
        return [float(centre + factor * (bound - centre)) for bound in bounds]

    def intervals(self, level: float) -> dict[str, list[float] | None]:
        """Return the percentile, the BCa and the corrected interval of a single number, by name."""
        return {
            "percentile": self.percentile(level),
            "bca": self.bca(level),
            "corrected": self.corrected(level),
        }


def draw(seed: int, n_draws: int, n_stimuli: int) -> np.ndarray:
    """Draw bootstrap samples of the stimuli, the same ones for every region.

    Returns
    -------
    array of shape (n_draws, I), float64
        Multiplicities; samples of fewer than 3 different stimuli are redrawn.
    """
    rng = stats.stream(seed, "rsa", "bootstrap")
    weights = stats.multiplicities(rng, n_draws, n_stimuli)
    while (poor := np.count_nonzero(weights, axis=1) < FEWEST_STIMULI).any():
        weights[poor] = stats.multiplicities(rng, int(poor.sum()), n_stimuli)
    return weights


def over_stimuli(
    standardised: np.ndarray,
    pairs: np.ndarray,
    weights: np.ndarray,
    *,
    centred: bool,
    n_threads: int = 1,
) -> Resampled:
    """Resample stimuli and compare pairs of RDMs.

    Parameters
    ----------
    standardised : array of shape (K, P)
        RDMs from `compare.standardise`.
    pairs : integer array of shape (Q, 2)
        Which rows to compare.
    weights : array of shape (B, I)
        Multiplicities from `stats.multiplicities`.
    centred : bool
        Whether the comparison is a correlation (all but ``cosine``).
    n_threads : int
        Does not change the result.

    Returns
    -------
    Resampled
        For ``rho-a``, the correlation of the ranks times the tie correction of all stimuli.
        NaN where a sample's dissimilarities are all equal.
    """
    n_rdms = len(standardised)
    n_draws, n_stimuli = weights.shape
    own = np.repeat(np.arange(n_rdms)[:, None], 2, axis=1)
    left, right = np.concatenate([own, pairs]).T
    n_sums = 1 + n_rdms + left.size
    in_draw = np.zeros((BLOCKS, n_draws, n_sums))
    of_stimulus = np.zeros((BLOCKS, n_stimuli, n_sums))
    by_stimulus = np.ascontiguousarray(weights.T)
    starts = np.cumsum(np.r_[0, np.arange(n_stimuli - 1, 0, -1)])

    def add_rows(block: slice) -> None:
        block = block.start
        for i in range(block, n_stimuli - 1, BLOCKS):
            values = standardised[:, starts[i] : starts[i + 1]]
            terms = np.concatenate(
                [np.ones((1, values.shape[1])), values, values[left] * values[right]]
            )
            drawn = np.flatnonzero(by_stimulus[i])
            sums = weights[drawn, i + 1 :] @ terms.T
            in_draw[block][drawn] += by_stimulus[i, drawn, None] * sums
            of_stimulus[block][i] += terms.sum(axis=1)
            of_stimulus[block][i + 1 :] += terms.T

    in_blocks(add_rows, BLOCKS, 1, n_threads)
    # Each pair belongs to two stimuli, and leaves with either.
    total = of_stimulus.sum(axis=0).sum(axis=0) / 2
    size = np.sqrt(np.einsum("ij,ij->i", standardised, standardised)) if centred else None
    return Resampled(
        *(
            _similarity(sums, n_rdms, pairs, size)
            for sums in (total, in_draw.sum(axis=0), total - of_stimulus.sum(axis=0))
        )
    )


def _similarity(
    sums: np.ndarray, n_rdms: int, pairs: np.ndarray, size: np.ndarray | None
) -> np.ndarray:
    """Turn sums of 1, x, x^2 and xy into similarities, centred if `size` (norms) is given."""
    first, second, product = np.split(sums, [1 + n_rdms, 1 + 2 * n_rdms], axis=-1)
    a, b = pairs.T
    with np.errstate(invalid="ignore", divide="ignore"):
        if size is None:
            return product / np.sqrt(second[..., a] * second[..., b])
        mean = first[..., 1:] / first[..., :1]
        variance = second / first[..., :1] - mean**2
        variance[variance <= ROUNDING * second / first[..., :1]] = np.nan
        covariance = product / first[..., :1] - mean[..., a] * mean[..., b]
        return size[a] * size[b] * covariance / np.sqrt(variance[..., a] * variance[..., b])


def over_subjects(similarity: np.ndarray, rng: np.random.Generator, n_draws: int) -> np.ndarray:
    """Resample subjects and average the similarity over pairs of different subjects.

    Parameters
    ----------
    similarity : array of shape (S, S)
        Similarity of each pair of S >= 2 subjects.
    rng : numpy.random.Generator
    n_draws : int

    Returns
    -------
    array of shape (n_draws,)
        A subject paired with its own copy stays out; samples of one subject only are redrawn.
    """
    n_subjects = len(similarity)
    off_diagonal = np.where(np.eye(n_subjects, dtype=bool), 0, similarity)
    counts = stats.multiplicities(rng, n_draws, n_subjects)
    while (alone := counts.max(axis=1) == n_subjects).any():
        counts[alone] = stats.multiplicities(rng, int(alone.sum()), n_subjects)
    weight = n_subjects**2 - np.sum(counts**2, axis=1)
    return np.einsum("bs,st,bt->b", counts, off_diagonal, counts) / weight
