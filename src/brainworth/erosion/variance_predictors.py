"""From what, and to what, the variance over repetitions of one subject and region is predicted.

Predictors and target share neither trials nor voxels where the data allow it:

own_patterns
    Mean pattern of all repetitions in one half of the voxels; target: variance in the other half.
    The trials are the same. For Gaussian noise the mean of repetitions is independent of the
    deviations from it; a dependence through noise that is skewed, or grows with the response, would
    enter here.
own_other_trials
    Pattern of one repetition in one half of the voxels; target: squared difference of the other two
    repetitions in the other half. Nothing is shared. Stimuli with three repetitions only; each is
    the one left out, in turn.
others_patterns, others_variance
    Mean patterns, and variances, of the other subjects.

The nuisance ladder: when the stimulus was shown (session; place in session and run, time between
presentations), the global signal (mean over all voxels of all regions) and its square, the mean
response of the region and its square. The last three steps are judged by what they add to it;
`own_other_trials` stands alone, since the nuisances are measured in the trials of its target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainworth.erosion import responses as shared
from brainworth.erosion import schedule, variance, variance_halves
from brainworth.erosion.shared_variance import log_profile, sampling_variance
from brainworth.erosion.variance_prediction import (
    Scored,
    components,
    held_out,
    ladder,
    on_top,
    score,
    standardised,
)
from brainworth.stats import stream

NUISANCES = ("session", "position", "global_signal", "mean_response")
PATTERNS = ("own_patterns", "others_patterns", "others_variance")
ALONE = "own_other_trials"
STEPS = (*NUISANCES, *PATTERNS, ALONE)
_ODD = (2, 0, 1)  # the repetition that is left out at each of the turns below
_TURNS = np.array([0.0, 2.0, 4.0]) * np.pi / 3


@dataclass(frozen=True)
class Seen:
    """What other subjects may know of a subject and region.

    Attributes
    ----------
    scores : array of shape (I, K)
        Components of the mean patterns.
    response : array of shape (I,)
        Mean over voxels of the mean patterns.
    logs : array of shape (I,)
        Log variance, centred among stimuli shown as often.
    n_voxels : int
    """

    scores: np.ndarray
    response: np.ndarray
    logs: np.ndarray
    n_voxels: int


@dataclass(frozen=True)
class Step:
    """Predictions without a step and with it.

    Attributes
    ----------
    before, after : Scored
    stimuli : array of int
        Which stimuli were predicted.
    """

    before: Scored
    after: Scored
    stimuli: np.ndarray


@dataclass(frozen=True)
class Predicted:
    """All steps of one subject and region.

    Attributes
    ----------
    steps : dict from str to list of Step
        Several where predictors and target change roles; their R2 are averaged.
    sampling : array of shape (I,)
        What sampling adds to the variance of the log profile.
    """

    steps: dict[str, list[Step]]
    sampling: np.ndarray


def see(item: shared.SharedResponses, n_components: int) -> Seen:
    """Summarise one subject and region for the other subjects."""
    patterns = shared.mean_patterns(item)
    contrasts = variance.contrasts_of(item.values, item.stimulus, item.n_stimuli)
    return Seen(
        scores=components(patterns, n_components),
        response=patterns.mean(axis=1),
        logs=log_profile(variance.variance_profile(contrasts), contrasts.degrees),
        n_voxels=item.n_voxels,
    )


def predict(
    items: list[shared.SharedResponses],
    own: list[Seen],
    others: list[list[Seen]],
    known: schedule.Schedule | None,
    fold: np.ndarray,
    n_components: int,
    n_surrogates: int,
    seed: int,
) -> list[Predicted]:
    """Predict the variance of every region of one subject, with surrogates.

    Parameters
    ----------
    items, own : lists over regions
    others : list over regions of lists
        What is seen of the other subjects that have the region.
    """
    name = items[0].subject
    degrees = items[0].counts() - 1
    halves, regions = [], []
    for item in items:
        n = item.n_voxels
        rng = stream(seed, "variance", "prediction halves", name, item.region)
        chosen = rng.permutation(n)
        parts = [np.sort(chosen[: n // 2]), np.sort(chosen[n // 2 :])] if n > 1 else [chosen]
        halves.append(parts)
        contrasts = variance.contrasts_of(item.values, item.stimulus, item.n_stimuli)
        layout = variance_halves.layout_of(contrasts)
        nothing = [np.zeros((part.size, 0), dtype=np.float32) for part in parts]
        regions += [
            variance_halves.Region(
                name, item.region, contrasts.values[:, part].astype(np.float32), members, layout
            )
            for part, members in zip(parts, nothing, strict=True)
        ]
    rng = stream(seed, "variance", "surrogates", name)
    drawn = variance_halves.surrogates(
        regions, n_surrogates, rng, lambda _, found: (found.profile, found.pairs)
    )
    measured = [variance_halves.measure(region) for region in regions]
    profiles = [
        np.vstack([one.profile, null]) for one, (null, _) in zip(measured, drawn, strict=True)
    ]
    pairs = [
        np.concatenate([one.pairs[None], null])
        for one, (_, null) in zip(measured, drawn, strict=True)
    ]
    weights = np.array([seen.n_voxels for seen in own], dtype=float)
    signal = np.average([seen.response for seen in own], axis=0, weights=weights)
    answer, start = [], 0
    for item, seen, rest, parts in zip(items, own, others, halves, strict=True):
        here = slice(start, start + len(parts))
        start += len(parts)
        nuisances = _nuisances(known, signal, seen.response)
        answer.append(
            _region(
                item,
                parts,
                profiles[here],
                pairs[here],
                rest,
                nuisances,
                degrees,
                fold,
                n_components,
            )
        )
    return answer


def _nuisances(
    known: schedule.Schedule | None, signal: np.ndarray, response: np.ndarray
) -> list[np.ndarray]:
    nothing = np.empty((signal.size, 0))
    session = nothing if known is None else schedule.session_covariates(known)
    position = nothing if known is None else schedule.position_covariates(known)
    powers = [np.column_stack([values, values**2]) for values in (signal, response)]
    return [standardised(values) for values in (session, position, *powers)]


def _region(
    item: shared.SharedResponses,
    parts: list[np.ndarray],
    profiles: list[np.ndarray],
    pairs: list[np.ndarray],
    others: list[Seen],
    nuisances: list[np.ndarray],
    degrees: np.ndarray,
    fold: np.ndarray,
    n_components: int,
) -> Predicted:
    everything = np.arange(degrees.size)
    share = np.array([part.size for part in parts]) / item.n_voxels
    whole = sum(weight * profile for weight, profile in zip(share, profiles, strict=True))
    logs = log_profile(whole, degrees)
    target = logs.T
    steps: dict[str, list[Step]] = {}
    known = np.hstack(nuisances)
    more = {}
    if others:
        more = {
            "others_patterns": components(
                np.hstack([seen.scores for seen in others]), n_components
            ),
            "others_variance": np.mean([seen.logs for seen in others], axis=0)[:, None],
        }
    all_nuisances, *with_others = on_top(list(more.values()), known, target, fold)
    before = score(target, held_out(np.empty((len(target), 0)), target, fold), fold)
    for name, values in zip(
        NUISANCES, [*ladder(nuisances[:-1], target, fold), all_nuisances], strict=True
    ):
        after = score(target, values, fold)
        steps[name] = [Step(before, after, everything)]
        before = after
    for name, values in zip(more, with_others, strict=True):
        steps[name] = [Step(before, score(target, values, fold), everything)]
    if len(parts) == 2:
        patterns = shared.mean_patterns(item)
        steps["own_patterns"] = []
        for own, other in ((0, 1), (1, 0)):
            target = log_profile(profiles[other], degrees).T
            x = components(patterns[:, parts[own]], n_components)
            both = on_top([x], known, target, fold)
            scored = [score(target, values, fold) for values in both]
            steps["own_patterns"].append(Step(*scored, everything))
        three = np.flatnonzero(degrees == 2)
        if three.size >= shared.MIN_STIMULI:
            # as many of these stimuli in each fold
            place = np.argsort(np.argsort(fold[three], kind="stable")) % (fold.max() + 1)
            steps[ALONE] = _other_trials(item, parts, pairs, three, place, n_components)
    return Predicted(steps, sampling_variance(logs[1:], degrees))


def _other_trials(
    item: shared.SharedResponses,
    parts: list[np.ndarray],
    pairs: list[np.ndarray],
    three: np.ndarray,
    fold: np.ndarray,
    n_components: int,
) -> list[Step]:
    """Predict the difference of two repetitions in one half from the third in the other half."""
    order = np.argsort(item.stimulus, kind="stable")
    first = np.searchsorted(item.stimulus[order], three)
    one, other, product = np.moveaxis(pairs[1], 1, 0)
    answer = []
    for odd, turn in zip(_ODD, _TURNS, strict=True):
        c, s = np.cos(turn), np.sin(turn)
        squares = c * c * one + s * s * other + 2 * c * s * product
        target = np.log(squares).T
        patterns = item.values[order[first + odd]][:, parts[0]]
        predicted = held_out(components(patterns, n_components), target, fold)
        nothing = held_out(np.empty((len(target), 0)), target, fold)
        answer.append(Step(score(target, nothing, fold), score(target, predicted, fold), three))
    return answer
