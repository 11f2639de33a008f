"""How well responses to test images are predicted.

An error has a scale and a correlation has none, so no row shows one without the other. Beside its
error stand that of predicting zero, that of a model without error (`mse_oracle`: what is left is
the noise of the measurement) and the least that its correlation allows (`bound`, held by
`voxel_scores.check_bound`).

Intervals resample test images, the same for all models of a subject, so that differences of models
are paired (`compare`). Models and noise ceilings are taken as given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.encoder import ceilings, pattern_scores, voxel_scores
from brainworth.errors import BrainworthError
from brainworth.stats import multiplicities, percentile_interval, stream

FEWEST_IMAGES = 10
#: Statistics that have an interval, in the order of a results row.
RESAMPLED = (
    *("mse", "mse_zero", "bound", "r2_mean", "r2_median", "r_mean", "r_median"),
    *("share_clipped", "share_unclipped", "mse_recalibrated", "pattern_r", "identification"),
)
#: Whose draws make the interval, where they are not a statistic's own. True shares are between 0
#: and 1, so that the clipped and the unclipped share estimate the same; clipped draws would be
#: biased by more than a shift can mend, as are clipped estimates of noisy voxels.
_DRAWS_OF = {"share_clipped": "share_unclipped"}
#: Where a statistic cannot be outside, intervals are cut.
_RANGES = {
    "mse": (0, np.inf),
    "mse_zero": (0, np.inf),
    "mse_recalibrated": (0, np.inf),
    "bound": (0, np.inf),
    "r2_mean": (-np.inf, 1),
    "r2_median": (-np.inf, 1),
    "r_mean": (-1, 1),
    "r_median": (-1, 1),
    "share_clipped": (0, 1),
    "share_unclipped": (-np.inf, np.inf),
    "pattern_r": (-1, 1),
    "identification": (0, 1),
}
#: Bootstrap samples at a time, which bounds the memory.
_BLOCK = 100
NO_VALIDATION = "there are no predictions of validation images to fit it on"
NO_CEILING = "no voxel has a noise ceiling of at least {}"
NO_NCSNR = "the noise ceiling is not known"
NO_NOISE = "the variance of a trial's noise is not known"


@dataclass(frozen=True)
class Scored:
    """Scores of one model on one subject.

    Attributes
    ----------
    counts : dict from str to int
        n_images, n_voxels, n_constant (voxels whose prediction is the same for all images), n_share
        (voxels with a share of the ceiling).
    estimates : dict from str to float
        Of `RESAMPLED`, and mse_oracle; what cannot be had is not in it.
    draws : dict from str to array of shape (B,)
        Of `RESAMPLED`, the same; but the clipped share has those of the unclipped one.
    reasons : dict from str to str
        Why something is missing.
    name : str
        Of the stream of resamples.
    min_ceiling : float
    """

    counts: dict[str, int]
    estimates: dict[str, float]
    draws: dict[str, np.ndarray]
    reasons: dict[str, str]
    name: str
    min_ceiling: float


def evaluate(
    predicted: np.ndarray,
    observed: np.ndarray,
    *,
    n_repeats: np.ndarray,
    ncsnr: np.ndarray | None,
    noise_variance: np.ndarray | None,
    recalibration: tuple[np.ndarray, np.ndarray] | None,
    min_ceiling: float,
    n_bootstrap: int,
    seed: int,
    name: str,
) -> Scored:
    """Score the predictions of test images.

    Parameters
    ----------
    predicted, observed : arrays of shape (N, V)
        On the scale of the targets; N >= 10, V >= 2.
    n_repeats : array of shape (N,), int
        Trials behind each observed response.
    ncsnr : array of shape (V,) or None
        Signal SD over noise SD of single trials; None for what has no ceiling, such as clusters.
    noise_variance : array of shape (V,) or None
        Of a single trial, in squared units of the targets.
    recalibration : (predicted, observed), arrays of shape (M, V), or None
        Of validation images: what each voxel's a + b * prediction is fitted on.
    min_ceiling : float
        Voxels below this noise ceiling have no share of it.
    n_bootstrap : int
    seed : int
        Root seed of the study.
    name : str
        The subject, or whatever shares the resamples of images.

    Raises
    ------
    BrainworthError
        If shapes disagree, a value is not finite, there are fewer than 10 images or 2 voxels, or
        errors are below their bound.
    """
    predicted, observed = _checked(predicted, observed, "test images")
    if len(predicted) < FEWEST_IMAGES or predicted.shape[1] < 2:
        raise BrainworthError(
            f"scores need at least {FEWEST_IMAGES} test images and 2 voxels, there are "
            f"{len(predicted)} and {predicted.shape[1]}; use more sessions or regions"
        )
    n_images, n_voxels = predicted.shape
    n_repeats = np.broadcast_to(n_repeats, (n_images,))
    weights = multiplicities(stream(seed, "encoder", "scores", name), n_bootstrap, n_images)
    voxels = voxel_scores.score(predicted, observed)
    counts = {"n_images": n_images, "n_voxels": n_voxels, "n_constant": int(voxels.constant.sum())}
    reasons: dict[str, str] = {}

    kept, ceiling = np.zeros(n_voxels, dtype=bool), None
    if ncsnr is None:
        reasons["share"] = NO_NCSNR
    else:
        ceiling = ceilings.noise_ceiling(_of_voxels(ncsnr, n_voxels, "ncsnr"), n_repeats)
        kept = (ceiling >= min_ceiling) & (ceiling > 0)
        if not kept.any():
            reasons["share"] = NO_CEILING.format(min_ceiling)
        ceiling = ceiling[kept]
    counts["n_share"] = int(kept.sum())

    estimates = {
        statistic: float(value[0])
        for statistic, value in _over_voxels(
            voxels.mse[None], voxels.variance[None], voxels.r[None], kept, ceiling
        ).items()
    }
    draws = _resampled(predicted, observed, weights, kept, ceiling)
    # Statistics that are means over images.
    by_image = {"mse_zero": np.mean(np.square(observed, dtype=float), axis=1)}
    if recalibration is None:
        reasons["mse_recalibrated"] = NO_VALIDATION
    else:
        again = recalibrate(predicted, *recalibration)
        by_image["mse_recalibrated"] = np.mean((again - observed) ** 2, axis=1)
    similarities = pattern_scores.similarity(predicted, observed)
    by_image["pattern_r"] = np.diag(similarities)
    for statistic, values in by_image.items():
        estimates[statistic] = float(values.mean())
        draws[statistic] = weights @ values / n_images
    won = pattern_scores.wins(similarities)
    estimates["identification"] = float(
        pattern_scores.identification(won, np.ones((1, n_images)))[0]
    )
    draws["identification"] = pattern_scores.identification(won, weights)
    if noise_variance is None:
        reasons["mse_oracle"] = NO_NOISE
    else:
        noise = _of_voxels(noise_variance, n_voxels, "noise_variance")
        estimates["mse_oracle"] = float(noise.mean() / ceilings.repeats(n_repeats))
    return Scored(counts, estimates, draws, reasons, name, min_ceiling)


def summarise(found: Scored, interval: float) -> dict:
    """Return scores with intervals, ready for JSON.

    Parameters
    ----------
    found : Scored
    interval : float
        Nominal coverage.

    Returns
    -------
    dict
        n_images, n_voxels, n_constant_predictions; then each of mse, mse_zero, mse_oracle, bound,
        r2_mean, r2_median, r_mean, r_median, share_of_ceiling (clipped, unclipped, n_voxels,
        min_ceiling), mse_recalibrated, pattern_r, identification as
        ``{"estimate": x, "interval": [low, high]}``; what cannot be had has the estimate None and
        a reason.
    """

    def entry(statistic: str, reason: str | None = None) -> dict:
        if statistic not in found.estimates:
            return {"estimate": None, "interval": None, "reason": found.reasons[reason]}
        estimate, source = found.estimates[statistic], _DRAWS_OF.get(statistic, statistic)
        bounds = _interval(estimate, found.estimates[source], found.draws[source], interval)
        bounds = np.clip(bounds, *_RANGES[statistic]).tolist()
        return {"estimate": estimate, "interval": bounds}

    oracle = {"estimate": found.estimates.get("mse_oracle")}
    if "mse_oracle" in found.reasons:
        oracle["reason"] = found.reasons["mse_oracle"]
    return {
        "n_images": found.counts["n_images"],
        "n_voxels": found.counts["n_voxels"],
        "n_constant_predictions": found.counts["n_constant"],
        "mse": entry("mse"),
        "mse_zero": entry("mse_zero"),
        "mse_oracle": oracle,
        "bound": entry("bound"),
        "r2_mean": entry("r2_mean"),
        "r2_median": entry("r2_median"),
        "r_mean": entry("r_mean"),
        "r_median": entry("r_median"),
        "share_of_ceiling": {
            "clipped": entry("share_clipped", "share"),
            "unclipped": entry("share_unclipped", "share"),
            "n_voxels": found.counts["n_share"],
            "min_ceiling": found.min_ceiling,
        },
        "mse_recalibrated": entry("mse_recalibrated", "mse_recalibrated"),
        "pattern_r": entry("pattern_r"),
        "identification": entry("identification"),
    }


def score(
    predicted: np.ndarray,
    observed: np.ndarray,
    *,
    n_repeats: np.ndarray,
    ncsnr: np.ndarray | None,
    noise_variance: np.ndarray | None,
    recalibration: tuple[np.ndarray, np.ndarray] | None,
    min_ceiling: float,
    n_bootstrap: int,
    interval: float,
    seed: int,
    name: str,
) -> dict:
    """Score predictions and summarise: `evaluate`, then `summarise`, with their parameters."""
    found = evaluate(
        predicted,
        observed,
        n_repeats=n_repeats,
        ncsnr=ncsnr,
        noise_variance=noise_variance,
        recalibration=recalibration,
        min_ceiling=min_ceiling,
        n_bootstrap=n_bootstrap,
        seed=seed,
        name=name,
    )
    return summarise(found, interval)


def compare(first: Scored, second: Scored, interval: float) -> dict:
    """Return the paired differences of two models of one subject, the first minus the second.

    Parameters
    ----------
    first, second : Scored
        From the same resamples of the same images.
    interval : float
        Nominal coverage.

    Returns
    -------
    dict
        From each statistic that both have to ``{"estimate": x, "interval": [low, high]}``.

    Raises
    ------
    BrainworthError
        If the resamples are not the same.
    """
    same = (
        first.name == second.name
        and first.counts["n_images"] == second.counts["n_images"]
        and first.draws["mse"].size == second.draws["mse"].size
        and np.array_equal(first.draws["mse_zero"], second.draws["mse_zero"])
    )
    if not same:
        raise BrainworthError(
            f"scores of {first.name} and {second.name} are not of the same resamples of the same "
            "responses, so their difference is not paired; score both in one call of the rule"
        )
    answer = {}
    for statistic in RESAMPLED:
        both = first.estimates.keys() & second.estimates.keys()
        if statistic == "mse_zero" or statistic not in both:
            continue
        source = _DRAWS_OF.get(statistic, statistic)
        estimate, centre = (
            first.estimates[name] - second.estimates[name] for name in (statistic, source)
        )
        draws = first.draws[source] - second.draws[source]
        answer[statistic] = {
            "estimate": estimate,
            "interval": _interval(estimate, centre, draws, interval),
        }
    return answer


def recalibrate(
    predicted: np.ndarray, validation_predicted: np.ndarray, validation_observed: np.ndarray
) -> np.ndarray:
    """Bring predictions to the scale of the targets: a + b * prediction in each voxel.

    Parameters
    ----------
    predicted : array of shape (N, V)
    validation_predicted, validation_observed : arrays of shape (M, V)
        What a and b are fitted on, by least squares; M >= 2. Where the prediction is constant,
        a is the mean and b is 0.

    Returns
    -------
    array of shape (N, V)
    """
    p, y = _checked(validation_predicted, validation_observed, "validation images")
    if len(p) < 2 or p.shape[1] != predicted.shape[1]:
        raise BrainworthError(
            f"a recalibration needs at least two validation images of {predicted.shape[1]} "
            f"voxels, it was given {p.shape}"
        )
    p, y = p.astype(float), y.astype(float)
    p_mean, y_mean = p.mean(axis=0), y.mean(axis=0)
    moving = np.ptp(p, axis=0) > 0
    spread = np.where(moving, np.sum((p - p_mean) ** 2, axis=0), 1.0)
    slope = np.where(moving, np.sum((p - p_mean) * (y - y_mean), axis=0) / spread, 0.0)
    return y_mean + slope * (predicted - p_mean)


def _resampled(
    predicted: np.ndarray,
    observed: np.ndarray,
    weights: np.ndarray,
    kept: np.ndarray,
    ceiling: np.ndarray | None,
) -> dict[str, np.ndarray]:
    parts = [
        _over_voxels(
            *voxel_scores.resample(predicted, observed, weights[start : start + _BLOCK]),
            kept,
            ceiling,
        )
        for start in range(0, len(weights), _BLOCK)
    ]
    names = parts[0].keys() - _DRAWS_OF.keys()
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _over_voxels(
    mse: np.ndarray,
    variance: np.ndarray,
    r: np.ndarray,
    kept: np.ndarray,
    ceiling: np.ndarray | None,
) -> dict[str, np.ndarray]:
    """Summarise scores of voxels (B, V) by row; `ceiling` is that of the voxels `kept`."""
    r2 = 1 - mse / np.where(variance > 0, variance, np.inf)
    answer = {
        "mse": mse.mean(axis=1),
        "bound": np.mean(variance * (1 - r**2), axis=1),
        "r2_mean": r2.mean(axis=1),
        "r2_median": np.median(r2, axis=1),
        "r_mean": r.mean(axis=1),
        "r_median": np.median(r, axis=1),
    }
    if kept.any():
        share = ceilings.share(r[:, kept], ceiling)
        answer["share_clipped"] = np.clip(share, 0, 1).mean(axis=1)
        answer["share_unclipped"] = share.mean(axis=1)
    return answer


def _interval(estimate: float, centre: float, draws: np.ndarray, level: float) -> list[float]:
    """Return the percentile interval of draws that are moved down by twice their bias.

    What is squared, such as r, is larger in a bootstrap sample than in the data by about as much as
    it is larger in the data than in truth; means over images are not moved. Estimates are not
    corrected, and where the bias of one is larger than its sampling error the moved interval would
    leave it out: such an interval is stretched to the estimate, and covers no less.

    Parameters
    ----------
    estimate : float
    centre : float
        What the draws are draws of, on the data as they are: the estimate itself, or `_DRAWS_OF`.
    draws : array of shape (B,)
    """
    low, high = percentile_interval(draws - 2 * (draws.mean() - centre), level)
    return [float(min(low, estimate)), float(max(high, estimate))]


def _checked(
    predicted: np.ndarray, observed: np.ndarray, what: str
) -> tuple[np.ndarray, np.ndarray]:
    predicted, observed = np.asarray(predicted), np.asarray(observed)
    if predicted.shape != observed.shape or predicted.ndim != 2:
        raise BrainworthError(
            f"predictions {predicted.shape} and responses {observed.shape} of {what} must be "
            "matrices of the same shape, images x voxels"
        )
    for name, values in (("a prediction", predicted), ("a response", observed)):
        if not np.isfinite(values).all():
            raise BrainworthError(f"{name} of {what} is not finite, so nothing can be scored")
    return predicted, observed


def _of_voxels(values: np.ndarray, n_voxels: int, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.shape != (n_voxels,) or not np.isfinite(values).all():
        raise BrainworthError(
            f"{name} must be a finite number for each of the {n_voxels} voxels, its shape is "
            f"{values.shape}"
        )
    return values
