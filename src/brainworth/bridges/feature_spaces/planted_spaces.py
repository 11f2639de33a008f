"""Feature spaces whose alignment with the brain is known, for simulated data.

The space of image i is z_i = L s_i + noise, of d dimensions. s are as many signals as there are
features that all simulated subjects encode (`nsd.simulate.truth`); a share of them, `alignment`,
are those features themselves, each of the others is a normal number that the image has and nobody
encodes. L is a random rotation: no axis of the space is a feature. So two planted spaces differ in
nothing (dimension, variances, signal-to-noise ratio) but in how much of what is encoded they have.

All is Gaussian, so that what the space says of the encoded features, hence the best retrieval from
it and the part of a voxel's variance that it explains, follow exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.stats import stream


@dataclass(frozen=True)
class Knowledge:
    """What a space says of the encoded features: normal, with a mean for each image.

    Attributes
    ----------
    mean : array of shape (N, F)
        Of each image; F are the features that a subject encodes.
    covariance : array of shape (F, F)
        The same for all images; 0 where the space is the features themselves.
    """

    mean: np.ndarray
    covariance: np.ndarray

    def explained(self, weights: np.ndarray) -> np.ndarray:
        """Return the share of each voxel's stimulus-driven variance that the space explains.

        Parameters
        ----------
        weights : array of shape (V, F)
            Of voxels on features of variance 1.

        Returns
        -------
        array of shape (V,)
            0 for voxels that no stimulus drives.
        """
        weights = np.asarray(weights, dtype=float)
        total = np.sum(weights**2, axis=1)
        left = np.einsum("vf,fg,vg->v", weights, self.covariance, weights)
        return np.where(total > 0, 1 - left / np.where(total > 0, total, 1.0), 0.0)


@dataclass(frozen=True)
class PlantedSpace:
    """A planted space of all images of a study.

    Attributes
    ----------
    values : array of shape (n_73k, d), float32
    loadings : array of shape (d, S)
        Of the features that all subjects encode; 0 for those that are not in the space.
    noise : array of shape (d, d)
        Covariance of all else.
    encoded : array of int
        Columns of the features that are in the space.
    """

    values: np.ndarray
    loadings: np.ndarray
    noise: np.ndarray
    encoded: np.ndarray

    def knowledge(self, nsd_id: np.ndarray, n_individual: int) -> Knowledge:
        """Return what it says of the features of a subject: shared ones, then its own.

        Parameters
        ----------
        nsd_id : array of shape (N,), int
            0-based 73K ids.
        n_individual : int
            Features that only the subject encodes, of which the space says nothing.
        """
        signal = self.loadings @ self.loadings.T
        gain = np.linalg.solve(signal + self.noise, self.loadings).T
        n_shared = self.loadings.shape[1]
        covariance = np.eye(n_shared + n_individual)
        covariance[:n_shared, :n_shared] -= gain @ self.loadings
        mean = np.zeros((len(nsd_id), n_shared + n_individual))
        mean[:, :n_shared] = self.values[nsd_id] @ gain.T
        return Knowledge(mean, covariance)


def plant(
    features: np.ndarray,
    *,
    alignment: float,
    snr: float,
    dimension: int,
    seed: int,
    name: str,
) -> PlantedSpace:
    """Make a planted space.

    Parameters
    ----------
    features : array of shape (n_73k, S)
        Those that all subjects encode, of every image, independent standard normal.
    alignment : float
        Share of the S signals that are such features, rounded to whole ones, which are drawn at
        random. 0 makes a space of what nobody encodes.
    snr : float
        Variance of all signals together over that of all noise, above 0.
    dimension : int
        d. Below S some of the signals' variance does not fit and is left out.
    seed : int
        Root seed of the study.
    name : str
        Of the space: each draws its own signals, rotation and noise.
    """
    n, n_shared = features.shape
    rng = stream(seed, "bridges", "feature_spaces", "plant", name)
    encoded = np.sort(rng.permutation(n_shared)[: round(alignment * n_shared)])
    signals = rng.standard_normal((n, n_shared), dtype=np.float32)
    signals[:, encoded] = features[:, encoded]
    side = max(dimension, n_shared)
    rotation = np.linalg.qr(rng.standard_normal((side, side)))[0][:dimension, :n_shared]
    # The sum of squares of the rotation is the variance of all signals in the space.
    noise_variance = np.sum(rotation**2) / (dimension * snr)
    values = signals @ rotation.T.astype(np.float32)
    values += np.float32(np.sqrt(noise_variance)) * rng.standard_normal(
        (n, dimension), dtype=np.float32
    )
    loadings = rotation.copy()
    loadings[:, np.setdiff1d(np.arange(n_shared), encoded)] = 0
    others = rotation - loadings
    noise = others @ others.T + noise_variance * np.eye(dimension)
    return PlantedSpace(values, loadings, noise, encoded)
