"""The linear-Gaussian brain of the theory, estimated from brain samples.

With k latents, recordings r = B A x + e: A has the k directions of the inputs that recordings are
driven by as orthonormal rows, and white recordings make the columns of B orthogonal. Theory needs
the strengths B'B, the effective noise Gamma = B^+ Cov(e) B^+' of the latents, and tr(S^2), with S
the noise outside of the columns of B. Singular values of noisy fits are too large and their vectors
lean into noise; both is undone by the law of a signal of few dimensions in noise of many
(Benaych-Georges & Nadakuditi 2012), here with noise that need not be white. Directions too weak for
that law are not counted as latents.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np

from brainworth.befs import stage1
from brainworth.befs.overlap import Overlap
from brainworth.bridges.calibration.brain_moments import Fit
from brainworth.bridges.calibration.brain_noise import Whitening, residuals

#: Rows of each half of the residuals that the square of the noise covariance is taken from.
HALF_ROWS = 600
#: Rounds of taking the noise within the columns of B apart from that outside.
ROUNDS = 4
#: Largest loss by which noise is taken to grow: a latent as weak as this is as good as not seen.
MOST_LOST = 0.98
#: Least share of a direction that is taken as seen, and of its noise as its own: of nearly hidden
#: latents both are estimated around 0, and divided by.
LEAST_SEEN = 0.05


@dataclass(frozen=True)
class HiddenNoise:
    """Noise of the channels outside of the columns of B.

    Attributes
    ----------
    total, square : float
        Traces of its covariance and of the square of that.
    uneven : float
        Squared coefficient of variation over trials of the variance of noise.
    """

    total: float
    square: float
    uneven: float = 0.0

    def mixing(self, n: float) -> float:
        """Return the variance with which noise mixes two directions of the inputs in n samples.

        It is `square` if all trials have the same noise. Trials with more noise than others pull
        all channels at once, which adds the square of the trace, by 1/n (derived here; the theory
        has even noise).
        """
        return self.square + self.uneven * self.total**2 / n


@dataclass(frozen=True)
class EffectiveBrain:
    """What `befs.stage1` reads of a `befs.model.Brain`, without its channels.

    Attributes
    ----------
    d, k : int
        Inputs and latents.
    strengths : array of shape (k,)
        Diagonal of B'B, descending: variance that each latent drives, summed over channels, in
        units of the noise of a channel.
    gamma : array of shape (k, k)
        Effective noise of the latents.
    hidden : HiddenNoise
    seen : array of shape (k,)
        Squared cosine of each direction of the inputs with the one that it estimates.
    selection, cross : arrays of shape (k, k)
        Noise of the next order, which is 0 here: `among` takes it into gamma, and white noise has
        no `cross`.
    """

    d: int
    k: int
    strengths: np.ndarray
    gamma: np.ndarray
    hidden: HiddenNoise
    seen: np.ndarray
    isotropic: ClassVar[bool] = False

    @property
    def selection(self) -> np.ndarray:
        """Noise of the next order: none is left to add."""
        return np.zeros((self.k, self.k))

    cross = selection

    @property
    def p(self) -> int:
        """Dimension of the subspace of inputs that the brain ignores."""
        return self.d - self.k

    def among(self, n: float) -> EffectiveBrain:
        """Return the brain as n samples show it, with all noise from selecting k directions.

        Of the squared cosine of a learned direction, a share ``delta = d tr(S^2) / (n b)^2`` is
        lost to noise outside of the columns of B (`HiddenNoise.mixing` in the place of the trace,
        as trials differ in noise). `befs.stage1` closes the series in delta after
        its first term, which is enough where latents are strong; here it is summed, to 1 / (1 -
        delta), as single regions have latents near the threshold of 1.
        """
        selection = self.hidden.mixing(n) / self.strengths**2
        root = np.sqrt(1 / (1 - np.minimum(self.d * selection / n**2, MOST_LOST)))
        grown = self.gamma + np.diag(selection / max(n - self.k - 1, 1))
        return replace(self, gamma=grown * np.outer(root, root))


def hidden_noise(
    found: Fit, whitening: Whitening, x: np.ndarray, r: np.ndarray, k: int
) -> HiddenNoise:
    """Estimate the noise outside of the columns of B.

    The trace of the square of a covariance is that of the product of two estimates from disjoint
    samples, which has no bias; a small one from the fit that samples share is taken off.

    Parameters
    ----------
    found : Fit
        Of white recordings.
    whitening : Whitening
    x, r : arrays of shape (N, d) and (N, V)
        Samples of `found` that `whitening` is not from; `r` not whitened.
    k : int
    """
    left = residuals(found, x, whitening.apply(r))
    seen = found.channels(k).astype(left.dtype)
    left -= (left @ seen) @ seen.T
    # residuals of samples i and j share h_ij, the hat matrix of the fit
    white = (x - found.mean_x) @ found.basis
    free = 1 - np.einsum("ij,ij->i", white, white) - 1 / (found.n + 1)
    total = float(np.einsum("ij,ij->", left, left, dtype=np.float64) / free.sum())
    half = min(HALF_ROWS, len(x) // 2)
    first, second = slice(0, half), slice(half, 2 * half)
    hat = white[first] @ white[second].T + 1 / (found.n + 1)
    own, mixed = free[first].sum() * free[second].sum(), float(np.sum(hat**2))
    products = left[first] @ left[second].T
    found_square = float(np.einsum("ij,ij->", products, products, dtype=np.float64))
    square = max((found_square - mixed * total**2) / (own + mixed), 0.0)
    lengths = np.einsum("ij,ij->i", left, left, dtype=np.float64) / free
    # of even noise, lengths vary by chance
    uneven = lengths.var(ddof=1) / total**2 - 2 * square / total**2
    return HiddenNoise(total, square, max(float(uneven), 0.0))


def noise_within(
    found: Fit, whitening: Whitening, x: np.ndarray, r: np.ndarray, k: int
) -> np.ndarray:
    """Return the covariance of the noise along the estimated columns of B, shape (k, k).

    Parameters
    ----------
    x, r : arrays of shape (N, d) and (N, V)
        Samples of `found`; `r` not whitened.
    """
    directions = found.channels(k)
    along = (r @ whitening.pull(directions).astype(r.dtype)).astype(np.float64)
    along -= found.mean_r @ directions
    white = (x - found.mean_x) @ found.basis
    along -= white[:, :k] * np.sqrt(found.strength[:k])
    free = len(x) - np.sum(white**2) - len(x) / (found.n + 1)
    return along.T @ along / free


def estimate(found: Fit, within: np.ndarray, hidden: HiddenNoise) -> EffectiveBrain:
    """Estimate the brain from a fit to white recordings.

    Parameters
    ----------
    found : Fit
    within : array of shape (k, k)
        See `noise_within`; the result has as many latents as are strong enough, k at most.
    hidden : HiddenNoise
    """
    d, k = len(found.basis), len(within)
    total = hidden.total + float(np.trace(within))
    per_channel = hidden.square / hidden.total if hidden.total > 0 else 0.0
    mixing = hidden.mixing(found.n)
    noise = np.diag(within).copy()
    kept = k
    for _ in range(ROUNDS):
        p = d - kept
        # what noise adds to a squared singular value, in its place and by mixing directions
        excess = found.strength[:kept] - total - p * noise[:kept]
        root = excess**2 - 4 * p * mixing
        strong = (excess > 0) & (root > 0)
        kept = int(np.argmin(strong)) if not strong.all() else kept
        if not kept:
            return nothing(d)
        signal = (excess[:kept] + np.sqrt(root[:kept])) / 2
        cosine = (signal**2 - p * mixing) / (signal * (signal + hidden.total))
        cosine = np.clip(cosine, LEAST_SEEN, 1.0)
        apart = np.diag(within)[:kept] - (1 - cosine) * per_channel
        noise = np.maximum(apart / cosine, LEAST_SEEN * np.diag(within)[:kept])
    scale = 1 / np.sqrt(np.outer(cosine, cosine))
    inside = within[:kept, :kept] * scale
    inside[np.diag_indices(kept)] = noise
    strengths = signal / found.n
    # sampling spreads strengths apart, which makes the mean of their inverses too large
    ratio = noise / strengths
    spread = 1 + (kept + 1) * (1 + ratio + ratio.mean()) / found.n
    amplitude = np.sqrt(strengths * spread)
    p = d - kept
    seen = (signal**2 - p * mixing) / (signal * (signal + p * noise))
    return EffectiveBrain(
        d=d,
        k=kept,
        strengths=strengths,
        gamma=_covariance(inside / np.outer(amplitude, amplitude)),
        hidden=hidden,
        seen=np.clip(seen, LEAST_SEEN, 1.0),
    )


def detectable(strengths: np.ndarray, n: int, p: int, hidden: HiddenNoise) -> int:
    """Return how many latents are strong enough to be found in n brain samples.

    Parameters
    ----------
    strengths : array
        B'B of white recordings, descending.
    n, p : int
        Brain samples and ignored inputs.
    hidden : HiddenNoise
    """
    return int(np.count_nonzero(n * np.asarray(strengths) > np.sqrt(p * hidden.mixing(n))))


def nothing(d: int) -> EffectiveBrain:
    """Return a brain without latents."""
    return EffectiveBrain(d, 0, np.zeros(0), np.zeros((0, 0)), HiddenNoise(0.0, 0.0), np.zeros(0))


def _covariance(matrix: np.ndarray) -> np.ndarray:
    values, axes = np.linalg.eigh((matrix + matrix.T) / 2)
    floor = 1e-9 * max(float(values[-1]), 1e-300)
    return (axes * np.maximum(values, floor)) @ axes.T


def overlap(brain: EffectiveBrain, n: np.ndarray, direction: np.ndarray | None) -> Overlap:
    """Return how subspaces learned from n samples (less one for the means) lie to the brain's."""
    sizes = np.atleast_1d(np.asarray(n, dtype=float))
    each = [stage1.resummed(brain.among(size), np.array([size]), direction) for size in sizes.flat]
    names = [item.name for item in fields(Overlap)][2:]
    arrays = (np.concatenate([getattr(one, name) for one in each]) for name in names)
    found = Overlap(brain.d, brain.k, *arrays)
    return found.reshaped(*np.shape(n))
