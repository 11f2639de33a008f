"""Intervals of similarities of RDMs, whose width is corrected for pairs of stimuli."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from brainworth import stats


def corrected(estimate: float, draws: np.ndarray, jackknife: np.ndarray) -> np.ndarray:
    """Return the 95 % BCa interval, scaled to twice the jackknife's variance less the bootstrap's.

    That variance is kept between half and all of the jackknife's, and at a third of the
    bootstrap's or above.
    """
    bounds = np.array(stats.bca_interval(estimate, draws, jackknife, 0.95))
    low, high = np.quantile(draws, norm.cdf([-1, 1]))
    bootstrap = ((high - low) / 2) ** 2
    jack = (jackknife.size - 1) * np.var(jackknife)
    variance = min(max(2 * jack - bootstrap, jack / 2), jack)
    factor = np.sqrt(min(max(variance / bootstrap, 1 / 3), 1))
    return estimate + factor * (bounds - estimate)
