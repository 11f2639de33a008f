"""The linear-Gaussian brain and task: calibration, pooling matrices, effective noise.

Inputs x ~ N(0, I_d) drive latents z = A x + e_z with A A' = I_k, latents drive channels
r = B z + e_r, and the target is y = beta' x + e_y. Coordinates of the input are rotated so that the
brain sees the first k of them; what a system is worth then depends on A and beta only through the
squared length of beta inside and outside of the subspace that the brain sees, and on the direction
inside.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from brainworth.befs import domain
from brainworth.errors import BrainworthError

#: Random pooling matrices are drawn again, at most this often, until they can be inverted.
ATTEMPTS = 1000


def pooling(n: int, k: int, per_channel: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a pooling matrix: each channel sums a random set of distinct latents.

    Parameters
    ----------
    n, k : int
        Channels and latents.
    per_channel : int
        Latents that a channel sums (4 in section 5.1 of the paper).
    rng : numpy Generator

    Returns
    -------
    array of shape (n, k), of 0 and 1

    Raises
    ------
    BrainworthError
        If no such matrix has rank k: `per_channel` equal to k gives rank 1, and few channels give
        singular matrices by chance.
    """
    domain.sizes(k + 1, k, n)
    if not 1 <= per_channel <= k or (per_channel == k and k > 1):
        raise BrainworthError(
            f"channels that sum {per_channel} of {k} latents cannot be told apart; let each sum at "
            f"least 1 and at most {max(k - 1, 1)}"
        )
    for _ in range(ATTEMPTS):
        chosen = np.argpartition(rng.random((n, k)), per_channel - 1, axis=1)[:, :per_channel]
        matrix = np.zeros((n, k))
        np.put_along_axis(matrix, chosen, 1.0, axis=1)
        if _rank_is_full(np.linalg.eigvalsh(matrix.T @ matrix), n):
            return matrix
    raise BrainworthError(
        f"none of {ATTEMPTS} random pooling matrices of {n} channels and {k} latents, "
        f"{per_channel} a channel, could be inverted; use more channels"
    )


def calibrate(
    matrix: np.ndarray, stimulus: float, latent: float, measurement: float
) -> tuple[float, float]:
    """Turn shares of single-trial channel variance into noise variances.

    Parameters
    ----------
    matrix : array of shape (n, k)
        Pooling matrix B.
    stimulus, latent, measurement : float
        Shares of the variance of a single trial that are driven by the stimulus, by noise of the
        latents and by the measurement (0.4, 0.2, 0.4 in section 5.1 of the paper); they sum to 1.

    Returns
    -------
    latent_noise, measurement_noise : float
        Variance per latent and per channel, in units of the stimulus-driven variance of a latent.

    Raises
    ------
    BrainworthError
        If the shares are negative, do not sum to 1, or nothing is driven by the stimulus.
    """
    shares = {"stimulus": stimulus, "latent": latent, "measurement": measurement}
    for name, share in shares.items():
        domain.non_negative(f"the share of variance '{name}'", share)
    if abs(sum(shares.values()) - 1) > 1e-9:
        raise BrainworthError(
            f"the shares of variance {stimulus:g}, {latent:g} and {measurement:g} sum to "
            f"{sum(shares.values()):g}; stimulus, latent and measurement must sum to 1"
        )
    if stimulus == 0:
        raise BrainworthError("no variance is driven by the stimulus; give it a share above 0")
    gain = float(np.mean(np.sum(np.square(matrix), axis=1)))
    return latent / stimulus, gain * measurement / stimulus


def _rank_is_full(eigenvalues: np.ndarray, n: int) -> bool:
    """Say whether a Gram matrix with these ascending eigenvalues, from n rows, can be inverted."""
    return bool(eigenvalues[0] > n * np.finfo(float).eps * eigenvalues[-1])


@dataclass(frozen=True)
class Brain:
    """What the recordings are like: the population that stage 1 learns from.

    Parameters
    ----------
    d : int
        Dimension of the input.
    matrix : array of shape (n, k)
        Pooling matrix B, from latents to channels.
    latent_noise : float or array of shape (k, k)
        Covariance of the noise of the latents; a number stands for that multiple of the identity.
    measurement_noise : float or array of shape (n, n)
        Covariance of the noise of the channels.

    Attributes
    ----------
    k, n, p : int
        Latents, channels, and inputs that the brain ignores (d - k).
    gram : array of shape (k, k)
        B' B.
    strengths, axes : arrays of shape (k,) and (k, k)
        Its eigenvalues, ascending, and eigenvectors.
    gamma : array of shape (k, k)
        Effective noise of the latents, Sigma_z + B^+ Sigma_r B^+' (appendix C.2 of the paper).
    selection, cross : array of shape (k, k)
        Next-order noise from selecting k directions of the recordings: tr(S^2) (B' B)^-2 with S the
        measurement noise outside the column space of B, and B^+ Sigma_r S B^+' (B' B)^-1 (derived
        here).

    Raises
    ------
    BrainworthError
        If sizes do not fit, a covariance is not one, or B does not have rank k.
    """

    d: int
    matrix: np.ndarray
    latent_noise: float | np.ndarray
    measurement_noise: float | np.ndarray
    k: int = field(init=False)
    n: int = field(init=False)
    gram: np.ndarray = field(init=False, repr=False)
    strengths: np.ndarray = field(init=False, repr=False)
    axes: np.ndarray = field(init=False, repr=False)
    gamma: np.ndarray = field(init=False, repr=False)
    selection: np.ndarray = field(init=False, repr=False)
    cross: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        matrix = domain.real("the pooling matrix", self.matrix)
        if matrix.ndim != 2:
            raise BrainworthError(
                "the pooling matrix must have channels as rows, latents as columns"
            )
        n, k = matrix.shape
        domain.sizes(self.d, k, n)
        _check_covariance("latent_noise", self.latent_noise, k)
        _check_covariance("measurement_noise", self.measurement_noise, n)
        gram = matrix.T @ matrix
        strengths, axes = np.linalg.eigh(gram)
        if not _rank_is_full(strengths, n):
            raise BrainworthError(
                f"the pooling matrix ({n} channels x {k} latents) has rank below {k}: some latents "
                "cannot be told apart (channels that sum all latents, or a cyclic window of even "
                "length, do this); change what the channels sum"
            )
        inverse = np.linalg.inv(gram)
        if np.ndim(self.measurement_noise) == 0:
            noise = self.measurement_noise * inverse
            selection = (n - k) * self.measurement_noise**2 * inverse @ inverse
            cross = np.zeros((k, k))
        else:
            pseudo = inverse @ matrix.T
            outside = np.eye(n) - matrix @ pseudo
            hidden = outside @ self.measurement_noise @ outside
            noise = pseudo @ self.measurement_noise @ pseudo.T
            selection = np.sum(hidden**2) * inverse @ inverse
            through = pseudo @ self.measurement_noise @ outside
            cross = through @ self.measurement_noise @ pseudo.T @ inverse
        derived = {
            "matrix": matrix,
            "k": k,
            "n": n,
            "gram": gram,
            "strengths": strengths,
            "axes": axes,
            "gamma": self.latent_covariance(k) + noise,
            "selection": selection,
            "cross": cross,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def p(self) -> int:
        """Dimension of the subspace of inputs that the brain ignores."""
        return self.d - self.k

    @property
    def isotropic(self) -> bool:
        """Whether both noise covariances are multiples of the identity."""
        return np.ndim(self.latent_noise) == 0 and np.ndim(self.measurement_noise) == 0

    @property
    def snr(self) -> float:
        """Average over channels of stimulus-driven variance over noise variance (section 5.1)."""
        signal = np.sum(self.matrix**2, axis=1)
        latent = np.einsum("ij,jk,ik->i", self.matrix, self.latent_covariance(self.k), self.matrix)
        measured = np.broadcast_to(_diagonal(self.measurement_noise), signal.shape)
        return float(np.mean(signal / (latent + measured)))

    def latent_covariance(self, k: int) -> np.ndarray:
        """Return the covariance of the noise of the latents as a matrix of shape (k, k)."""
        noise = np.asarray(self.latent_noise, dtype=float)
        return noise * np.eye(k) if noise.ndim == 0 else noise

    def recording_covariance(self) -> np.ndarray:
        """Return B Sigma_z B' + Sigma_r, shape (n, n): the noise of the recordings."""
        noise = np.asarray(self.measurement_noise, dtype=float)
        measured = noise * np.eye(self.n) if noise.ndim == 0 else noise
        return self.matrix @ self.latent_covariance(self.k) @ self.matrix.T + measured


@dataclass(frozen=True)
class Task:
    """What is to be learned; numbers or arrays that broadcast against each other and the grid.

    Parameters
    ----------
    misalignment : array_like
        Squared length of the part of beta that the brain ignores, 0 to `signal`.
    snr : array_like
        Squared length of beta over the variance of the label noise.
    signal : float
        Squared length of beta.

    Raises
    ------
    BrainworthError
    """

    misalignment: ArrayLike
    snr: ArrayLike
    signal: float = 1.0

    def __post_init__(self) -> None:
        domain.positive("signal", self.signal)
        misalignment = domain.non_negative("misalignment", self.misalignment)
        if (misalignment > self.signal).any():
            raise BrainworthError(
                f"misalignment = {misalignment.max():g} exceeds the squared length of the task, "
                f"{self.signal:g}, of which it is a part; give at most {self.signal:g}"
            )
        object.__setattr__(self, "misalignment", misalignment)
        object.__setattr__(self, "snr", domain.positive("snr", self.snr))

    @property
    def noise(self) -> np.ndarray:
        """Variance of the label noise."""
        return self.signal / self.snr

    @property
    def aligned(self) -> np.ndarray:
        """Squared length of the part of beta that the brain sees."""
        return self.signal - self.misalignment


def calibrated(
    d: int,
    matrix: np.ndarray,
    *,
    stimulus: float = 0.4,
    latent_share: float = 1 / 3,
) -> Brain:
    """Return a brain with noise calibrated to shares of single-trial variance.

    Parameters
    ----------
    d : int
    matrix : array of shape (n, k)
    stimulus : float
        Share of the variance of a single trial that the stimulus drives (0.2 to 0.6 in fMRI).
    latent_share : float
        Share of the noise that is noise of the latents; the rest is measurement.
    """
    noise = 1 - stimulus
    latent, measured = calibrate(matrix, stimulus, noise * latent_share, noise * (1 - latent_share))
    return Brain(d, matrix, latent, measured)


def _diagonal(covariance: float | np.ndarray) -> np.ndarray:
    values = np.asarray(covariance, dtype=float)
    return values if values.ndim == 0 else np.diag(values)


def _check_covariance(name: str, covariance: float | np.ndarray, size: int) -> None:
    values = domain.real(name, covariance)
    domain.non_negative(f"a variance in {name}", _diagonal(values))
    if values.ndim == 0:
        return
    if values.shape != (size, size):
        raise BrainworthError(
            f"{name} has shape {values.shape}; give a number or a matrix of shape ({size}, {size})"
        )
    if not np.allclose(values, values.T, atol=1e-12):
        raise BrainworthError(f"{name} is not symmetric; give a covariance matrix")
    if np.linalg.eigvalsh(values)[0] < -1e-9 * np.abs(values).max():
        raise BrainworthError(f"{name} has a negative eigenvalue; give a covariance matrix")
