"""What other subjects' variances say about a subject's, in simulated NSD."""

from __future__ import annotations

import numpy as np

from brainworth.nsd import registry


def correlations(log_variance: np.ndarray, stimuli: np.ndarray, subjects: list[str]) -> dict:
    """Correlate each subject's true variance over stimuli with the mean of the others'.

    It is what a head could reach at most with one predictor that is known without error; patterns
    carry nothing, since the simulator draws variances independently of features.

    Parameters
    ----------
    log_variance : array of shape (8, n_73k)
    stimuli : array of int
        0-based 73K ids.
    subjects : list of str
        At least two.
    """
    rows = [registry.SUBJECTS.index(subject) for subject in subjects]
    variances = np.exp(log_variance[np.ix_(rows, stimuli)].astype(np.float64))
    if np.ptp(variances, axis=1).max() == 0:
        values = [0.0] * len(rows)
    else:
        relative = variances / variances.mean(axis=1, keepdims=True)
        others = (relative.sum(axis=0) - relative) / (len(rows) - 1)
        values = [
            float(np.corrcoef(np.log(other), own)[0, 1])
            for other, own in zip(others, variances, strict=True)
        ]
    return {
        "variances": float(np.mean(values)),
        "patterns": 0.0,
        "subjects": [
            {"subject": subject, "variances": value}
            for subject, value in zip(subjects, values, strict=True)
        ],
    }
