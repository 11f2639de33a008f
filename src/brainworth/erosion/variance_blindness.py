"""Variance blindness, made executable, and an encoder that is not blind.

As published (information erosion, README v2.1, theorem 2): the predictor that minimises the mean
squared error is E[X|S], so that it is invariant to Var(X|S); two processes with the same E[X|S] and
different Var(X|S) produce the same predictor.

First the theorem, on two simulated processes (`blind_processes`): do trained predictors agree, is
the squared error flat in a variance parameter, and does a likelihood recover the variance? Then the
half that the source lacks (`predicted_variance`): a head for the variance on the responses of the
study, and whether it predicts more than it does for homoscedastic noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from brainworth.erosion import blind_processes, predicted_variance
from brainworth.erosion import responses as shared
from brainworth.errors import BrainworthError
from brainworth.folds import folds
from brainworth.stats import max_statistic_p, multiplicities, stream


def analyse(
    extracts: dict[str, Path],
    regions: list[str],
    *,
    log_sd: float,
    sizes: list[int],
    n_replicates: int,
    n_folds: int,
    n_components: int,
    prior_sd: float,
    n_surrogates: int,
    n_bootstrap: int,
    interval: float,
    seed: int,
) -> dict:
    """Run both halves.

    Parameters
    ----------
    extracts : dict from subject to path
        Files that `betas.extract` wrote.
    regions : list of str
    log_sd : float
        SD over stimuli of the log variance of the simulated process.
    sizes : list of int
        Responses that the simulated predictors are trained on, ascending.
    n_replicates : int
        Simulated data sets.
    n_folds : int
        Cross-validation folds over stimuli.
    n_components : int
        Leading components of a region: as target, and of the other subjects as predictors.
    prior_sd : float
        As in `gaussian_head.log_variance`.
    n_surrogates, n_bootstrap : int
        Draws of each null, and bootstrap samples of stimuli.
    interval : float
        Nominal coverage.
    seed : int
        Root seed of the study.

    Returns
    -------
    dict
        Ready for JSON.

    Raises
    ------
    BrainworthError
        With fewer than two subjects, or fewer than 10 stimuli that every subject saw at least
        twice.
    """
    if len(extracts) < 2:
        raise BrainworthError(
            "variance_blindness predicts a subject from the others and needs at least two; add "
            "some to subjects"
        )
    stimuli = shared.repeated_stimuli(extracts, 2, "variance_blindness")
    prepared: dict[str, list[predicted_variance.Prepared]] = {region: [] for region in regions}
    least = max(shared.MIN_VOXELS, n_components)
    for path in tqdm(extracts.values(), desc="variance blindness", disable=None):
        found = [shared.read(path, region, stimuli) for region in regions]
        found = [item for item in found if item.n_voxels >= least]
        if found:
            for item in predicted_variance.prepare(found, n_components, n_surrogates, seed):
                prepared[item.region].append(item)
    present = [region for region in regions if len(prepared[region]) >= 2]
    fold = folds(stimuli.size, n_folds, stream(seed, "variance blindness", "folds"))
    weights = multiplicities(
        stream(seed, "variance blindness", "stimuli"), n_bootstrap, stimuli.size
    )
    degrees = {item.subject: item.degrees for items in prepared.values() for item in items}
    orders = predicted_variance.relabellings(
        np.array(list(degrees.values())),
        n_surrogates,
        stream(seed, "variance blindness", "patterns relabelled"),
    )
    rows, nulls = [], []
    for region in present:
        row, null = predicted_variance.analyse_region(
            prepared[region],
            fold,
            weights,
            orders,
            n_components=n_components,
            prior_sd=prior_sd,
            interval=interval,
        )
        rows.append(row)
        nulls.append(null)
    _add_familywise(rows, nulls)
    return {
        "n_stimuli": int(stimuli.size),
        "n_folds": n_folds,
        "n_components": n_components,
        "n_surrogates": n_surrogates,
        "n_bootstrap": n_bootstrap,
        "prior_sd": prior_sd,
        "interval": interval,
        "min_voxels": least,
        "missing_regions": [region for region in regions if region not in present],
        "theorem": theorem(log_sd, sizes, n_replicates, n_bootstrap, interval, seed),
        "regions": rows,
    }


def theorem(
    log_sd: float, sizes: list[int], n_replicates: int, n_bootstrap: int, interval: float, seed: int
) -> dict:
    """Check theorem 2 on two simulated processes.

    Returns
    -------
    dict
        ``agreement`` by number of responses and its ``slope`` (of log difference on log n),
        ``flatness``, ``recovery`` by process.
    """
    process = blind_processes.Process(log_sd, seed)
    rest = (n_replicates, interval, n_bootstrap, seed)
    agreement = [blind_processes.agreement(process, n, *rest) for n in sizes]
    return {
        "log_sd": log_sd,
        "n_replicates": n_replicates,
        "agreement": agreement,
        "slope": {
            name: float(
                np.polyfit(
                    np.log(sizes),
                    np.log([row[name]["difference"]["estimate"] for row in agreement]),
                    1,
                )[0]
            )
            for name in blind_processes.PREDICTORS
        },
        "flatness": blind_processes.flatness(process, sizes[-1], seed),
        "recovery": blind_processes.recovery(process, sizes[-1], *rest),
    }


def _add_familywise(rows: list[dict], nulls: list[dict]) -> None:
    """Add p-values against the largest standardised gain over regions."""
    if not rows:
        return
    for key in nulls[0]:
        gains = [row["mean"][key[0]][key[1]]["gain"] for row in rows]
        for name in predicted_variance.NULLS:
            null = np.column_stack([each[key][name] for each in nulls])
            centre, scale = null.mean(axis=0), null.std(axis=0)
            observed = (np.array([gain["estimate"] for gain in gains]) - centre) / scale
            p = max_statistic_p(observed, (null - centre) / scale)
            for gain, value in zip(gains, p, strict=True):
                gain[name]["p_familywise"] = float(value)
