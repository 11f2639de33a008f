"""Several subjects: learning from the trials of others, and decoding from several brains.

The two are different questions. `pooled` asks whether a decoder for one subject gets better by
trials of others who saw other images; `brains` asks what is gained by averaging what is decoded
from several subjects, each by its own decoder, while they see the same image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brainworth.bridges.decoding import (
    decoding_ceiling,
    decoding_laws,
    decoding_scores,
    pooled_decoder,
)
from brainworth.bridges.decoding.decoding_ceiling import Best
from brainworth.bridges.decoding.decoding_learning import Learned
from brainworth.bridges.decoding.decoding_scores import MEAN, SINGLE, Decoded
from brainworth.bridges.decoding.decoding_spaces import Standardised
from brainworth.stats import percentile_interval, stream


def pooled(
    space: Standardised,
    learned: list[Learned],
    many: list[int],
    sizes: list[int],
    settings: Mapping[str, Any],
    interval: float,
    seed: int,
) -> dict[str, Any]:
    """Learn from several subjects: each subject with those after it, in a circle.

    Parameters
    ----------
    learned : list of Learned
        One a subject, with members of the common space.
    many : list of int
        Numbers of subjects, 1 among them.
    settings : mapping
        Section ``bridges.decoding`` of the configuration.

    Returns
    -------
    dict
        ``kind`` (single trials), ``curves`` (one a number of subjects, with the mean over subjects
        of what a trial of others counts), ``gains`` (each curve minus that of own trials, paired),
        ``doubling`` and ``worth``, see `decoding_laws`; ``doubling`` is None where two subjects are
        not asked for.
    """
    penalties = np.geomspace(*settings["alpha_range"], settings["n_alphas"])
    n = len(learned)
    by_subjects, weights = {}, {}
    for count in many:
        weights[count] = np.zeros((n, len(sizes)))
        rows = np.empty((n, len(sizes), space.samples.counts.shape[0]))
        for subject in range(n):
            for place in range(len(sizes)):
                own = learned[subject].members[place]
                others = [learned[(subject + step) % n].members[place] for step in range(1, count)]
                decoded = pooled_decoder.decode(own, others, penalties)
                weights[count][subject, place] = decoded.weight
                gathered = decoding_scores.gather(
                    decoded.values, learned[subject].test, space.tested, SINGLE
                )
                rows[subject, place] = decoding_scores.score(gathered, space.samples)[0]
        by_subjects[count] = rows
    rng = stream(seed, "bridges", "decoding", space.space.name, "worth")
    return {
        "kind": SINGLE,
        "curves": [
            {
                "n_subjects": count,
                "points": [
                    {"n_trials": size}
                    | decoding_laws.mean_of(rows[:, place], interval)
                    | {"mean_weight": float(weights[count][:, place].mean())}
                    for place, size in enumerate(sizes)
                ],
            }
            for count, rows in by_subjects.items()
        ],
        "gains": [
            {
                "n_subjects": count,
                "points": [
                    {"n_trials": size}
                    | decoding_laws.mean_of(rows[:, place] - by_subjects[1][:, place], interval)
                    for place, size in enumerate(sizes)
                ],
            }
            for count, rows in by_subjects.items()
            if count > 1
        ],
        "doubling": decoding_laws.doublings(sizes, by_subjects, interval)
        if 2 in by_subjects
        else None,
        "worth": decoding_laws.worth(sizes, by_subjects, interval, rng),
    }


def brains(
    space: Standardised,
    learned: list[Learned],
    kind: str,
    many: list[int],
    sizes: list[int],
    interval: float,
    best: list[Best],
    shares: list[float],
) -> list[dict[str, Any]]:
    """Average what is decoded from several brains: each with those after it, in a circle.

    Parameters
    ----------
    best : list of Best
        Of the subjects, in their order; empty where the truth is not known.
    shares : list of float
        Of each subject, the mean over test images of 1 / number of trials.

    Returns
    -------
    list of dict
        One a number of subjects: ``kind``, ``n_subjects``, ``n_groups``, ``points`` with intervals
        over test images, and the ``planted`` ceiling, or None.
    """
    n = len(learned)
    answer = []
    for count in many:
        starts = range(n if count < n else 1)
        groups = [[(start + step) % n for step in range(count)] for start in starts]
        row: dict[str, Any] = {"kind": kind, "n_subjects": count, "n_groups": len(groups)}
        points = []
        for place, size in enumerate(sizes):
            draws = np.mean(
                [
                    decoding_scores.score(
                        _mean_of_brains([learned[one].decoded[kind][place] for one in group]),
                        space.samples,
                    )[0]
                    for group in groups
                ],
                axis=0,
            )
            points.append(
                {
                    "n_trials": size,
                    "estimate": float(draws[0]),
                    "interval": list(percentile_interval(draws[1:], interval)),
                }
            )
        row["points"] = points
        row["planted"] = None
        if best:
            row["planted"] = float(
                np.mean(
                    [
                        decoding_ceiling.averaged(
                            [best[one] for one in group],
                            [shares[one] if kind == MEAN else 1.0 for one in group],
                            len(best[0].signal),
                        ).mean()
                        for group in groups
                    ]
                )
            )
        answer.append(row)
    return answer


def _mean_of_brains(decoded: list[Decoded]) -> Decoded:
    """Average what was decoded of each image; each subject has one row an image."""
    mean = np.mean([each.total for each in decoded], axis=0)
    return Decoded(np.ones(len(mean)), mean, mean**2)
