"""Intervals of squared CVs of the variance, averaged over subjects.

A squared CV is a mean of squares over a squared mean. Few stimuli with a large variance decide it,
and samples that lack them have both a small estimate and a small error. Percentiles of bootstrap
samples then miss a truth above them: of nominal 95 %, they covered the planted value in 88 %
(heteroscedasticity, 40 stimuli) and 69 % of data sets (two contrasts, SD of the log variance 0.6).
Each sample is therefore taken in units of its own standard error, from the change of the estimate
with the weight of each stimulus (infinitesimal jackknife; Efron 1982): 95 % and 89 %, and of the
latter 91 % with 120 and 92 % with 250 stimuli (300 and 400 data sets).
"""

from __future__ import annotations

import numpy as np

from brainworth.stats import studentized_interval


def studentized(
    estimates: np.ndarray, slopes: np.ndarray, samples: np.ndarray, level: float
) -> list[float]:
    """Return the bootstrap-t interval of an estimate.

    Parameters
    ----------
    estimates : array of shape (1 + B,)
        From all stimuli, then from bootstrap samples of them.
    slopes : array of shape (1 + B, I)
        How each changes with the weight of each stimulus.
    samples : array of shape (1 + B, I)
        Weights of the stimuli: ones, then multiplicities.
    level : float
        Nominal coverage.
    """
    errors = np.sqrt(np.einsum("bi,bi,bi->b", samples, slopes, slopes))
    bounds = studentized_interval(
        float(estimates[0]), float(errors[0]), estimates[1:], errors[1:], level
    )
    return list(bounds)
