"""Direction erosion, made executable: what averaging subjects converges to, and what is lost.

As published (information erosion, README v2.1, theorem 1): for f_i = f_shared + delta_i the average
over subjects converges to f_shared, and subject i loses I(S; delta_i | f_shared) >= 0; "no
linearity or distributional assumptions".

Made checkable on simulated subjects whose truth is known; it reads no data. Three things that the
statement leaves open are shown beside it. The average converges to the mean over the population the
subjects come from, at the rate 1/sqrt(n) only if subjects are independent and delta has a variance
(`averaging`). Every conditional mutual information is at least 0, so that the bound says nothing;
for a noise-free delta and a continuous stimulus it is either 0 or infinite, so here delta is
measured with noise, and its information is estimated where its value is known. And what it is worth
in prediction is the R2 that the average of n others misses.
"""

from __future__ import annotations

import numpy as np
from scipy.special import roots_hermitenorm

from brainworth.erosion import averaging, information
from brainworth.stats import multiplicities, percentile_interval, stream

#: Information of a noisy delta about the stimulus, given f_shared.
CASES = ("gaussian", "gain", "nonlinear")
ESTIMATORS = ("gaussian", "nearest")


def analyse(
    *,
    n_stimuli: int,
    n_subjects: int,
    n_replicates: int,
    n_bootstrap: int,
    shared_fractions: list[float],
    cohort_share: float,
    tail_index: float,
    n_samples: int,
    neighbours: int,
    noise_sd: float,
    interval: float,
    seed: int,
) -> dict:
    """Simulate theorem 1.

    Parameters
    ----------
    n_stimuli : int
        Simulated stimuli over which errors are averaged.
    n_subjects : int
        Largest number of subjects averaged; sizes double from 1.
    n_replicates, n_bootstrap : int
        Independent populations of subjects (or data sets), and bootstrap samples of them.
    shared_fractions : list of float
        Shares of a subject's variance that f_shared has, for prediction.
    cohort_share, tail_index : float
        As in `averaging.averages`.
    n_samples, neighbours : int
        Trials a data set for the information, and k of the nearest-neighbour estimator.
    noise_sd : float
        SD of the noise with which delta (of SD 1) is measured.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.

    Returns
    -------
    dict
        Ready for JSON: ``convergence`` by population, ``prediction`` by shared fraction,
        ``information`` by case.
    """
    hidden = averaging.features(n_stimuli, seed)
    sizes = 2 ** np.arange(int(np.log2(n_subjects)) + 1)
    return {
        "n_stimuli": n_stimuli,
        "n_replicates": n_replicates,
        "n_bootstrap": n_bootstrap,
        "n_samples": n_samples,
        "neighbours": neighbours,
        "noise_sd": noise_sd,
        "cohort_share": cohort_share,
        "tail_index": tail_index,
        "interval": interval,
        "convergence": [
            {"population": population}
            | averaging.convergence(
                averaging.averages(
                    population,
                    hidden,
                    sizes,
                    n_replicates,
                    cohort_share=cohort_share,
                    tail_index=tail_index,
                    seed=seed,
                ),
                n_bootstrap,
                interval,
                stream(seed, "direction erosion", "bootstrap", population),
            )
            | _expected(population, sizes, cohort_share, tail_index)
            for population in averaging.POPULATIONS
        ],
        "prediction": [
            averaging.prediction(hidden, sizes, fraction, n_replicates, n_bootstrap, interval, seed)
            for fraction in shared_fractions
        ],
        "information": [
            _information(
                case, n_samples, neighbours, noise_sd, n_replicates, n_bootstrap, interval, seed
            )
            for case in CASES
        ],
    }


def draw(
    case: str, n_samples: int, noise_sd: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw stimuli, a noisy delta and f_shared.

    gaussian
        S of 2 dimensions, f_shared = S1, delta = (S1 + S2) / sqrt(2).
    gain
        delta is a multiple of f_shared: a subject that responds more strongly. Nothing is lost.
    nonlinear
        f_shared = S1 + S1^3 / 3, delta = g(S1) (S2^2 - 1) / sqrt(2): uncorrelated with S.

    Returns
    -------
    stimulus, delta, shared : arrays of shape (n_samples, 2), (n_samples, 1), (n_samples, 1)
    """
    stimulus = rng.standard_normal((n_samples, 2))
    first, second = stimulus.T
    if case == "gaussian":
        shared, delta = first, (first + second) / np.sqrt(2)
    elif case == "gain":
        shared, delta = first, first
    elif case == "nonlinear":
        shared = first + first**3 / 3
        delta = _gain(first) * (second**2 - 1) / np.sqrt(2)
    else:
        raise ValueError(f"unknown case {case!r}; choose one of {', '.join(CASES)}")
    noise = noise_sd * rng.standard_normal(n_samples)
    return stimulus, (delta + noise)[:, None], shared[:, None]


def known(case: str, noise_sd: float) -> float:
    """Return the true I(S; delta + noise | f_shared) of a case of `draw`, in nats."""
    if case == "gain":
        return 0.0
    if case == "gaussian":
        return 0.5 * np.log(1 + 0.5 / noise_sd**2)
    # given f_shared, S1 is known: average the information of S2 over S1
    first, weight = roots_hermitenorm(24)
    second = np.linspace(-8, 8, 4001)
    density = np.exp(-(second**2) / 2)
    density /= density.sum()
    values = (second**2 - 1) / np.sqrt(2)
    each = [information.noisy(_gain(node) * values, density, noise_sd) for node in first]
    return float(np.dot(weight / weight.sum(), each))


def _gain(first: np.ndarray) -> np.ndarray:
    return 1 + 0.5 * np.tanh(first)


def _expected(population: str, sizes: np.ndarray, share: float, index: float) -> dict:
    """Return what theory says: slope, and error of the mean square relative to one subject."""
    if population == "independent":
        return {"expected_slope": -0.5, "expected_rms": 1 / np.sqrt(sizes), "floor": 0.0}
    if population == "cohort":
        rms = np.sqrt(share + (1 - share) / sizes)
        slope = float(np.polyfit(np.log(sizes), np.log(rms), 1)[0])
        return {"expected_slope": slope, "expected_rms": rms, "floor": float(np.sqrt(share))}
    # the scale of a stable law is no mean square: only the rate is known
    return {"expected_slope": 1 / index - 1, "expected_rms": None, "floor": 0.0}


def _information(
    case: str,
    n_samples: int,
    neighbours: int,
    noise_sd: float,
    n_replicates: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
) -> dict:
    values: dict[str, list[float]] = {name: [] for name in ESTIMATORS}
    for number in range(n_replicates):
        rng = stream(seed, "direction erosion", "information", case, number)
        stimulus, delta, shared = draw(case, n_samples, noise_sd, rng)
        # information does not change under monotone maps of a variable; the cube has long tails
        if case == "nonlinear":
            shared = np.sign(shared) * np.log1p(np.abs(shared))
        values["gaussian"].append(information.gaussian(stimulus, delta, shared))
        values["nearest"].append(information.nearest(stimulus, delta, shared, neighbours))
    rng = stream(seed, "direction erosion", "information bootstrap")
    weights = multiplicities(rng, n_bootstrap, n_replicates) / n_replicates
    found = {}
    for name, nats in values.items():
        bits = np.array(nats) / np.log(2)
        found[name] = {
            "estimate": float(bits.mean()),
            "interval": list(percentile_interval(weights @ bits, interval)),
            "sd_of_one": float(bits.std(ddof=1)),
            "n": n_replicates,
        }
    return {"case": case, "unit": "bit", "known": known(case, noise_sd) / np.log(2)} | found
